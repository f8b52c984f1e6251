// Decides what is told of what was really done: each attempt at an upstream, repeats, probes, the breaker, what the upstream calls it, and where nothing was sent.
import { ATTR } from "../attributes.ts";
import type { Span, TraceRecord } from "../record.ts";
import { objectOf, parsed } from "./bodies.ts";
import type { Sentence } from "./explanation.ts";
import { quoted, quotedList } from "./quoted.ts";
import { bodyOf, listAttr, numberAttr, textAttr, type Step } from "./step.ts";
import { callLink, iso, nameOf, tell } from "./tell.ts";

/** What was done for every call. */
export function tellDone(steps: readonly Step[]): readonly Sentence[] {
  return steps.flatMap((step) => (step.kind === "model" ? tellModel(step) : tellTool(step)));
}

/** Spans below a call that stand for something sent. */
function attemptsIn(record: TraceRecord): readonly Span[] {
  return record.spans.filter((span) => span.attributes[ATTR.attempt] !== undefined);
}

function tellModel(step: Step): readonly Sentence[] {
  return step.runs.flatMap((record) => {
    if (record.index.kind === "ledger") return [];
    const earlier = attemptsIn(record).slice(0, -1);
    return [...earlier.map((span) => tellModelAttempt(step, record, span)), ...tellAnswer(step, record)];
  });
}

/** An attempt at a model that another one followed. */
function tellModelAttempt(step: Step, record: TraceRecord, span: Span): Sentence {
  const number = numberAttr(record, ATTR.attempt, span) ?? 1;
  const model = textAttr(record, ATTR.requestModel, span) ?? "unnamed";
  const provider = textAttr(record, ATTR.provider, span) ?? "unnamed";
  const status = numberAttr(record, ATTR.httpStatus, span);
  const cause = textAttr(record, ATTR.errorType, span);
  const answer = status === undefined ? "no status came back" : `HTTP ${status} came back`;
  return tell(
    record,
    `Attempt ${number} of ${nameOf(step).toLowerCase()} went to model ${quoted(model)} of provider ${quoted(provider)} at ${iso(span.start_ms)} and took ${span.end_ms - span.start_ms} ms: ${answer}${cause === undefined ? "" : ` (${quoted(cause)})`}, and another was made.`,
    { spans: [span.span_id, record.index.span_id] },
  );
}

function tellAnswer(step: Step, record: TraceRecord): readonly Sentence[] {
  const status = numberAttr(record, ATTR.httpStatus);
  if (status === undefined) return [tell(record, `${nameOf(step)}: ${unansweredText(record)}.`)];
  const model = textAttr(record, ATTR.responseModel);
  const id = textAttr(record, ATTR.responseId);
  const reasons = listAttr(record, ATTR.finishReasons);
  const provider = textAttr(record, ATTR.provider) ?? record.index.upstream;
  const parts = [
    model === undefined ? undefined : `as model ${quoted(model)}`,
    id === undefined ? undefined : `under id ${quoted(id)}`,
    reasons.length === 0 ? undefined : `ending with ${quotedList(reasons)}`,
  ].filter((each) => each !== undefined);
  const said = parts.length === 0 ? "" : `, ${parts.join(", ")}`;
  return [
    tell(
      record,
      `${nameOf(step)} was sent to provider ${quoted(provider ?? "unnamed")}, which answered HTTP ${status} within ${record.index.duration_ms} ms${said}.`,
    ),
  ];
}

/** Nothing is billed only where the provider was surely not reached. */
function unansweredText(record: TraceRecord): string {
  const basis = textAttr(record, ATTR.costBasis);
  return basis === "hold" ? "no answer of a provider is recorded" : "nothing reached a provider";
}

function tellTool(step: Step): readonly Sentence[] {
  const attempted = step.runs.flatMap((record) => attemptsIn(record).map((span) => tellAttempt(step, record, span)));
  const breaker = step.runs.flatMap((record) => tellBreaker(step, record));
  const none = attempted.length === 0 && step.runs.every(wasNotSent) ? [tellUnsent(step)] : [];
  const failed = step.runs.flatMap((record) => tellFailure(step, record));
  const replays = step.replays.map((record) =>
    tell(
      record,
      `${nameOf(step)} was asked for again at ${iso(record.index.started_at)} under the same key; the first answer was given and nothing was sent.`,
      { links: callLink(record) },
    ),
  );
  const probes = step.probes.map((record) =>
    tell(
      record,
      `To find out what became of ${nameOf(step).toLowerCase()}, tool ${quoted(record.index.subject)} was asked at ${iso(record.index.started_at)}; that probe ${record.index.status === "succeeded" ? "was answered" : `came to ${quoted(record.index.status)}`}.`,
      { spans: [record.index.span_id, ...attemptsIn(record).map((span) => span.span_id)] },
    ),
  );
  return [...attempted, ...none, ...failed, ...breaker, ...tellIds(step), ...replays, ...probes];
}

/** Why a call failed or is unknown, in the gateway's own words: also what stopped it between decision and effect. */
function tellFailure(step: Step, record: TraceRecord): readonly Sentence[] {
  const { status, message } = objectOf(parsed(bodyOf(record, "result"))) ?? {};
  if (typeof message !== "string" || (status !== "failed" && status !== "unknown")) return [];
  return [tell(record, `${nameOf(step)} came to ${quoted(status)}: ${quoted(message, 500)}.`)];
}

function wasNotSent({ index }: TraceRecord): boolean {
  return UNSENT.has(index.status);
}

const UNSENT: ReadonlySet<string> = new Set([
  "denied",
  "refused",
  "drafted",
  "pending_approval",
  "approval_denied",
  "approval_expired",
  "approval_withdrawn",
  "held",
  "withdrawn",
]);

function tellUnsent(step: Step): Sentence {
  return tell(step.runs[0], `${nameOf(step)}: nothing was sent to the tool.`);
}

function tellAttempt(step: Step, record: TraceRecord, span: Span): Sentence {
  const number = numberAttr(record, ATTR.attempt, span) ?? 1;
  const host = textAttr(record, ATTR.serverAddress, span) ?? record.index.upstream;
  const status = numberAttr(record, ATTR.httpStatus, span);
  const outcome = textAttr(record, ATTR.outcome, span) ?? span.status;
  const cause = textAttr(record, ATTR.errorType, span);
  const wait = numberAttr(record, ATTR.retryAfterMs, span);
  const answer = status === undefined ? "no status came back" : `HTTP ${status} came back`;
  const why = cause === undefined ? "" : ` (${quoted(cause)})`;
  const asked = wait === undefined ? "" : `; the upstream asked to wait ${wait} ms`;
  return tell(
    record,
    `Attempt ${number} of ${nameOf(step).toLowerCase()} went to ${host === null ? "its upstream" : quoted(host)} at ${iso(span.start_ms)} and took ${span.end_ms - span.start_ms} ms: ${answer}, outcome ${quoted(outcome)}${why}${asked}.`,
    { spans: [span.span_id, record.index.span_id], links: callLink(record) },
  );
}

function tellBreaker(step: Step, record: TraceRecord): readonly Sentence[] {
  const state = textAttr(record, ATTR.breakerState);
  if (state === undefined || state === "closed") return [];
  const told = state === "open" ? "open, so that the upstream was left alone" : `in state ${quoted(state)}`;
  return [tell(record, `The breaker of ${nameOf(step).toLowerCase()}'s upstream was ${told}.`)];
}

const ID_NAME = /(^id$|_id$|Id$)/;
const MOST_IDS = 4;

/** What the upstream calls what it did: members of its answer that are ids. */
function tellIds(step: Step): readonly Sentence[] {
  const record = step.runs.find((each) => bodyOf(each, "result") !== undefined);
  if (record === undefined) return [];
  const result = objectOf(objectOf(parsed(bodyOf(record, "result")))?.["result"]);
  const ids = Object.entries(result ?? {}).filter(
    ([name, value]) => ID_NAME.test(name) && (typeof value === "string" || typeof value === "number"),
  );
  if (ids.length === 0) return [];
  const shown = ids.slice(0, MOST_IDS).map(([name, value]) => `${quoted(name, 60)} ${quoted(String(value), 120)}`);
  return [tell(record, `The upstream names what it did for ${nameOf(step).toLowerCase()}: ${shown.join(", ")}.`)];
}
