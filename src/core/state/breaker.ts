// Decides when a failing upstream is left alone, for how long, and which calls may find out whether it is back.

/** When a breaker opens and closes. Times are milliseconds, rates are from above 0 to 1. */
export interface BreakerSettings {
  /** The stretch of time over which rates are taken. */
  readonly windowMs: number;
  /** Calls in the window below which no rate counts. */
  readonly minCalls: number;
  readonly errorRate: number;
  readonly consecutiveFailures: number;
  /** A call that takes this long is slow; `null` where none is. */
  readonly slowMs: number | null;
  readonly slowRate: number;
  readonly cooldownMs: number;
  readonly maxCooldownMs: number;
  /** Calls that must pass, and at most run at once, while it is half open. */
  readonly probes: number;
}

/** Calls of one slice of the window. */
interface Tally {
  readonly at: number;
  readonly calls: number;
  readonly failures: number;
  readonly slow: number;
}

/** One breaker. `until`: when it stops being open, in epoch milliseconds. */
export interface BreakerState {
  readonly phase: "closed" | "open" | "half_open";
  readonly tallies: readonly Tally[];
  readonly consecutive: number;
  readonly until: number;
  /** Times in a row that it has opened without closing. */
  readonly openings: number;
  readonly probes: readonly { readonly id: string; readonly expiresAt: number }[];
  readonly passed: number;
}

/** What calls of one upstream have come to. A failure is reported last of what it is reported with. */
export interface BreakerReport {
  readonly successes: number;
  readonly slow: number;
  readonly failures: number;
  /** The probe that reports, or `null` for calls that were none. */
  readonly probe: string | null;
}

/** The same, with the breaker it is about. */
export interface KeyedReport extends BreakerReport {
  /** `tool:<name>` or `host:<host>`. */
  readonly key: string;
  readonly settings: BreakerSettings;
}

/** A breaker never reported to. */
export const CLOSED: BreakerState = {
  phase: "closed",
  tallies: [],
  consecutive: 0,
  until: 0,
  openings: 0,
  probes: [],
  passed: 0,
};

/** The window is counted in this many slices: what leaves it, leaves a tenth of it late. */
const SLICES = 10;
/** Once its time is over, a breaker that nobody asks counts as closed after so long. */
const FORGET_MS = 600_000;

/** Counts reported calls. Only probes are heard while it is not closed: others began before it opened. */
export function report(state: BreakerState, settings: BreakerSettings, told: BreakerReport, now: number): BreakerState {
  const current = settled(state, now);
  switch (current.phase) {
    case "closed":
      return counted(current, settings, told, now);
    case "open":
      return current;
    case "half_open":
      return told.probe === null || !current.probes.some(({ id }) => id === told.probe)
        ? current
        : probed(current, settings, told, now);
    default:
      return current.phase satisfies never;
  }
}

function counted(
  state: BreakerState,
  settings: BreakerSettings,
  { successes, slow, failures }: BreakerReport,
  now: number,
): BreakerState {
  const slice = Math.max(1, Math.floor(settings.windowMs / SLICES));
  const at = Math.floor(now / slice) * slice;
  const kept = state.tallies.filter((each) => each.at > now - settings.windowMs && each.at !== at);
  const known = state.tallies.find((each) => each.at === at) ?? { at, calls: 0, failures: 0, slow: 0 };
  const tally: Tally = {
    at,
    calls: known.calls + successes + failures,
    failures: known.failures + failures,
    slow: known.slow + slow,
  };
  const next: BreakerState = {
    ...state,
    tallies: [...kept, tally],
    consecutive: (successes > 0 ? 0 : state.consecutive) + failures,
  };
  return mustOpen(next, settings) ? opened(next, settings, now) : next;
}

function mustOpen({ tallies, consecutive }: BreakerState, settings: BreakerSettings): boolean {
  if (consecutive >= settings.consecutiveFailures) return true;
  const sum = (of: "calls" | "failures" | "slow"): number => tallies.reduce((all, each) => all + each[of], 0);
  const calls = sum("calls");
  if (calls < settings.minCalls) return false;
  const isSlow = settings.slowMs !== null && sum("slow") >= settings.slowRate * calls;
  return isSlow || sum("failures") >= settings.errorRate * calls;
}

/** Open for the cooldown, twice as long each time in a row, up to the longest. */
function opened(state: BreakerState, settings: BreakerSettings, now: number): BreakerState {
  const cooldown = Math.min(settings.maxCooldownMs, settings.cooldownMs * 2 ** Math.min(state.openings, 30));
  return { ...CLOSED, phase: "open", until: now + cooldown, openings: state.openings + 1 };
}

function probed(
  state: BreakerState,
  settings: BreakerSettings,
  { failures, slow, probe }: BreakerReport,
  now: number,
): BreakerState {
  if (failures > 0 || slow > 0) return opened(state, settings, now);
  const passed = state.passed + 1;
  if (passed >= settings.probes) return CLOSED;
  return { ...state, passed, probes: state.probes.filter(({ id }) => id !== probe) };
}

/** Who asks to be let through, and when they are given up. */
export interface ProbeRequest {
  readonly id: string;
  readonly expiresAt: number;
}

/**
 * Lets a call through: always while closed, never while open, and as one of few probes while half open. Asking twice
 * takes one probe. A refusal says when to come back.
 */
export function admit(
  state: BreakerState,
  settings: BreakerSettings,
  { id, expiresAt }: ProbeRequest,
  now: number,
): { readonly next: BreakerState; readonly retryAfterMs: number | null } {
  const current = settled(state, now);
  if (current.phase === "closed") return { next: current, retryAfterMs: null };
  if (current.phase === "open") return { next: current, retryAfterMs: current.until - now };
  const others = current.probes.filter((each) => each.expiresAt > now && each.id !== id);
  if (others.length + current.passed >= settings.probes)
    return { next: { ...current, probes: others }, retryAfterMs: PROBING_MS };
  return { next: { ...current, probes: [...others, { id, expiresAt }] }, retryAfterMs: null };
}

/** While others find out, this is when to look again. */
const PROBING_MS = 1_000;

/** A probe that was let through and did not run. */
export function abandonProbe(state: BreakerState, id: string): BreakerState {
  return { ...state, probes: state.probes.filter((each) => each.id !== id) };
}

/** The breaker at an instant: an open one whose time is over is half open, and closed when nobody has asked for long. */
export function settled(state: BreakerState, now: number): BreakerState {
  if (state.phase === "closed" || now < state.until) return state;
  if (now >= state.until + FORGET_MS) return CLOSED;
  return state.phase === "open" ? { ...state, phase: "half_open" } : state;
}

/** A breaker that is not closed, as enforcement points are told. */
export interface ListedBreaker {
  /** `tool:<name>` or `host:<host>`. */
  readonly key: string;
  readonly phase: "open" | "half_open";
  /** Epoch milliseconds. */
  readonly until: number;
}

/** How a breaker is listed at an instant; `null` while it is closed. */
export function listed(key: string, state: BreakerState, now: number): ListedBreaker | null {
  const { phase, until } = settled(state, now);
  return phase === "closed" ? null : { key, phase, until };
}

/** Whether two states differ in what must outlive the object: tallies and probes may be lost. */
export function isWorthKeeping(before: BreakerState, after: BreakerState): boolean {
  return before.phase !== after.phase || before.until !== after.until;
}
