// Touches the deployment's audit key: Ed25519 by WebCrypto, from a seed of its own or one derived from the secrets' root key.
import {
  signedText,
  thumbprint,
  type AuditKey,
  type Checkpoint,
  type SignedCheckpoint,
} from "../../core/audit/chain.ts";
import type { AuditSigner } from "../../gateway/ports/audit.ts";
import { fromBase64Url, toBase64Url } from "../base64-url.ts";
import { fromBase64, utf8 } from "../kv/sealed.ts";

/** Binds the derived seed to its use. */
const INFO = "interlock audit ed25519";
/** What stands before the 32 bytes of a private Ed25519 key in PKCS #8 (RFC 8410 s7). */
const PKCS8_PREFIX = Uint8Array.from([48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32]);

/** Where the keys that have signed are kept. */
export interface KeyBook {
  add(key: AuditKey): Promise<void>;
  all(): Promise<readonly AuditKey[]>;
}

/** The settings it is made from: each base64 of 32 bytes. */
export interface SignerSettings {
  readonly auditKey: string | undefined;
  readonly secretsKey: string;
}

interface Own {
  readonly secret: CryptoKey;
  readonly key: AuditKey;
}

/** Signs with `auditKey`, or without one with a key derived from `secretsKey` (HKDF-SHA-256, RFC 5869). */
export function ed25519Signer(settings: SignerSettings, book: KeyBook): AuditSigner {
  let own: Promise<Own> | undefined;
  let published: Promise<void> | undefined;
  const ownKey = (): Promise<Own> => (own ??= ownOf(settings));
  const publish = async ({ key }: Own): Promise<void> => {
    published ??= book.add(key);
    try {
      await published;
    } catch (error) {
      published = undefined;
      throw error;
    }
  };
  return {
    sign: async (unsigned) => {
      const mine = await ownKey();
      await publish(mine);
      const checkpoint: Checkpoint = { ...unsigned, key_id: mine.key.kid };
      const signature = await crypto.subtle.sign("Ed25519", mine.secret, utf8(signedText(checkpoint)));
      return { checkpoint, signature: toBase64Url(new Uint8Array(signature)) };
    },
    keys: async () => {
      const { key } = await ownKey();
      const all = await book.all();
      return all.some(({ kid }) => kid === key.kid) ? all : [...all, key];
    },
    isSigned,
  };
}

async function ownOf({ auditKey, secretsKey }: SignerSettings): Promise<Own> {
  const seed = auditKey === undefined ? await derivedSeed(secretsKey) : fromBase64(auditKey);
  const pkcs8 = new Uint8Array([...PKCS8_PREFIX, ...seed]);
  const secret = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"]);
  const jwk = await crypto.subtle.exportKey("jwk", secret);
  const x = jwk instanceof ArrayBuffer ? undefined : jwk.x;
  if (x === undefined) throw new Error("the audit key has no public half");
  const named = { kty: "OKP", crv: "Ed25519", x: x.replace(/=+$/, "") } as const;
  return { secret, key: { ...named, kid: thumbprint(named) } };
}

async function derivedSeed(secretsKey: string): Promise<Uint8Array<ArrayBuffer>> {
  const base = await crypto.subtle.importKey("raw", fromBase64(secretsKey), "HKDF", false, ["deriveBits"]);
  const how = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(32), info: utf8(INFO) };
  return new Uint8Array(await crypto.subtle.deriveBits(how, base, 256));
}

async function isSigned({ checkpoint, signature }: SignedCheckpoint, keys: readonly AuditKey[]): Promise<boolean> {
  const key = keys.find(({ kid }) => kid === checkpoint.key_id);
  if (key === undefined) return false;
  try {
    const { kty, crv, x } = key;
    const known = await crypto.subtle.importKey("jwk", { kty, crv, x }, "Ed25519", false, ["verify"]);
    const bytes = fromBase64Url(signature);
    if (bytes === undefined) return false;
    return await crypto.subtle.verify("Ed25519", known, bytes, utf8(signedText(checkpoint)));
  } catch {
    return false;
  }
}
