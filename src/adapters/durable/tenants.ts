// Reaches tenant ledgers: who exists, and which config version is active.
import { ActiveConfig, type PublishedConfig } from "../../core/config/published.ts";
import { accept, GatewayFault, refuse } from "../../core/errors.ts";
import type { Configs, System, Tenants } from "../../gateway/ports.ts";
import { listNames } from "../kv/list-names.ts";
import type { ObjectNamespace, RemoteTenantLedger } from "./rpc.ts";

/** A cached active version is used without a question for this long. */
const FRESH_MS = 2_000;
/** Config versions kept compiled per isolate; the least recently loaded leaves first. */
const MAX_CACHED = 256;

/** Tenants behind a Durable Object namespace. */
export function durableTenants(namespace: ObjectNamespace<RemoteTenantLedger>, kv: KVNamespace): Tenants {
  return {
    create: async (tenant, name) => {
      const isNew = await namespace.getByName(tenant).create(name);
      await kv.put(`tenant/${tenant}`, JSON.stringify({ name }));
      return isNew;
    },
    ids: () => listNames(kv, "tenant/"),
    repairMirror: (tenant) => namespace.getByName(tenant).repairMirror(),
    exists: (tenant) => namespace.getByName(tenant).exists(),
  };
}

interface Cached {
  readonly config: ActiveConfig;
  readonly checkedAt: number;
}

/**
 * Config versions: written through the tenant's ledger, read from KV and kept compiled in the isolate.
 * The pointer is asked for again when it is older than two seconds.
 */
export function durableConfigs(
  namespace: ObjectNamespace<RemoteTenantLedger>,
  kv: KVNamespace,
  system: System,
): Configs {
  const cache = new Map<string, Cached>();
  const keep = (tenant: string, published: PublishedConfig): ActiveConfig => {
    const known = cache.get(tenant)?.config;
    const config = known?.published.version === published.version ? known : new ActiveConfig(published);
    cache.delete(tenant);
    cache.set(tenant, { config, checkedAt: system.now() });
    for (const oldest of cache.keys()) {
      if (cache.size <= MAX_CACHED) break;
      cache.delete(oldest);
    }
    return config;
  };
  const current = (tenant: string): Promise<PublishedConfig | undefined> => namespace.getByName(tenant).version();
  return {
    current,
    active: async (tenant) => {
      const cached = cache.get(tenant);
      if (cached !== undefined && system.now() - cached.checkedAt < FRESH_MS) return cached.config;
      // Nothing newer at the edge: the version that this isolate knows, else its owner's.
      const newer = await readNewer(kv, tenant, cached?.config.published.version ?? 0);
      const published = newer ?? cached?.config.published ?? (await current(tenant));
      return published === undefined ? undefined : keep(tenant, published);
    },
    version: (tenant, version) => namespace.getByName(tenant).version(version),
    publish: async (candidate, expected) => {
      const reply = await namespace.getByName(candidate.tenant).publish(candidate, expected);
      if (reply.type === "stale")
        return refuse(
          "precondition_failed",
          `the active version is ${reply.active}, not ${expected}: read it again, merge, and publish against that`,
        );
      if (reply.type !== "published")
        throw new GatewayFault("internal", `the tenant's ledger answered "${reply.type}" to a publication`);
      keep(candidate.tenant, reply.config);
      return accept(reply.config);
    },
    versions: (tenant) => namespace.getByName(tenant).versions(),
  };
}

/**
 * The edge copy's version, if it is newer than the known one. `undefined` when it shows that one or an older one
 * (versions only rise, so an older one is a copy that lags), when it has none, and when KV does not answer.
 */
async function readNewer(kv: KVNamespace, tenant: string, known: number): Promise<PublishedConfig | undefined> {
  try {
    const pointer = await kv.get<{ version: number }>(`active/${tenant}`, "json");
    if (pointer === null || pointer.version <= known) return undefined;
    return (await kv.get<PublishedConfig>(`config/${tenant}/${pointer.version}`, "json")) ?? undefined;
  } catch {
    return undefined;
  }
}
