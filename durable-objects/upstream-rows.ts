// Touches the rows of a tenant's breakers and slots; every rule is in src/core/state/{breaker,slots,tenant-upstream}.ts.
import * as breakers from "../src/core/state/breaker.ts";
import type { BreakerState, KeyedReport, ListedBreaker } from "../src/core/state/breaker.ts";
import * as slots from "../src/core/state/slots.ts";
import type { SlotsState } from "../src/core/state/slots.ts";
import { grantUpstream, type UpstreamAsk, type UpstreamGrant } from "../src/core/state/tenant-upstream.ts";
import type { SqlStore } from "./sql-store.ts";

/** What a call gives back. */
export interface Released {
  readonly callId: string;
  readonly slots: readonly string[];
  readonly probes: readonly string[];
}

const BREAKER_ROWS = "breaker/";
const SLOT_ROWS = "slots/";

/**
 * Breakers and slots of one tenant. A breaker is a row only while it is not closed: what it counts before it opens, and
 * who probes, is memory and may be lost. A slot is a row, for what runs must be known whatever stops.
 */
export class UpstreamRows {
  readonly #store: SqlStore;
  readonly #breakers = new Map<string, BreakerState>();

  constructor(store: SqlStore) {
    this.#store = store;
    for (const { id, body } of store.rowsUnder(BREAKER_ROWS))
      this.#breakers.set(id.slice(BREAKER_ROWS.length), body as BreakerState);
  }

  /** Every breaker that is not closed. */
  listed(now: number): readonly ListedBreaker[] {
    return [...this.#breakers].flatMap(([key, state]) => breakers.listed(key, state, now) ?? []);
  }

  /** Counts reported calls; answers whether a breaker has changed. */
  report(reports: readonly KeyedReport[], now: number): boolean {
    return reports
      .map(({ key, settings, ...told }) => this.#write(key, breakers.report(this.#breaker(key), settings, told, now)))
      .includes(true);
  }

  /** Takes what a call needs, all of it or nothing. */
  take(ask: UpstreamAsk, now: number): UpstreamGrant {
    const grant = grantUpstream(ask, { slots: (key) => this.#slots(key), breakers: (key) => this.#breaker(key) }, now);
    if (!("ok" in grant)) return grant;
    for (const [key, state] of grant.slots) this.#store.writeRow(`${SLOT_ROWS}${key}`, state);
    for (const [key, state] of grant.breakers) this.#write(key, state);
    return grant;
  }

  /** Gives back what a call has taken. */
  release({ callId, slots: keys, probes }: Released): void {
    for (const key of keys) {
      const held = this.#slots(key);
      if (held !== undefined) this.#store.writeRow(`${SLOT_ROWS}${key}`, slots.release(held, callId));
    }
    for (const key of probes) this.#write(key, breakers.abandonProbe(this.#breaker(key), callId));
  }

  /** Deletes what says nothing any more. */
  purge(now: number): void {
    for (const { id, body } of this.#store.rowsUnder(SLOT_ROWS))
      if (slots.running(body as SlotsState, now).length === 0) this.#store.deleteRow(id);
    for (const [key, state] of this.#breakers) this.#write(key, breakers.settled(state, now));
  }

  #slots(key: string): SlotsState | undefined {
    return this.#store.readRow(`${SLOT_ROWS}${key}`) as SlotsState | undefined;
  }

  #breaker(key: string): BreakerState {
    return this.#breakers.get(key) ?? breakers.CLOSED;
  }

  #write(key: string, next: BreakerState): boolean {
    const hasChanged = breakers.isWorthKeeping(this.#breaker(key), next);
    this.#breakers.set(key, next);
    if (!hasChanged) return false;
    if (next.phase === "closed") this.#store.deleteRow(`${BREAKER_ROWS}${key}`);
    else this.#store.writeRow(`${BREAKER_ROWS}${key}`, next);
    return true;
  }
}

/** The keys of what a call asks for, as it gives them back. */
export function keysOf({ slots, probes }: UpstreamAsk): Pick<Released, "slots" | "probes"> {
  return { slots: slots.map(({ key }) => key), probes: probes.map(({ key }) => key) };
}
