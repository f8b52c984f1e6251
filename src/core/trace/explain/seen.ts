// Decides what is told of what the agent saw: what its models were shown and answered, what its tools gave back, how far that can be trusted, and from when it is.
import { ATTR } from "../attributes.ts";
import { dialectIn } from "../recorded-model.ts";
import type { TraceRecord } from "../record.ts";
import { objectOf, parsed, readAnswer, readRequest } from "./bodies.ts";
import type { Sentence } from "./explanation.ts";
import { quoted } from "./quoted.ts";
import { bodyOf, endOf, rootOf, textAttr, type Step } from "./step.ts";
import { count, iso, nameOf, tell } from "./tell.ts";

/** What every call showed the agent or its model. */
export function tellSeen(steps: readonly Step[]): readonly Sentence[] {
  return steps.flatMap((step) => (step.kind === "model" ? tellModel(step) : tellTool(step)));
}

function tellModel(step: Step): readonly Sentence[] {
  const [record] = step.runs;
  const shown = readRequest(bodyOf(record, "request") ?? "", dialectIn(rootOf(record)?.attributes ?? {}, "caller"));
  const answered = readAnswer(
    bodyOf(record, "response") ?? "",
    dialectIn(rootOf(record)?.attributes ?? {}, "provider"),
  );
  return [
    ...(shown === undefined ? [] : [tell(record, `${nameOf(step)} showed the model ${messagesIn(shown)}.`)]),
    ...(answered === undefined ? [] : tellAnswer(step, record, answered)),
  ];
}

function messagesIn({ roles, last }: NonNullable<ReturnType<typeof readRequest>>): string {
  const all = [...roles.values()].reduce((sum, each) => sum + each, 0);
  const each = [...roles].map(([role, number]) => `${number} ${quoted(role, 40)}`).join(", ");
  const ending = last === undefined ? "" : `; the last, from ${quoted(last.role, 40)}, says ${quoted(last.text)}`;
  return `${count(all, "message")} (${each})${ending}`;
}

function tellAnswer(
  step: Step,
  record: TraceRecord,
  { text, tools }: NonNullable<ReturnType<typeof readAnswer>>,
): readonly Sentence[] {
  const said =
    text === "" ? [] : [tell(record, `In ${nameOf(step).toLowerCase()} the model answered ${quoted(text)}.`)];
  const asked = tools.map(({ name, args }) =>
    tell(record, `In ${nameOf(step).toLowerCase()} the model wanted tool ${quoted(name)} with ${quoted(args)}.`),
  );
  return [...said, ...asked];
}

function tellTool(step: Step): readonly Sentence[] {
  const answered = step.runs.find((record) => resultOf(record) !== undefined);
  if (answered === undefined) return [];
  const result = resultOf(answered);
  const trust = textAttr(answered, ATTR.outputTrust);
  const label =
    trust === undefined ? "no trust label of its output is stored" : `its output is labelled ${quoted(trust)}`;
  const first = tell(
    answered,
    `${nameOf(step)} gave the agent ${quoted(result, 1_000)}, as of ${iso(endOf(answered))}; ${label}.`,
  );
  const again = step.replays.map((record) =>
    tell(
      record,
      `A repeat of ${nameOf(step).toLowerCase()} at ${iso(record.index.started_at)} was given this same answer: it was not fresh.`,
      { spans: [record.index.span_id, answered.index.span_id] },
    ),
  );
  return [first, ...again];
}

/** What the tool said, as stored; `undefined` where it said nothing or that is not kept. */
function resultOf(record: TraceRecord): unknown {
  const outcome = objectOf(parsed(bodyOf(record, "result")));
  const result = outcome?.["result"];
  return result === null ? undefined : result;
}
