// Proves the administrative life of a tenant: who may do what on every route, what may be published, and that the reference is true.
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import SwaggerParser from "@apidevtools/swagger-parser";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import ZSchema from "z-schema";
import { ACTOR, documentOf, lookupTool, PRICE, type JsonRecord } from "./document.ts";
import { at, openStage, until, type Answer, type CallInit, type Stage, type Tenant } from "./harness.ts";

type Role = "agent" | "operator" | "approver" | "auditor" | "admin" | "root";

/** A guarded route and who may use it; the root key has an admin's rights. */
interface GuardedRoute {
  readonly method: string;
  readonly path: string;
  readonly allowed: readonly Role[];
  readonly body?: unknown;
  /** Errors are google.rpc.Status there, as OTLP asks. */
  readonly isOtlp?: boolean;
}

const READERS = ["agent", "operator", "approver", "auditor", "admin", "root"] as const;
const CONFIG_READERS = ["operator", "auditor", "admin", "root"] as const;
const AUDITORS = ["operator", "auditor", "admin", "root"] as const;

const ROUTES: readonly GuardedRoute[] = [
  { method: "GET", path: "/v1/tools", allowed: ["agent"] },
  { method: "POST", path: "/v1/tool-calls", allowed: ["agent"], body: {} },
  { method: "GET", path: "/v1/tool-calls/tc_00000000000000000000000000000000", allowed: READERS },
  { method: "GET", path: "/v1/sessions/none", allowed: READERS },
  { method: "GET", path: "/v1/traces", allowed: ["operator", "approver", "auditor", "admin", "root"] },
  { method: "POST", path: "/v1/traces/reveal", allowed: ["auditor"], body: {} },
  { method: "GET", path: "/v1/traces/tr_none/raw", allowed: ["auditor"] },
  { method: "POST", path: "/v1/traces", allowed: ["agent", "operator"], body: {}, isOtlp: true },
  { method: "GET", path: "/v1/exports", allowed: ["operator", "approver", "auditor", "admin", "root"] },
  { method: "GET", path: "/v1/traces/tr_none", allowed: ["operator", "approver", "auditor", "admin", "root"] },
  { method: "POST", path: "/v1/traces/tr_none/outcome", allowed: ["agent", "operator"], body: {} },
  { method: "GET", path: "/v1/traces/tr_none/outcomes", allowed: ["operator", "approver", "auditor", "admin", "root"] },
  { method: "GET", path: "/v1/reports/drift", allowed: ["operator", "approver", "auditor", "admin", "root"] },
  { method: "GET", path: "/v1/reports/retry-loops", allowed: ["operator", "approver", "auditor", "admin", "root"] },
  { method: "GET", path: "/metrics", allowed: ["operator", "approver", "auditor", "admin", "root"] },
  { method: "GET", path: "/v1/coverage", allowed: ["operator", "approver", "auditor", "admin", "root"] },
  { method: "POST", path: "/v1/coverage/retell", allowed: ["operator", "admin", "root"], body: {} },
  { method: "GET", path: "/v1/dead-letters", allowed: ["operator", "approver", "auditor", "admin", "root"] },
  { method: "POST", path: "/v1/dead-letters/redrive", allowed: ["operator", "admin", "root"], body: {} },
  { method: "GET", path: "/v1/traces/export", allowed: ["operator", "approver", "auditor", "admin", "root"] },
  { method: "POST", path: "/v1/traces/reindex", allowed: ["admin", "root"], body: { from: "none" } },
  { method: "POST", path: "/v1/erasures", allowed: ["admin", "root"], body: {} },
  { method: "GET", path: "/v1/erasures", allowed: ["admin", "root"] },
  { method: "GET", path: "/v1/erasures/er_none", allowed: ["admin", "root"] },
  { method: "GET", path: "/v1/traces/tr_none/explain", allowed: ["operator", "approver", "auditor", "admin", "root"] },
  { method: "GET", path: "/v1/sessions/none/explain", allowed: ["operator", "approver", "auditor", "admin", "root"] },
  { method: "GET", path: "/v1/sessions/none/trace", allowed: ["operator", "approver", "auditor", "admin", "root"] },
  { method: "GET", path: "/v1/audit", allowed: AUDITORS },
  { method: "GET", path: "/v1/audit/verify", allowed: AUDITORS },
  { method: "GET", path: "/v1/audit/export", allowed: AUDITORS },
  { method: "GET", path: "/v1/audit/keys", allowed: AUDITORS },
  { method: "GET", path: "/v1/audit/none/proof", allowed: AUDITORS },
  { method: "GET", path: "/v1/config", allowed: ["operator", "auditor", "admin", "root"] },
  { method: "PUT", path: "/v1/config", allowed: ["admin", "root"], body: { nonsense: 1 } },
  { method: "GET", path: "/v1/config/versions", allowed: ["operator", "auditor", "admin", "root"] },
  {
    method: "POST",
    path: "/v1/config/check",
    allowed: ["operator", "auditor", "admin", "root"],
    body: { nonsense: 1 },
  },
  { method: "GET", path: "/v1/config/diff", allowed: ["operator", "auditor", "admin", "root"] },
  { method: "POST", path: "/v1/config/replay", allowed: CONFIG_READERS, body: { nonsense: 1 } },
  { method: "POST", path: "/v1/config/rollback", allowed: ["admin", "root"], body: {} },
  { method: "POST", path: "/v1/tool-calls/preflight", allowed: ["agent"], body: {} },
  { method: "POST", path: "/v1/routes/explain", allowed: ["agent"], body: { nonsense: 1 } },
  { method: "GET", path: "/v1/tool-calls", allowed: READERS },
  {
    method: "POST",
    path: "/v1/tool-calls/tc_00000000000000000000000000000000/resolve",
    allowed: ["operator"],
    body: {},
  },
  {
    method: "POST",
    path: "/v1/tool-calls/tc_00000000000000000000000000000000/compensate",
    allowed: ["agent", "operator"],
    body: {},
  },
  {
    method: "POST",
    path: "/v1/tool-calls/tc_00000000000000000000000000000000/withdraw",
    allowed: ["agent", "operator"],
    body: {},
  },
  { method: "GET", path: "/v1/approvals", allowed: ["operator", "approver", "auditor", "admin", "root"] },
  { method: "GET", path: "/v1/approvals/ap_none", allowed: ["operator", "approver", "auditor", "admin", "root"] },
  { method: "POST", path: "/v1/approvals/ap_none/approve", allowed: ["operator", "approver"], body: {} },
  { method: "POST", path: "/v1/approvals/ap_none/deny", allowed: ["operator", "approver"], body: {} },
  { method: "POST", path: "/v1/approvals/ap_none/withdraw", allowed: ["agent", "operator"], body: {} },
  { method: "POST", path: "/v1/sessions/none/pause", allowed: ["operator", "admin", "root"], body: {} },
  { method: "POST", path: "/v1/sessions/none/resume", allowed: ["operator", "admin", "root"], body: {} },
  { method: "POST", path: "/v1/sessions/none/end", allowed: ["operator", "admin", "root"], body: {} },
  { method: "GET", path: "/v1/switches", allowed: ["operator", "approver", "auditor", "admin", "root"] },
  { method: "POST", path: "/v1/switches", allowed: ["operator", "admin", "root"], body: {} },
  { method: "DELETE", path: "/v1/switches/none", allowed: ["operator", "admin", "root"] },
  { method: "GET", path: "/v1/agents/none/releases", allowed: ["operator", "approver", "auditor", "admin", "root"] },
  { method: "POST", path: "/v1/agents/none/promote", allowed: ["operator", "admin", "root"], body: {} },
  { method: "POST", path: "/v1/agents/none/canary", allowed: ["operator", "admin", "root"], body: {} },
  { method: "POST", path: "/v1/agents/none/rollback", allowed: ["operator", "admin", "root"], body: { nonsense: 1 } },
  { method: "GET", path: "/v1/mcp/servers", allowed: ["operator", "approver", "auditor", "admin", "root"] },
  { method: "GET", path: "/v1/mcp/servers/none", allowed: ["operator", "approver", "auditor", "admin", "root"] },
  { method: "POST", path: "/v1/mcp/servers/none/accept", allowed: ["operator", "admin", "root"], body: {} },
  { method: "PUT", path: "/v1/secrets/guarded", allowed: ["admin", "root"], body: {} },
  { method: "GET", path: "/v1/secrets", allowed: ["admin", "root"] },
  { method: "POST", path: "/v1/secrets/rotate", allowed: ["admin", "root"], body: { data_key: "none" } },
  { method: "DELETE", path: "/v1/secrets/none", allowed: ["admin", "root"] },
  { method: "POST", path: "/v1/tenants", allowed: ["root"], body: {} },
  { method: "POST", path: "/v1/keys", allowed: ["admin", "root"], body: {} },
  { method: "GET", path: "/v1/keys", allowed: ["admin", "root"] },
  { method: "DELETE", path: "/v1/keys/key_none", allowed: ["admin", "root"] },
];

let stage: Stage;
let tenant: Tenant;
let keys: Readonly<Record<Role, string>>;

beforeAll(async () => {
  stage = await openStage();
  tenant = await stage.tenant();
  const made = await Promise.all(
    (["agent", "operator", "approver", "auditor", "admin"] as const).map(
      async (role) => [role, (await stage.key(tenant.id, [role], { actors: ["*"] })).key] as const,
    ),
  );
  keys = { ...(Object.fromEntries(made) as Record<Role, string>), root: stage.gateway.secrets.rootKey };
});
afterAll(() => stage.close());

const send = (route: Pick<GuardedRoute, "method" | "path" | "body">, init: CallInit): Promise<Answer> =>
  stage.send(route.method, route.path, route.body, init);

describe.each(ROUTES.map((route) => [`${route.method} ${route.path}`, route] as const))("%s", (_, route) => {
  test("without a key and with a wrong one is 401", async () => {
    for (const init of [{}, { key: "ilk_0000" }]) {
      const answer = await send(route, init);
      expect([answer.status, answer.json["code"]]).toEqual([401, route.isOtlp === true ? 16 : "unauthenticated"]);
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
      expect(answer.headers.get("content-type")).toBe(`application/${route.isOtlp === true ? "" : "problem+"}json`);
    }
  });

  test("is for its roles and no other", async () => {
    for (const role of READERS) {
      const headers = role === "root" ? { "interlock-tenant": tenant.id } : {};
      const answer = await send(route, { key: keys[role], headers });
      const isRefused = answer.json["code"] === (route.isOtlp === true ? 7 : "role_missing");
      expect([role, isRefused ? "refused" : "allowed"]).toEqual([
        role,
        route.allowed.includes(role) ? "allowed" : "refused",
      ]);
      expect(answer.status).toBeLessThan(500);
      if (isRefused) expect(answer.status).toBe(403);
    }
  });
});

describe("another tenant", () => {
  const administrative = ROUTES.filter((route) => route.allowed.includes("admin"));

  test("is out of reach for an admin's key, on every route that can name one", async () => {
    const other = await stage.bareTenant();
    expect(administrative.length).toBeGreaterThanOrEqual(12);
    for (const route of administrative) {
      const answer = await send(
        { ...route, ...(route.path === "/v1/keys" && route.method === "POST" ? { body: { roles: ["admin"] } } : {}) },
        { key: keys.admin, headers: { "interlock-tenant": other } },
      );
      expect([`${route.method} ${route.path}`, answer.status, answer.json["code"]]).toEqual([
        `${route.method} ${route.path}`,
        403,
        "role_missing",
      ]);
    }
    const inBody = await stage.send("POST", "/v1/keys", { tenant: other, roles: ["admin"] }, { key: keys.admin });
    expect([inBody.status, inBody.json["code"]]).toEqual([403, "role_missing"]);
    const inQuery = await stage.send("GET", `/v1/keys?tenant=${other}`, undefined, { key: keys.admin });
    expect(inQuery.status).toBe(403);
  });

  test("that does not exist is 404 for the root key, and none named is 400", async () => {
    const key = keys.root;
    const ghost = await stage.send("GET", "/v1/keys", undefined, { key, headers: { "interlock-tenant": "ghost" } });
    expect([ghost.status, ghost.json["code"]]).toEqual([404, "not_found"]);
    const unnamed = await stage.send("GET", "/v1/keys", undefined, { key });
    expect([unnamed.status, unnamed.json["code"]]).toEqual([400, "invalid_request"]);
  });
});

describe("tenants, keys and secrets", () => {
  test("a tenant is made once, with an id that is one", async () => {
    const id = `once-${Math.random().toString(36).slice(2, 8)}`;
    const make = (body: unknown): Promise<Answer> => stage.send("POST", "/v1/tenants", body, { key: keys.root });
    expect((await make({ id })).status).toBe(201);
    expect([(await make({ id })).json["code"], (await make({ id: "Has Space" })).status]).toEqual([
      "already_exists",
      400,
    ]);
    const unknown = await make({ id: "x1", nmae: "x" });
    expect(unknown.json["errors"]).toMatchObject([{ path: "nmae" }]);
  });

  test("a key's text is shown once and stored nowhere", async () => {
    const { id, key } = await stage.key(tenant.id, ["agent"], { actors: [ACTOR], name: "mine" });
    expect(key).toMatch(/^ilk_[0-9a-f]{48}$/);
    const listed = await stage.send("GET", "/v1/keys", undefined, { key: keys.admin });
    expect(listed.text).toContain(id);
    expect(listed.text).not.toContain(key);
    expect(listed.text).not.toContain("hash");
  });

  test("a revoked key stops working, everywhere and for good", async () => {
    const { id, key } = await stage.key(tenant.id, ["agent"], { scopes: ["*"], actors: [ACTOR] });
    const chat = { model: "demo-small", messages: [{ role: "user", content: "hi" }] };
    expect((await tenant.chatAnswer(chat, { key })).status).toBe(200);
    const revoke = (): Promise<Answer> => stage.send("DELETE", `/v1/keys/${id}`, undefined, { key: keys.admin });
    expect((await revoke()).status).toBe(204);
    await until(
      "the key to be refused",
      async () => (await tenant.chatAnswer(chat, { key })).status === 401 || undefined,
    );
    expect((await tenant.get("/v1/tools", key)).status).toBe(401);
    expect((await revoke()).status).toBe(404);
  });

  test("a key of another tenant cannot be revoked", async () => {
    const other = await stage.tenant();
    const { id, key } = await stage.key(other.id, ["agent"], { scopes: ["*"], actors: [ACTOR] });
    expect((await stage.send("DELETE", `/v1/keys/${id}`, undefined, { key: keys.admin })).status).toBe(404);
    expect((await other.get("/v1/tools", key)).status).toBe(200);
  });

  test("a secret is named but never shown, and stored encrypted", async () => {
    const value = "s3cret-value-of-the-test";
    const put = await stage.send("PUT", "/v1/secrets/mine", { value }, { key: keys.admin });
    expect(put.status).toBe(204);
    const listed = await stage.send("GET", "/v1/secrets", undefined, { key: keys.admin });
    expect(listed.json["data"]).toContainEqual({ name: "mine" });
    expect(listed.text).not.toContain(value);
    expect((await stage.send("GET", "/v1/secrets/mine", undefined, { key: keys.admin })).status).toBe(405);
    expect((await stage.send("DELETE", "/v1/secrets/mine", undefined, { key: keys.admin })).status).toBe(204);
    expect((await stage.send("DELETE", "/v1/secrets/mine", undefined, { key: keys.admin })).status).toBe(404);
    expect((await stage.send("PUT", "/v1/secrets/9bad", { value }, { key: keys.admin })).status).toBe(400);
    expect((await stage.send("PUT", "/v1/secrets/mine", { value: "" }, { key: keys.admin })).status).toBe(400);
  });
});

describe("the config", () => {
  const put = (id: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> =>
    stage.send("PUT", "/v1/config", body, { key: keys.root, headers: { "interlock-tenant": id, ...headers } });
  const good = (): JsonRecord => documentOf(stage.gateway.upstreamUrl);

  test("is published against the version that was read: 428 without it, 412 when stale", async () => {
    const id = await stage.bareTenant();
    const get = (at = ""): Promise<Answer> =>
      stage.send("GET", `/v1/config${at}`, undefined, { key: keys.root, headers: { "interlock-tenant": id } });
    expect((await get()).status).toBe(404);
    const stale = await put(id, good(), { "if-match": '"3"' });
    expect([stale.status, stale.json["code"]]).toEqual([412, "precondition_failed"]);
    const first = await put(id, good());
    expect([first.status, first.headers.get("etag"), first.json["version"]]).toEqual([200, '"1"', 1]);
    const unread = await put(id, good());
    expect([unread.status, unread.json["code"]]).toEqual([428, "precondition_required"]);
    expect((await put(id, good(), { "if-match": "soon" })).status).toBe(400);
    const both = await Promise.all([1, 2].map(() => put(id, good(), { "if-match": '"1"' })));
    expect(both.map((answer) => answer.status).toSorted((left, right) => left - right)).toEqual([200, 412]);
    const old = await put(id, good(), { "if-match": '"1"' });
    expect([old.status, old.json["code"]]).toEqual([412, "precondition_failed"]);
    const versions = (await get("/versions")).json["data"] as readonly JsonRecord[];
    expect(versions.map((version) => version["version"])).toEqual([1, 2]);
    expect(at(versions[0], "published_by")).toBe("root");
    const read = await get("?version=1");
    expect([read.json["version"], read.headers.get("etag")]).toEqual([1, '"1"']);
    expect((await get("?version=9")).status).toBe(404);
    expect((await get("?version=x")).status).toBe(400);
    expect(read.json["document"]).toMatchObject(good());
  });

  test("takes effect on calls within seconds of its publication", async () => {
    const id = await stage.bareTenant();
    await put(id, documentOf(stage.gateway.upstreamUrl, { actor: { max_amount_usd: 10 } }));
    const { key } = await stage.key(id, ["agent"], { scopes: ["*"], actors: [ACTOR] });
    const refund = (): Promise<Answer> =>
      tenant.tool("billing.refund", { customer_id: "cus_123", amount_usd: 20 }, {}, { key });
    expect((await refund()).status).toBe(403);
    await put(id, good(), { "if-match": '"1"' });
    const allowed = await until("the new cap", async () => {
      const answer = await refund();
      return answer.status === 200 ? answer : undefined;
    });
    expect(String(at(allowed.json, "decision.policy_version"))).toMatch(/^v2-/);
  });

  test("names every unknown field at once, with the name that was probably meant", async () => {
    const id = await stage.bareTenant();
    const document = good();
    const answer = await put(id, {
      ...document,
      provders: {},
      models: { m: { provider: "demo", contxt: 5, price: PRICE } },
      tools: { t: lookupTool("", { efect: "read" }) },
      actors: { a: { max_amount: 5, budgets: { session: { usdd: 1 } } } },
    });
    expect([answer.status, answer.json["code"]]).toEqual([422, "invalid_config"]);
    const errors = answer.json["errors"] as readonly { path: string; message: string }[];
    expect(errors.map((error) => error.path).toSorted()).toEqual([
      "actors.a.budgets.session.usdd",
      "actors.a.max_amount",
      "models.m.contxt",
      "provders",
      "tools.t.efect",
    ]);
    expect(errors.find((error) => error.path === "provders")?.message).toContain('did you mean "providers"');
    expect(errors.find((error) => error.path === "tools.t.efect")?.message).toContain('did you mean "effect"');
  });

  test("names every broken reference, schema, price, host and secret at once", async () => {
    const id = await stage.bareTenant();
    const document = good();
    const provider = { kind: "openai-compatible", base_url: "https://models.example.com/v1" };
    const wrong = {
      ...document,
      providers: {
        ...(document["providers"] as JsonRecord),
        outside: provider,
        keyless: { ...provider, service: "DEMO", secret: "demo_modle" },
        unbound: { ...provider, service: "NOPE" },
        homeless: { kind: "openai-compatible" },
      },
      models: { a: { provider: "dmo", price: PRICE }, b: { provider: "demo" } },
      tools: {
        schema: lookupTool("", { input_schema: { type: "object", properties: { customer_id: { type: "strin" } } } }),
        list: lookupTool("", { input_schema: { type: "array" } }),
        url: lookupTool("", { url: "http://demo.upstream/crm/{custmer_id}" }),
        amount: lookupTool("", { amount: { field: "amount", currency: "USD" } }),
        host: { ...lookupTool("", { url: "https://evil.example.com/{customer_id}" }), service: undefined },
      },
      actors: { a: { allowed_tools: ["shema"], models: ["a", "gone"] } },
    };
    const answer = await put(id, wrong);
    expect([answer.status, answer.json["code"]]).toEqual([422, "invalid_config"]);
    const errors = Object.fromEntries(
      (answer.json["errors"] as readonly { path: string; message: string }[]).map((error) => [
        error.path,
        error.message,
      ]),
    );
    expect(errors).toMatchObject({
      "providers.outside.base_url": 'host "models.example.com" is not in egress.allow',
      "providers.keyless.secret": expect.stringContaining('did you mean "demo_model"') as string,
      "providers.unbound.service": expect.stringContaining('no service binding "NOPE"') as string,
      "providers.homeless.base_url": expect.stringContaining("expected an absolute URL") as string,
      "models.a.provider": 'no such provider (did you mean "demo"?)',
      "models.b.price": expect.stringContaining("no known list price") as string,
      "tools.list.input_schema.type": expect.stringContaining('expected "object"') as string,
      "tools.url.url": expect.stringContaining('did you mean "customer_id"') as string,
      "tools.amount.amount.field": expect.stringContaining('"amount" is not an argument') as string,
      "tools.host.url": 'host "evil.example.com" is not in egress.allow',
      "actors.a.allowed_tools.0": expect.stringContaining('did you mean "schema"') as string,
      "actors.a.models.1": '"gone" is not in the config',
    });
    expect(Object.keys(errors).some((each) => each.startsWith("tools.schema.input_schema"))).toBe(true);
    const checked = await stage.send("POST", "/v1/config/check", wrong, {
      key: keys.root,
      headers: { "interlock-tenant": id },
    });
    expect([checked.status, checked.json["errors"]]).toEqual([422, answer.json["errors"]]);
  });

  test("is checked without being published", async () => {
    const checked = await stage.send("POST", "/v1/config/check", good(), { key: keys.operator });
    expect(checked.json).toMatchObject({ ok: true, digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string });
    const current = await stage.send("GET", "/v1/config", undefined, { key: keys.operator });
    expect(current.json["version"]).toBe(1);
  });

  test.each(["", "{", "[1", '{"providers": 1e400}'])("a body %j is 400", async (body) => {
    expect((await put(await stage.bareTenant(), body)).status).toBe(400);
  });
});

/** Routes of evals and canaries. */
const EVAL_ROUTES = [
  "GET /v1/agents/{agent}/canary",
  "GET /v1/agents/{agent}/compare",
  "GET /v1/evals/datasets",
  "POST /v1/evals/datasets",
  "POST /v1/evals/datasets/{name}/import",
  "GET /v1/evals/datasets/{name}",
  "GET /v1/evals/datasets/{name}/export",
  "DELETE /v1/evals/datasets/{name}/{version}",
  "GET /v1/evals/suites",
  "POST /v1/evals/runs",
  "GET /v1/evals/runs",
  "GET /v1/evals/runs/{id}",
  "GET /v1/evals/runs/{id}/junit",
  "GET /v1/evals/runs/{id}/markdown",
  "GET /v1/evals/runs/{id}/html",
  "GET /v1/evals/runs/{id}/cases/{case}",
  "POST /v1/evals/runs/{id}/cancel",
  "GET /v1/evals/audits",
  "GET /v1/evals/audits/{id}",
  "POST /v1/evals/audits/{id}/labels",
  "POST /v1/evals/audits/{id}/adjudicate",
  "GET /v1/evals/judges",
  "GET /v1/evals/judges/{id}/calibration",
  "POST /v1/evals/judges/{id}/calibration",
];

/** Routes that answer in their vendor's shapes. */
const MODEL_ROUTES = [
  "GET /v1/models",
  "GET /v1/models/{id}",
  "POST /v1/chat/completions",
  "POST /v1/responses",
  "GET /v1/responses/{id}",
  "DELETE /v1/responses/{id}",
  "GET /v1/responses/{id}/input_items",
  "POST /v1/embeddings",
  "POST /v1/messages",
  "POST /v1/messages/count_tokens",
];

describe("the reference", () => {
  const get = (at: string): Promise<Answer> => stage.send("GET", at);

  test("/openapi.json is valid and has every guarded route, and no other", async () => {
    const { status, json } = await get("/openapi.json");
    expect(status).toBe(200);
    // The parser resolves in place: it gets a copy.
    const api = await SwaggerParser.validate(
      structuredClone(json) as unknown as Parameters<typeof SwaggerParser.validate>[0],
    );
    const described = Object.entries(api.paths ?? {}).flatMap(([at, operations]) =>
      Object.keys(operations ?? {}).map((method) => `${method.toUpperCase()} ${at}`),
    );
    const guarded = ROUTES.map(
      (route) =>
        `${route.method} ${route.path
          .replace(/\/(er_none|tc_0+|ap_none|tr_none|key_none|none)(?=\/|$)/, "/{id}")
          .replace("/audit/{id}/", "/audit/{seq}/")
          .replace("/agents/{id}/", "/agents/{agent}/")
          .replace("/mcp/servers/{id}", "/mcp/servers/{server}")
          .replace(/secrets\/(?!rotate$).+$/, "secrets/{name}")
          .replace("reports/retry-loops", "reports/{name}")}`,
    );
    for (const route of guarded) expect(described).toContain(route);
    expect(described.filter((route) => / \/(v1\/|metrics$)/.test(route)).toSorted()).toEqual(
      [...guarded, ...MODEL_ROUTES, ...EVAL_ROUTES].toSorted(),
    );
  });

  test("/docs needs nothing from elsewhere", async () => {
    const { status, headers, text } = await get("/docs");
    expect([status, headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    const targets = [...text.matchAll(/\b(?:src|href|action|srcset|data)\s*=\s*["']?([^"'\s>]+)/gi)].map(
      (match) => match[1] ?? "",
    );
    expect(targets.length).toBeGreaterThan(ROUTES.length);
    for (const target of targets) expect(target).toMatch(/^[#/](?!\/)/);
    expect(text).not.toMatch(/<script|<link|<iframe|@import|url\(/i);
    expect(text).toContain("/v1/tool-calls");
  });

  test("/schemas/interlock.json takes the demo's file and refuses a wrong one", async () => {
    const { json } = await get("/schemas/interlock.json");
    const file = path.join(fileURLToPath(new URL("../..", import.meta.url)), "demo", "interlock.yaml");
    const document = parse(readFileSync(file, "utf8")) as JsonRecord;
    const validator = ZSchema.create({ version: "draft2020-12", safe: true });
    const schema = { ...json };
    expect(validator.validate(document, schema)).toMatchObject({ valid: true });
    expect(validator.validate({ ...document, provders: {} }, schema)).toMatchObject({ valid: false });
    expect(validator.validate({ ...document, tools: { t: { kind: "http" } } }, schema)).toMatchObject({ valid: false });
  });

  test("/errors explains every code, and problems point there", async () => {
    const { json } = await get("/errors");
    const all = json["data"] as readonly { code: string; type: string; status: number }[];
    expect(all.length).toBeGreaterThan(25);
    for (const entry of all) expect((await get(entry.type)).json).toEqual(entry);
    expect((await get("/errors/outcome_unknown")).json).toMatchObject({ status: 504, should_retry: false });
    expect((await get("/errors/none")).status).toBe(404);
    const problem = await stage.send("GET", "/v1/keys");
    expect(problem.json).toMatchObject({
      type: "/errors/unauthenticated",
      status: 401,
      title: expect.any(String) as string,
    });
  });

  test("unknown paths are 404, known ones with another method 405, and health answers", async () => {
    expect((await get("/healthz")).json).toMatchObject({ status: "ok" });
    expect([(await get("/v1/nothing")).status, (await get("/nothing")).status]).toEqual([404, 404]);
    expect((await stage.send("DELETE", "/v1/config")).status).toBe(405);
    expect((await stage.send("PATCH", "/v1/keys/x")).status).toBe(405);
  });
});
