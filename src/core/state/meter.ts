// Decides how much of one cross-session limit is used, and which share of it a session may be granted.
import { periodAround } from "../units/local-time.ts";
import type { Window } from "../units/window.ts";

/** A limit as it stands now. `max` is a count of calls or micro-units of an amount. */
export interface MeterSpec {
  readonly max: number;
  readonly window: Window;
  /** IANA zone of calendar windows. */
  readonly zone: string;
}

/** A share of a limit: the session may draw it until it expires, without asking again. */
export interface LeaseGrant {
  readonly leaseId: string;
  readonly amount: number;
  /** The limit that it was granted under, as `termsOf` spells it. */
  readonly terms: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/** A share of which something may be left. */
interface OpenLease extends LeaseGrant {
  readonly session: string;
}

/**
 * What counts against a limit. Everything granted counts as used from the instant of the grant on, at the latest
 * instant at which it can be drawn: no interleaving of sessions passes the limit, and a share that nobody gives back
 * stays counted for a whole window.
 */
export interface MeterState {
  /** What is drawn for good, by the end of the time slot it counts in. */
  readonly slots: readonly (readonly [at: number, amount: number])[];
  readonly open: readonly OpenLease[];
  /** When nothing of this counts any more. */
  readonly keepUntil: number;
}

/** A limit's terms in one text: a share granted under others is not drawn. */
export function termsOf({ max, window, zone }: MeterSpec): string {
  const span = window.type === "sliding" ? String(window.ms) : `${window.unit}@${zone}`;
  return `${max}/${span}`;
}

/** A meter never asked. */
export const EMPTY_METER: MeterState = { slots: [], open: [], keepUntil: 0 };

/** What a session asks for. */
export interface MeterRequest {
  readonly session: string;
  readonly need: number;
  readonly leaseId: string;
  /** Whether the holders of open leases have been asked already. */
  readonly hasReclaimed: boolean;
}

/** What it gets. */
export type MeterReply =
  | { readonly type: "granted"; readonly lease: LeaseGrant }
  /** Sessions hold shares that they may not need: ask them, then ask again. */
  | { readonly type: "reclaim"; readonly holders: readonly { readonly session: string; readonly leaseId: string }[] }
  | { readonly type: "exhausted"; readonly max: number; readonly used: number; readonly resetAt: number };

/** A lease lives at most this long; in short windows, a tenth of the window. */
const MAX_LEASE_MS = 30_000;
const MIN_LEASE_MS = 1_000;
/** A limit is granted in this many chunks, and call by call once less than a quarter is left. */
const CHUNKS_PER_LIMIT = 64;
const SCARCE_PART = 4;
/** A sliding window is counted in this many slots: what leaves it, leaves at most a sixtieth of it late. */
const SLOTS = 60;

/** Grants `need` or a chunk, asks for open leases to be reclaimed, or says when it fits again. */
export function request(
  state: MeterState,
  spec: MeterSpec,
  { session, need, leaseId, hasReclaimed }: MeterRequest,
  now: number,
): { readonly next: MeterState; readonly reply: MeterReply } {
  const current = settled(state, spec, now);
  const used = usedOf(current, spec, now);
  const available = spec.max - used;
  if (available < need) {
    const holders = current.open.map((each) => ({ session: each.session, leaseId: each.leaseId }));
    const reply: MeterReply =
      holders.length > 0 && !hasReclaimed
        ? { type: "reclaim", holders }
        : { type: "exhausted", max: spec.max, used, resetAt: resetAt(current, spec, { need, now }) };
    return { next: current, reply };
  }
  const amount = Math.max(need, Math.min(chunkOf(spec, available), available));
  const expiresAt = expiryOf(spec, now);
  const lease: LeaseGrant = { leaseId: slotted(leaseId, spec, expiresAt), amount, terms: termsOf(spec), expiresAt };
  const counted: MeterState =
    amount === need
      ? inSlot(current, spec, { at: lease.expiresAt, amount })
      : { ...current, open: [...current.open, { ...lease, session }] };
  return {
    next: { ...counted, keepUntil: Math.max(counted.keepUntil, lastCounted(spec, lease.expiresAt)) },
    reply: { type: "granted", lease },
  };
}

/**
 * Counts what a session gives back: the rest of an open lease, which ends with it, or a share of a closed one whose
 * call surely did not happen. A lease that is not known changes nothing, and nothing is ever counted below zero.
 */
export function giveUp(
  state: MeterState,
  spec: MeterSpec,
  { leaseId, unused }: { readonly leaseId: string; readonly unused: number },
): MeterState {
  const lease = state.open.find((each) => each.leaseId === leaseId);
  if (lease === undefined) return fromSlot(state, slotOf(leaseId), unused);
  const open = state.open.filter((each) => each.leaseId !== leaseId);
  // It counts where the whole lease would have: that is the slot its id names.
  return inSlot({ ...state, open }, spec, { at: lease.expiresAt, amount: Math.max(0, lease.amount - unused) });
}

/** How much of the limit is used or granted in the window around `now`. */
export function usage(state: MeterState, spec: MeterSpec, now: number): { readonly used: number } {
  return { used: usedOf(settled(state, spec, now), spec, now) };
}

/** When the meter can be forgotten, in epoch milliseconds. */
export function purgeAt({ keepUntil }: MeterState): number {
  return keepUntil;
}

/** What has left the window is dropped; an expired lease that nobody gave back counts as drawn. */
function settled(state: MeterState, spec: MeterSpec, now: number): MeterState {
  const start = windowStart(spec, now);
  const expired = state.open.filter((each) => each.expiresAt + GRACE_MS <= now);
  const kept: MeterState = {
    ...state,
    slots: state.slots.filter(([at]) => at > start),
    open: state.open.filter((each) => each.expiresAt + GRACE_MS > now),
  };
  return expired.reduce((all, each) => inSlot(all, spec, { at: each.expiresAt, amount: each.amount }), kept);
}

/** An expired lease may still be given back so long. */
const GRACE_MS = 10_000;

function usedOf({ slots, open }: MeterState, spec: MeterSpec, now: number): number {
  const start = windowStart(spec, now);
  const drawn = slots.reduce((sum, [at, amount]) => sum + (at > start ? amount : 0), 0);
  return open.reduce((sum, { amount, expiresAt }) => sum + (expiresAt > start ? amount : 0), drawn);
}

function windowStart({ window, zone }: MeterSpec, now: number): number {
  return window.type === "sliding" ? now - window.ms : periodAround(now, window.unit, zone).start;
}

function chunkOf({ max }: MeterSpec, available: number): number {
  return available * SCARCE_PART < max ? 0 : Math.floor(max / CHUNKS_PER_LIMIT);
}

/** A lease never outlives the calendar window it counts in. */
function expiryOf({ window, zone }: MeterSpec, now: number): number {
  if (window.type === "calendar") return Math.min(now + MAX_LEASE_MS, periodAround(now, window.unit, zone).end);
  return now + Math.min(MAX_LEASE_MS, Math.max(MIN_LEASE_MS, Math.floor(window.ms / 10)));
}

/** The end of the slot that an instant counts in; never beyond the calendar window around it. */
function slotEnd({ window, zone }: MeterSpec, at: number): number {
  if (window.type === "sliding") return roundUp(at, Math.max(1_000, Math.floor(window.ms / SLOTS)));
  // An instant at the very end of a window is the end of a lease of that window.
  const { start, end } = periodAround(at - 1, window.unit, zone);
  return Math.min(start + roundUp(at - start, Math.max(1_000, Math.floor((end - start) / SLOTS))), end);
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

function lastCounted({ window, zone }: MeterSpec, at: number): number {
  const end = slotEnd({ max: 0, window, zone }, at);
  return (window.type === "sliding" ? end + window.ms : periodAround(at - 1, window.unit, zone).end) + GRACE_MS;
}

function inSlot(
  state: MeterState,
  spec: MeterSpec,
  { at, amount }: { readonly at: number; readonly amount: number },
): MeterState {
  if (amount <= 0) return state;
  const end = slotEnd(spec, at);
  const known = state.slots.find(([slot]) => slot === end)?.[1] ?? 0;
  const slots = [...state.slots.filter(([slot]) => slot !== end), [end, known + amount] as const];
  return { ...state, slots: slots.toSorted(([left], [right]) => left - right) };
}

function fromSlot(state: MeterState, end: number | undefined, amount: number): MeterState {
  if (end === undefined || amount <= 0) return state;
  const slots = state.slots.map(([slot, known]) => [slot, slot === end ? Math.max(0, known - amount) : known] as const);
  return { ...state, slots: slots.filter(([, known]) => known > 0) };
}

/** A lease's id names the slot it counts in, so that a share of it can be given back once the lease is closed. */
function slotted(leaseId: string, spec: MeterSpec, expiresAt: number): string {
  return `${slotEnd(spec, expiresAt)}.${leaseId}`;
}

function slotOf(leaseId: string): number | undefined {
  const end = Number(leaseId.split(".")[0]);
  return Number.isSafeInteger(end) && end > 0 ? end : undefined;
}

function resetAt(
  state: MeterState,
  spec: MeterSpec,
  { need, now }: { readonly need: number; readonly now: number },
): number {
  const { window, zone } = spec;
  if (window.type === "calendar") return periodAround(now, window.unit, zone).end;
  const leases = state.open.map(({ expiresAt, amount }) => [slotEnd(spec, expiresAt), amount] as const);
  let left = usedOf(state, spec, now) + need - spec.max;
  for (const [at, amount] of [...state.slots, ...leases].toSorted(([a], [b]) => a - b)) {
    left -= amount;
    if (left <= 0) return at + window.ms;
  }
  return now + window.ms;
}
