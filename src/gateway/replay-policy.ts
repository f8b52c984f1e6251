// Sequences the replay of a candidate policy over recorded calls: reads them, decides them again, counts. No tool is within reach of it.
import { checkConfig } from "../core/config/check.ts";
import { NOWHERE } from "../core/config/preview.ts";
import { unpublished, type ActiveConfig } from "../core/config/published.ts";
import { didYouMean } from "../core/config/mistakes.ts";
import { accept, refuse, type Mistake, type Outcome } from "../core/errors.ts";
import { digestOf } from "../core/json/digest.ts";
import { readRecordedCall } from "../core/policy/replay/read-recorded-call.ts";
import type { RecordedCall, Unreplayable } from "../core/policy/replay/recorded-call.ts";
import { replay } from "../core/policy/replay/replay.ts";
import type { ReplayReport } from "../core/policy/replay/replay-report.ts";
import { isModelKind, type TraceRecord } from "../core/trace/record.ts";
import type { Ports } from "./ports.ts";
import type { TracePage } from "./ports/trace-store.ts";

/** Everything a replay may touch. */
export type ReplayPorts = Pick<Ports, "index" | "segments" | "configs" | "system">;

/** What is to be replayed. Times are epoch milliseconds. */
export interface ReplayQuestion {
  /** A candidate document, or the number of a published version. */
  readonly candidate: { readonly document: unknown } | { readonly version: number };
  readonly from?: number;
  readonly to?: number;
  readonly actor?: string;
  readonly tool?: string;
  /** Tool calls read at most, the newest first. */
  readonly limit?: number;
}

/** What a replay covered, and what it found. */
export interface PolicyReplay extends ReplayReport {
  readonly active: string;
  readonly candidate: string;
  readonly from: number;
  readonly to: number;
  /** Recorded tool calls read. */
  readonly read: number;
  /** Whether the window holds more calls than were read; then `from` is where reading stopped. */
  readonly truncated: boolean;
  /** Sessions that had calls before the window: their history begins with it. */
  readonly sessions_cut: number;
}

const DAY_MS = 86_400_000;
/** Tool calls read by one replay. */
export const MAX_REPLAYED = 10_000;
/** Rows looked through for them, model calls included. */
const MAX_ROWS = 50_000;
const PAGE_ROWS = 500;
/** Segments read at once. */
const PARALLEL_READS = 6;

/**
 * Decides the recorded calls of a window again under the active version and a candidate. Refuses `not_configured` when
 * nothing is published, `not_found` for a version that is not there, `invalid_config` for a candidate with mistakes.
 */
export async function replayPolicy(
  ports: ReplayPorts,
  tenant: string,
  question: ReplayQuestion,
): Promise<Outcome<PolicyReplay>> {
  const active = await ports.configs.active(tenant);
  if (active === undefined) return refuse("not_configured", "nothing is published: there is nothing to compare with");
  const candidate = await candidateOf(ports, active, question.candidate);
  if (!candidate.ok) return candidate;
  const to = question.to ?? ports.system.now();
  const from = question.from ?? to - DAY_MS;
  const mistakes = questionMistakes(question, [active, candidate.value], { from, to });
  if (mistakes.length > 0)
    return refuse("invalid_request", mistakes.map(({ path, message }) => `${path}: ${message}`).join("; "), {
      mistakes,
    });
  const rows = await readRows(ports, tenant, { ...question, from, to });
  const tools = rows.found.filter((row) => row.kind === "execute_tool");
  const { calls, unreadable } = await readCalls(ports, tenant, tools);
  const report = replay({
    active,
    candidate: candidate.value,
    calls,
    unreadable,
    modelCalls: rows.found
      .filter((row) => isModelKind(row.kind))
      .map((row) => ({
        session: row.session_id,
        startedAt: row.started_at,
        costMicro: row.cost_micro_usd,
      })),
    ...(question.tool === undefined ? {} : { tool: question.tool }),
  });
  return accept({
    ...report,
    active: active.policyVersion,
    candidate: candidate.value.policyVersion,
    from: rows.isTruncated ? (rows.found[0]?.started_at ?? from) : from,
    to,
    read: tools.length,
    truncated: rows.isTruncated,
    sessions_cut: cutSessions(rows.found),
  });
}

/** A question that nothing could answer: an answer of nothing would look like good news. */
function questionMistakes(
  { actor, tool }: ReplayQuestion,
  configs: readonly ActiveConfig[],
  { from, to }: { readonly from: number; readonly to: number },
): readonly Mistake[] {
  const documents = configs.map((config) => config.published.document);
  const unknown = (path: string, name: string | undefined, known: readonly string[]): readonly Mistake[] =>
    name === undefined || known.includes(name)
      ? []
      : [{ path, message: `"${name}" is in neither config${didYouMean(name, known)}` }];
  return [
    ...(from < to ? [] : [{ path: "from", message: "expected an instant before `to`" }]),
    ...unknown(
      "actor",
      actor,
      documents.flatMap((each) => Object.keys(each.actors)),
    ),
    ...unknown(
      "tool",
      tool,
      documents.flatMap((each) => Object.keys(each.tools)),
    ),
  ];
}

async function candidateOf(
  ports: ReplayPorts,
  active: ActiveConfig,
  candidate: ReplayQuestion["candidate"],
): Promise<Outcome<ActiveConfig>> {
  const { tenant, document } = active.published;
  if ("version" in candidate) {
    const found = await ports.configs.version(tenant, candidate.version);
    if (found === undefined) return refuse("not_found", `no config version ${candidate.version}`);
    return accept(unpublished(found.document, found.rules, found));
  }
  const checked = checkConfig(candidate.document, { ...NOWHERE, active: document }, { tests: "warn" });
  if (checked.ok)
    return accept(unpublished(checked.document, checked.rules, { version: 0, digest: digestOf(checked.document) }));
  const count = checked.mistakes.length;
  return refuse("invalid_config", `${count} mistake${count === 1 ? "" : "s"} in the candidate`, {
    mistakes: checked.mistakes,
  });
}

type Row = TracePage["rows"][number];

/** The rows of a window, oldest first. The cursor goes back from `to`, so that rows that arrive meanwhile change nothing. */
async function readRows(
  ports: ReplayPorts,
  tenant: string,
  { from, to, actor, limit = MAX_REPLAYED }: ReplayQuestion & { readonly from: number; readonly to: number },
): Promise<{ readonly found: readonly Row[]; readonly isTruncated: boolean }> {
  const filter = { from, to, limit: PAGE_ROWS, ...(actor === undefined ? {} : { actor }) };
  const found: Row[] = [];
  let tools = 0;
  let cursor: string | null = null;
  do {
    const page: TracePage = await ports.index.list(tenant, cursor === null ? filter : { ...filter, cursor });
    for (const row of page.rows) {
      const isTool = row.kind === "execute_tool";
      if ((isTool && tools >= limit) || found.length >= MAX_ROWS)
        return { found: found.toReversed(), isTruncated: true };
      tools += isTool ? 1 : 0;
      found.push(row);
    }
    cursor = page.nextCursor;
  } while (cursor !== null);
  return { found: found.toReversed(), isTruncated: false };
}

/** Sessions whose first call of the window is not their first one. */
function cutSessions(rows: readonly Row[]): number {
  const first = new Map<string, number>();
  for (const { session_id, seq } of rows) if (seq !== null && !first.has(session_id)) first.set(session_id, seq);
  return [...first.values()].filter((seq) => seq > 1).length;
}

interface Calls {
  readonly calls: readonly RecordedCall[];
  readonly unreadable: Readonly<Partial<Record<Unreplayable, number>>>;
}

async function readCalls(ports: ReplayPorts, tenant: string, rows: readonly Row[]): Promise<Calls> {
  const bySegment = [...Map.groupBy(rows, (row) => row.segment)];
  const records = new Map<string, TraceRecord>();
  for (let at = 0; at < bySegment.length; at += PARALLEL_READS) {
    const read = bySegment.slice(at, at + PARALLEL_READS).map(([segment, found]) =>
      ports.segments.read(
        tenant,
        segment,
        found.map((row) => row.line),
      ),
    );
    for (const record of (await Promise.all(read)).flat()) records.set(keyOf(record.index), record);
  }
  const read = rows.map((row) => readRecordedCall(row, records.get(keyOf(row))));
  const lost = read.filter((each) => typeof each === "string");
  return {
    calls: read.filter((each) => typeof each !== "string"),
    unreadable: Object.fromEntries([...Map.groupBy(lost, (why) => why)].map(([why, each]) => [why, each.length])),
  };
}

function keyOf({ trace_hex, span_id }: Pick<Row, "trace_hex" | "span_id">): string {
  return `${trace_hex}/${span_id}`;
}
