// Touches the tenants' masking keys in KV: random, wrapped by the deployment's root key, kept as long as there are tokens.
import { MASKING_KEY_BYTES } from "../../core/guard/mask-tokens.ts";
import type { System } from "../../gateway/ports.ts";
import type { MaskingKeys } from "../../gateway/ports/masking.ts";
import { listNames } from "./list-names.ts";
import { WrappedKeys, type RootKeys } from "./wrapped-keys.ts";

/** What an isolate remembers is looked up again after this: two places that made a key at once come to agree. */
const FRESH_MS = 300_000;
/** Tenants whose keys an isolate remembers. */
const MAX_KNOWN = 1_024;

/**
 * Masking keys under `maskkey/<tenant>/<id>`. A tenant has one, made when it is first asked for. Where two places made
 * one at once both stay, so that every token can be opened; the first by its id makes tokens. They are never replaced:
 * another key would make other tokens of equal values.
 */
export class MaskingKeyStore implements MaskingKeys {
  readonly #kv: KVNamespace;
  readonly #wrapped: WrappedKeys;
  readonly #system: Pick<System, "now" | "randomHex">;
  readonly #known = new Map<string, { readonly keys: readonly Uint8Array[]; readonly at: number }>();
  readonly #asking = new Map<string, Promise<readonly Uint8Array[]>>();

  constructor(kv: KVNamespace, roots: RootKeys, system: Pick<System, "now" | "randomHex">) {
    this.#kv = kv;
    this.#wrapped = new WrappedKeys(kv, roots);
    this.#system = system;
  }

  async keysOf(tenant: string): Promise<readonly Uint8Array[]> {
    const known = this.#known.get(tenant);
    if (known !== undefined && this.#system.now() - known.at < FRESH_MS) return known.keys;
    // Calls that come together make one key together.
    const asking = this.#asking.get(tenant) ?? this.#ask(tenant, known?.keys ?? []);
    this.#asking.set(tenant, asking);
    try {
      return await asking;
    } finally {
      this.#asking.delete(tenant);
    }
  }

  async #ask(tenant: string, known: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
    const ids = (await this.#ids(tenant)).toSorted();
    const stored = await Promise.all(ids.map((id) => this.#wrapped.read(addressOf(tenant, id), contextOf(tenant, id))));
    // A key that this isolate made may not be listed yet.
    const all = withKnown(stored, known);
    const keys = all.length > 0 ? all : [await this.#create(tenant)];
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(tenant, { keys, at: this.#system.now() });
    return keys;
  }

  /** Wraps the tenant's keys under the current root key; answers how many had to be. */
  async rewrap(tenant: string): Promise<number> {
    let rewrapped = 0;
    for (const id of await this.#ids(tenant)) {
      const wasOld = await this.#wrapped.rewrap(addressOf(tenant, id), contextOf(tenant, id)).catch(() => false);
      if (wasOld) rewrapped += 1;
    }
    return rewrapped;
  }

  #ids(tenant: string): Promise<readonly string[]> {
    return listNames(this.#kv, addressOf(tenant, ""));
  }

  async #create(tenant: string): Promise<Uint8Array> {
    const bytes = crypto.getRandomValues(new Uint8Array(MASKING_KEY_BYTES));
    const id = this.#system.randomHex(8);
    await this.#wrapped.write(addressOf(tenant, id), contextOf(tenant, id), bytes);
    return bytes;
  }
}

function withKnown(stored: readonly Uint8Array[], known: readonly Uint8Array[]): readonly Uint8Array[] {
  const isStored = (key: Uint8Array): boolean => stored.some((each) => each.every((byte, at) => byte === key[at]));
  return [...stored, ...known.filter((key) => !isStored(key))];
}

function addressOf(tenant: string, id: string): string {
  return `maskkey/${tenant}/${id}`;
}

function contextOf(tenant: string, id: string): string {
  return `tenant:${tenant}|mask|v${id}`;
}
