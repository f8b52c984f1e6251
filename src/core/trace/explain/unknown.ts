// Decides what is told of what the stored facts do not tell: unknown outcomes, bodies that are not kept, gaps in a session's numbers, approvals that nobody has ended.
import type { Payload, TraceRecord } from "../record.ts";
import type { ExplainFacts, LostRecord, Sentence } from "./explanation.ts";
import { quoted } from "./quoted.ts";
import { latestOf, type Step } from "./step.ts";
import { callLink, count, link, nameOf, tell, tellOf } from "./tell.ts";

/** What is still unknown. */
export function tellUnknown(
  records: readonly TraceRecord[],
  steps: readonly Step[],
  facts: ExplainFacts,
): readonly Sentence[] {
  return [
    ...steps.flatMap(openEnds),
    ...missingBodies(records),
    ...(facts.subject.type === "session" ? gaps(records) : []),
    ...facts.lost.map(tellLost),
    ...truncation(records, facts),
  ];
}

const OPEN: Readonly<Record<string, string>> = {
  unknown: "Whether the effect of it happened is unknown",
  pending_approval: "Whether people will approve it is open",
  drafted: "Whether a person will execute it is open",
  held: "Whether it will be sent or taken back is open",
  executing: "What it will come to is open",
  compensating: "Whether it can be undone is open",
  caller_left: "What its provider would have answered in full is unknown, since the caller left",
};

function openEnds(step: Step): readonly Sentence[] {
  const last = latestOf(step);
  const { status } = last.index;
  const isEnded = step.votes.some(({ index }) => index.status === "expired") && status === "pending_approval";
  const open = isEnded ? undefined : OPEN[status];
  return open === undefined ? [] : [tell(last, `${nameOf(step)}: ${open}.`, { links: callLink(last) })];
}

const NAMES: Readonly<Record<Payload["name"], string>> = {
  request: "what the model was shown",
  response: "what the model answered",
  arguments: "the call as it was sent",
  result: "what the tool answered",
  ask: "what the decision rested on",
};

function missingBodies(records: readonly TraceRecord[]): readonly Sentence[] {
  const missing = records.flatMap((record) =>
    record.payloads.filter(({ body }) => body === null).map((payload) => ({ record, payload })),
  );
  const groups = Map.groupBy(missing, ({ payload }) => `${payload.name}\n${payload.omitted ?? ""}`);
  return [...groups.values()].flatMap((group) => {
    const [first, ...rest] = group;
    if (first === undefined) return [];
    const { name, omitted, digest, bytes } = first.payload;
    const of = rest.length === 0 ? `one body of ${bytes} characters` : count(group.length, "body", "bodies");
    const kept = rest.length > 0 || digest === "" ? "" : `; its SHA-256 is ${quoted(digest)}`;
    return [
      tellOf(
        [first.record, ...rest.map((each) => each.record)],
        `Not kept of ${NAMES[name]}: ${of}, because ${omitted === undefined ? "of a reason that is not stored" : `it was ${quoted(omitted)}`}${kept}.`,
      ),
    ];
  });
}

const MOST_GAPS = 20;

/** Numbers of a session's calls that no stored record has. */
function gaps(records: readonly TraceRecord[]): readonly Sentence[] {
  const numbered = records
    .flatMap((record) => (record.index.seq === null ? [] : [{ seq: record.index.seq, record }]))
    .toSorted((left, right) => left.seq - right.seq);
  const found = numbered.flatMap(({ seq, record }, at) => {
    const before = at === 0 ? 0 : (numbered[at - 1]?.seq ?? 0);
    const neighbour = numbered[at - 1]?.record;
    return seq - before <= 1
      ? []
      : [tell(record, gapText(before + 1, seq - 1), { spans: spansAround(neighbour, record) })];
  });
  return found.slice(0, MOST_GAPS);
}

function spansAround(before: TraceRecord | undefined, after: TraceRecord): readonly string[] {
  return [...(before === undefined ? [] : [before.index.span_id]), after.index.span_id];
}

function gapText(from: number, to: number): string {
  const which = from === to ? `number ${from}` : `numbers ${from} to ${to}`;
  return `No record is stored under ${which} of the session: such calls were admitted and their records are lost or on their way, or the numbers were set aside when the ledger stopped.`;
}

function tellLost({ traceId, spanId, kind, subject }: LostRecord): Sentence {
  return {
    text: `The index names a record of kind ${quoted(kind)} about ${quoted(subject)} whose segment could not be read.`,
    span_ids: [spanId],
    links: [link("trace", `/v1/traces/${encodeURIComponent(traceId)}#${spanId}`)],
  };
}

function truncation(records: readonly TraceRecord[], { isTruncated }: ExplainFacts): readonly Sentence[] {
  const last = records.at(-1);
  if (!isTruncated || last === undefined) return [];
  return [tell(last, `More is stored than was read: this tells of ${count(records.length, "record")} only.`)];
}
