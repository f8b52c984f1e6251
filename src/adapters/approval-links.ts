// Signs and reads approval links: an expiring token over who may open which approval, with nothing secret in it.
import * as z from "zod/mini";
import type { System } from "../gateway/ports.ts";
import type { ApprovalLink, ApprovalLinks } from "../gateway/ports/approvals.ts";
import { fromBase64Url, toBase64Url } from "./base64-url.ts";

/** Longer texts are no token of ours. */
const MAX_TOKEN = 1_024;
const INFO = "interlock approval links v1";

const Payload = z.tuple([z.literal(1), z.string(), z.string(), z.string(), z.string(), z.int()]);

/**
 * Links signed with HMAC-SHA256 under a key of their own, derived from `secretsKey` (base64 of 32 bytes). A token is
 * base64url of its payload, a dot, and base64url of the signature; the payload is signed as it is spelled.
 */
export function createApprovalLinks(secretsKey: string, system: Pick<System, "now">): ApprovalLinks {
  let derived: Promise<CryptoKey> | undefined;
  const key = (): Promise<CryptoKey> => (derived ??= deriveKey(secretsKey));
  return {
    sign: async ({ tenant, approval, approver, digest, expiresAt }) => {
      const payload = toBase64Url(utf8(JSON.stringify([1, tenant, approval, approver, digest, expiresAt])));
      const mac = await crypto.subtle.sign("HMAC", await key(), utf8(payload));
      return `${payload}.${toBase64Url(new Uint8Array(mac))}`;
    },
    read: async (token) => {
      const [payload, signature, ...more] = token.length > MAX_TOKEN ? [] : token.split(".");
      if (payload === undefined || signature === undefined || more.length > 0) return undefined;
      const mac = fromBase64Url(signature);
      // `verify` compares in constant time.
      if (mac === undefined || !(await crypto.subtle.verify("HMAC", await key(), mac, utf8(payload)))) return undefined;
      const link = linkOf(payload);
      return link !== undefined && system.now() < link.expiresAt ? link : undefined;
    },
  };
}

function linkOf(text: string): ApprovalLink | undefined {
  const bytes = fromBase64Url(text);
  if (bytes === undefined) return undefined;
  try {
    const parsed = Payload.safeParse(JSON.parse(new TextDecoder().decode(bytes)));
    if (!parsed.success) return undefined;
    const [, tenant, approval, approver, digest, expiresAt] = parsed.data;
    return { tenant, approval, approver, digest, expiresAt };
  } catch {
    return undefined;
  }
}

async function deriveKey(secretsKey: string): Promise<CryptoKey> {
  const material = Uint8Array.from(atob(secretsKey), (character) => character.charCodeAt(0));
  const base = await crypto.subtle.importKey("raw", material, "HKDF", false, ["deriveKey"]);
  return crypto.subtle.deriveKey(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(32), info: utf8(INFO) },
    base,
    { name: "HMAC", hash: "SHA-256", length: 256 },
    false,
    ["sign", "verify"],
  );
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(new TextEncoder().encode(text));
}
