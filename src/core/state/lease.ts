// Decides what a session may draw from the shares of cross-session limits that it was granted, and what goes back.
import type { LeaseGrant } from "./meter.ts";

/** A share in use. `used` never exceeds `amount`. It is drawn only under the limit that it was granted under. */
export interface Lease extends LeaseGrant {
  readonly key: string;
  readonly used: number;
}

/** The shares of a session by lease id, oldest first. */
export type Leases = Readonly<Record<string, Lease>>;

/** What one call needs of one meter. */
export interface DrawNeed {
  readonly meter: string;
  readonly need: number;
  /** The limit as it stands now, as `termsOf` spells it. */
  readonly terms: string;
}

/** What was drawn from which lease, or the meters whose leases do not cover the need. */
export type Drawn =
  | { readonly ok: true; readonly leases: Leases; readonly from: Readonly<Record<string, string>> }
  | { readonly ok: false; readonly short: readonly string[] };

/** Draws every need, each from one lease that covers it, or none at all. Nothing is drawn once a lease has expired. */
export function drawAll(leases: Leases, needs: readonly DrawNeed[], now: number): Drawn {
  let next = leases;
  const from: Record<string, string> = {};
  const short: string[] = [];
  for (const { meter, need, terms } of needs) {
    const lease = Object.values(next).find(
      (each) => each.key === meter && each.terms === terms && now < each.expiresAt && each.amount - each.used >= need,
    );
    if (lease === undefined) {
      short.push(meter);
      continue;
    }
    from[meter] = lease.leaseId;
    next = { ...next, [lease.leaseId]: { ...lease, used: lease.used + need } };
  }
  return short.length === 0 ? { ok: true, leases: next, from } : { ok: false, short };
}

/** Adds a share. A lease that is used up has nothing left to give back and is dropped. */
export function add(leases: Leases, key: string, grant: LeaseGrant): Leases {
  const kept = Object.values(leases).filter((each) => each.used < each.amount);
  return Object.fromEntries([...kept, { ...grant, key, used: 0 }].map((each) => [each.leaseId, each]));
}

/**
 * Puts back what a call drew that surely did not happen. A share that is wholly unused again, or whose lease is gone,
 * is not drawn here any more: it goes back to the tenant, where other sessions may wait for it.
 */
export function putBack(
  leases: Leases,
  { meter, leaseId, amount }: { readonly meter: string; readonly leaseId: string; readonly amount: number },
): Leases {
  const lease = leases[leaseId];
  if (lease === undefined)
    return { ...leases, [leaseId]: { key: meter, leaseId, amount, terms: "", used: 0, expiresAt: 0 } };
  const used = Math.max(0, lease.used - amount);
  return { ...leases, [leaseId]: { ...lease, used, expiresAt: used === 0 ? 0 : lease.expiresAt } };
}

/** Ends a lease at once; answers what was left of it, 0 for one that is not here. */
export function reclaim(leases: Leases, leaseId: string): { readonly leases: Leases; readonly unused: number } {
  const lease = leases[leaseId];
  if (lease === undefined) return { leases, unused: 0 };
  const { [leaseId]: _, ...rest } = leases;
  return { leases: rest, unused: lease.amount - lease.used };
}

/** What a session gives back of a lease. */
export interface GivenUp {
  readonly key: string;
  readonly leaseId: string;
  readonly unused: number;
}

/** Gives back what all leases have left, or only what is not drawn here any more: put back, or expired. */
export function giveUp(
  leases: Leases,
  which: "all" | "returned",
  now: number,
): { readonly leases: Leases; readonly unused: readonly GivenUp[] } {
  const mayStay = (each: Lease): boolean => which === "returned" && now < each.expiresAt;
  const kept = Object.values(leases).filter(mayStay);
  const going = Object.values(leases).filter((each) => !mayStay(each));
  return {
    leases: Object.fromEntries(kept.map((each) => [each.leaseId, each])),
    unused: going.map(({ key, leaseId, amount, used }) => ({ key, leaseId, unused: amount - used })),
  };
}
