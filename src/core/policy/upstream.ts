// Decides what a call needs of its upstream before it may be sent: a closed breaker or a probe, and a free slot.
import type { ToolEntry } from "../config/document.ts";
import type { BreakerSettings, ListedBreaker } from "../state/breaker.ts";
import type { Reason } from "./decision.ts";
import { ABANDON_GRACE_MS, callTerms } from "./retry.ts";
import type { HttpAnswer } from "./tool-outcome.ts";

/** One of the few calls of a tool that may run at once. */
export interface SlotNeed {
  readonly key: string;
  readonly tool: string;
  readonly max: number;
}

/** Leave to find out whether a half-open upstream is back. */
export interface ProbeNeed {
  readonly key: string;
  readonly settings: BreakerSettings;
}

/** That a tool is left alone: what its callers are told. */
export interface Unavailable {
  readonly type: "tool_unavailable";
  /** The tool, or the host it is reached at. */
  readonly upstream: string;
  readonly retryAfterMs: number;
}

/** What a call needs of its upstream. */
export interface UpstreamNeeds {
  readonly slots: readonly SlotNeed[];
  readonly probes: readonly ProbeNeed[];
  /** Set while a breaker is open and the tool keeps no drafts. */
  readonly unavailable: Unavailable | null;
  /** What a write comes to that may not be sent. */
  readonly degraded: "draft" | "refuse";
  /** How long a slot or a probe is kept at most, in milliseconds: a call has surely ended by then. */
  readonly holdMs: number;
}

/** A call that needs nothing of its upstream. */
export const NO_UPSTREAM_NEEDS: UpstreamNeeds = {
  slots: [],
  probes: [],
  unavailable: null,
  degraded: "refuse",
  holdMs: 0,
};

/** The breakers of a tool, settings filled in; none for a tool whose entry has no `breaker`. */
export function breakersOf(name: string, entry: ToolEntry): readonly ProbeNeed[] {
  if (entry.breaker === undefined) return [];
  const settings = breakerSettings(entry.breaker);
  return [
    { key: `tool:${name}`, settings },
    { key: `host:${hostOf(entry)}`, settings },
  ];
}

/** A breaker's settings, filled in. */
export function breakerSettings(entry: NonNullable<ToolEntry["breaker"]>): BreakerSettings {
  const cooldownMs = entry.cooldown_ms ?? 30_000;
  return {
    windowMs: entry.window_ms ?? 60_000,
    minCalls: entry.min_calls ?? 10,
    errorRate: entry.error_rate ?? 0.5,
    consecutiveFailures: entry.consecutive_failures ?? 5,
    slowMs: entry.slow_call_ms ?? null,
    slowRate: entry.slow_call_rate ?? 0.8,
    cooldownMs,
    maxCooldownMs: Math.max(cooldownMs, entry.max_cooldown_ms ?? 600_000),
    probes: entry.probes ?? 1,
  };
}

/** The network host that a tool is reached at, or its service binding. */
function hostOf({ url, service }: ToolEntry): string {
  if (service !== undefined) return `service.${service}`;
  const filled = url.replaceAll(/\{[^{}]*\}/g, "x");
  return URL.canParse(filled) ? new URL(filled).host : filled;
}

/** The state of a tool's breakers together, as far as an isolate knows it. */
export function breakerState(
  name: string,
  entry: ToolEntry,
  { breakers, now }: { readonly breakers: readonly ListedBreaker[]; readonly now: number },
): { readonly phase: "closed" | "open" | "half_open"; readonly until: number; readonly probes: readonly ProbeNeed[] } {
  const own = breakersOf(name, entry);
  const listed = breakers.filter((each) => own.some(({ key }) => key === each.key));
  const until = Math.max(0, ...listed.map((each) => each.until));
  if (now < until) return { phase: "open", until, probes: [] };
  const probes = own.filter(({ key }) => listed.some((each) => each.key === key));
  return { phase: probes.length > 0 ? "half_open" : "closed", until, probes };
}

/** What a call of a tool needs at this instant. */
export function upstreamNeeds(
  name: string,
  entry: ToolEntry,
  around: { readonly breakers: readonly ListedBreaker[]; readonly now: number },
): UpstreamNeeds {
  const { phase, until, probes } = breakerState(name, entry, around);
  const degraded = degradedOf(entry);
  return {
    slots: entry.concurrency === undefined ? [] : [{ key: `tool:${name}`, tool: name, max: entry.concurrency }],
    probes,
    unavailable:
      phase === "open" && degraded === "refuse"
        ? { type: "tool_unavailable", upstream: name, retryAfterMs: until - around.now }
        : null,
    degraded,
    // Longer than its object waits for it: nothing of the call runs any more when its slot is free again.
    holdMs: callTerms(entry).deadlineMs + 2 * ABANDON_GRACE_MS,
  };
}

/** A read is refused: a draft of one would help nobody. */
function degradedOf({ effect, degraded }: ToolEntry): "draft" | "refuse" {
  return effect === "read" ? "refuse" : (degraded ?? "draft");
}

/** Why a write is kept as a draft while its upstream is left alone; nothing for calls that are refused instead. */
export function breakerReasons(
  name: string,
  entry: ToolEntry,
  around: { readonly breakers: readonly ListedBreaker[]; readonly now: number },
): readonly Reason[] {
  const { phase, until } = breakerState(name, entry, around);
  return phase === "open" && degradedOf(entry) === "draft" ? [draftReason(name, until - around.now)] : [];
}

/** What a call comes to that was refused a probe: a draft, or `null` where the refusal stands. People's approval sends nothing to an upstream that is down. */
export function degradedTo(policy: UpstreamPolicy, refusal: Unavailable): Reason | null {
  const isDraft = policy.upstream?.degraded === "draft" && policy.approved === null;
  return isDraft ? draftReason(refusal.upstream, refusal.retryAfterMs) : null;
}

interface UpstreamPolicy {
  readonly upstream?: UpstreamNeeds;
  readonly approved: unknown;
}

/** Keys of the breakers that let a call through as a probe. */
export function probeKeys({ upstream }: Pick<UpstreamPolicy, "upstream">): readonly string[] {
  return (upstream?.probes ?? []).map(({ key }) => key);
}

/** The same policy for a call that is held: while its upstream is left alone it stays held, and becomes no draft. */
export function stayingHeld<P extends UpstreamPolicy>(policy: P): P {
  return policy.upstream === undefined ? policy : { ...policy, upstream: { ...policy.upstream, degraded: "refuse" } };
}

/** The same policy for a call that will not be sent, or not yet. */
export function withoutProbes<P extends UpstreamPolicy>(policy: P): P {
  return { ...policy, upstream: NO_UPSTREAM_NEEDS };
}

function draftReason(name: string, leftMs: number): Reason {
  return {
    rule_id: "breaker.open",
    effect: "draft",
    message: `"${name}" keeps failing and is left alone: its writes are kept as drafts`,
    values: { tried_again_in_s: Math.ceil(leftMs / 1000) },
  };
}

/** What one attempt says about a tool and about its host. */
export interface Sample {
  readonly tool: "ok" | "failed";
  readonly host: "ok" | "failed";
}

/**
 * What an attempt says about the health of its upstream; `null` where it says nothing, because nothing was sent. A
 * refusal (4xx) is an answer of a healthy tool, a 500 one of a healthy host.
 */
export function sampleOf(answer: HttpAnswer | undefined): Sample | null {
  switch (answer?.type) {
    case "timed_out":
    case "lost":
    case "cut":
      return { tool: "failed", host: "failed" };
    case "answered":
      return {
        tool: answer.status >= 500 ? "failed" : "ok",
        host: [502, 503, 504].includes(answer.status) ? "failed" : "ok",
      };
    case "blocked":
    case "unsent":
    case undefined:
      return null;
    default:
      return answer satisfies never;
  }
}
