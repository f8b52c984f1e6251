// Touches tenant credentials in KV: sealed under the tenant's data key, bound to tenant, name and version.
import * as z from "zod/mini";
import { GatewayFault } from "../../core/errors.ts";
import type { Rotation, Secrets, System } from "../../gateway/ports.ts";
import { DataKeys, newest, type DataKey } from "./data-keys.ts";
import { listNames } from "./list-names.ts";
import { MaskingKeyStore } from "./masking-keys.ts";
import { fromBase64, keyFrom, open, seal, toBase64, utf8 } from "./sealed.ts";
import type { RootKeys } from "./wrapped-keys.ts";

/** A revealed credential is kept in memory this long. */
const FRESH_MS = 30_000;
/** Revealed credentials an isolate remembers. */
const MAX_REVEALED = 1_024;

const Sealed = z.object({ v: z.literal(2), key: z.string(), version: z.int(), sealed: z.string() });
type Sealed = z.infer<typeof Sealed>;

/** Credentials in a KV namespace, under data keys that the root keys wrap. */
export function kvSecrets(kv: KVNamespace, roots: RootKeys, system: Pick<System, "now" | "randomHex">): Secrets {
  const store = new SecretStore(kv, roots, system);
  const revealed = new Map<string, { readonly text: string | undefined; readonly at: number }>();
  return {
    reveal: async (tenant, name) => {
      const at = addressOf(tenant, name);
      const cached = revealed.get(at);
      if (cached !== undefined && system.now() - cached.at < FRESH_MS) return cached.text;
      const found = await store.read(tenant, name);
      if (revealed.size >= MAX_REVEALED) revealed.clear();
      revealed.set(at, { text: found?.text, at: system.now() });
      return found?.text;
    },
    put: async (tenant, name, text) => {
      await store.write(tenant, name, text);
      revealed.delete(addressOf(tenant, name));
    },
    remove: async (tenant, name) => {
      const at = addressOf(tenant, name);
      const has = (await kv.get(at, "arrayBuffer")) !== null;
      await kv.delete(at);
      revealed.delete(at);
      return has;
    },
    names: (tenant) => listNames(kv, addressOf(tenant, "")),
    rotate: (tenant, { newKey }) => store.rotate(tenant, newKey),
  };
}

/** A credential as it was stored: its text, its version, and the data key; `null` for the way of 0.2 and before. */
interface Found {
  readonly text: string;
  readonly version: number;
  readonly key: string | null;
}

class SecretStore {
  readonly #kv: KVNamespace;
  readonly #roots: RootKeys;
  readonly #keys: DataKeys;
  readonly #maskingKeys: MaskingKeyStore;
  readonly #derived = new Map<string, Promise<CryptoKey>>();

  constructor(kv: KVNamespace, roots: RootKeys, system: Pick<System, "now" | "randomHex">) {
    this.#kv = kv;
    this.#roots = roots;
    this.#keys = new DataKeys(kv, roots, system);
    this.#maskingKeys = new MaskingKeyStore(kv, roots, system);
  }

  async read(tenant: string, name: string): Promise<Found | undefined> {
    const bytes = await this.#kv.get(addressOf(tenant, name), "arrayBuffer");
    if (bytes === null) return undefined;
    const sealed = sealedOf(bytes);
    if (sealed === undefined) return { text: await this.#openDerived(tenant, name, bytes), version: 0, key: null };
    const { key, version } = sealed;
    const dataKey = await this.#keys.of(tenant, key);
    try {
      const plain = await open(dataKey, contextOf(tenant, name, version), fromBase64(sealed.sealed));
      return { text: new TextDecoder().decode(plain), version, key };
    } catch (error) {
      throw undecryptable(error);
    }
  }

  async write(tenant: string, name: string, text: string): Promise<void> {
    const bytes = await this.#kv.get(addressOf(tenant, name), "arrayBuffer");
    const version = (bytes === null ? 0 : (sealedOf(bytes)?.version ?? 0)) + 1;
    await this.#write(tenant, name, { text, version, dataKey: await this.#keys.current(tenant) });
  }

  async #write(
    tenant: string,
    name: string,
    { text, version, dataKey }: Pick<Found, "text" | "version"> & { readonly dataKey: DataKey },
  ): Promise<void> {
    const sealed = await seal(dataKey.key, contextOf(tenant, name, version), utf8(text));
    const body: Sealed = { v: 2, key: dataKey.id, version, sealed: toBase64(sealed) };
    await this.#kv.put(addressOf(tenant, name), JSON.stringify(body));
  }

  /**
   * Wraps every data key under the current root key, and seals every credential under the newest data key, a new one
   * if asked for. A key that nothing used before this rotation is removed; the one just replaced stays until the
   * next, for whoever still reads an older copy.
   */
  async rotate(tenant: string, newKey: boolean): Promise<Rotation> {
    const before = await this.#keys.ids(tenant);
    const rewrapped = (await this.#rewrapAll(tenant, before)) + (await this.#maskingKeys.rewrap(tenant));
    const isNew = newKey || before.length === 0;
    const target = isNew ? await this.#keys.create(tenant) : await this.#keys.current(tenant);
    const names = await listNames(this.#kv, addressOf(tenant, ""));
    const unreadable: string[] = [];
    const inUse = new Set<string | null>([target.id, newest(before) ?? null]);
    let resealed = 0;
    for (const name of names) {
      const was = await this.#reseal(tenant, name, target).catch(() => undefined);
      if (was === undefined) unreadable.push(name);
      else if (was.key !== target.id) {
        inUse.add(was.key);
        resealed += 1;
      }
    }
    // A credential that could not be read may yet be, once its root key is back.
    const unused = unreadable.length > 0 ? [] : before.filter((id) => !inUse.has(id));
    for (const id of unused) await this.#keys.remove(tenant, id);
    return { key: target.id, secrets: names.length, resealed, rewrapped, unreadable };
  }

  async #rewrapAll(tenant: string, ids: readonly string[]): Promise<number> {
    let rewrapped = 0;
    // One that no root key unwraps shows in the credentials that it sealed.
    for (const id of ids) if (await this.#keys.rewrap(tenant, id).catch(() => false)) rewrapped += 1;
    return rewrapped;
  }

  /** Seals a credential under another key where it is not yet; answers the key that it was sealed with. */
  async #reseal(tenant: string, name: string, target: DataKey): Promise<Pick<Found, "key">> {
    const found = await this.read(tenant, name);
    if (found === undefined || found.key === target.id) return { key: target.id };
    await this.#write(tenant, name, { text: found.text, version: found.version + 1, dataKey: target });
    return found;
  }

  /** Before 0.3 a credential was sealed under a key derived from the root key itself. */
  async #openDerived(tenant: string, name: string, bytes: ArrayBuffer): Promise<string> {
    let failure: unknown;
    for (const root of [this.#roots.current, this.#roots.previous]) {
      if (root === undefined) continue;
      try {
        const key = await this.#derivedKey(root, tenant);
        return new TextDecoder().decode(await open(key, addressOf(tenant, name), new Uint8Array(bytes)));
      } catch (error) {
        failure = error;
      }
    }
    throw undecryptable(failure);
  }

  #derivedKey(root: string, tenant: string): Promise<CryptoKey> {
    const at = `${tenant}/${root === this.#roots.current ? "current" : "previous"}`;
    const known = this.#derived.get(at) ?? keyFrom(fromBase64(root), `interlock tenant ${tenant}`);
    this.#derived.set(at, known);
    return known;
  }
}

/** The stored form; `undefined` for bytes of the older one, which are never JSON of this shape. */
function sealedOf(bytes: ArrayBuffer): Sealed | undefined {
  try {
    const parsed = Sealed.safeParse(
      JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)),
    );
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

function undecryptable(cause: unknown): GatewayFault {
  return new GatewayFault("internal", "a stored credential cannot be decrypted: was SECRETS_KEY changed?", cause);
}

function addressOf(tenant: string, name: string): string {
  return `secret/${tenant}/${name}`;
}

function contextOf(tenant: string, name: string, version: number): string {
  return `tenant:${tenant}|secret:${name}|v${version}`;
}
