// Decides what is told of everything around the calls: pauses, switches, changes, reported outcomes, and spans that the agent sent itself.
import { ATTR } from "../attributes.ts";
import type { AttributeValue, TraceRecord } from "../record.ts";
import { argumentsOf } from "./asked.ts";
import { objectOf, parsed } from "./bodies.ts";
import { decisionIn } from "./decided.ts";
import type { ExplainFacts, LaterOutcome, Sentence } from "./explanation.ts";
import { quoted, quotedList } from "./quoted.ts";
import { endOf, rootOf, textAttr } from "./step.ts";
import { count, iso, tell } from "./tell.ts";

const BY = "interlock.act.by";
const REASON = "interlock.act.reason";
/** Attributes whose meaning the sentence has told already, or that say nothing about the act. */
const PLAIN: ReadonlySet<string> = new Set([
  BY,
  REASON,
  ATTR.tenant,
  ATTR.keyId,
  ATTR.actor,
  ATTR.agentName,
  ATTR.conversation,
  ATTR.outcome,
  ATTR.policyVersion,
]);
/** Who acts where no person does. */
const GATEWAY = "gateway";
const MOST_DETAILS = 8;

/** Acts of people and of the gateway itself, oldest first. */
export function tellAround(acts: readonly TraceRecord[]): readonly Sentence[] {
  return acts
    .filter(({ index }) => index.kind !== "otel" && index.kind !== "outcome")
    .flatMap((record) => {
      if (record.index.kind === "preflight") return tellPreflight(record);
      const { kind, subject, status } = record.index;
      const by = textAttr(record, BY) ?? textAttr(record, ATTR.keyId);
      const who = by === undefined || by === GATEWAY ? "The gateway" : `Key ${quoted(by)}`;
      const reason = textAttr(record, REASON);
      const why = reason === undefined ? "" : `, saying ${quoted(reason, 500)}`;
      const concerned = subject === kind ? `the ${kind}` : `${kind} ${quoted(subject)}`;
      return tell(
        record,
        `${who} recorded ${concerned} as ${quoted(status)} at ${iso(endOf(record))}${why}${detailsOf(record)}.`,
      );
    });
}

const WOULD: Readonly<Record<string, string>> = {
  would_execute: "would have been executed",
  would_draft: "would have been kept as a draft",
  would_wait_for_approval: "would have waited for approval",
  would_refuse: "would have been refused",
};

/** A call that was only asked about. */
function tellPreflight(record: TraceRecord): readonly Sentence[] {
  const { subject, status, started_at, error_code } = record.index;
  const refusal = textAttr(record, ATTR.refusal);
  const why = refusal === undefined ? "" : ` (${quoted(error_code ?? "refused")}: ${quoted(refusal, 500)})`;
  const against = (decisionIn(record)?.reasons ?? []).filter(({ effect }) => effect !== "allow");
  const rules =
    against.length === 0 ? "" : `, because of rule ${quotedList(against.map(({ rule_id }) => rule_id ?? "unnamed"))}`;
  const args = argumentsOf(record);
  const what = args === undefined ? "" : ` with arguments ${quoted(args, 500)}`;
  return [
    tell(
      record,
      `At ${iso(started_at)} it was asked what would become of tool ${quoted(subject)}${what}: it ${WOULD[status] ?? `would have come to ${quoted(status)}`}${rules}${why}. Nothing was sent.`,
    ),
  ];
}

function detailsOf(record: TraceRecord): string {
  const details = Object.entries(rootOf(record)?.attributes ?? {}).filter(
    (entry): entry is [string, AttributeValue] => entry[1] !== undefined && !PLAIN.has(entry[0]),
  );
  if (details.length === 0) return "";
  const shown = details.slice(0, MOST_DETAILS).map(([name, value]) => `${quoted(name, 80)} ${quoted(value, 160)}`);
  return ` (${shown.join(", ")})`;
}

const MOST_SPANS = 60;

/** Spans that the agent sent, and what was reported afterwards. */
export function tellReported(
  records: readonly TraceRecord[],
  acts: readonly TraceRecord[],
  facts: ExplainFacts,
): readonly Sentence[] {
  return [
    ...acts.filter(({ index }) => index.kind === "otel").flatMap(tellSpans),
    ...tellOutcomes(records, acts, facts),
  ];
}

function tellSpans(record: TraceRecord): readonly Sentence[] {
  // The record's own span is the gateway's: it says that spans were received.
  const received = record.spans.filter((span) => span.span_id !== record.index.span_id);
  const shown = received.slice(0, MOST_SPANS).map((span) => {
    const kind = span.attributes[ATTR.operation];
    const what = kind === undefined ? "" : ` (${quoted(kind, 80)})`;
    const failed = span.status === "error" ? "; it reports an error" : "";
    const took = `from ${iso(span.start_ms)} for ${span.end_ms - span.start_ms} ms`;
    return tell(record, `The agent itself reported span ${quoted(span.name, 160)}${what}, ${took}${failed}.`, {
      spans: [span.span_id],
    });
  });
  const more = received.slice(MOST_SPANS);
  return more.length === 0
    ? shown
    : [
        ...shown,
        tell(record, `The agent reported ${count(more.length, "further span")} with it.`, {
          spans: more.map((span) => span.span_id),
        }),
      ];
}

function tellOutcomes(
  records: readonly TraceRecord[],
  acts: readonly TraceRecord[],
  { outcomes }: ExplainFacts,
): readonly Sentence[] {
  const recorded = acts.filter(({ index }) => index.kind === "outcome");
  const known = new Set(recorded.flatMap((record) => textAttr(record, "interlock.outcome.id") ?? []));
  const stored = outcomes
    .filter(({ id }) => !known.has(id))
    .flatMap((each) => {
      const record = records.find(({ index }) => index.trace_hex === each.traceHex);
      return record === undefined ? [] : [tell(record, `${outcomeText(each, iso(each.at))}.`)];
    });
  const told = recorded.map((record) => {
    const comment = textAttr(record, REASON);
    return tell(
      record,
      `${outcomeText(outcomeIn(record), cameAboutIn(record))}${comment === undefined ? "" : `, saying ${quoted(comment, 500)}`}.`,
    );
  });
  return [...told, ...stored];
}

function outcomeIn(record: TraceRecord): LaterOutcome {
  const { subject } = record.index;
  return {
    traceHex: record.index.trace_hex,
    id: textAttr(record, "interlock.outcome.id") ?? "",
    name: textAttr(record, "interlock.outcome.name") ?? (subject === "labels" ? null : subject),
    // Written by us as flat objects; whatever else stands there is shown as it is.
    labels: (objectOf(parsed(textAttr(record, "interlock.outcome.labels"))) ?? {}) as Readonly<Record<string, string>>,
    scores: (objectOf(parsed(textAttr(record, "interlock.outcome.scores"))) ?? {}) as Readonly<Record<string, number>>,
    source: textAttr(record, "interlock.outcome.source") ?? null,
    at: record.index.started_at,
    by: textAttr(record, BY) ?? textAttr(record, ATTR.keyId) ?? "an unnamed key",
  };
}

/** When it came about, as it was stored; else when it was reported. */
function cameAboutIn(record: TraceRecord): string {
  const at = textAttr(record, "interlock.outcome.at") ?? "";
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/.test(at) ? at : iso(record.index.started_at);
}

function outcomeText({ name, labels, scores, source, by }: LaterOutcome, at: string): string {
  const details = [...Object.entries(labels), ...Object.entries(scores)].map(
    ([key, value]) => `${quoted(key, 60)} = ${quoted(String(value), 120)}`,
  );
  const from = source === null ? "" : ` from ${quoted(source, 120)}`;
  const what = name === null ? "labels only" : `the outcome ${quoted(name)}`;
  const said = details.length === 0 ? "" : ` (${details.join(", ")})`;
  return `Key ${quoted(by)} reported ${what}${said} as of ${at}${from}`;
}
