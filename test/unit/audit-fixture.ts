// Builds audit chains as the gateway writes them, signed with a key from a seed.
import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from "node:crypto";
import {
  chained,
  NO_ENTRIES,
  signedText,
  thumbprint,
  type AuditKey,
  type ChainEntry,
  type Checkpoint,
  type SignedCheckpoint,
} from "../../src/core/audit/chain.ts";
import type { AuditAct } from "../../src/core/audit/event.ts";
import { auditLine, type AuditLine } from "../../src/core/audit/lines.ts";
import { verifyExport, type ExportReport } from "../../src/core/audit/verify-export.ts";

/** RFC 8410: what stands before the 32 bytes of a private Ed25519 key in PKCS #8. */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

/** A signing key and its published half. */
export interface TestSigner {
  readonly key: AuditKey;
  sign(checkpoint: Checkpoint): SignedCheckpoint;
}

/** The private key of a 32-byte seed. */
export function privateKeyOf(seed: Buffer): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: "der", type: "pkcs8" });
}

/** A signer from a seed of one repeated byte. */
export function signerOf(byte: number): TestSigner {
  const secret = privateKeyOf(Buffer.alloc(32, byte));
  const { x = "" } = createPublicKey(secret).export({ format: "jwk" });
  const named = { kty: "OKP", crv: "Ed25519", x } as const;
  return {
    key: { ...named, kid: thumbprint(named) },
    sign: (checkpoint) => ({
      checkpoint,
      signature: sign(null, Buffer.from(signedText(checkpoint)), secret).toString("base64url"),
    }),
  };
}

/** Whether one of these keys has signed. */
export function signedBy(keys: readonly AuditKey[]): (signed: SignedCheckpoint) => boolean {
  return ({ checkpoint, signature }) => {
    const key = keys.find(({ kid }) => kid === checkpoint.key_id);
    if (key === undefined) return false;
    const isCanonical = Buffer.from(signature, "base64url").toString("base64url") === signature;
    const known = createPublicKey({ key: { ...key }, format: "jwk" });
    return isCanonical && verify(null, Buffer.from(signedText(checkpoint)), known, Buffer.from(signature, "base64url"));
  };
}

/** An act of a tenant. */
export function actOf(tenant: string, number: number): AuditAct {
  return {
    v: 1,
    tenant,
    at: 1_800_000_000_000 + number,
    kind: number % 3 === 0 ? "switch" : "decision",
    who: `key_${number % 5}`,
    on: { trace: `tr_${String(number).padStart(32, "0")}`, session: "s1" },
    what: { status: "succeeded", effect: "allow", rules: ["actor.tools"], cost_micro_usd: number },
    record: String(number).padStart(64, "0"),
  };
}

/** One segment: its entries and its signed checkpoint. */
export interface TestSegment {
  readonly entries: readonly ChainEntry[];
  readonly signed: SignedCheckpoint;
}

/** A chain of segments of these sizes. */
export function segmentsOf(tenant: string, sizes: readonly number[], signer: TestSigner): readonly TestSegment[] {
  let tail = NO_ENTRIES;
  return sizes.map((size) => {
    const acts = Array.from({ length: size }, (_, at) => actOf(tenant, tail.seq + at + 1));
    const entries = chained(tail, acts);
    const last = entries.at(-1);
    const before = tail;
    tail = last === undefined ? tail : { seq: last.event.seq, hash: last.hash };
    const checkpoint: Checkpoint = {
      v: 1,
      tenant,
      first_seq: before.seq + 1,
      seq: tail.seq,
      prev_hash: before.hash,
      hash: tail.hash,
      at: 1_800_000_100_000 + tail.seq,
      key_id: signer.key.kid,
    };
    return { entries, signed: signer.sign(checkpoint) };
  });
}

/** The lines of an export of these segments. */
export function exportOf(
  tenant: string,
  segments: readonly TestSegment[],
  keys: readonly AuditKey[],
): readonly string[] {
  const first = segments[0]?.signed.checkpoint;
  const lines: readonly AuditLine[] = [
    {
      type: "start",
      v: 1,
      tenant,
      from_seq: first?.first_seq ?? 1,
      prev_hash: first?.prev_hash ?? NO_ENTRIES.hash,
      head: segments.at(-1)?.signed ?? null,
    },
    ...keys.map((key) => ({ type: "key", key }) as const),
    ...segments.flatMap(({ entries, signed }): readonly AuditLine[] => [
      ...entries.map((entry) => ({ type: "entry", ...entry }) as const),
      { type: "checkpoint", ...signed },
    ]),
  ];
  return lines.map(auditLine);
}

/** What the verifier says to an export; it believes the keys that stand in it where none are given. */
export function verifyLines(lines: readonly string[], keys?: readonly AuditKey[]): ExportReport {
  return verifyExport(lines, {
    isSigned: (signed, known) => signedBy(known)(signed),
    ...(keys === undefined ? {} : { keys }),
  });
}
