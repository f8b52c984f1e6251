// Decides whether one more call of a tool may run beside those that run already.

/** A running call. */
interface Holder {
  readonly id: string;
  /** When it has surely ended, in epoch milliseconds. */
  readonly until: number;
}

/** The running calls of one tool. */
export interface SlotsState {
  readonly held: readonly Holder[];
}

/** No call runs. */
export const NO_SLOTS: SlotsState = { held: [] };

/**
 * Takes a slot, if fewer than `max` are taken. Never more than `max` calls hold one at once; a call that asks again
 * keeps the one it has, for as long as it now says. What is not given back is free at its `until`.
 */
export function take(
  state: SlotsState,
  { id, until, max }: Holder & { readonly max: number },
  now: number,
): { readonly next: SlotsState; readonly isTaken: boolean } {
  const others = running(state, now).filter((each) => each.id !== id);
  if (others.length >= max) return { next: { held: running(state, now) }, isTaken: false };
  return { next: { held: [...others, { id, until }] }, isTaken: true };
}

/** Gives a slot back; one that is not held changes nothing. */
export function release(state: SlotsState, id: string): SlotsState {
  return { held: state.held.filter((each) => each.id !== id) };
}

/** The calls that hold a slot at an instant. */
export function running({ held }: SlotsState, now: number): readonly Holder[] {
  return held.filter(({ until }) => now < until);
}
