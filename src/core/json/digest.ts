// Decides how content is named by its hash: lower-case hex SHA-256, synchronous so that core stays pure.
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { canonicalJson } from "./canonical.ts";

/** SHA-256 of the UTF-8 bytes of a text, as 64 lower-case hex digits. */
export function sha256Hex(text: string): string {
  return bytesToHex(sha256(utf8ToBytes(text)));
}

/** SHA-256 of a value's RFC 8785 canonical JSON: equal values have equal digests, whatever their member order. */
export function digestOf(value: unknown): string {
  return sha256Hex(canonicalJson(value));
}
