// Seeds a tenant inside workerd and stands in for its upstreams: every outgoing request of the Worker comes here.
import { exports, env } from "cloudflare:workers";
import { vi } from "vitest";
import type { Bindings } from "../../src/env.ts";

/** The Worker's bindings, as the tests see them. */
export const bindings = env as unknown as Bindings;

const worker = (exports as unknown as { default: { fetch(request: Request): Promise<Response> } }).default;

/** Requests the Worker under test. */
export async function request(path: string, key: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set("authorization", `Bearer ${key}`);
  if (typeof init.body === "string") headers.set("content-type", "application/json");
  return worker.fetch(new Request(`https://gateway.test${path}`, { ...init, headers }));
}

const ROOT = "root-key-of-the-tests";
let count = 0;

/** One tenant with a model and a refund tool, and the key of its agent. */
export interface TestTenant {
  readonly id: string;
  readonly agent: string;
  readonly auditor: string;
}

/** What a tenant's config says besides the defaults: further members of its one actor, and whole sections. */
export interface MoreConfig {
  readonly actor?: Readonly<Record<string, unknown>>;
  readonly tools?: Readonly<Record<string, unknown>>;
  readonly sections?: Readonly<Record<string, unknown>>;
}

/** Creates a tenant whose one actor has these budgets. */
export async function createTenant(
  budgets: unknown,
  tool: Readonly<Record<string, unknown>> = {},
  more: MoreConfig = {},
): Promise<TestTenant> {
  count += 1;
  const id = `t${count}-${crypto.randomUUID().slice(0, 8)}`;
  const root = (path: string, method: string, body: unknown): Promise<Response> => asRoot(id, path, method, body);
  await root("/v1/tenants", "POST", { id });
  await root("/v1/secrets/upstream", "PUT", { value: "sk-upstream-credential" });
  await root("/v1/config", "PUT", testConfig(budgets, tool, more));
  return { id, agent: await createKey(id, ["agent"]), auditor: await createKey(id, ["auditor"]) };
}

/** Sends as the root key on a tenant's behalf; throws what was refused. */
export function asRoot(tenant: string, path: string, method: string, body: unknown): Promise<Response> {
  return expectOk(request(path, ROOT, { method, body: JSON.stringify(body), headers: { "interlock-tenant": tenant } }));
}

/** A new key of a tenant. */
export async function createKey(
  tenant: string,
  roles: readonly string[],
  scopes: readonly string[] = ["*"],
): Promise<string> {
  const created = await asRoot(tenant, "/v1/keys", "POST", { tenant, roles, actors: ["agent"], scopes });
  return (await created.json<{ key: string }>()).key;
}

async function expectOk(answer: Promise<Response>): Promise<Response> {
  const response = await answer;
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response;
}

/** The config document of a test tenant. */
export function testConfig(
  budgets: unknown,
  tool: Readonly<Record<string, unknown>> = {},
  more: MoreConfig = {},
): Readonly<Record<string, unknown>> {
  return {
    providers: { up: { kind: "openai-compatible", base_url: "https://model.test/v1", secret: "upstream" } },
    models: {
      m: {
        provider: "up",
        context: 1_000,
        max_output_tokens: 100,
        price: { input_per_mtok_usd: 1, output_per_mtok_usd: 1 },
      },
    },
    tools: {
      refund: {
        kind: "http",
        method: "POST",
        url: "https://tool.test/refunds",
        effect: "write",
        amount: { field: "amount_usd", currency: "USD" },
        timeout_ms: 2_000,
        auth: { kind: "bearer", secret: "upstream" },
        input_schema: { type: "object", properties: { amount_usd: { type: "number" } }, required: ["amount_usd"] },
        ...tool,
      },
      ...more.tools,
    },
    actors: { agent: { scopes: ["*"], allowed_tools: ["*"], models: ["*"], budgets, ...more.actor } },
    egress: { allow: ["model.test", "tool.test"] },
    ...more.sections,
  };
}

/** Answers the Worker's outgoing requests; everything it sends is kept. */
export function upstream(answer: (request: Request) => Promise<Response> | Response): { readonly sent: Request[] } {
  const sent: Request[] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const outgoing = new Request(input, init);
    sent.push(outgoing.clone());
    return answer(outgoing);
  });
  return { sent };
}

/** A chat completion with this usage. */
export function completion(prompt = 10, output = 5): Response {
  return Response.json({
    id: "chatcmpl-1",
    object: "chat.completion",
    model: "m",
    choices: [{ index: 0, message: { role: "assistant", content: "ok" }, finish_reason: "stop" }],
    usage: { prompt_tokens: prompt, completion_tokens: output, total_tokens: prompt + output },
  });
}

/** Calls the model once in a session. */
export function chat(key: string, session: string, more: Readonly<Record<string, unknown>> = {}): Promise<Response> {
  return request("/v1/chat/completions", key, {
    method: "POST",
    headers: { "interlock-session": session },
    body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }], max_tokens: 10, ...more }),
  });
}

/** Calls the refund tool once. */
export function refund(key: string, session: string, idempotencyKey: string, amount = 5): Promise<Response> {
  return request("/v1/tool-calls", key, {
    method: "POST",
    headers: { "interlock-session": session, "idempotency-key": idempotencyKey },
    body: JSON.stringify({ tool_call: { name: "refund", args: { amount_usd: amount } } }),
  });
}
