// Reaches tenant ledgers: who exists, and which config version is active.
import { ActiveConfig, storedConfig, type PublishedConfig } from "../../core/config/published.ts";
import { accept, GatewayFault, invalidConfig, refuse } from "../../core/errors.ts";
import type { Configs, System, Tenants } from "../../gateway/ports.ts";
import type { DurableControls } from "./controls.ts";
import { listNames } from "../kv/list-names.ts";
import type { ObjectNamespace, RemoteTenantLedger } from "./rpc.ts";

/** Config versions kept compiled per isolate; the least recently loaded leaves first. */
const MAX_CACHED = 256;
/** What needs no newer config than the last call had does without asking for this long. */
const RECENT_MS = 120_000;

/** Tenants behind a Durable Object namespace. */
export function durableTenants(namespace: ObjectNamespace<RemoteTenantLedger>, kv: KVNamespace): Tenants {
  return {
    create: async (tenant, name, by) => {
      const isNew = await namespace.getByName(tenant).create(name, by);
      await kv.put(`tenant/${tenant}`, JSON.stringify({ name }));
      return isNew;
    },
    beginAct: (record) => namespace.getByName(record.index.tenant).beginAct(record),
    endAct: (tenant, spanId, record) => namespace.getByName(tenant).endAct(spanId, record),
    ids: () => listNames(kv, "tenant/"),
    repairMirror: (tenant) => namespace.getByName(tenant).repairMirror(),
    exists: (tenant) => namespace.getByName(tenant).exists(),
    usage: async (tenant, keys) =>
      new Map((await namespace.getByName(tenant).usage(keys)).map(({ key, used }) => [key, used])),
  };
}

/**
 * Config versions: written through the tenant's ledger, which also says which one is active; their documents are read
 * from KV, or from the ledger when KV has them not or does not answer, and kept compiled in the isolate.
 */
export function durableConfigs(
  namespace: ObjectNamespace<RemoteTenantLedger>,
  kv: KVNamespace,
  controls: DurableControls,
  system: Pick<System, "now">,
): Configs {
  const cache = new Map<string, ActiveConfig>();
  /** When a call last found that the cached one is active. */
  const seen = new Map<string, number>();
  const keep = (tenant: string, published: PublishedConfig): ActiveConfig => {
    const config = new ActiveConfig(storedConfig(published));
    cache.delete(tenant);
    cache.set(tenant, config);
    for (const oldest of cache.keys()) {
      if (cache.size <= MAX_CACHED) break;
      cache.delete(oldest);
      seen.delete(oldest);
    }
    return config;
  };
  const active = async (tenant: string): Promise<ActiveConfig | undefined> => {
    const { activeVersion } = await controls.current(tenant);
    if (activeVersion === 0) return undefined;
    const cached = cache.get(tenant);
    if (cached?.published.version === activeVersion) {
      seen.set(tenant, system.now());
      return cached;
    }
    const published =
      (await readEdgeCopy(kv, tenant, activeVersion)) ?? (await namespace.getByName(tenant).version(activeVersion));
    if (published === undefined) return undefined;
    seen.set(tenant, system.now());
    return keep(tenant, published);
  };
  return {
    active,
    recent: async (tenant) => {
      const cached = cache.get(tenant);
      const isRecent = system.now() - (seen.get(tenant) ?? 0) < RECENT_MS;
      return cached !== undefined && isRecent ? cached : active(tenant);
    },
    current: async (tenant) => read(await namespace.getByName(tenant).version()),
    version: async (tenant, version) => read(await namespace.getByName(tenant).version(version)),
    publish: async (candidate, expected) => {
      const reply = await namespace.getByName(candidate.tenant).publish(candidate, expected);
      controls.forget(candidate.tenant);
      seen.delete(candidate.tenant);
      if (reply.type === "stale")
        return refuse(
          "precondition_failed",
          `the active version is ${reply.active}, not ${expected}: read it again, merge, and publish against that`,
        );
      if (reply.type === "refused") return invalidConfig(reply.mistakes);
      if (reply.type !== "published")
        throw new GatewayFault("internal", `the tenant's ledger answered "${reply.type}" to a publication`);
      return accept(reply.config);
    },
    versions: (tenant) => namespace.getByName(tenant).versions(),
  };
}

function read(stored: PublishedConfig | undefined): PublishedConfig | undefined {
  return stored === undefined ? undefined : storedConfig(stored);
}

/** A version's edge copy; `undefined` when there is none yet, or KV does not answer. Versions never change. */
async function readEdgeCopy(kv: KVNamespace, tenant: string, version: number): Promise<PublishedConfig | undefined> {
  try {
    return (await kv.get<PublishedConfig>(`config/${tenant}/${version}`, "json")) ?? undefined;
  } catch {
    return undefined;
  }
}
