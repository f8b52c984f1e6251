// Decides how acts are chained: each entry's hash covers the hash before it, and a signed checkpoint closes every segment.
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { canonicalJson } from "../json/canonical.ts";
import { digestOf } from "../json/digest.ts";
import type { AuditAct, AuditEvent } from "./event.ts";

/** What the first entry of every chain follows. */
export const GENESIS = "0".repeat(64);

/** Where a chain ends: the last entry's number and hash. */
export interface ChainTail {
  readonly seq: number;
  readonly hash: string;
}

/** The end of a chain that has no entry. */
export const NO_ENTRIES: ChainTail = { seq: 0, hash: GENESIS };

/** One link: an event and the hash over everything up to it. */
export interface ChainEntry {
  readonly event: AuditEvent;
  readonly hash: string;
}

/** What is signed: that the entries `first_seq` to `seq` of this tenant lead from one hash to the other. */
export interface Checkpoint {
  readonly v: 1;
  readonly tenant: string;
  readonly first_seq: number;
  readonly seq: number;
  readonly prev_hash: string;
  readonly hash: string;
  /** When they were appended, epoch milliseconds. */
  readonly at: number;
  /** RFC 7638 thumbprint of the public key. */
  readonly key_id: string;
}

/** A checkpoint and its Ed25519 signature (RFC 8032) over the checkpoint's canonical JSON, in base64url. */
export interface SignedCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly signature: string;
}

/** A public key as it is published: RFC 8037, named by its thumbprint. */
export interface AuditKey {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  /** The public key, base64url of 32 bytes. */
  readonly x: string;
  readonly kid: string;
}

/** SHA-256 of an event's canonical JSON (RFC 8785), lower-case hex. */
export function eventDigest(event: unknown): string {
  return digestOf(event);
}

/** SHA-256 over 64 bytes: the hash before, then the event's digest. Both are 64 lower-case hex digits. */
export function entryHash(prevHash: string, digest: string): string {
  return bytesToHex(sha256(concatBytes(hexToBytes(prevHash), hexToBytes(digest))));
}

/** The acts in their places behind a tail. O(acts). */
export function chained(tail: ChainTail, acts: readonly AuditAct[]): readonly ChainEntry[] {
  const entries: ChainEntry[] = [];
  let { seq, hash } = tail;
  for (const act of acts) {
    seq += 1;
    const event: AuditEvent = { ...act, seq };
    hash = entryHash(hash, eventDigest(event));
    entries.push({ event, hash });
  }
  return entries;
}

/** The text that a checkpoint's signature covers. */
export function signedText(checkpoint: Checkpoint): string {
  return canonicalJson(checkpoint);
}

/** A public key's name: SHA-256 over its required members in order (RFC 7638 s3, RFC 8037 s2), base64url. */
export function thumbprint({ crv, kty, x }: Omit<AuditKey, "kid">): string {
  return base64Url(sha256(utf8ToBytes(canonicalJson({ crv, kty, x }))));
}

/** RFC 4648 s5 without padding. */
function base64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
}
