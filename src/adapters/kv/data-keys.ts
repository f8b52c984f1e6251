// Touches the tenants' data keys in KV: random, wrapped by the deployment's root key, never changed under their name.
import type { System } from "../../gateway/ports.ts";
import { listNames } from "./list-names.ts";
import { WrappedKeys, type RootKeys } from "./wrapped-keys.ts";

/** A data key ready for use. */
export interface DataKey {
  readonly id: string;
  readonly key: CryptoKey;
}

/** Data keys an isolate remembers. */
const MAX_KNOWN = 1_024;

/**
 * Data keys under `datakey/<tenant>/<id>`. An id is a number that grows and eight random digits: two places that make
 * a key at once make two, and neither overwrites what the other has sealed with.
 */
export class DataKeys {
  readonly #kv: KVNamespace;
  readonly #wrapped: WrappedKeys;
  readonly #system: Pick<System, "now" | "randomHex">;
  readonly #known = new Map<string, CryptoKey>();

  constructor(kv: KVNamespace, roots: RootKeys, system: Pick<System, "now" | "randomHex">) {
    this.#kv = kv;
    this.#wrapped = new WrappedKeys(kv, roots);
    this.#system = system;
  }

  /** The key of that id; throws `internal` when it is gone or was wrapped by a root key that is not here. */
  async of(tenant: string, id: string): Promise<CryptoKey> {
    const at = addressOf(tenant, id);
    const known = this.#known.get(at);
    if (known !== undefined) return known;
    const bytes = await this.#wrapped.read(at, contextOf(tenant, id));
    const key = await crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);
    return this.#remember(at, key);
  }

  /** The tenant's newest key; its first is made when there is none. */
  async current(tenant: string): Promise<DataKey> {
    const id = newest(await this.ids(tenant));
    return id === undefined ? this.create(tenant) : { id, key: await this.of(tenant, id) };
  }

  /** A new key, from now on the newest. */
  async create(tenant: string): Promise<DataKey> {
    const number = numberOf(newest(await this.ids(tenant)) ?? "0-") + 1;
    const id = `${number}-${this.#system.randomHex(4)}`;
    const bytes = crypto.getRandomValues(new Uint8Array(32));
    await this.#wrapped.write(addressOf(tenant, id), contextOf(tenant, id), bytes);
    const key = await crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);
    return { id, key: this.#remember(addressOf(tenant, id), key) };
  }

  /** Whether the key had to be wrapped anew: the current root key had not wrapped it. */
  rewrap(tenant: string, id: string): Promise<boolean> {
    return this.#wrapped.rewrap(addressOf(tenant, id), contextOf(tenant, id));
  }

  /** Every id of the tenant. */
  ids(tenant: string): Promise<readonly string[]> {
    return listNames(this.#kv, addressOf(tenant, ""));
  }

  /** Forgets a key that nothing is sealed with any more. */
  async remove(tenant: string, id: string): Promise<void> {
    await this.#kv.delete(addressOf(tenant, id));
    this.#known.delete(addressOf(tenant, id));
  }

  #remember(at: string, key: CryptoKey): CryptoKey {
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(at, key);
    return key;
  }
}

function addressOf(tenant: string, id: string): string {
  return `datakey/${tenant}/${id}`;
}

function contextOf(tenant: string, id: string): string {
  return `tenant:${tenant}|dek|v${id}`;
}

/** The newest of some ids: the highest number, of equals the last by its digits. */
export function newest(ids: readonly string[]): string | undefined {
  return ids.toSorted((a, b) => numberOf(a) - numberOf(b) || (a < b ? -1 : 1)).at(-1);
}

function numberOf(id: string): number {
  return Number(id.split("-")[0] ?? 0);
}
