// Decides the arithmetic of one budget account: what is used, held and durably set aside, and what still fits.
import {
  amounts,
  combine,
  DIMENSIONS,
  minus,
  NOTHING,
  plus,
  type Amounts,
  type Dimension,
  type Limits,
} from "../budget/amounts.ts";
import { microFromPico, PICO_PER_MICRO } from "../units/money.ts";

/**
 * One budget scope (the session, or one task of it).
 * Invariant: `used + held <= committed` in every dimension, and `committed <= limit` wherever a limit stands and
 * no provider overran its hold. `committed` is what durable storage says is spent if the process dies now.
 */
export interface Account {
  readonly limits: Limits;
  readonly used: Amounts;
  readonly held: Amounts;
  readonly committed: Amounts;
  /** The chunk by which `committed` last grew: how much of it may be unspent. */
  readonly chunk: Amounts;
  readonly startedAt: number;
}

/** What a call wants: a fixed part, and between `min` and `max` further units at a price each. */
export interface Want {
  readonly fixed: Amounts;
  /** Pico-USD and tokens of one further unit of output. */
  readonly unitPico: number;
  readonly unitTokens: number;
  readonly minUnits: number;
  readonly maxUnits: number;
}

/** Why an account cannot admit a call. */
export interface Shortage {
  readonly dimension: Dimension | "wall_time";
  readonly limit: number;
  readonly used: number;
  readonly held: number;
  readonly needed: number;
}

/** Pre-debited in a dimension without a limit, so that an unclean stop never under-reports. */
const UNLIMITED_CHUNK: Amounts = { usd: 1_000_000, tokens: 100_000, calls: 64, tool_calls: 16, tool_usd: 100_000_000 };

/** A limit is pre-debited in this many chunks. */
const CHUNKS_PER_LIMIT = 16;

/** A fresh account. */
export function openAccount(limits: Limits, now: number): Account {
  return { limits, used: NOTHING, held: NOTHING, committed: NOTHING, chunk: NOTHING, startedAt: now };
}

/** The amounts a want needs when it gets a number of units. */
export function needOf(want: Want, units: number): Amounts {
  return {
    ...want.fixed,
    usd: want.fixed.usd + microFromPico(units * want.unitPico),
    tokens: want.fixed.tokens + units * want.unitTokens,
  };
}

/** What is left below a limit, or `undefined` where there is none. */
export function headroom(account: Account, dimension: Dimension): number | undefined {
  const limit = account.limits[dimension];
  return limit === undefined ? undefined : limit - account.used[dimension] - account.held[dimension];
}

/**
 * The most units of a want that fit an account, or what it is short of. O(1).
 * Whatever it grants, `used + held + need` stays within every limit.
 */
export function largestGrant(account: Account, want: Want, now: number): { readonly units: number } | Shortage {
  const wall = account.limits.wall_time_ms;
  if (wall !== undefined && now - account.startedAt >= wall) {
    return { dimension: "wall_time", limit: wall, used: now - account.startedAt, held: 0, needed: 0 };
  }
  const least = needOf(want, want.minUnits);
  for (const dimension of DIMENSIONS) {
    const room = headroom(account, dimension);
    const limit = account.limits[dimension];
    if (room !== undefined && limit !== undefined && least[dimension] > room) {
      return {
        dimension,
        limit,
        used: account.used[dimension],
        held: account.held[dimension],
        needed: least[dimension],
      };
    }
  }
  return {
    units: Math.min(
      want.maxUnits,
      unitsFor(want, headroom(account, "usd")),
      unitsForTokens(want, headroom(account, "tokens")),
    ),
  };
}

function unitsFor(want: Want, room: number | undefined): number {
  if (room === undefined || want.unitPico === 0) return want.maxUnits;
  let units = Math.min(want.maxUnits, Math.floor(((room - want.fixed.usd) * PICO_PER_MICRO) / want.unitPico));
  // Floating division may be one unit high; the need itself is exact.
  while (units > want.minUnits && needOf(want, units).usd > room) units -= 1;
  return Math.max(want.minUnits, units);
}

function unitsForTokens(want: Want, room: number | undefined): number {
  if (room === undefined || want.unitTokens === 0) return want.maxUnits;
  return Math.max(want.minUnits, Math.floor((room - want.fixed.tokens) / want.unitTokens));
}

function chunkFor(account: Account, need: Amounts): Amounts {
  const base = (dimension: Dimension): number => {
    const limit = account.limits[dimension];
    return limit === undefined ? UNLIMITED_CHUNK[dimension] : Math.ceil(limit / CHUNKS_PER_LIMIT);
  };
  return amounts(Object.fromEntries(DIMENSIONS.map((each) => [each, Math.max(base(each), need[each])])));
}

/** Whether `used + held` has outgrown what is durably set aside. */
function isUncovered(account: Account): boolean {
  return DIMENSIONS.some((each) => account.used[each] + account.held[each] > account.committed[each]);
}

/** Whether more than one chunk is set aside without being used or held. */
function isSlack(account: Account): boolean {
  return DIMENSIONS.some(
    (each) => account.committed[each] - account.used[each] - account.held[each] > account.chunk[each],
  );
}

/** Sets aside exactly a chunk beyond what is used and held, within the limits. */
function recommit(account: Account, need: Amounts): Account {
  const chunk = chunkFor(account, need);
  const busy = plus(account.used, account.held);
  const without = minus(busy, need);
  const committed = Object.fromEntries(
    DIMENSIONS.map((each) => {
      const wanted = Math.max(busy[each], without[each] + chunk[each]);
      const limit = account.limits[each];
      return [each, limit === undefined ? wanted : Math.max(busy[each], Math.min(limit, wanted))];
    }),
  );
  return { ...account, chunk, committed: amounts(committed) };
}

/** An account change, and whether what it durably sets aside changed with it. */
export interface AccountChange {
  readonly account: Account;
  readonly isCommitted: boolean;
}

/** Holds an amount that `largestGrant` found to fit; sets a further chunk aside only when the last is used up. */
export function hold(account: Account, need: Amounts): AccountChange {
  const next = { ...account, held: plus(account.held, need) };
  return isUncovered(next)
    ? { account: recommit(next, need), isCommitted: true }
    : { account: next, isCommitted: false };
}

/**
 * Turns a hold into what was really used. Gives back set-aside amounts only when more than a chunk lies idle,
 * so that an unclean stop never forfeits more than one chunk.
 */
export function settle(account: Account, held: Amounts, actual: Amounts): AccountChange {
  const next = { ...account, held: minus(account.held, held), used: plus(account.used, actual) };
  return isUncovered(next) || isSlack(next)
    ? { account: recommit(next, NOTHING), isCommitted: true }
    : { account: next, isCommitted: false };
}

/** Uses an amount at once, without a hold. */
export function charge(account: Account, amount: Amounts): AccountChange {
  const next = { ...account, used: plus(account.used, amount) };
  return isUncovered(next)
    ? { account: recommit(next, amount), isCommitted: true }
    : { account: next, isCommitted: false };
}

/** Takes back an amount that was charged for something that surely never happened. */
export function giveBack(account: Account, amount: Amounts): AccountChange {
  const next = { ...account, used: minus(account.used, amount) };
  return isSlack(next)
    ? { account: recommit(next, NOTHING), isCommitted: true }
    : { account: next, isCommitted: false };
}

/** Sets aside exactly what is used and held: nothing is forfeited if the process stops now. */
export function exactly(account: Account): Account {
  return { ...account, committed: plus(account.used, account.held) };
}

/** The account after an unclean stop: everything set aside counts as used, and nothing is held. */
export function forfeited(account: Account): Account {
  return { ...account, used: account.committed, held: NOTHING };
}

/** What an unclean stop turns from idle to used. */
export function forfeitOf(account: Account): Amounts {
  return combine(account.committed, plus(account.used, account.held), (committed, busy) =>
    Math.max(0, committed - busy),
  );
}
