// Decides what is told of how each call stands: its last status, how an unknown one was settled, and what its undoing came to.
import { ATTR } from "../attributes.ts";
import type { TraceRecord } from "../record.ts";
import type { Sentence } from "./explanation.ts";
import { quoted } from "./quoted.ts";
import { endOf, latestOf, listAttr, textAttr, type Step } from "./step.ts";
import { callLink, iso, link, nameOf, tell } from "./tell.ts";

const CAME_TO: Readonly<Record<string, string>> = {
  succeeded: "succeeded",
  failed: "failed, and surely had no effect that its upstream confirmed",
  denied: "was denied and had no effect",
  refused: "was refused and had no effect",
  replayed: "was answered with the first answer of its key and had no further effect",
  unknown: "has an unknown outcome: its effect may or may not have happened",
  caller_left: "was given up by its caller before it was over",
  drafted: "stands as a draft and has had no effect",
  pending_approval: "waits for people and has had no effect",
  approval_denied: "was denied by people and had no effect",
  approval_expired: "expired before people had approved it and had no effect",
  approval_withdrawn: "was withdrawn before people had approved it and had no effect",
  held: "is held before it is sent and has had no effect",
  withdrawn: "was taken back before it was sent and had no effect",
  executing: "is still running",
  compensating: "is being undone",
  compensated: "was undone after it had succeeded",
  compensation_failed: "stands: it could not be undone",
};

const MODEL_CAME_TO: Readonly<Record<string, string>> = {
  failed: "failed",
  unknown: "was never settled: what it came to is unknown",
};

/** What every call came to. */
export function tellOutcome(steps: readonly Step[]): readonly Sentence[] {
  return steps.flatMap((step) => {
    const last = latestOf(step);
    const { status, error_code } = last.index;
    const came = (step.kind === "model" ? MODEL_CAME_TO[status] : undefined) ?? CAME_TO[status];
    const code = error_code === null ? "" : ` (${quoted(error_code)})`;
    const spans = step.runs.length === 1 ? [] : [last.index.span_id, step.runs[0].index.span_id];
    return [
      tell(last, `${nameOf(step)} ${came ?? `has status ${quoted(status)}`}${code}, as of ${iso(endOf(last))}.`, {
        spans,
        links: callLink(last),
      }),
      ...step.runs.flatMap((record) => tellSettling(step, record)),
    ];
  });
}

const SETTLED_BY: Readonly<Record<string, string>> = {
  probe: "a probe",
  repeat: "a repeat under the same key",
  late_answer: "an answer that came late",
  person: "a person",
};

function tellSettling(step: Step, record: TraceRecord): readonly Sentence[] {
  const by = textAttr(record, ATTR.resolutionBy);
  const isFirst = record === step.runs.find((each) => textAttr(each, ATTR.resolutionBy) !== undefined);
  if (by === undefined || !isFirst) return [];
  const key = by === "person" ? textAttr(record, ATTR.resolutionKey) : undefined;
  const who = `${SETTLED_BY[by] ?? quoted(by)}${key === undefined ? "" : ` with key ${quoted(key)}`}`;
  const evidence = textAttr(record, ATTR.resolutionEvidence);
  const told = evidence === undefined ? "" : ` on the evidence ${quoted(evidence, 500)}`;
  return [
    tell(
      record,
      `The outcome of ${nameOf(step).toLowerCase()} was unknown until ${iso(endOf(record))}, when ${who} settled it as ${quoted(settledAs(record))}${told}.`,
      { links: callLink(record) },
    ),
  ];
}

/** A call that was undone later had succeeded first. */
function settledAs({ index }: TraceRecord): string {
  return index.status.startsWith("compensat") ? "succeeded" : index.status;
}

/** What was undone, and what was not. */
export function tellUndone(steps: readonly Step[]): readonly Sentence[] {
  const byCall = new Map(steps.flatMap((step) => idsOf(step).map((id) => [id, step] as const)));
  const named = (id: string): string => {
    const step = byCall.get(id);
    return step === undefined ? `tool call ${quoted(id)}` : nameOf(step).toLowerCase();
  };
  return steps.flatMap((step) => [...tellCompensation(step, named), ...tellSaga(step, named), ...tellWithdrawal(step)]);
}

function idsOf({ runs, votes }: Step): readonly string[] {
  return [...runs, ...votes].flatMap(({ index }) => index.call_id ?? []);
}

function tellCompensation(step: Step, named: (id: string) => string): readonly Sentence[] {
  const [first] = step.runs;
  const last = latestOf(step);
  const undoes = textAttr(first, ATTR.compensates);
  const ordered = step.runs.find((record) => textAttr(record, ATTR.compensation) !== undefined);
  const id = ordered === undefined ? undefined : textAttr(ordered, ATTR.compensation);
  const own =
    undoes === undefined
      ? []
      : [
          tell(
            last,
            `${nameOf(step)} was made to undo ${named(undoes)}, and ${UNDOING[last.index.status] ?? `stands at ${quoted(last.index.status)}`}.`,
            { links: [link("tool_call", `/v1/tool-calls/${encodeURIComponent(undoes)}`)] },
          ),
        ];
  if (ordered === undefined || id === undefined) return own;
  const key = textAttr(ordered, ATTR.resolutionKey);
  const by = key === undefined ? "" : `, asked for by key ${quoted(key)}`;
  const status = last.index.status;
  const result = RESULT[status] ?? `its status is ${quoted(status)}`;
  return [
    ...own,
    tell(last, `${nameOf(step)} was to be undone by ${named(id)}${by}; ${result}, as of ${iso(endOf(last))}.`, {
      spans: [ordered.index.span_id, last.index.span_id],
      links: [link("tool_call", `/v1/tool-calls/${encodeURIComponent(id)}`)],
    }),
  ];
}

const UNDOING: Readonly<Record<string, string>> = {
  succeeded: "did so",
  failed: "failed to",
  denied: "was not allowed to",
  refused: "was refused",
  pending_approval: "waits for people before it may",
  unknown: "may or may not have done so",
};

const RESULT: Readonly<Record<string, string>> = {
  compensating: "that is not over yet",
  compensated: "it is undone",
  compensation_failed: "it is not undone, and its effect stands",
};

function tellSaga(step: Step, named: (id: string) => string): readonly Sentence[] {
  const record = step.runs.findLast((each) => textAttr(each, ATTR.sagaStatus) !== undefined);
  if (record === undefined) return [];
  const status = textAttr(record, ATTR.sagaStatus);
  const standing = listAttr(record, ATTR.sagaNotUndone);
  const task = record.index.task_id === null ? "its task" : `task ${quoted(record.index.task_id)}`;
  const text =
    status === "undone"
      ? `Everything that ${task} had done together was undone, because of ${nameOf(step).toLowerCase()}.`
      : `What ${task} had done together was undone only partly, because of ${nameOf(step).toLowerCase()}: ${standing.length === 0 ? "what still stands is not stored" : `${standing.map(named).join(", ")} still stands`}.`;
  return [tell(record, text)];
}

function tellWithdrawal(step: Step): readonly Sentence[] {
  const record = step.runs.find(({ index }) => index.status === "withdrawn");
  if (record === undefined) return [];
  const key = textAttr(record, ATTR.resolutionKey);
  return [
    tell(
      record,
      `${nameOf(step)} was taken back at ${iso(endOf(record))}${key === undefined ? "" : ` by key ${quoted(key)}`}, before it was sent.`,
    ),
  ];
}
