// Names what the audit chain needs from the world: where its segments lie, and who signs them.
import type { AuditKey, ChainTail, Checkpoint, SignedCheckpoint } from "../../core/audit/chain.ts";

/** A segment before its row is inserted. */
export interface AuditSegment {
  readonly signed: SignedCheckpoint;
  /** When the earliest and the latest of its acts were done, epoch milliseconds. */
  readonly firstAt: number;
  readonly lastAt: number;
}

/** A stretch of a chain's segments, oldest first. */
export interface SegmentRange {
  /** The first entry that is asked for: its segment is the first one answered. */
  readonly fromSeq: number;
  readonly limit: number;
}

/**
 * Where chains are stored. A segment is an object of lines and a row with its checkpoint; a row whose object is missing
 * is answered all the same, for that is what an auditor has to be told.
 */
export interface AuditStore {
  /** The end of a tenant's chain, as strongly consistent as the rows are. */
  tail(tenant: string): Promise<ChainTail>;
  /** Stores a segment's lines; nothing refers to them before its row is inserted. Storing them again changes nothing. */
  put(signed: SignedCheckpoint, lines: readonly string[]): Promise<void>;
  /** The checkpoints of segments from the one that holds an entry, oldest first. */
  segments(tenant: string, range: SegmentRange): Promise<readonly SignedCheckpoint[]>;
  /** The checkpoints of segments whose first entry is at most this one, newest first. */
  segmentsBefore(tenant: string, seq: number, limit: number): Promise<readonly SignedCheckpoint[]>;
  /** An entry of the first and one of the last segment with acts between two times, epoch ms; `undefined` for none. */
  window(
    tenant: string,
    between: { readonly from: number; readonly to: number },
  ): Promise<{ readonly firstSeq: number; readonly lastSeq: number } | undefined>;
  /** The lines of a segment; `undefined` when its object is gone. */
  lines(checkpoint: Checkpoint): Promise<readonly string[] | undefined>;
}

/** Who signs checkpoints: one Ed25519 key of the deployment. Every key that ever signed stays published. */
export interface AuditSigner {
  /** Signs; the key is published before its first signature leaves. */
  sign(checkpoint: Omit<Checkpoint, "key_id">): Promise<SignedCheckpoint>;
  /** Every key that has signed or will sign, oldest first. */
  keys(): Promise<readonly AuditKey[]>;
  /** Whether one of these keys signed exactly this checkpoint. Never throws. */
  isSigned(signed: SignedCheckpoint, keys: readonly AuditKey[]): Promise<boolean>;
}
