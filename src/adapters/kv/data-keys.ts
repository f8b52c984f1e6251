// Touches the tenants' data keys in KV: random, wrapped by the deployment's root key, never changed under their name.
import * as z from "zod/mini";
import { sha256Hex } from "../../core/json/digest.ts";
import { GatewayFault } from "../../core/errors.ts";
import type { System } from "../../gateway/ports.ts";
import { fromBase64, open, seal, toBase64, utf8 } from "./sealed.ts";
import { listNames } from "./list-names.ts";

/** The deployment's root keys, each base64 of 32 bytes: the one that wraps, and one that still unwraps. */
export interface RootKeys {
  readonly current: string;
  readonly previous: string | undefined;
}

/** A data key ready for use. */
export interface DataKey {
  readonly id: string;
  readonly key: CryptoKey;
}

const Wrapped = z.object({ v: z.literal(1), root: z.string(), wrapped: z.string() });
type Wrapped = z.infer<typeof Wrapped>;

/** Data keys an isolate remembers. */
const MAX_KNOWN = 1_024;

/**
 * Data keys under `datakey/<tenant>/<id>`. An id is a number that grows and eight random digits: two places that make
 * a key at once make two, and neither overwrites what the other has sealed with.
 */
export class DataKeys {
  readonly #kv: KVNamespace;
  readonly #roots: RootKeys;
  readonly #system: Pick<System, "now" | "randomHex">;
  readonly #known = new Map<string, CryptoKey>();
  readonly #wrapping = new Map<string, Promise<CryptoKey>>();

  constructor(kv: KVNamespace, roots: RootKeys, system: Pick<System, "now" | "randomHex">) {
    this.#kv = kv;
    this.#roots = roots;
    this.#system = system;
  }

  /** The key of that id; throws `internal` when it is gone or was wrapped by a root key that is not here. */
  async of(tenant: string, id: string): Promise<CryptoKey> {
    const at = addressOf(tenant, id);
    const known = this.#known.get(at);
    if (known !== undefined) return known;
    const bytes = await this.#unwrap(tenant, id, await this.#read(tenant, id));
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
    await this.#write(tenant, id, bytes);
    const key = await crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);
    return { id, key: this.#remember(addressOf(tenant, id), key) };
  }

  /** Whether the key had to be wrapped anew: the current root key had not wrapped it. */
  async rewrap(tenant: string, id: string): Promise<boolean> {
    const stored = await this.#read(tenant, id);
    if (stored.root === rootId(this.#roots.current)) return false;
    await this.#write(tenant, id, await this.#unwrap(tenant, id, stored));
    return true;
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

  async #read(tenant: string, id: string): Promise<Wrapped> {
    const parsed = Wrapped.safeParse(await this.#kv.get(addressOf(tenant, id), "json"));
    if (!parsed.success) throw new GatewayFault("internal", `the tenant's data key "${id}" is missing`);
    return parsed.data;
  }

  async #unwrap(tenant: string, id: string, { root, wrapped }: Wrapped): Promise<Uint8Array<ArrayBuffer>> {
    const { current, previous } = this.#roots;
    const found = [current, previous].find((each) => each !== undefined && rootId(each) === root);
    if (found === undefined)
      throw new GatewayFault(
        "internal",
        "a stored credential cannot be decrypted: neither SECRETS_KEY nor SECRETS_KEY_PREVIOUS wrapped its data key",
      );
    return open(await this.#wrappingKey(found), contextOf(tenant, id), fromBase64(wrapped));
  }

  async #write(tenant: string, id: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { current } = this.#roots;
    const wrapped = await seal(await this.#wrappingKey(current), contextOf(tenant, id), bytes);
    const body: Wrapped = { v: 1, root: rootId(current), wrapped: toBase64(wrapped) };
    await this.#kv.put(addressOf(tenant, id), JSON.stringify(body));
  }

  #wrappingKey(root: string): Promise<CryptoKey> {
    const known = this.#wrapping.get(root) ?? deriveKey(root, "interlock data keys v1");
    this.#wrapping.set(root, known);
    return known;
  }

  #remember(at: string, key: CryptoKey): CryptoKey {
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(at, key);
    return key;
  }
}

/** An AES-256-GCM key for one purpose, derived from a root key by HKDF-SHA-256. */
export async function deriveKey(root: string, purpose: string): Promise<CryptoKey> {
  const base = await crypto.subtle.importKey("raw", fromBase64(root), "HKDF", false, ["deriveKey"]);
  return crypto.subtle.deriveKey(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(32), info: utf8(purpose) },
    base,
    { name: "AES-GCM", length: 256 },
    false,
    ["encrypt", "decrypt"],
  );
}

/** Which root key wrapped: a name that tells nothing of it. */
function rootId(root: string): string {
  return sha256Hex(`interlock root key\n${root}`).slice(0, 12);
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
