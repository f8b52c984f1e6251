// Decides by which tokens a recorded call is found: one for each thing a search may ask for, none of them readable.
import { sha256Hex } from "../json/digest.ts";
import { isModelKind, type IndexRow } from "./record.ts";

/** What a search may ask for. */
export type FacetName =
  | "tenant"
  | "trace"
  | "session"
  | "task"
  | "actor"
  | "user"
  | "tool"
  | "model"
  | "kind"
  | "decision"
  | "status"
  | "release"
  | "rule"
  | "call"
  | "cost";

/**
 * The token of one value: `x` and 64 bits of a digest over tenant, name and value. The tenant is part of every token, so
 * that no search of one tenant can name a row of another.
 */
export function facet(tenant: string, name: FacetName, value: string): string {
  return `x${sha256Hex(`${tenant}\n${name}\n${value}`).slice(0, 16)}`;
}

/** Cost buckets: bucket 0 is free, bucket k holds costs from 2^(k-1) micro-USD to below 2^k. */
const TOP_BUCKET = 50;

function bucketOf(micro: number): number {
  return micro <= 0 ? 0 : Math.min(TOP_BUCKET, Math.floor(Math.log2(micro)) + 1);
}

/** The tokens of every bucket that may hold a cost of at least so many micro-USD; rows in the lowest still have to be compared. */
export function costFacetsFrom(tenant: string, micro: number): readonly string[] {
  const lowest = bucketOf(micro);
  return Array.from({ length: TOP_BUCKET - lowest + 1 }, (_, at) => facet(tenant, "cost", String(lowest + at)));
}

/** Kinds of records that are about a tool. */
export function isOfTool({ kind }: Pick<IndexRow, "kind">): boolean {
  return kind === "execute_tool" || kind === "preflight" || kind === "approval";
}

/** Every token of a row, separated by spaces. */
export function facetsOf(row: IndexRow): string {
  const named: readonly (readonly [FacetName, string | null])[] = [
    ["tenant", row.tenant],
    ["trace", row.trace_hex],
    ["session", row.session_id],
    ["task", row.task_id],
    ["actor", row.actor],
    ["user", row.user],
    ["tool", isOfTool(row) ? row.subject : null],
    ["model", isModelKind(row.kind) ? row.subject : null],
    ["kind", row.kind],
    ["decision", row.decision],
    ["status", row.status],
    ["release", row.release],
    ["call", row.call_id],
    ["cost", String(bucketOf(row.cost_micro_usd))],
    ...row.rules.map((rule) => ["rule", rule] as const),
  ];
  return named.flatMap(([name, value]) => (value === null ? [] : [facet(row.tenant, name, value)])).join(" ");
}
