// Decides whether a tenant's ledger lets a call go to its upstream: every slot and probe it needs, or none.
import type { UpstreamNeeds } from "../policy/upstream.ts";
import { admit, CLOSED, type BreakerState } from "./breaker.ts";
import type { SessionRefusal } from "./session-messages.ts";
import { NO_SLOTS, take, type SlotsState } from "./slots.ts";

/** What a call asks of the tenant's ledger. */
export interface UpstreamAsk extends Pick<UpstreamNeeds, "slots" | "probes" | "holdMs"> {
  readonly callId: string;
}

/** What the ledger remembers, by key. */
export interface UpstreamRows {
  readonly slots: (key: string) => SlotsState | undefined;
  readonly breakers: (key: string) => BreakerState | undefined;
}

/** The rows to write, all of them; or the refusal, which takes nothing. */
export type UpstreamGrant =
  | {
      readonly ok: true;
      readonly slots: readonly (readonly [string, SlotsState])[];
      readonly breakers: readonly (readonly [string, BreakerState])[];
    }
  | (SessionRefusal & { readonly type: "concurrency_limited" | "tool_unavailable" });

/** Takes everything a call needs of its upstream, or nothing. */
export function grantUpstream(ask: UpstreamAsk, rows: UpstreamRows, now: number): UpstreamGrant {
  const until = now + ask.holdMs;
  const breakers: (readonly [string, BreakerState])[] = [];
  for (const { key, settings } of ask.probes) {
    const asked = { id: ask.callId, expiresAt: until };
    const { next, retryAfterMs } = admit(rows.breakers(key) ?? CLOSED, settings, asked, now);
    if (retryAfterMs !== null)
      return { type: "tool_unavailable", upstream: key.replace(/^(tool|host|provider):/, ""), retryAfterMs };
    breakers.push([key, next]);
  }
  const slots: (readonly [string, SlotsState])[] = [];
  for (const { key, tool, max } of ask.slots) {
    const { next, isTaken } = take(rows.slots(key) ?? NO_SLOTS, { id: ask.callId, until, max }, now);
    if (!isTaken) return { type: "concurrency_limited", tool, max };
    slots.push([key, next]);
  }
  return { ok: true, slots, breakers };
}
