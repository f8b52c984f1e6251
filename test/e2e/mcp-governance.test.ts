// Proves that a call over MCP is the same governed call as over the API: decision, ledger, budget, switches, idempotency, identity and trace.
import { createServer, type Server } from "node:http";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from "jose";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startReferenceUpstream, type ReferenceUpstream } from "../mcp/reference-upstream.ts";
import { acceptDefinitions } from "../mcp/subject.ts";
import { Teardown } from "../mcp/teardown.ts";
import { ACTOR, type JsonRecord } from "./document.ts";
import { openStage, type Stage, type Tenant } from "./harness.ts";

const LOOKUP = { name: "crm.get_customer", arguments: { customer_id: "cus_123" } };
const REFUND = { name: "billing.refund", arguments: { customer_id: "cus_123", amount_usd: 5 } };

let stage: Stage;
let tenant: Tenant;
let reference: ReferenceUpstream;
let issuer: { readonly server: Server; readonly url: string; readonly privateKey: CryptoKey };
const teardown = new Teardown();

beforeAll(async () => {
  stage = await openStage();
  reference = await startReferenceUpstream({ era: "both" });
  issuer = await startIssuer();
  const rules = [
    {
      id: "no_guests",
      phase: "list",
      tools: ["crm.note"],
      when: 'has(call.user) && call.user == "guest"',
      effect: "deny",
    },
    {
      id: "verified",
      tools: ["crm.note"],
      when: '!has(call.user) || call.user_origin != "token"',
      effect: "deny",
      message: "sign in first",
    },
    {
      id: "asked_for",
      tools: ["billing.echo"],
      when: 'has(call.user_prompt) && call.user_prompt.contains("ünlawful")',
      effect: "deny",
    },
  ];
  const url = reference.url.replace("localhost", "127.0.0.1");
  tenant = await stage.tenant({
    session: { usd: 2, tool_usd: 12, tool_calls: 300 },
    hosts: [new URL(url).host, new URL(issuer.url).host],
    actor: {
      allowed_tools: ["billing.*", "crm.get_customer", "crm.note", "audit.export", "reference.*"],
      scopes: ["crm:read", "crm:write", "billing:write"],
    },
    sections: {
      policy: { rules },
      mcp: { servers: { reference: { url, tools: { "*": { effect: "read" } } } } },
      identity: { issuers: { acme: { issuer: issuer.url, actor: { default: ACTOR }, audiences: ["the-gateway"] } } },
    },
  });
  await acceptDefinitions(tenant, "reference");
});
beforeEach(() => stage.reset());
afterEach(() => teardown.run());
afterAll(async () => {
  await stage.close();
  await reference.stop();
  issuer.server.closeAllConnections();
  issuer.server.close();
});

async function startIssuer(): Promise<typeof issuer> {
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const key = { ...(await exportJWK(publicKey)), kid: "k1", alg: "ES256", use: "sig" };
  let url = "";
  const server = createServer((request, response) => {
    const isKeys = request.url === "/keys";
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(isKeys ? { keys: [key] } : { issuer: url, jwks_uri: `${url}/keys` }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the issuer has no port");
  url = `http://127.0.0.1:${address.port}`;
  return { server, url, privateKey };
}

function tokenOf(scope: string, claims: JsonRecord = {}): Promise<string> {
  return new SignJWT({ scope, ...claims })
    .setProtectedHeader({ alg: "ES256", kid: "k1" })
    .setIssuer(issuer.url)
    .setAudience("the-gateway")
    .setSubject("ada")
    .setIssuedAt()
    .setExpirationTime("5m")
    .sign(issuer.privateKey);
}

interface Dialled {
  readonly path?: string;
  readonly bearer?: string;
  readonly mode?: "auto" | "legacy";
}

async function dial(
  headers: Readonly<Record<string, string>> = {},
  { path = "/mcp", bearer = tenant.agent, mode = "auto" }: Dialled = {},
): Promise<Client> {
  const client = new Client({ name: "a-test", version: "1" }, { versionNegotiation: { mode } });
  const requestInit = { headers: { authorization: `Bearer ${bearer}`, ...headers } };
  const transport = new StreamableHTTPClientTransport(new URL(`${stage.gateway.url}${path}`), { requestInit });
  return teardown.add(
    client.connect(transport).then(() => client),
    (each) => each.close(),
  );
}

const meta = (result: { readonly _meta?: JsonRecord | undefined }, member: string): JsonRecord =>
  ((result._meta ?? {})[`dev.interlock/${member}`] ?? {}) as JsonRecord;
const namesOf = async (client: Client): Promise<readonly string[]> =>
  (await client.listTools()).tools.map(({ name }) => name);

describe.each(["auto", "legacy"] as const)("a call (%s)", (mode) => {
  test("is traced as a server span by method and tool, with the attempt at its server below", async () => {
    const client = await dial({ "interlock-session": `traced-${mode}` }, { mode });
    const done = await client.callTool({ name: "reference.test_simple_text", arguments: {} });
    const { trace_id, session_id } = meta(done, "call");
    expect(session_id).toBe(`traced-${mode}`);
    const trace = await tenant.trace(String(trace_id));
    const span = trace.spans.find(({ name }) => name === "tools/call reference.test_simple_text");
    expect(span?.attributes).toMatchObject({
      "gen_ai.operation.name": "execute_tool",
      "gen_ai.tool.name": "reference.test_simple_text",
      "mcp.method.name": "tools/call",
      "mcp.protocol.version": mode === "auto" ? "2026-07-28" : "2025-11-25",
      "interlock.mcp.client": "a-test",
      "interlock.mcp.server": "reference",
      "interlock.decision.effect": "allow",
    });
    const attempt = trace.spans.find(
      (each) => each.parent_span_id === span?.span_id && each.attributes["interlock.attempt.number"] === 1,
    );
    expect(attempt).toMatchObject({
      name: "tools/call reference.test_simple_text",
      attributes: { "mcp.method.name": "tools/call" },
    });
    const sent = reference.calls().findLast(({ method }) => method === "tools/call");
    expect(sent?.headers["traceparent"]?.split("-").slice(1, 3)).toEqual([String(trace_id).slice(3), attempt?.span_id]);
    expect(JSON.stringify(sent)).not.toContain(tenant.agent);
    const read = await client.readResource({ uri: "interlock:reference:test://static-text" });
    const reading = await tenant.trace(String(meta(read, "call")["trace_id"]));
    expect(reading.spans.map(({ name }) => name)).toContain("resources/read");
    expect(reading.calls[0]).toMatchObject({
      tool: "reference.resources.read",
      decision: "allow",
      status: "succeeded",
    });
  });

  test("without a key of its own is one effect however often it is repeated, and another call is another", async () => {
    const client = await dial({ "interlock-session": `once-${mode}` }, { mode });
    const all = await Promise.all([client.callTool(REFUND), client.callTool(REFUND), client.callTool(REFUND)]);
    const codes = all.map((each) => meta(each, "error")["code"] ?? meta(each, "call")["status"]);
    expect(codes.every((code) => code === "succeeded" || code === "call_in_flight")).toBe(true);
    expect(meta(await client.callTool(REFUND), "call")).toMatchObject({ replayed: true });
    expect((await stage.effects()).refunds).toBe(1);
    const keyed = { ...REFUND, _meta: { "dev.interlock/idempotency-key": `again-${mode}` } };
    expect(meta(await client.callTool(keyed), "call")).toMatchObject({ replayed: false });
    expect(meta(await client.callTool(keyed), "call")).toMatchObject({ replayed: true });
    const other = { ...keyed, arguments: { ...REFUND.arguments, amount_usd: 6 } };
    expect(meta(await client.callTool(other), "error")).toMatchObject({ code: "idempotency_key_reused" });
    expect((await stage.effects()).refunds).toBe(2);
    const third = { ...REFUND, arguments: { ...REFUND.arguments, amount_usd: 4 } };
    const broke = await client.callTool(third);
    expect([broke.isError, meta(broke, "error")["code"]]).toEqual([true, "budget_exceeded"]);
  });

  test("is refused in words that a model can act on", async () => {
    const client = await dial({}, { mode });
    const wrong = await client.callTool({ name: "crm.get_customer", arguments: { customer: "cus_123" } });
    expect(meta(wrong, "error")).toMatchObject({
      code: "invalid_arguments",
      mistakes: [{ path: "arguments" }, {}],
    });
    await expect(client.callTool({ name: "no.such", arguments: {} })).rejects.toMatchObject({ code: -32_602 });
    const hidden = await client.callTool({ name: "audit.export", arguments: { customer_id: "cus_123" } });
    expect(meta(hidden, "error")).toMatchObject({ code: "scope_missing" });
  });
});

test("tools are listed as far as the caller may use them: by narrowing, by rule, by switch", async () => {
  const all = await namesOf(await dial());
  expect(all).toEqual(
    expect.arrayContaining(["billing.refund", "crm.get_customer", "crm.note", "reference.test_simple_text"]),
  );
  expect(all).not.toContain("audit.export");
  expect(all).not.toContain("reference.resources.read");
  expect(await namesOf(await dial({ "interlock-user": "guest" }))).not.toContain("crm.note");
  const narrowed = await dial({ "interlock-allowed-tools": "crm.*" });
  expect((await namesOf(narrowed)).filter((name) => !name.startsWith("gateway."))).toEqual([
    "crm.get_customer",
    "crm.note",
  ]);
  expect(meta(await narrowed.callTool(REFUND), "error")).toMatchObject({ code: "policy_denied" });
  const own = await dial({ "interlock-allowed-tools": "test_simple_text" }, { path: "/mcp/reference" });
  expect(await namesOf(own)).toEqual(["test_simple_text"]);

  const operator = (await stage.key(tenant.id, ["operator"], { actors: ["*"] })).key;
  const halt = { kind: "halt", scope: { tool: "crm.get_customer" }, reason: "a drill" };
  const set = await stage.send("POST", "/v1/switches", halt, { key: operator });
  expect(set.status, set.text).toBeLessThan(300);
  const stopped = await dial();
  await expect.poll(async () => await namesOf(stopped), { timeout: 5_000 }).not.toContain("crm.get_customer");
  expect(meta(await stopped.callTool(LOOKUP), "error")).toMatchObject({ code: "halted" });
  await stage.send("DELETE", `/v1/switches/${String(set.json["id"])}`, undefined, { key: operator });
});

test("what a user asked for is a fact that its caller declares", async () => {
  const lawful = await dial({ "interlock-user-prompt": encodeURIComponent("Say hello, please") });
  expect((await lawful.callTool({ name: "billing.echo", arguments: {} })).isError ?? false).toBe(false);
  const unlawful = await dial({ "interlock-user-prompt": encodeURIComponent("Do something ünlawful") });
  expect(meta(await unlawful.callTool({ name: "billing.echo", arguments: {} }), "error")).toMatchObject({
    code: "policy_denied",
  });
  const malformed = await dial();
  const direct = await stage.send(
    "POST",
    "/mcp",
    { jsonrpc: "2.0", id: 1, method: "initialize", params: {} },
    { key: tenant.agent, headers: { "interlock-user-prompt": "%zz" } },
  );
  expect([direct.status, direct.text]).toEqual([400, expect.stringContaining("Interlock-User-Prompt")]);
  await malformed.close();
});

test("what is typed for a completion is decided and recorded like the read itself", async () => {
  const client = await dial({ "interlock-session": "typing" });
  const ref = { type: "ref/prompt", name: "reference.test_prompt_with_arguments" } as const;
  const argument = { name: "arg1", value: "par" };
  expect((await client.complete({ ref, argument })).completion.values).toEqual(expect.any(Array));
  const operator = (await stage.key(tenant.id, ["operator"], { actors: ["*"] })).key;
  const halt = { kind: "halt", scope: { session: "typing" }, reason: "a drill" };
  const set = await stage.send("POST", "/v1/switches", halt, { key: operator });
  const before = reference.calls().length;
  await expect
    .poll(() => client.complete({ ref, argument }).then(() => "answered", String), { timeout: 5_000 })
    .toContain("drill");
  const typed = reference
    .calls()
    .slice(before)
    .filter(({ method }) => method === "completion/complete");
  await expect(client.complete({ ref, argument })).rejects.toThrow();
  expect(
    reference
      .calls()
      .slice(before)
      .filter(({ method }) => method === "completion/complete"),
  ).toHaveLength(typed.length);
  await stage.send("DELETE", `/v1/switches/${String(set.json["id"])}`, undefined, { key: operator });
});

describe("a token of the tenant's issuer", () => {
  const path = (): string => `/mcp?tenant=${tenant.id}`;
  const NOTE = { name: "crm.note", arguments: { customer_id: "cus_123", text: "called back" } };

  test("is an actor, a verified user and scopes, and its calls are traced so", async () => {
    const client = await dial({}, { path: path(), bearer: await tokenOf("crm:read crm:write") });
    const noted = await client.callTool(NOTE);
    expect(noted.isError ?? false, JSON.stringify(noted)).toBe(false);
    expect(meta(await (await dial({ "interlock-user": "ada" })).callTool(NOTE), "error")).toMatchObject({
      code: "policy_denied",
    });
    const { attributes } = await tenant.tracedCall(String(meta(noted, "call")["trace_id"]));
    expect(attributes).toMatchObject({ "interlock.user.origin": "token", "interlock.actor": ACTOR });
    expect(JSON.stringify(attributes)).toMatch(/jwt:acme:[0-9a-f]{16}/);
    expect(await namesOf(client)).not.toContain("billing.refund");
  });

  test("that lacks a scope is told which, so that its client can ask for more; and one that is none is told where to get one", async () => {
    const bearer = await tokenOf("crm:read");
    const call = {
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: "crm.note", arguments: NOTE.arguments },
    };
    const stepUp = await stage.send("POST", path(), call, { key: bearer });
    expect(stepUp.status).toBe(403);
    expect(stepUp.headers.get("www-authenticate")).toContain('error="insufficient_scope"');
    expect(stepUp.headers.get("www-authenticate")).toContain('scope="crm:write"');
    const stranger = await stage.send("POST", path(), call, { key: `${bearer}x` });
    expect(stranger.status).toBe(401);
    expect(stranger.headers.get("www-authenticate")).toContain("/.well-known/oauth-protected-resource/mcp?tenant=");
    expect((await stage.effects()).notes).toBe(0);
  });
});
