// Decides what a tenant's ledger grants of its limits and rates to one call: everything the call needs, or nothing.
import * as gcra from "./gcra.ts";
import * as meters from "./meter.ts";
import type { LeaseGrant, MeterState } from "./meter.ts";
import type { MeterNeed, RateNeed } from "../policy/limits.ts";
import type { SessionRefusal } from "./session-messages.ts";

/** A lease of a meter. */
export interface KeyedGrant {
  readonly key: string;
  readonly grant: LeaseGrant;
}

/** Reply to a session that is short. */
export type GrantReply =
  | { readonly type: "granted"; readonly grants: readonly KeyedGrant[] }
  | (SessionRefusal & {
      readonly type: "limit_exceeded" | "rate_limited" | "concurrency_limited" | "tool_unavailable";
    });

/** A meter's stored row: its state, and the spec it was last asked under, to know when it can be forgotten. */
export interface MeterRow {
  readonly state: MeterState;
  readonly spec: meters.MeterSpec;
}

/** One step of granting one share. */
export type ShareStep =
  | { readonly type: "granted"; readonly row: MeterRow; readonly keyed: KeyedGrant }
  /** Other sessions hold leases that may be idle: ask them first. */
  | {
      readonly type: "reclaim";
      readonly row: MeterRow;
      readonly holders: readonly { readonly session: string; readonly leaseId: string }[];
    }
  | {
      readonly type: "refused";
      readonly row: MeterRow;
      readonly refusal: SessionRefusal & { readonly type: "limit_exceeded" };
    };

/** Tries to grant one share. */
export function grantShare(
  row: MeterRow | undefined,
  { spec, need, key, limit, unit }: MeterNeed,
  {
    session,
    leaseId,
    hasReclaimed,
    now,
  }: { readonly session: string; readonly leaseId: string; readonly hasReclaimed: boolean; readonly now: number },
): ShareStep {
  const state = row?.state ?? meters.EMPTY_METER;
  const { next, reply } = meters.request(state, spec, { session, need, leaseId, hasReclaimed }, now);
  const after: MeterRow = { state: next, spec };
  switch (reply.type) {
    case "granted":
      return { type: "granted", row: after, keyed: { key, grant: reply.lease } };
    case "reclaim":
      return { type: "reclaim", row: after, holders: reply.holders };
    case "exhausted":
      return {
        type: "refused",
        row: after,
        refusal: {
          type: "limit_exceeded",
          limit,
          max: reply.max,
          used: reply.used,
          need,
          unit,
          resetAt: reply.resetAt,
        },
      };
    default:
      return reply satisfies never;
  }
}

/** Takes a turn at every rate, or none: the new arrival times by key, or the refusal of the first that is too fast. */
export function takeTurns(
  rates: readonly RateNeed[],
  tatOf: (key: string) => number,
  now: number,
):
  | { readonly ok: true; readonly tats: readonly { readonly key: string; readonly tat: number }[] }
  | (SessionRefusal & { readonly type: "rate_limited" }) {
  const tats: { readonly key: string; readonly tat: number }[] = [];
  for (const { key, limit, spec } of rates) {
    const taken = gcra.take(tatOf(key), spec, now);
    if (!taken.ok) return { type: "rate_limited", limit, retryAfterMs: taken.retryAfterMs, resetAt: taken.resetAt };
    tats.push({ key, tat: taken.tat });
  }
  return { ok: true, tats };
}
