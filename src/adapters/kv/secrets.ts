// Touches tenant credentials in KV: AES-256-GCM under a key derived per tenant, bound to tenant and name.
import { GatewayFault } from "../../core/errors.ts";
import type { Secrets, System } from "../../gateway/ports.ts";
import { listNames } from "./list-names.ts";

/** A revealed credential is kept in memory this long. */
const FRESH_MS = 30_000;
const IV_BYTES = 12;

/** Credentials in a KV namespace, encrypted under `rootKey` (base64 of 32 bytes). */
export function kvSecrets(kv: KVNamespace, rootKey: string, system: System): Secrets {
  const revealed = new Map<string, { readonly text: string | undefined; readonly at: number }>();
  const keys = new Map<string, Promise<CryptoKey>>();
  const keyOf = (tenant: string): Promise<CryptoKey> => {
    const known = keys.get(tenant) ?? deriveKey(rootKey, tenant);
    keys.set(tenant, known);
    return known;
  };
  const at = (tenant: string, name: string): string => `secret/${tenant}/${name}`;
  return {
    reveal: async (tenant, name) => {
      const cached = revealed.get(at(tenant, name));
      if (cached !== undefined && system.now() - cached.at < FRESH_MS) return cached.text;
      const sealed = await kv.get(at(tenant, name), "arrayBuffer");
      const text =
        sealed === null ? undefined : await open(await keyOf(tenant), at(tenant, name), new Uint8Array(sealed));
      revealed.set(at(tenant, name), { text, at: system.now() });
      return text;
    },
    put: async (tenant, name, text) => {
      await kv.put(at(tenant, name), await seal(await keyOf(tenant), at(tenant, name), text));
      revealed.delete(at(tenant, name));
    },
    remove: async (tenant, name) => {
      const has = (await kv.get(at(tenant, name), "arrayBuffer")) !== null;
      await kv.delete(at(tenant, name));
      revealed.delete(at(tenant, name));
      return has;
    },
    names: (tenant) => listNames(kv, at(tenant, "")),
  };
}

async function deriveKey(rootKey: string, tenant: string): Promise<CryptoKey> {
  const material = Uint8Array.from(atob(rootKey), (character) => character.charCodeAt(0));
  const base = await crypto.subtle.importKey("raw", material, "HKDF", false, ["deriveKey"]);
  const info = new TextEncoder().encode(`interlock tenant ${tenant}`);
  return crypto.subtle.deriveKey(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(32), info },
    base,
    { name: "AES-GCM", length: 256 },
    false,
    ["encrypt", "decrypt"],
  );
}

async function seal(key: CryptoKey, name: string, text: string): Promise<Uint8Array> {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const additionalData = new TextEncoder().encode(name);
  const sealed = new Uint8Array(
    await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData }, key, new TextEncoder().encode(text)),
  );
  const out = new Uint8Array(IV_BYTES + sealed.byteLength);
  out.set(iv);
  out.set(sealed, IV_BYTES);
  return out;
}

async function open(key: CryptoKey, name: string, sealed: Uint8Array): Promise<string> {
  const additionalData = new TextEncoder().encode(name);
  try {
    const plain = await crypto.subtle.decrypt(
      { name: "AES-GCM", iv: sealed.slice(0, IV_BYTES), additionalData },
      key,
      sealed.slice(IV_BYTES),
    );
    return new TextDecoder().decode(plain);
  } catch (error) {
    throw new GatewayFault("internal", "a stored credential cannot be decrypted: was SECRETS_KEY changed?", error);
  }
}
