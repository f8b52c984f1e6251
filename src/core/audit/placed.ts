// Decides which of the entries found is which link of the chain: what stands twice, out of its place, or belongs elsewhere.
import { entryHash, eventDigest, type ChainEntry } from "./chain.ts";
import type { ChainStart } from "./lines.ts";
import type { AuditProblem } from "./problem.ts";

/** An entry in its place, with the digest of its event. */
export interface PlacedEntry {
  readonly entry: ChainEntry;
  readonly digest: string;
}

/** Entries by number, one of each, and what was wrong with how they stood. */
export interface Placed {
  readonly entries: readonly PlacedEntry[];
  readonly problems: readonly AuditProblem[];
}

/**
 * Puts entries in their places. Of several with one number the one that follows the entry before it stands; the rest
 * were inserted. O(n log n).
 */
export function placed(found: readonly ChainEntry[], { tenant, from_seq }: ChainStart): Placed {
  const problems: AuditProblem[] = [];
  const complain = (seq: number, kind: AuditProblem["kind"], detail: string): void => {
    problems.push({ seq, kind, detail });
  };
  const bySeq = new Map<number, PlacedEntry[]>();
  let highest = 0;
  for (const entry of found) {
    const { seq, tenant: owner } = entry.event;
    if (owner !== tenant) complain(seq, "inserted", `entry ${seq} belongs to tenant "${owner}"`);
    if (seq < from_seq) {
      complain(seq, "inserted", `entry ${seq} stands in a chain that starts at ${from_seq}`);
      continue;
    }
    if (seq < highest) complain(seq, "reordered", `entry ${seq} stands behind entry ${highest}`);
    highest = Math.max(highest, seq);
    const same = bySeq.get(seq);
    const each = { entry, digest: eventDigest(entry.event) };
    if (same === undefined) bySeq.set(seq, [each]);
    else same.push(each);
  }
  const entries: PlacedEntry[] = [];
  for (const seq of [...bySeq.keys()].sort((a, b) => a - b)) {
    const candidates = bySeq.get(seq) ?? [];
    const before = entries.at(-1)?.entry.hash;
    const one = candidates.find((each) => before !== undefined && entryHash(before, each.digest) === each.entry.hash);
    const chosen = one ?? candidates[0];
    if (chosen !== undefined) entries.push(chosen);
    if (candidates.length > 1) complain(seq, "inserted", `entry ${seq} stands ${candidates.length} times`);
  }
  return { entries, problems };
}
