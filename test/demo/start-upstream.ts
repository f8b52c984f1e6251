// Boots the bundled demo upstream in Miniflare for the tests of this folder.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { buildUpstream } from "../../demo/upstream/build.mjs";

/** The bearer tokens the booted upstream asks for. */
export const TOKENS = { model: "sk-model-test", billing: "billing-test", crm: "crm-test" } as const;

/** What `/_demo/effects` tells. */
export interface Effects {
  readonly refunds: number;
  readonly refunds_total_usd: string;
  readonly reversals: number;
  readonly notes: number;
  readonly notes_deleted: number;
  readonly tickets_closed: number;
  readonly tickets_deleted: number;
  readonly model_calls: Record<string, number>;
  readonly completed: Record<string, number>;
  readonly cancelled: Record<string, number>;
  readonly cut: Record<string, number>;
  readonly billed_usd_micros: number;
  readonly by_key: Record<string, number>;
}

/** A running upstream. `call` adds the token that the path needs, JSON-encodes `json` and never follows redirects. */
export interface Upstream {
  readonly origin: string;
  call(path: string, init?: CallInit): Promise<Response>;
  chat(body: Record<string, unknown>, init?: CallInit): Promise<Response>;
  effects(): Promise<Effects>;
  reset(): Promise<void>;
  stop(): Promise<void>;
}

/** The part of a request that tests vary. */
export interface CallInit {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly json?: unknown;
  readonly source?: string;
  readonly signal?: AbortSignal;
}

/** A caller inside the runtime, as the gateway is: `/impatient/…` asks for `/…` and gives up after 300 ms. */
const IMPATIENT_CALLER = `export default { async fetch(request, env) {
  const path = new URL(request.url).pathname.slice('/impatient'.length);
  const signal = AbortSignal.timeout(300);
  try {
    const response = await env.UP.fetch('http://up' + path, { method: 'POST', headers: request.headers, body: await request.text(), signal });
    return new Response('read ' + (await response.text()).length);
  } catch (error) {
    return new Response('gave up: ' + error.name);
  }
} }`;

/** Starts an upstream of its own, with an impatient caller under `/impatient/` when asked for. */
export async function startUpstream(
  options: { readonly hasState?: boolean; readonly hasCaller?: boolean } = {},
): Promise<Upstream> {
  const folder = await mkdtemp(join(tmpdir(), "demo-upstream-"));
  await buildUpstream(join(folder, "upstream.mjs"));
  const script = await readFile(join(folder, "upstream.mjs"), "utf8");
  await rm(folder, { recursive: true });
  const common = {
    compatibilityDate: "2026-10-01",
    compatibilityFlags: ["enable_request_signal"],
    modules: true as const,
  };
  const upstream = {
    ...common,
    name: "up",
    script,
    bindings: { MODEL_TOKEN: TOKENS.model, BILLING_TOKEN: TOKENS.billing, CRM_TOKEN: TOKENS.crm },
    ...(options.hasState === false
      ? {}
      : { durableObjects: { DEMO_STATE: { className: "DemoState", useSQLite: true } } }),
  };
  const caller = {
    ...common,
    name: "caller",
    script: IMPATIENT_CALLER,
    serviceBindings: { UP: "up" },
    routes: ["*/impatient/*"],
  };
  const workers = options.hasCaller === true ? [upstream, caller] : [upstream];
  const miniflare = new Miniflare(convertV4MiniflareOptions({ workers }));
  const { origin } = await miniflare.ready;
  return drive(origin, () => miniflare.dispose());
}

function drive(origin: string, stop: () => Promise<void>): Upstream {
  const call = (path: string, { method, headers, json, source, signal }: CallInit = {}): Promise<Response> => {
    const body = source ?? (json === undefined ? undefined : JSON.stringify(json));
    return fetch(origin + path, {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers: { "content-type": "application/json", ...keyFor(path), ...headers },
      redirect: "manual",
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    });
  };
  return {
    origin,
    call,
    chat: (body, init = {}) =>
      call("/v1/chat/completions", {
        ...init,
        json: { messages: [{ role: "user", content: "hello" }], ...body },
      }),
    effects: async () => (await (await call("/_demo/effects")).json()) as Effects,
    reset: async () => {
      await call("/_demo/reset", { method: "POST" });
    },
    stop,
  };
}

function keyFor(path: string): Record<string, string> {
  if (path.startsWith("/billing")) return { authorization: `Bearer ${TOKENS.billing}` };
  if (path.startsWith("/crm") || path.startsWith("/mcp")) return { authorization: `Bearer ${TOKENS.crm}` };
  if (path.startsWith("/v1beta")) return { "x-goog-api-key": TOKENS.model };
  if (path.startsWith("/v1/messages")) return { "x-api-key": TOKENS.model, "anthropic-version": "2023-06-01" };
  return { authorization: `Bearer ${TOKENS.model}` };
}
