// Decides whether an audit checkpoint bears the signature of a key, with Node's own Ed25519; no network.
import { createPublicKey, verify } from "node:crypto";
import { signedText, thumbprint, type AuditKey, type SignedCheckpoint } from "../core/audit/chain.ts";
import { AuditKeySet } from "./received.ts";

/** Whether one of these keys has signed exactly this checkpoint. */
export function isSignedBy({ checkpoint, signature }: SignedCheckpoint, keys: readonly AuditKey[]): boolean {
  const key = keys.find(({ kid }) => kid === checkpoint.key_id);
  if (key === undefined) return false;
  const bytes = Buffer.from(signature, "base64url");
  // A signature has one spelling: another one would be a change that nobody sees.
  if (bytes.toString("base64url") !== signature) return false;
  try {
    const { kty, crv, x } = key;
    const known = createPublicKey({ key: { kty, crv, x }, format: "jwk" });
    return verify(null, Buffer.from(signedText(checkpoint)), known, bytes);
  } catch {
    return false;
  }
}

/** The Ed25519 keys of a JWK set, each under the name that its own bytes have; `undefined` when it is none. */
export function keysOf(value: unknown): readonly AuditKey[] | undefined {
  const parsed = AuditKeySet.safeParse(value);
  if (!parsed.success) return undefined;
  return parsed.data.keys.flatMap(({ kty, crv, x }) => {
    if (kty !== "OKP" || crv !== "Ed25519" || x === undefined) return [];
    const named = { kty, crv, x } as const;
    return [{ ...named, kid: thumbprint(named) }];
  });
}
