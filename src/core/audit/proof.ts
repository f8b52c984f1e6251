// Decides whether one event is in a chain: from the hash before it, over the digests behind it, to a signed checkpoint.
import * as z from "zod/mini";
import { canonicalJson } from "../json/canonical.ts";
import { entryHash, eventDigest, type ChainEntry, type SignedCheckpoint } from "./chain.ts";
import { AuditEventShape, type AuditEvent } from "./event.ts";
import { SignedCheckpointShape } from "./lines.ts";
import type { AuditProblem } from "./problem.ts";

/** That one event is in its tenant's chain: nothing of any other event is in it but a digest. */
export interface InclusionProof {
  readonly event: AuditEvent;
  /** The hash of the entry before it. */
  readonly prev_hash: string;
  /** Digests of the events behind it, up to the checkpoint. */
  readonly following: readonly string[];
  readonly checkpoint: SignedCheckpoint;
}

const hash = z.string().check(z.regex(/^[0-9a-f]{64}$/));

/** A proof as it travels. */
export const InclusionProofShape = z.strictObject({
  event: AuditEventShape,
  prev_hash: hash,
  following: z.array(hash),
  checkpoint: SignedCheckpointShape,
});

/** The proof of an entry of one segment, from the segment's entries and its checkpoint; `undefined` when it is not there. */
export function proofOf(
  seq: number,
  entries: readonly ChainEntry[],
  checkpoint: SignedCheckpoint,
): InclusionProof | undefined {
  const at = entries.findIndex(({ event }) => event.seq === seq);
  const entry = entries[at];
  if (entry === undefined) return undefined;
  return {
    event: entry.event,
    prev_hash: entries[at - 1]?.hash ?? checkpoint.checkpoint.prev_hash,
    following: entries.slice(at + 1).map(({ event }) => eventDigest(event)),
    checkpoint,
  };
}

/**
 * What is wrong with a proof; nothing, when the event is in the chain that the checkpoint vouches for. `value` is the
 * proof as it was read, so that a member which nobody knows is no part of one. O(following).
 */
export function verifyProof(value: unknown, isSigned: (signed: SignedCheckpoint) => boolean): readonly AuditProblem[] {
  const parsed = InclusionProofShape.safeParse(value);
  if (!parsed.success || canonicalJson(parsed.data) !== canonicalJson(value))
    return [{ seq: 0, kind: "changed", detail: "it is no inclusion proof" }];
  const { event, prev_hash, following, checkpoint: signed } = parsed.data;
  const { checkpoint } = signed;
  const { seq } = event;
  const problems: AuditProblem[] = [];
  if (!isSigned(signed))
    problems.push({ seq, kind: "bad_signature", detail: `the checkpoint is not signed by key "${checkpoint.key_id}"` });
  const isInSegment = checkpoint.first_seq <= seq && checkpoint.seq === seq + following.length;
  if (checkpoint.tenant !== event.tenant || !isInSegment)
    problems.push({ seq, kind: "bad_checkpoint", detail: "the checkpoint covers other entries" });
  const last = following.reduce(entryHash, entryHash(prev_hash, eventDigest(event)));
  if (last !== checkpoint.hash)
    problems.push({ seq, kind: "changed", detail: `entry ${seq} does not lead to the checkpoint's hash` });
  return problems;
}
