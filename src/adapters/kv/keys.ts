// Touches API keys in KV: stored as SHA-256, shown once, found through a short-lived isolate cache.
import * as z from "zod/mini";
import { sha256Hex } from "../../core/json/digest.ts";
import { ROLES, type Principal } from "../../core/principal.ts";
import type { KeyListing, Keys, System } from "../../gateway/ports.ts";
import { listNames } from "./list-names.ts";

/** A found key is trusted this long without asking KV; KV itself may lag a minute behind a revocation. */
const FRESH_MS = 5_000;
const MAX_CACHED = 4_096;

const StoredKey = z.object({
  id: z.string(),
  tenant: z.string(),
  name: z.string(),
  roles: z.array(z.enum(ROLES)),
  scopes: z.array(z.string()),
  actors: z.array(z.string()),
  created_at: z.string(),
});

const Listed = z.object({ ...StoredKey.shape, hash: z.string() });

/** Settings of the root key. */
export interface RootKey {
  readonly text: string;
  readonly tenant: string | undefined;
}

/** Keys in a KV namespace, and the deployment's root key. */
export function kvKeys(kv: KVNamespace, system: System, root: RootKey): Keys {
  const cache = new Map<string, { readonly principal: Principal; readonly at: number }>();
  const rootHash = sha256Hex(root.text);
  const rootPrincipal: Principal = {
    tenant: root.tenant ?? "",
    keyId: "root",
    roles: ["admin"],
    scopes: ["*"],
    actors: ["*"],
    isRoot: true,
  };
  return {
    find: async (text) => {
      const cached = cache.get(text);
      if (cached !== undefined && system.now() - cached.at < FRESH_MS) return cached.principal;
      // Both sides are digests: comparing them tells nothing about the key.
      const hash = sha256Hex(text);
      if (hash === rootHash) return rootPrincipal;
      const stored = StoredKey.safeParse(await kv.get(`key/${hash}`, "json"));
      cache.delete(text);
      if (!stored.success) return undefined;
      const { tenant, id, roles, scopes, actors } = stored.data;
      const principal: Principal = { tenant, keyId: id, roles, scopes, actors, isRoot: false };
      if (cache.size >= MAX_CACHED) cache.clear();
      cache.set(text, { principal, at: system.now() });
      return principal;
    },
    create: async (key) => {
      const text = `ilk_${system.randomHex(24)}`;
      const hash = sha256Hex(text);
      const listing: KeyListing = {
        id: `key_${system.randomHex(8)}`,
        ...key,
        created_at: new Date(system.now()).toISOString(),
      };
      await kv.put(`keys/${key.tenant}/${listing.id}`, JSON.stringify({ ...listing, hash }));
      await kv.put(`key/${hash}`, JSON.stringify(listing));
      return { listing, text };
    },
    list: async (tenant) => {
      const ids = await listNames(kv, `keys/${tenant}/`);
      const found = await Promise.all(
        ids.map(async (id) => StoredKey.safeParse(await kv.get(`keys/${tenant}/${id}`, "json"))),
      );
      return found.flatMap((each) => (each.success ? [each.data] : []));
    },
    revoke: async (tenant, id) => {
      const stored = Listed.safeParse(await kv.get(`keys/${tenant}/${id}`, "json"));
      if (!stored.success) return false;
      await kv.delete(`key/${stored.data.hash}`);
      await kv.delete(`keys/${tenant}/${id}`);
      for (const [text, cached] of cache) if (cached.principal.keyId === id) cache.delete(text);
      return true;
    },
  };
}
