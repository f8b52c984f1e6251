// Decides which records tell of one call: everything under one call id is one step, and so is a model call with its expired hold.
import { sha256Hex } from "../../json/digest.ts";
import { ATTR } from "../attributes.ts";
import { isModelKind, type Span, type TraceRecord } from "../record.ts";

/** One call and everything that is recorded of it, oldest first. Each kind of record is in exactly one list. */
export interface Step {
  readonly kind: "model" | "tool";
  /** From 1 on, in order of time: how sentences name it. */
  readonly number: number;
  /** What it asked for, what it came to, and each later change. Never empty. */
  readonly runs: readonly [TraceRecord, ...TraceRecord[]];
  /** Repeats that were answered with its first answer. */
  readonly replays: readonly TraceRecord[];
  /** What people decided on it, or that nobody did. */
  readonly votes: readonly TraceRecord[];
  /** What was asked to find out what became of it. */
  readonly probes: readonly TraceRecord[];
}

/** A story: its calls, and the records that belong to none. */
export interface Story {
  readonly steps: readonly Step[];
  readonly acts: readonly TraceRecord[];
}

const CALLS: ReadonlySet<string> = new Set([
  "chat",
  "embeddings",
  "count_tokens",
  "execute_tool",
  "approval",
  "ledger",
]);

/** Groups records, oldest first, into calls; those without a call are acts. Every record is in the story once. */
export function storyOf(records: readonly TraceRecord[]): Story {
  const ordered = records.toSorted(
    (left, right) =>
      left.index.started_at - right.index.started_at || left.index.span_id.localeCompare(right.index.span_id),
  );
  const calls = ordered.filter((record) => CALLS.has(record.index.kind));
  const holders = new Map(
    calls.filter(isChat).map(({ index }) => [sha256Hex(`expired\n${index.span_id}`).slice(0, 16), index.span_id]),
  );
  const groups = Map.groupBy(calls, (record) => groupOf(record, holders));
  const steps = [...groups.values()].flatMap((group, at) => stepOf(group, at + 1) ?? []);
  return { steps, acts: ordered.filter((record) => !CALLS.has(record.index.kind)) };
}

function isChat({ index }: TraceRecord): boolean {
  return isModelKind(index.kind);
}

function groupOf(record: TraceRecord, holders: ReadonlyMap<string, string>): string {
  const { index } = record;
  const call = textAttr(record, ATTR.probeOf) ?? index.call_id;
  if (call !== null) return `${index.tenant} call ${call}`;
  return `${index.tenant} ${index.trace_hex} ${holders.get(index.span_id) ?? index.span_id}`;
}

function stepOf(group: readonly TraceRecord[], number: number): Step | undefined {
  const votes = group.filter((each) => each.index.kind === "approval");
  const probes = group.filter((each) => textAttr(each, ATTR.probeOf) !== undefined);
  const asked = group.filter((each) => !votes.includes(each) && !probes.includes(each));
  const replays = asked.filter((each) => each.index.status === "replayed");
  // Where nothing else is stored of it, the repeat, the vote or the probe stands for the call.
  const [first, ...rest] = firstFilled(
    asked.filter((each) => !replays.includes(each)),
    replays,
    votes,
    probes,
  );
  if (first === undefined) return undefined;
  const kind = isModelKind(first.index.kind) || first.index.kind === "ledger" ? "model" : "tool";
  const own = [first, ...rest] as const;
  const others = (list: readonly TraceRecord[]): readonly TraceRecord[] => (list.includes(first) ? [] : list);
  return { kind, number, runs: own, replays: others(replays), votes: others(votes), probes: others(probes) };
}

function firstFilled(...lists: readonly (readonly TraceRecord[])[]): readonly TraceRecord[] {
  return lists.find((list) => list.length > 0) ?? [];
}

/** The record's own span: the one its index row names. */
export function rootOf(record: TraceRecord): Span | undefined {
  return record.spans.find((span) => span.span_id === record.index.span_id) ?? record.spans[0];
}

/** A text attribute of the record's own span, or of a given one. */
export function textAttr(record: TraceRecord, name: string, span = rootOf(record)): string | undefined {
  const value = span?.attributes[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A number attribute of the record's own span, or of a given one. */
export function numberAttr(record: TraceRecord, name: string, span = rootOf(record)): number | undefined {
  const value = span?.attributes[name];
  return typeof value === "number" ? value : undefined;
}

/** A list attribute of the record's own span, or of a given one; empty when it has none. */
export function listAttr(record: TraceRecord, name: string, span = rootOf(record)): readonly string[] {
  const value = span?.attributes[name];
  return Array.isArray(value) ? (value as readonly string[]) : [];
}

/** The text of a stored body, or `undefined` where it is not kept. */
export function bodyOf(record: TraceRecord, name: TraceRecord["payloads"][number]["name"]): string | undefined {
  return record.payloads.find((each) => each.name === name)?.body ?? undefined;
}

/** The record that tells how the call stands: the latest of its runs. */
export function latestOf({ runs }: Step): TraceRecord {
  return runs.reduce((latest, each) => (endOf(each) >= endOf(latest) ? each : latest));
}

/** When what the record tells was over, in epoch milliseconds. */
export function endOf({ index }: TraceRecord): number {
  return index.started_at + index.duration_ms;
}
