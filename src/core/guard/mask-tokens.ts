// Decides what stands in place of a masked value: a token of its kind, the same for the same value, that the tenant's key opens again.
import { aessiv } from "@noble/ciphers/aes.js";
import { SCRUBBED } from "../trace/scrub.ts";
import { SECRET_RULE_IDS } from "./secrets.ts";

/** Turns values into tokens and back. */
export interface MaskTokens {
  /** The token of a value: `[<kind>:<43 characters or more>]`. Equal values of a kind have equal tokens. */
  readonly seal: (kind: string, value: string) => string;
  /** The value of a token as it stands in a text; `undefined` for what no key of the tenant has made. */
  readonly open: (token: string) => string | undefined;
}

/** Bytes of a masking key: AES-256-SIV takes two keys of 32 bytes as one. */
export const MASKING_KEY_BYTES = 64;

/** What a token looks like: a kind, and base64url of tag and ciphertext. Whether it is one, only the key can tell. */
export const MASK_TOKEN = /\[([a-z][a-z0-9_]{0,39}):([A-Za-z0-9_-]{22,16384})\]/g;
/** What stands in place of a credential: its kind alone, for it must never be had back. */
const SECRET_MARK = /\[secret:([a-z0-9-]{2,40})\]/g;
const SCRUBBED_MARK = new RegExp(SCRUBBED.replaceAll(/[[\]]/g, String.raw`\$&`), "g");

/**
 * Tokens under a tenant's masking keys: AES-SIV (RFC 5297), deterministic authenticated encryption, with the kind as
 * associated data. The first key makes tokens; every key opens them. It tells which values are equal and how long they
 * are, and nothing else. Throws for a key that is not of `MASKING_KEY_BYTES`, and where there is none.
 */
export function sivTokens(keys: readonly Uint8Array[]): MaskTokens {
  const [first] = keys;
  if (first === undefined || keys.some((key) => key.length !== MASKING_KEY_BYTES))
    throw new RangeError(`expected masking keys of ${MASKING_KEY_BYTES} bytes`);
  return {
    seal: (kind, value) => {
      const bytes = new TextEncoder().encode(value.toWellFormed());
      return `[${kind}:${toBase64Url(aessiv(first, contextOf(kind)).encrypt(bytes))}]`;
    },
    open: (token) => {
      const [, kind = "", body = ""] = new RegExp(`^${MASK_TOKEN.source}$`).exec(token) ?? [];
      return body === "" ? undefined : opened(keys, kind, body);
    },
  };
}

function opened(keys: readonly Uint8Array[], kind: string, body: string): string | undefined {
  for (const key of keys) {
    try {
      const bytes = fromBase64Url(body);
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
        aessiv(key, contextOf(kind)).decrypt(bytes),
      );
    } catch {
      // Another key's, or nobody's.
    }
  }
  return undefined;
}

/** What stands in place of a credential. */
export function secretMark(rule: string): string {
  return `[secret:${rule}]`;
}

/** The stretches of a text that are masked already: tokens that a key opens, as `isToken` says, and marks of rules that exist. */
export function maskedStretches(
  text: string,
  isToken: (text: string) => boolean,
): readonly { readonly start: number; readonly end: number }[] {
  if (!text.includes("[")) return [];
  const made = [...text.matchAll(MASK_TOKEN)].filter((match) => isToken(match[0]));
  const marks = [...text.matchAll(SECRET_MARK)].filter((match) => SECRET_RULE_IDS.has(match[1] ?? ""));
  const scrubbed = text.includes(SCRUBBED) ? [...text.matchAll(SCRUBBED_MARK)] : [];
  return [...made, ...marks, ...scrubbed]
    .map((match) => ({ start: match.index, end: match.index + match[0].length }))
    .toSorted((a, b) => a.start - b.start);
}

function contextOf(kind: string): Uint8Array {
  return new TextEncoder().encode(`interlock mask v1\n${kind}`);
}

function toBase64Url(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function fromBase64Url(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}
