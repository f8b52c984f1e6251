// Decides how a chain is written and read as NDJSON: one canonical line per entry, checkpoint, key, and for where it starts.
import * as z from "zod/mini";
import { canonicalJson } from "../json/canonical.ts";
import { thumbprint, type AuditKey, type ChainEntry, type SignedCheckpoint } from "./chain.ts";
import { AuditEventShape } from "./event.ts";
import type { AuditProblem } from "./problem.ts";

/** Where an export starts, and where the chain ended when it was made: `head` is missing from a chain without entries. */
export interface ChainStart {
  readonly v: 1;
  readonly tenant: string;
  readonly from_seq: number;
  /** What the first entry follows; nobody vouches for it but the checkpoint that covers it. */
  readonly prev_hash: string;
  readonly head: SignedCheckpoint | null;
}

/** One line of an export or a stored segment. */
export type AuditLine =
  | ({ readonly type: "start" } & ChainStart)
  | ({ readonly type: "entry" } & ChainEntry)
  | ({ readonly type: "checkpoint" } & SignedCheckpoint)
  | { readonly type: "key"; readonly key: AuditKey };

/** A line as it is stored and exported: canonical JSON (RFC 8785), so that no byte of it can change unseen. */
export function auditLine(line: AuditLine): string {
  return canonicalJson(line);
}

/** What stands in an export, and what could not be read of it. */
export interface ReadChain {
  readonly start: ChainStart | undefined;
  readonly entries: readonly ChainEntry[];
  readonly checkpoints: readonly SignedCheckpoint[];
  readonly keys: readonly AuditKey[];
  readonly problems: readonly AuditProblem[];
}

const hash = z.string().check(z.regex(/^[0-9a-f]{64}$/));
const seq = z.int().check(z.gte(1));
const signed = {
  checkpoint: z.strictObject({
    v: z.literal(1),
    tenant: z.string(),
    first_seq: seq,
    seq,
    prev_hash: hash,
    hash,
    at: z.int(),
    key_id: z.string(),
  }),
  signature: z.string(),
};
/** A checkpoint with its signature, as it travels. */
export const SignedCheckpointShape = z.strictObject(signed);
/** A public key, as it travels; members that do not matter here are left out. */
export const AuditKeyShape = z.object({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  x: z.string(),
  kid: z.string(),
});

const Line = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("start"),
    v: z.literal(1),
    tenant: z.string(),
    from_seq: seq,
    prev_hash: hash,
    head: z.nullable(SignedCheckpointShape),
  }),
  z.strictObject({ type: z.literal("entry"), event: AuditEventShape, hash }),
  z.strictObject({ type: z.literal("checkpoint"), ...signed }),
  z.strictObject({
    type: z.literal("key"),
    key: z.strictObject({ kty: z.literal("OKP"), crv: z.literal("Ed25519"), x: z.string(), kid: z.string() }),
  }),
]);

/** Collects what an export's lines say, one after another. */
class Reading {
  start: ChainStart | undefined;
  readonly entries: ChainEntry[] = [];
  readonly checkpoints: SignedCheckpoint[] = [];
  readonly keys: AuditKey[] = [];
  readonly problems: AuditProblem[] = [];
  #number = 0;
  /** The last entry for which a checkpoint has been read. */
  #covered = 0;

  constructor(start: ChainStart | undefined) {
    this.start = start;
  }

  /** The entry that the next one should be. */
  get #next(): number {
    const last = this.entries.at(-1);
    return last === undefined ? (this.start?.from_seq ?? 1) : last.event.seq + 1;
  }

  take(text: string): void {
    this.#number += 1;
    const parsed = Line.safeParse(jsonOf(text));
    if (!parsed.success) return this.#complain("changed", "is no line of an audit chain");
    // What was read is exactly what is written: a member that is read over would be changed unseen.
    if (canonicalJson(parsed.data) !== text) this.#complain("changed", "is not written as the gateway writes it");
    this.#keep(parsed.data);
  }

  #keep(line: AuditLine): void {
    switch (line.type) {
      case "start": {
        const { type: _, ...start } = line;
        if (this.#number > 1 || this.start !== undefined)
          return this.#complain("inserted", "starts a chain in the midst of another");
        this.start = start;
        break;
      }
      case "entry":
        if (line.event.seq <= this.#covered)
          this.#complain("reordered", "is an entry that stands behind its checkpoint");
        this.entries.push({ event: line.event, hash: line.hash });
        break;
      case "checkpoint":
        if (line.checkpoint.seq < this.#next - 1)
          this.#complain("reordered", `is the checkpoint of entry ${line.checkpoint.seq} and stands behind others`);
        this.#covered = line.checkpoint.seq;
        this.checkpoints.push({ checkpoint: line.checkpoint, signature: line.signature });
        break;
      case "key":
        if (thumbprint(line.key) !== line.key.kid)
          return this.#complain("bad_signature", `is a key that is not the one its name "${line.key.kid}" stands for`);
        this.keys.push(line.key);
        break;
      default:
        line satisfies never;
    }
  }

  #complain(kind: AuditProblem["kind"], what: string): void {
    this.problems.push({ seq: this.#next, kind, detail: `line ${this.#number} ${what}` });
  }
}

/**
 * Reads the lines of an export, or of stored segments from a known start. Never throws: what is no line of a chain is a
 * problem. O(lines).
 */
export function readChain(lines: Iterable<string>, from?: ChainStart): ReadChain {
  const reading = new Reading(from);
  for (const line of lines) reading.take(line);
  const { start, entries, checkpoints, keys, problems } = reading;
  return { start, entries, checkpoints, keys, problems };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
