// Decides the number of a recorded call in the index: in order of time, the same for every delivery of the same record.
import { sha256Hex } from "../json/digest.ts";
import type { IndexRow } from "./record.ts";

/** Numbers count from 2020-01-01: 41 bits of milliseconds last until 2089. */
const EPOCH_MS = 1_577_836_800_000;
const DIGEST_BITS = 22n;
const SLOTS = 1n << DIGEST_BITS;
const LAST_MS = 2n ** 41n - 1n;
/** Another record on the same number is stepped over this often: who chooses names and times to collide has to find this many neighbours. */
const CANDIDATES = 64;

/** The lowest number of a call that started at this instant (epoch milliseconds, clamped to what numbers can tell). */
export function firstIdAt(ms: number): bigint {
  const since = BigInt(Math.max(0, Math.floor(ms) - EPOCH_MS));
  return (since > LAST_MS ? LAST_MS : since) << DIGEST_BITS;
}

/** The instant within whose millisecond a number lies. */
export function instantOf(id: bigint): number {
  return Number(id >> DIGEST_BITS) + EPOCH_MS;
}

/**
 * The numbers that a record may have, in the order in which they are tried: the first that is free or its own is the
 * record's. 22 bits of a digest over its name tell the calls of one millisecond apart.
 */
export function candidateIds(
  row: Pick<IndexRow, "tenant" | "trace_hex" | "span_id" | "started_at">,
): readonly bigint[] {
  const name = sha256Hex(`${row.tenant}\n${row.trace_hex}\n${row.span_id}`);
  const slot = BigInt(`0x${name.slice(0, 11)}`) % SLOTS;
  const base = firstIdAt(row.started_at);
  return Array.from({ length: CANDIDATES }, (_, step) => base + ((slot + BigInt(step)) % SLOTS));
}
