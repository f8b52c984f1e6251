// Decides what is told of what was asked for: each call with its intent, its arguments or parameters as stored, and its own constraints.
import { ATTR } from "../attributes.ts";
import { dialectIn } from "../recorded-model.ts";
import type { TraceRecord } from "../record.ts";
import { objectOf, parsed, readRequest } from "./bodies.ts";
import type { Sentence } from "./explanation.ts";
import { quoted, quotedList } from "./quoted.ts";
import { bodyOf, numberAttr, rootOf, textAttr, type Step } from "./step.ts";
import { callLink, iso, nameOf, tell } from "./tell.ts";

/** What every call asked for. */
export function tellAsked(steps: readonly Step[]): readonly Sentence[] {
  return steps.flatMap((step) => (step.kind === "model" ? tellModel(step) : tellTool(step)));
}

function tellModel(step: Step): readonly Sentence[] {
  const [record] = step.runs;
  const { subject, started_at } = record.index;
  const requested = textAttr(record, ATTR.requestModel);
  const upstream = requested === undefined || requested === subject ? "" : ` (${quoted(requested)} at its provider)`;
  const offered =
    readRequest(bodyOf(record, "request") ?? "", dialectIn(rootOf(record)?.attributes ?? {}, "caller"))?.tools ?? [];
  const settings = [
    record.spans[0]?.attributes[ATTR.requestStream] === true ? "as a stream" : undefined,
    grantOf(record),
    ...parametersOf(record),
  ].filter((each) => each !== undefined);
  return [
    tell(
      record,
      `${nameOf(step)}, at ${iso(started_at)}, asked model ${quoted(subject)}${upstream}${routeOf(record)} for a completion${settings.length === 0 ? "" : `: ${settings.join(", ")}`}${intentOf(record)}.`,
    ),
    ...(offered.length === 0 ? [] : [tell(record, `${nameOf(step)} offered the model tools ${quotedList(offered)}.`)]),
  ];
}

/** Under which name the model was asked for, where that is another. */
function routeOf(record: TraceRecord): string {
  const named = textAttr(record, ATTR.routeAsked);
  const reason = textAttr(record, ATTR.routeReason);
  if (named === undefined || named === record.index.subject) return "";
  return `, which stands for ${quoted(named)}${reason === undefined ? "" : ` (${quoted(reason)})`},`;
}

function grantOf(record: TraceRecord): string | undefined {
  const most = numberAttr(record, ATTR.requestMaxTokens);
  return most === undefined ? undefined : `at most ${most} output tokens granted`;
}

const TOLD: ReadonlySet<string> = new Set([ATTR.requestModel, ATTR.requestMaxTokens, ATTR.requestStream]);

/** Every further parameter of the request that its span names. */
function parametersOf(record: TraceRecord): readonly string[] {
  const attributes = Object.entries(rootOf(record)?.attributes ?? {});
  return attributes
    .filter(([name, value]) => name.startsWith("gen_ai.request.") && !TOLD.has(name) && value !== undefined)
    .map(([name, value]) => `${name.slice("gen_ai.request.".length)} ${quoted(value, 80)}`);
}

function tellTool(step: Step): readonly Sentence[] {
  const [record] = step.runs;
  const { subject, started_at } = record.index;
  const effect = textAttr(record, ATTR.toolEffect);
  const definition = textAttr(record, ATTR.definitionDigest);
  const kind = [
    effect === undefined ? undefined : `its effect is ${quoted(effect)}`,
    definition === undefined ? undefined : `definition ${quoted(definition.slice(0, 12))}`,
  ].filter((each) => each !== undefined);
  const args = argumentsOf(record);
  const constraints = constraintsOf(record);
  const prompt = promptOf(record);
  return [
    tell(
      record,
      `${nameOf(step)}, at ${iso(started_at)}, asked for tool ${quoted(subject)}${kind.length === 0 ? "" : ` (${kind.join(", ")})`}${args === undefined ? "; its arguments are not stored" : ` with arguments ${quoted(args, 1_000)}`}${intentOf(record)}.`,
      { links: callLink(record) },
    ),
    ...(prompt === undefined
      ? []
      : [
          tell(
            record,
            `${nameOf(step)} came with its user's words, as the caller declared them: ${quoted(prompt, 1_000)}.`,
          ),
        ]),
    ...(constraints === undefined ? [] : [tell(record, `${nameOf(step)} narrowed itself to ${quoted(constraints)}.`)]),
  ];
}

function intentOf(record: TraceRecord): string {
  const intent = textAttr(record, ATTR.intent);
  const confidence = numberAttr(record, ATTR.confidence);
  if (intent === undefined && confidence === undefined) return "";
  const parts = [
    intent === undefined ? undefined : `intent ${quoted(intent)}`,
    confidence === undefined ? undefined : `confidence ${confidence}`,
  ].filter((each) => each !== undefined);
  return `, declaring ${parts.join(" and ")}`;
}

/** A tool call's arguments as stored: of what was decided on, else of the envelope. */
export function argumentsOf(record: TraceRecord): unknown {
  const asked = objectOf(parsed(bodyOf(record, "ask")))?.["args"];
  return asked ?? objectOf(objectOf(parsed(bodyOf(record, "arguments")))?.["tool_call"])?.["args"];
}

function promptOf(record: TraceRecord): string | undefined {
  const prompt = objectOf(parsed(bodyOf(record, "ask")))?.["user_prompt"];
  return typeof prompt === "string" ? prompt : undefined;
}

function constraintsOf(record: TraceRecord): unknown {
  const constraints = objectOf(objectOf(parsed(bodyOf(record, "ask")))?.["constraints"]);
  return constraints === undefined || Object.keys(constraints).length === 0 ? undefined : constraints;
}
