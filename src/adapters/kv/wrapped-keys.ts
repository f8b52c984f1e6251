// Touches keys at rest in KV: bytes wrapped by the deployment's root key, bound to what they are for.
import * as z from "zod/mini";
import { GatewayFault } from "../../core/errors.ts";
import { sha256Hex } from "../../core/json/digest.ts";
import { fromBase64, keyFrom, open, seal, toBase64 } from "./sealed.ts";

/** The deployment's root keys, each base64 of 32 bytes: the one that wraps, and one that still unwraps. */
export interface RootKeys {
  readonly current: string;
  readonly previous: string | undefined;
}

const Wrapped = z.object({ v: z.literal(1), root: z.string(), wrapped: z.string() });
type Wrapped = z.infer<typeof Wrapped>;

/** Keys in a KV namespace that the root keys wrap. */
export class WrappedKeys {
  readonly #kv: KVNamespace;
  readonly #roots: RootKeys;
  readonly #wrapping = new Map<string, Promise<CryptoKey>>();

  constructor(kv: KVNamespace, roots: RootKeys) {
    this.#kv = kv;
    this.#roots = roots;
  }

  /** The bytes at an address; throws `internal` when they are gone or were wrapped by a root key that is not here. */
  async read(address: string, context: string): Promise<Uint8Array<ArrayBuffer>> {
    return this.#unwrap(context, await this.#stored(address));
  }

  /** Wraps bytes under the current root key. */
  async write(address: string, context: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { current } = this.#roots;
    const wrapped = await seal(await this.#wrappingKey(current), context, bytes);
    const body: Wrapped = { v: 1, root: rootId(current), wrapped: toBase64(wrapped) };
    await this.#kv.put(address, JSON.stringify(body));
  }

  /** Whether the bytes had to be wrapped anew: the current root key had not wrapped them. */
  async rewrap(address: string, context: string): Promise<boolean> {
    const stored = await this.#stored(address);
    if (stored.root === rootId(this.#roots.current)) return false;
    await this.write(address, context, await this.#unwrap(context, stored));
    return true;
  }

  async #stored(address: string): Promise<Wrapped> {
    const parsed = Wrapped.safeParse(await this.#kv.get(address, "json"));
    if (!parsed.success) throw new GatewayFault("internal", `the tenant's key "${address}" is missing`);
    return parsed.data;
  }

  async #unwrap(context: string, { root, wrapped }: Wrapped): Promise<Uint8Array<ArrayBuffer>> {
    const { current, previous } = this.#roots;
    const found = [current, previous].find((each) => each !== undefined && rootId(each) === root);
    if (found === undefined)
      throw new GatewayFault(
        "internal",
        "a stored credential cannot be decrypted: neither SECRETS_KEY nor SECRETS_KEY_PREVIOUS wrapped its data key",
      );
    return open(await this.#wrappingKey(found), context, fromBase64(wrapped));
  }

  #wrappingKey(root: string): Promise<CryptoKey> {
    const known = this.#wrapping.get(root) ?? keyFrom(fromBase64(root), "interlock data keys v1");
    this.#wrapping.set(root, known);
    return known;
  }
}

/** Which root key wrapped: a name that tells nothing of it. */
function rootId(root: string): string {
  return sha256Hex(`interlock root key\n${root}`).slice(0, 12);
}
