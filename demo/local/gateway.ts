// Boots the gateway and the demo upstream on the local runtime, with every binding its real local implementation.
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { convertV4MiniflareOptions, Miniflare, type V4WorkerOptions } from "miniflare";
import { unstable_getMiniflareWorkerOptions as workerOptionsOf } from "wrangler";
import { buildBundles, root } from "./bundles.ts";

/** How to boot. */
export interface LocalOptions {
  /** 0 picks a free port. */
  readonly port: number;
  /** Where D1, R2, KV and object storage lie. */
  readonly stateDir: string;
  /** Further variables of the gateway. */
  readonly vars?: Readonly<Record<string, string>>;
  /** Lines the Workers log; the console when left out. */
  readonly onLog?: (line: string) => void;
  /** Fires the crons so often, in milliseconds; on every fifth minute when left out, as the platform does. */
  readonly cronEveryMs?: number | undefined;
  /** Boots a second isolate of the gateway on the same state: what one place changes, the other has to learn. */
  readonly hasSecondIsolate?: boolean;
  /** The script of a Worker that stands behind the trace queue's binding, instead of the local queue in memory. */
  readonly traceQueue?: string;
}

/** A running gateway with its upstream. */
export interface LocalGateway {
  readonly url: string;
  /** The second isolate's address; the first one's where there is none. */
  readonly secondUrl: string;
  readonly upstreamUrl: string;
  readonly secrets: LocalSecrets;
  readonly miniflare: Miniflare;
  stop(): Promise<void>;
}

/** Secrets that exist only in this state directory. */
export interface LocalSecrets {
  readonly rootKey: string;
  readonly secretsKey: string;
  readonly modelToken: string;
  readonly billingToken: string;
  readonly crmToken: string;
}

/** Boots both Workers, applies D1 migrations, and answers once they serve. Throws when the port is taken. */
export async function startLocal(options: LocalOptions): Promise<LocalGateway> {
  if (options.port !== 0) await ensureFree(options.port);
  mkdirSync(options.stateDir, { recursive: true });
  const release = lockState(options.stateDir);
  const secrets = localSecrets(options.stateDir);
  const bundles = await buildBundles();
  const workerOptions = options.traceQueue === undefined ? deployedOptions() : withoutTraces(deployedOptions());
  const gateway = {
    ...workerOptions,
    name: "gateway",
    modules: true,
    script: readFileSync(bundles.gateway, "utf8"),
    bindings: {
      ENVIRONMENT: "local",
      ROOT_KEY: secrets.rootKey,
      SECRETS_KEY: secrets.secretsKey,
      ALLOW_PRIVATE_EGRESS: "true",
      ...options.vars,
    },
    serviceBindings: {
      SERVICE_DEMO: "upstream",
      ...(options.traceQueue === undefined ? {} : { [TRACES]: TRACE_QUEUE }),
    },
    unsafeDirectSockets: [{ host: "127.0.0.1", port: options.port }],
  };
  const { compatibilityDate } = workerOptions;
  const upstream = {
    ...upstreamWorker(secrets, readFileSync(bundles.upstream, "utf8")),
    ...(compatibilityDate === undefined ? {} : { compatibilityDate }),
  };
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      port: 0,
      workers: [gateway, upstream, ...furtherWorkers(options, gateway)],
      resourcePersistencePath: options.stateDir,
      ...(options.onLog === undefined ? {} : { handleRuntimeStdio: forwardTo(options.onLog) }),
    }),
  );
  await miniflare.ready;
  // A database whose last runtime was killed may fail its first statements while it recovers.
  await migrate(miniflare).catch(() => migrate(miniflare));
  const origin = async (worker: string): Promise<string> =>
    new URL(String(await miniflare.unsafeGetDirectURL(worker))).origin;
  const { cronEveryMs } = options;
  const cron = setInterval(() => void runCrons(miniflare, cronEveryMs !== undefined), cronEveryMs ?? 60_000);
  const addressOf = async (worker: string): Promise<string> => (await origin(worker)).replace("127.0.0.1", "localhost");
  return {
    url: await addressOf("gateway"),
    secondUrl: await addressOf(options.hasSecondIsolate === true ? SECOND : "gateway"),
    upstreamUrl: await origin("upstream"),
    secrets,
    miniflare,
    stop: async () => {
      clearInterval(cron);
      await miniflare.dispose();
      release();
    },
  };
}

/** The tools and the model that the demo tenant uses. */
function upstreamWorker(secrets: LocalSecrets, script: string): V4WorkerOptions {
  return {
    name: "upstream",
    modules: true,
    script,
    bindings: { MODEL_TOKEN: secrets.modelToken, BILLING_TOKEN: secrets.billingToken, CRM_TOKEN: secrets.crmToken },
    durableObjects: { DEMO_STATE: { className: "DemoState", useSQLite: true } },
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
  };
}

function furtherWorkers(
  { hasSecondIsolate = false, traceQueue }: LocalOptions,
  gateway: V4WorkerOptions,
): readonly V4WorkerOptions[] {
  return [
    ...(hasSecondIsolate ? [secondIsolate(gateway)] : []),
    ...(traceQueue === undefined ? [] : [traceQueueWorker(traceQueue)]),
  ];
}

const SECOND = "gateway-elsewhere";
const TRACES = "TRACES";
const TRACE_QUEUE = "trace-queue";

/** A Worker that takes the trace queue's messages and hands them to the gateway's consumer. */
function traceQueueWorker(script: string): V4WorkerOptions {
  return {
    name: TRACE_QUEUE,
    modules: true,
    script,
    compatibilityDate: "2026-10-01",
    compatibilityFlags: ["nodejs_compat", "experimental", "service_binding_extra_handlers"],
    serviceBindings: { GATEWAY: "gateway" },
    durableObjects: { MESSAGES: { className: "Messages", useSQLite: true } },
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
  };
}

/** The options without the local trace queue. */
function withoutTraces(options: Partial<V4WorkerOptions>): Partial<V4WorkerOptions> {
  const { queueProducers = {} } = options;
  const others = Object.entries(queueProducers).filter(([binding]) => binding !== TRACES);
  return { ...options, queueProducers: Object.fromEntries(others) };
}

/** The same Worker once more: its objects are those of the first, and the first takes the queues. */
function secondIsolate(gateway: V4WorkerOptions): V4WorkerOptions {
  const { queueConsumers: _, ...first } = gateway;
  const objects = Object.entries(first.durableObjects ?? {}).map(([binding, object]) => {
    const className = typeof object === "string" ? object : object.className;
    return [binding, { className, scriptName: "gateway", useSQLite: true }] as const;
  });
  return {
    ...first,
    name: SECOND,
    durableObjects: Object.fromEntries(objects),
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
  };
}

/** What `wrangler.toml` binds, so that the local gateway has no configuration of its own. */
function deployedOptions(): Partial<V4WorkerOptions> {
  const { workerOptions } = workerOptionsOf(path.join(root, "wrangler.toml"));
  return Object.fromEntries(BOUND.map((name) => [name, workerOptions[name]]));
}

const BOUND = [
  "compatibilityDate",
  "compatibilityFlags",
  "kvNamespaces",
  "r2Buckets",
  "d1Databases",
  "queueProducers",
  "queueConsumers",
  "durableObjects",
] as const;

function forwardTo(
  onLog: (line: string) => void,
): (stdout: NodeJS.ReadableStream, stderr: NodeJS.ReadableStream) => void {
  return (stdout, stderr) => {
    for (const stream of [stdout, stderr]) stream.on("data", (chunk: Buffer) => onLog(chunk.toString("utf8")));
  };
}

async function ensureFree(port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const probe = createServer();
    probe.once("error", () => reject(new Error(`port ${port} is taken: stop what listens there, or set PORT`)));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve()));
  });
}

/**
 * Takes the state directory for this process: two runtimes on one state would each keep a ledger of its own.
 * A lock whose process is gone is taken over. Throws when another process holds it.
 */
function lockState(stateDir: string): () => void {
  const file = path.join(stateDir, "running.pid");
  const holder = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
  if (holder !== process.pid && isRunning(holder))
    throw new Error(`${stateDir} is in use by process ${holder}: stop it, or set STATE_DIR`);
  writeFileSync(file, String(process.pid));
  return () => rmSync(file, { force: true });
}

function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function localSecrets(stateDir: string): LocalSecrets {
  const file = path.join(stateDir, "local-secrets.json");
  // Written by the branch below in an earlier start, so it has this shape.
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8")) as LocalSecrets;
  const token = (prefix: string): string => `${prefix}_${randomBytes(24).toString("hex")}`;
  const secrets: LocalSecrets = {
    rootKey: token("root"),
    secretsKey: randomBytes(32).toString("base64"),
    modelToken: token("model"),
    billingToken: token("billing"),
    crmToken: token("crm"),
  };
  writeFileSync(file, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
  return secrets;
}

/** Applies the numbered migrations that this database has not seen, in the table that wrangler keeps too. */
async function migrate(miniflare: Miniflare): Promise<void> {
  const database = await miniflare.getD1Database("DB", "gateway");
  await database
    .prepare(
      "CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)",
    )
    .run();
  const { results } = await database.prepare("SELECT name FROM d1_migrations").all<{ name: string }>();
  const applied = new Set(results.map((row) => row.name));
  const folder = path.join(root, "migrations");
  const pending = readdirSync(folder).filter((name) => name.endsWith(".sql") && !applied.has(name));
  for (const name of pending.toSorted()) {
    const statements = readFileSync(path.join(folder, name), "utf8")
      .split("--> statement-breakpoint")
      .map((statement) => database.prepare(statement));
    await database.batch([...statements, database.prepare("INSERT INTO d1_migrations (name) VALUES (?)").bind(name)]);
  }
}

/** The platform fires crons by the minute; the local runtime leaves that to its host. */
async function runCrons(miniflare: Miniflare, isAlways: boolean): Promise<void> {
  const now = new Date();
  if (!isAlways && now.getMinutes() % 5 !== 0) return;
  const worker = await miniflare.getWorker("gateway");
  await worker.scheduled({ cron: "every job", scheduledTime: now });
}
