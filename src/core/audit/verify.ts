// Decides whether a chain is as it was written: every fault of it, and at which entry.
import { entryHash, type ChainEntry, type ChainTail, type Checkpoint, type SignedCheckpoint } from "./chain.ts";
import type { ChainStart } from "./lines.ts";
import { placed, type PlacedEntry } from "./placed.ts";
import type { AuditProblem } from "./problem.ts";

/** What is verified. `pins` are checkpoints kept elsewhere: the chain must reach them and agree with them. */
export interface ChainToVerify {
  readonly start: ChainStart;
  readonly entries: readonly ChainEntry[];
  readonly checkpoints: readonly SignedCheckpoint[];
  readonly pins: readonly SignedCheckpoint[];
}

/** What became of it: `head` is the last entry that the chain leads to. */
export interface ChainReport {
  readonly ok: boolean;
  readonly events: number;
  readonly head: ChainTail;
  readonly problems: readonly AuditProblem[];
}

/**
 * Verifies a chain. Every entry is hashed again; every checkpoint must bear a signature that `isSigned` accepts, agree
 * with the hashes at both of its ends, and together they must cover every entry. A signed checkpoint is believed over an
 * entry's stored hash, so that what was changed in one segment is told there and not in those behind it. An entry that
 * was changed together with its own hash shows at the next one, or at its checkpoint. O(entries).
 */
export function verifyChain(chain: ChainToVerify, isSigned: (signed: SignedCheckpoint) => boolean): ChainReport {
  const { start } = chain;
  const problems: AuditProblem[] = [];
  const own = trusted(chain.checkpoints, start, isSigned, problems);
  const pins = trusted(pinsOf(chain), start, isSigned, problems);
  const anchors = anchorsOf([...pins, ...own]);
  const found = placed(chain.entries, start);
  problems.push(...found.problems);
  const walk = new Walk(start, anchors);
  for (const [at, entry] of found.entries.entries()) walk.step(entry, found.entries[at + 1]);
  walk.end(Math.max(0, ...[...pins, ...own].map((each) => each.seq)));
  problems.push(...walk.problems, ...uncovered(own, start, found.entries));
  return {
    ok: problems.length === 0,
    events: found.entries.length,
    head: walk.head,
    problems: unique(problems).toSorted((a, b) => a.seq - b.seq),
  };
}

function pinsOf({ pins, start }: ChainToVerify): readonly SignedCheckpoint[] {
  return start.head === null ? pins : [...pins, start.head];
}

/** The checkpoints of this tenant that somebody whom the verifier believes has signed. */
function trusted(
  checkpoints: readonly SignedCheckpoint[],
  { tenant }: ChainStart,
  isSigned: (signed: SignedCheckpoint) => boolean,
  problems: AuditProblem[],
): readonly Checkpoint[] {
  return checkpoints.flatMap((signed) => {
    const { checkpoint } = signed;
    const problem = faultOf(signed, tenant, isSigned);
    if (problem === undefined) return [checkpoint];
    problems.push({ seq: checkpoint.seq, ...problem });
    return [];
  });
}

function faultOf(
  signed: SignedCheckpoint,
  tenant: string,
  isSigned: (signed: SignedCheckpoint) => boolean,
): Omit<AuditProblem, "seq"> | undefined {
  const { checkpoint } = signed;
  const what = `the checkpoint of entries ${checkpoint.first_seq} to ${checkpoint.seq}`;
  if (!isSigned(signed))
    return { kind: "bad_signature", detail: `${what} is not signed by key "${checkpoint.key_id}", or that is none` };
  if (checkpoint.tenant !== tenant)
    return { kind: "bad_checkpoint", detail: `${what} belongs to tenant "${checkpoint.tenant}"` };
  return undefined;
}

/** Hashes that are vouched for: what the first entry of a segment follows, and what its last one has. */
interface Anchors {
  readonly before: ReadonlyMap<number, string>;
  readonly at: ReadonlyMap<number, string>;
}

function anchorsOf(checkpoints: readonly Checkpoint[]): Anchors {
  return {
    before: new Map(checkpoints.map((each) => [each.first_seq, each.prev_hash])),
    at: new Map(checkpoints.map((each) => [each.seq, each.hash])),
  };
}

/** Goes from entry to entry and holds what the next one must follow. */
class Walk {
  readonly problems: AuditProblem[] = [];
  readonly #anchors: Anchors;
  #next: number;
  /** `undefined` behind a gap: what was removed cannot be hashed. */
  #prev: string | undefined;
  #head: ChainTail;

  constructor(start: ChainStart, anchors: Anchors) {
    this.#anchors = anchors;
    this.#next = start.from_seq;
    this.#prev = start.prev_hash;
    this.#head = { seq: start.from_seq - 1, hash: start.prev_hash };
  }

  get head(): ChainTail {
    return this.#head;
  }

  step({ entry, digest }: PlacedEntry, following: PlacedEntry | undefined): void {
    const { seq } = entry.event;
    if (seq > this.#next) this.#gap(seq - 1);
    this.#anchor(seq);
    const hash = this.#prev === undefined ? entry.hash : this.#checked(entry, entryHash(this.#prev, digest), following);
    const signed = this.#anchors.at.get(seq);
    if (signed !== undefined && signed !== hash)
      this.#complain(
        seq,
        "bad_checkpoint",
        `entry ${seq} is not the one that the checkpoint of its segment vouches for`,
      );
    this.#prev = signed ?? hash;
    this.#next = seq + 1;
    this.#head = { seq, hash };
  }

  /** What the chain should still have had. */
  end(lastSeq: number): void {
    if (lastSeq >= this.#next) this.#gap(lastSeq);
  }

  /** A segment's signed start is believed; where the entry before it ends elsewhere, one of the two was written anew. */
  #anchor(seq: number): void {
    const signed = this.#anchors.before.get(seq);
    if (signed === undefined) return;
    if (this.#prev !== undefined && this.#prev !== signed)
      this.#complain(seq, "bad_checkpoint", `the segment at entry ${seq} does not follow the entries before it`);
    this.#prev = signed;
  }

  #checked(entry: ChainEntry, computed: string, following: PlacedEntry | undefined): string {
    if (computed === entry.hash) return computed;
    const { seq } = entry.event;
    const signed = this.#anchors.at.get(seq);
    const isFollowed = following !== undefined && entryHash(computed, following.digest) === following.entry.hash;
    if (signed === computed || (signed === undefined && isFollowed)) {
      this.#complain(seq, "changed", `entry ${seq} is as it was written, its hash is not`);
      return computed;
    }
    this.#complain(
      seq,
      "changed",
      `entry ${seq} does not hash to what is written with it: it was changed, or the one before it with its hash`,
    );
    return entry.hash;
  }

  #gap(lastMissing: number): void {
    const first = this.#next;
    const which = first === lastMissing ? `entry ${first} is` : `entries ${first} to ${lastMissing} are`;
    this.#complain(first, "removed", `${which} missing`);
    this.#prev = undefined;
  }

  #complain(seq: number, kind: AuditProblem["kind"], detail: string): void {
    this.problems.push({ seq, kind, detail });
  }
}

/** Entries that no checkpoint of the chain's own covers, and segments that two of them claim. */
function uncovered(
  checkpoints: readonly Checkpoint[],
  start: ChainStart,
  entries: readonly PlacedEntry[],
): readonly AuditProblem[] {
  const problems: AuditProblem[] = [];
  let next = start.from_seq;
  for (const { first_seq, seq } of checkpoints.toSorted((a, b) => a.first_seq - b.first_seq)) {
    if (first_seq > next) problems.push(without(next, first_seq - 1));
    if (first_seq < next)
      problems.push({
        seq: first_seq,
        kind: "inserted",
        detail: `entry ${first_seq} is covered by more than one checkpoint`,
      });
    next = Math.max(next, seq + 1);
  }
  const last = entries.at(-1)?.entry.event.seq ?? 0;
  if (last >= next) problems.push(without(next, last));
  return problems;
}

function without(first: number, last: number): AuditProblem {
  return { seq: first, kind: "bad_checkpoint", detail: `no checkpoint covers entries ${first} to ${last}` };
}

/** One problem told twice, by a checkpoint and by its copy elsewhere, is one. */
function unique(problems: readonly AuditProblem[]): readonly AuditProblem[] {
  return [...new Map(problems.map((each) => [`${each.seq} ${each.kind} ${each.detail}`, each])).values()];
}
