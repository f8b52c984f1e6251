// How the bench runs and seeds our own gateway: the one file that knows its bindings and admin API.
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import path from "node:path";
import type { V4MiniflareOptions } from "miniflare";
import { plainModel, pacedModel, surfaceModels } from "./load/loads.ts";
import { stopTree } from "./machine/children.ts";
import { compatibilityDate, compileWorker, modulesOf, quote, serveWorkerd, workerCode } from "./machine/workerd.ts";
import { allLoads, type Build, chatPath, type Target } from "./targets/target.ts";

export const bundleEntry = path.join(import.meta.dirname, "..", "dist", "index.js");

const rootKey = "bench-root-key-0123456789abcdef0123456789abcdef";
const vars: Readonly<Record<string, string>> = {
  ALLOW_PRIVATE_EGRESS: "true",
  ENVIRONMENT: "local",
  ROOT_KEY: rootKey,
  SECRETS_KEY: randomBytes(32).toString("base64"),
};

/** Binding name of each Durable Object namespace, and the class it holds. */
const objects: Readonly<Record<string, string>> = {
  SESSION_LEDGER: "SessionLedger",
  TENANT_LEDGER: "TenantLedger",
  TOOL_CALL: "ToolCall",
};

// NOTE: those of wrangler.toml.
const flags = ["nodejs_compat", "enable_request_signal", "global_fetch_strictly_public"] as const;

/**
 * Serves the built gateway on bare workerd, its Durable Objects in SQLite files under the build's
 * folder, KV in memory, the trace queue drained by a sink. R2 and D1 are left out: no model call
 * waits for them. Seeds a tenant; throws, with the process ended, when that fails.
 */
export async function startInterlock(build: Build): Promise<Target> {
  const objectFolder = path.join(build.folder, "durable-objects");
  mkdirSync(objectFolder, { recursive: true });
  const { pid, port } = await serveWorkerd(build.folder, services(build, objectFolder));
  const base = `http://127.0.0.1:${port}`;
  const headers = await seedOrStop(base, build.upstream, pid);
  return {
    name: build.name,
    url: base + chatPath,
    headers,
    pid,
    what: `our gateway on bare workerd, budgets and traces on, objects in ${placeOf(build.folder)}`,
    loads: allLoads,
  };
}

function placeOf(folder: string): string {
  return folder.startsWith("/dev/shm/") ? "/dev/shm (memory)" : "bench/.cache (disk)";
}

function services(build: Build, objectFolder: string): readonly string[] {
  const namespaces = Object.values(objects).map(
    (name) => `(className = ${quote(name)}, uniqueKey = ${quote(`bench-${name}`)}, enableSql = true)`,
  );
  const bindings = [
    ...Object.entries(vars).map(([name, value]) => `(name = ${quote(name)}, text = ${quote(value)})`),
    ...Object.entries(objects).map(
      ([name, value]) => `(name = ${quote(name)}, durableObjectNamespace = ${quote(value)})`,
    ),
    `(name = "CONFIG", kvNamespace = "kv")`,
    `(name = "TRACES", queue = "trace-sink")`,
  ];
  return [
    `(name = "main", worker = (
    ${workerCode(modulesOf(build.entry), flags)}
    bindings = [
      ${bindings.join(",\n      ")}
    ],
    durableObjectNamespaces = [
      ${namespaces.join(",\n      ")}
    ],
    durableObjectStorage = (localDisk = "object-storage"),
  ))`,
    `(name = "object-storage", disk = (path = ${quote(objectFolder)}, writable = true))`,
    `(name = "kv", worker = (${workerCode([compileWorker("kv", build.folder)])}))`,
    `(name = "trace-sink", worker = (${workerCode([compileWorker("trace-sink", build.folder)])}))`,
  ];
}

/** The same gateway for Miniflare, with every binding simulated and its state under the folder. */
export function interlockMiniflareOptions(build: Build): V4MiniflareOptions {
  const modules = modulesOf(build.entry).map(({ name, file, kind }) => ({
    type: miniflareTypes[kind],
    path: path.join(path.dirname(file), path.basename(name)),
  }));
  return {
    name: "interlock",
    modules,
    modulesRoot: path.dirname(build.entry),
    compatibilityDate,
    compatibilityFlags: [...flags],
    bindings: { ...vars },
    durableObjects: Object.fromEntries(
      Object.entries(objects).map(([name, className]) => [name, { className, useSQLite: true }]),
    ),
    kvNamespaces: { CONFIG: "bench-config" },
    queueProducers: { TRACES: "traces" },
    queueConsumers: { traces: { maxBatchSize: 100, maxBatchTimeout: 1 } },
    r2Buckets: { BLOBS: "bench-blobs" },
    d1Databases: { DB: "bench-db" },
    defaultPersistRoot: build.folder,
  };
}

const miniflareTypes = {
  esModule: "ESModule",
  text: "Text",
  data: "Data",
  wasm: "CompiledWasm",
} as const;

/** Seeds the gateway at `base` and answers the load's headers; ends `pid` when that fails. */
export async function seedOrStop(
  base: string,
  upstream: string,
  pid: number,
): Promise<Readonly<Record<string, string>>> {
  try {
    return { Authorization: `Bearer ${await seed(base, rootKey, upstream)}` };
  } catch (fault) {
    stopTree(pid);
    const why = fault instanceof Error ? fault.message : String(fault);
    throw new Error(`seeding failed: ${why}`, { cause: fault });
  }
}

// ---- SEED: everything below follows the admin API and is the only part that depends on it. ----

const actor = "bench_agent";

/**
 * Makes a tenant whose models all go to `upstreamUrl`, with budgets far above what a run spends,
 * and answers the key of an agent in it. Throws on the first answer that is not 2xx.
 */
export async function seed(base: string, root: string, upstreamUrl: string): Promise<string> {
  const send = (method: string, where: string, body: unknown): Promise<unknown> =>
    sendJson(`${base}${where}`, { method, key: root, body });
  await send("POST", "/v1/tenants", { id: "bench", name: "Bench" });
  await send("PUT", "/v1/secrets/bench-openai?tenant=bench", { value: "sk-bench" });
  await send("PUT", "/v1/config?tenant=bench", tenantConfig(upstreamUrl));
  const created = await send("POST", "/v1/keys", {
    tenant: "bench",
    roles: ["agent"],
    actors: [actor],
  });
  if (typeof created !== "object" || created === null || !("key" in created)) {
    throw new Error("POST /v1/keys answered without a key");
  }
  return String(created.key);
}

function tenantConfig(upstreamUrl: string): unknown {
  const price = { input_per_mtok_usd: "0.15", output_per_mtok_usd: "0.60" };
  const model = { provider: "upstream", context: 128_000, max_output_tokens: 4_096, price };
  return {
    providers: {
      upstream: {
        kind: "openai-compatible",
        base_url: `${upstreamUrl}/v1`,
        secret: "bench-openai",
      },
      openai: { kind: "openai", base_url: `${upstreamUrl}/v1`, secret: "bench-openai" },
      anthropic: { kind: "anthropic", base_url: `${upstreamUrl}/v1`, secret: "bench-openai" },
      gemini: { kind: "gemini", base_url: `${upstreamUrl}/v1beta`, secret: "bench-openai" },
    },
    models: {
      [plainModel]: model,
      [pacedModel]: model,
      [surfaceModels.chat]: model,
      [surfaceModels.responses]: { ...model, provider: "openai" },
      [surfaceModels.messages]: { ...model, provider: "anthropic" },
      [surfaceModels.generate]: { ...model, provider: "gemini" },
    },
    actors: { [actor]: { models: ["*"], budgets: { session: { usd: 100_000 } } } },
    egress: { allow: [new URL(upstreamUrl).host] },
  };
}

interface AdminRequest {
  readonly method: string;
  readonly key: string;
  readonly body: unknown;
}

async function sendJson(url: string, { method, key, body }: AdminRequest): Promise<unknown> {
  const answer = await fetch(url, {
    method,
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(5_000),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${new URL(url).pathname}: ${answer.status} ${text.slice(0, 700)}`);
  return text === "" ? undefined : JSON.parse(text);
}
