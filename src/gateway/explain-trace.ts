// Sequences an explanation: reads the records, the config versions that decided them and what was reported later, and lets core tell it.
import { ActiveConfig, policyVersionOf, type PublishedConfig } from "../core/config/published.ts";
import type { Reason } from "../core/policy/decision.ts";
import { readAsk } from "../core/policy/replay/read-ask.ts";
import { decisionIn } from "../core/trace/explain/decided.ts";
import { differingOf, untold } from "../core/trace/explain/differing.ts";
import { explain } from "../core/trace/explain/explain.ts";
import type { Differing, ExplainFacts, Explanation, LaterOutcome, Subject } from "../core/trace/explain/explanation.ts";
import type { TraceRecord } from "../core/trace/record.ts";
import type { Ports } from "./ports.ts";
import type { LaterOutcomes } from "./ports/later-outcomes.ts";
import type { IndexedRow } from "./ports/trace-store.ts";
import { listSession, readRecords } from "./read-trace.ts";

/** Everything an explanation may touch. */
export type ExplainPorts = Pick<Ports, "index" | "segments" | "configs"> & { readonly outcomes?: LaterOutcomes };

/** Records that one explanation of a session tells of. */
const MOST_RECORDS = 2_000;
const PAGE_ROWS = 500;
/** Decisions that are computed anew for one explanation. */
const MOST_DIFFERING = 60;

/** What happened in a trace; `undefined` when nothing of it is stored. */
export async function explainTrace(
  ports: ExplainPorts,
  tenant: string,
  trace: { readonly shown: string; readonly hex: string },
): Promise<Explanation | undefined> {
  const rows = await ports.index.ofTrace(tenant, trace.hex);
  const records = await readRecords(ports, tenant, rows);
  return explained(ports, tenant, { subject: { type: "trace", id: trace.shown }, rows, records, isTruncated: false });
}

/** What happened in a session, across all its traces and surfaces; `undefined` when nothing of it is stored. */
export async function explainSession(
  ports: ExplainPorts,
  tenant: string,
  session: string,
): Promise<Explanation | undefined> {
  const rows: IndexedRow[] = [];
  let cursor: string | undefined;
  do {
    const page = await listSession(ports, tenant, { session, limit: PAGE_ROWS, cursor });
    rows.push(...page.rows);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined && rows.length < MOST_RECORDS);
  const records = await readRecords(ports, tenant, rows);
  return explained(ports, tenant, {
    subject: { type: "session", id: session },
    rows,
    records,
    isTruncated: cursor !== undefined,
  });
}

interface Found {
  readonly subject: Subject;
  readonly rows: readonly IndexedRow[];
  readonly records: readonly TraceRecord[];
  readonly isTruncated: boolean;
}

async function explained(
  ports: ExplainPorts,
  tenant: string,
  { subject, rows, records, isTruncated }: Found,
): Promise<Explanation | undefined> {
  if (rows.length === 0) return undefined;
  const [versions, outcomes] = await Promise.all([
    readVersions(ports, tenant, rows),
    readOutcomes(ports, tenant, records),
  ]);
  const facts: ExplainFacts = {
    subject,
    versions: new Map(
      [...versions].map(([name, { version, published_at, published_by }]) => [
        name,
        { version, publishedAt: published_at, publishedBy: published_by },
      ]),
    ),
    differing: differingAmong(records, versions),
    outcomes,
    auditSeqs: new Map(),
    lost: lostAmong(rows, records),
    isTruncated,
  };
  return explain(records, facts);
}

type Versions = ReadonlyMap<string, PublishedConfig>;

/** The stored versions that the rows name; one whose digest is another one is not the version that decided. */
async function readVersions(ports: ExplainPorts, tenant: string, rows: readonly IndexedRow[]): Promise<Versions> {
  const names = [...new Set(rows.map(({ index }) => index.policy_version))];
  const found = await Promise.all(
    names.map(async (name): Promise<readonly (readonly [string, PublishedConfig])[]> => {
      const number = /^v([1-9]\d{0,8})-/.exec(name)?.[1];
      if (number === undefined) return [];
      const stored = await ports.configs.version(tenant, Number(number));
      return stored !== undefined && policyVersionOf(stored) === name ? [[name, stored]] : [];
    }),
  );
  return new Map(found.flat());
}

async function readOutcomes(
  { outcomes }: ExplainPorts,
  tenant: string,
  records: readonly TraceRecord[],
): Promise<readonly LaterOutcome[]> {
  if (outcomes === undefined || records.length === 0) return [];
  const traces = [...new Set(records.map(({ index }) => index.trace_hex))];
  const found = await outcomes.outcomesOf(tenant, traces);
  return [...found].flatMap(([traceHex, reported]) =>
    reported.map(({ id, outcome, labels, scores, source, at, recorded_by }) => ({
      traceHex,
      id,
      name: outcome,
      labels,
      scores,
      source,
      at,
      by: recorded_by,
    })),
  );
}

/** What would have had to differ, for each decision that did not let its call through as it was. */
function differingAmong(records: readonly TraceRecord[], versions: Versions): ReadonlyMap<string, Differing> {
  const configs = new Map([...versions].map(([name, stored]) => [name, new ActiveConfig(stored)]));
  const withheld = records.filter(({ index }) => index.kind === "execute_tool" && index.decision !== "allow");
  const computed = withheld
    .slice(0, MOST_DIFFERING)
    .map((record) => [record.index.span_id, differing(record, configs.get(record.index.policy_version))] as const);
  const rest = withheld
    .slice(MOST_DIFFERING)
    .map(({ index }) => [index.span_id, untold(`it is computed for ${MOST_DIFFERING} calls at most`)] as const);
  return new Map([...computed, ...rest]);
}

function differing(record: TraceRecord, config: ActiveConfig | undefined): Differing {
  if (config === undefined) return untold("the config version that decided is not stored");
  const body = record.payloads.find(({ name }) => name === "ask")?.body ?? null;
  const ask = body === null ? undefined : readAsk(body);
  if (ask === undefined) return untold("what the decision rested on is not stored");
  const decision = decisionIn(record);
  if (decision === undefined) return untold("the decision's reasons are not stored");
  const reasons = decision.reasons.filter(isReason);
  return differingOf(config, { ask, at: decision.span.start_ms, effect: decision.effect, reasons });
}

function isReason(reason: Partial<Reason>): reason is Reason {
  return reason.rule_id !== undefined && reason.effect !== undefined && reason.message !== undefined;
}

function lostAmong(rows: readonly IndexedRow[], records: readonly TraceRecord[]): ExplainFacts["lost"] {
  const read = new Set(records.map(({ index }) => `${index.trace_hex}/${index.span_id}`));
  return rows
    .filter(({ index }) => !read.has(`${index.trace_hex}/${index.span_id}`))
    .map(({ index }) => ({
      traceId: index.trace_id,
      spanId: index.span_id,
      kind: index.kind,
      subject: index.subject,
    }));
}
