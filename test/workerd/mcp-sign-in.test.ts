// Proves who may ask the MCP surface inside the Workers runtime: keys, tokens of a tenant's issuer, hosts and pages; and what the others are told.
import { Hono } from "hono";
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from "jose";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { compose } from "../../src/compose.ts";
import type { Principal } from "../../src/core/principal.ts";
import { mcpAccess } from "../../src/core/identity/access.ts";
import type { Env } from "../../src/env.ts";
import { approvalRoutes } from "../../src/http/api/approvals.ts";
import { toolCallRoutes } from "../../src/http/api/tool-calls.ts";
import type { HttpEnv, Runtime } from "../../src/http/context.ts";
import { authenticateMcp } from "../../src/http/mcp/authenticate.ts";
import { challenge, stepUp } from "../../src/http/mcp/challenge.ts";
import { checkOrigin, corsHeaders } from "../../src/http/mcp/origin.ts";
import { bindings, createKey, createTenant, request, upstream, type TestTenant } from "./tenant.ts";

const ISSUER = "https://idp.test/acme";
const BASE = "https://gateway.test";

let tenant: TestTenant;
let other: TestTenant;
let keyless: TestTenant;
let privateKey: CryptoKey;
let jwk: JWK;
let isDown = false;
let runtime: Runtime;

beforeAll(async () => {
  const pair = await generateKeyPair("ES256", { extractable: true });
  ({ privateKey } = pair);
  jwk = { ...(await exportJWK(pair.publicKey)), kid: "k-1", use: "sig" };
  const identity = {
    issuers: {
      acme: {
        issuer: ISSUER,
        actor: { claim: "azp", map: { "app-1": "agent" } },
        user: { claim: "email" },
        scopes: { prefix: "gw/" },
      },
    },
  };
  const sections = { identity, egress: { allow: ["model.test", "tool.test", "idp.test"] } };
  tenant = await createTenant({}, { scopes: ["billing:write"] }, { sections });
  other = await createTenant({}, {}, { sections });
  keyless = await createTenant({});
  runtime = { ...compose(bindings as unknown as Env), publicUrl: BASE };
});

afterEach(() => {
  isDown = false;
  vi.restoreAllMocks();
});

function issuer(): readonly Request[] {
  return upstream(({ url }) => {
    if (isDown) return new Response("down", { status: 503 });
    if (url === `${ISSUER}/.well-known/openid-configuration`)
      return Response.json({ issuer: ISSUER, jwks_uri: "https://idp.test/keys" });
    return url === "https://idp.test/keys" ? Response.json({ keys: [jwk] }) : new Response("no", { status: 404 });
  }).sent;
}

function token(claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const words = {
    iss: ISSUER,
    aud: `${BASE}/mcp?tenant=${tenant.id}`,
    sub: "user-7",
    exp: Math.floor(Date.now() / 1000) + 600,
    azp: "app-1",
    email: "ann@acme.example",
    scope: "gw/billing:write openid",
    ...claims,
  };
  return new SignJWT(words).setProtectedHeader({ alg: "ES256", kid: "k-1" }).sign(privateKey);
}

/** A surface that says who asks. */
function surface(with_: Partial<Runtime> = {}) {
  const app = new Hono<HttpEnv>();
  app.all("/step-up", (c) => {
    c.set("runtime", { ...runtime, ...with_ });
    return stepUp(c, ["billing:write"]);
  });
  for (const path of ["/mcp", "/mcp/:server"])
    app.all(path, async (c) => {
      c.set("runtime", { ...runtime, ...with_ });
      const turnedAway = checkOrigin(c);
      if (turnedAway !== undefined) return turnedAway;
      const found = await authenticateMcp(c);
      return found.ok ? Response.json(found.value, { headers: corsHeaders(c) }) : challenge(c, found);
    });
  return app;
}

async function ask(path: string, headers: Readonly<Record<string, string>> = {}, with_: Partial<Runtime> = {}) {
  const answer = await surface(with_).request(`${BASE}${path}`, { method: "POST", headers });
  const json = await answer.json<Record<string, unknown>>();
  return { status: answer.status, json, challenge: answer.headers.get("www-authenticate"), headers: answer.headers };
}

const bearer = (text: string) => ({ authorization: `Bearer ${text}` });
const at = (path = "/mcp", id = tenant.id) => `${path}?tenant=${id}`;

describe("an API key", () => {
  it("opens the surface, in either header, and needs no tenant", async () => {
    for (const headers of [bearer(tenant.agent), { "x-api-key": tenant.agent }]) {
      const { status, json } = await ask("/mcp", headers);
      expect(status).toBe(200);
      expect(json).toMatchObject({ kind: "key", user: null, expiresAt: null, credential: tenant.agent });
      expect(json["principal"]).toMatchObject({ tenant: tenant.id, roles: ["agent"] });
    }
    expect((await ask(at(), bearer(tenant.agent))).status).toBe(200);
  });

  it("of another tenant than the address names is none here", async () => {
    const { status, json, challenge: told } = await ask(at(), bearer(other.agent));
    expect(status).toBe(401);
    expect(JSON.stringify(json)).not.toContain(other.id);
    expect(told).toContain('error="invalid_token"');
  });

  it("must be one that may call", async () => {
    const { status, json, challenge: told } = await ask("/mcp", bearer(tenant.auditor));
    expect([status, told]).toEqual([403, null]);
    expect(json).toMatchObject({ jsonrpc: "2.0", id: null, error: { code: -32_001, data: { code: "role_missing" } } });
    const operator = await createKey(tenant.id, ["operator", "agent"]);
    expect((await ask("/mcp", bearer(operator))).status).toBe(200);
    expect((await ask("/mcp", bearer("root-key-of-the-tests"))).status).toBe(403);
  });

  it("that nobody knows is told so, and that tokens are JWTs", async () => {
    const { status, json, challenge: told } = await ask("/mcp", bearer("opaque-token"));
    expect(status).toBe(401);
    expect(json).toMatchObject({ error: { message: expect.stringContaining("no signed JWT") } });
    // Without a tenant there is no metadata to lead to.
    expect(told).toMatch(/^Bearer error="invalid_token", error_description="[^"]+"$/);
  });
});

describe("a token", () => {
  it("makes an agent of its holder", async () => {
    const sent = issuer();
    const { status, json } = await ask(at(), bearer(await token()));
    expect(json).toMatchObject({ kind: "token", user: "ann@acme.example" });
    expect(status).toBe(200);
    expect(json["principal"]).toMatchObject({
      tenant: tenant.id,
      keyId: expect.stringMatching(/^jwt:acme:[0-9a-f]{16}$/),
      roles: ["agent"],
      scopes: ["billing:write"],
      actors: ["agent"],
      isRoot: false,
    });
    expect((await ask(at(), bearer(await token()))).status).toBe(200);
    expect(sent.map(({ url }) => url)).toEqual([`${ISSUER}/.well-known/openid-configuration`, "https://idp.test/keys"]);
    expect(sent.every(({ headers }) => headers.get("authorization") === null)).toBe(true);
  });

  it("may be the deployment's own tenant's without a name in the address", async () => {
    issuer();
    const own = { rootTenant: tenant.id };
    expect((await ask("/mcp", bearer(await token({ aud: `${BASE}/mcp` })), own)).status).toBe(200);
    expect((await ask(at(), bearer(await token({ aud: `${BASE}/mcp` })), own)).status).toBe(200);
    expect((await ask("/mcp", bearer(await token()))).json).toMatchObject({
      error: { message: expect.stringContaining("?tenant=") },
    });
  });

  it("for all tools opens one server, and not the reverse", async () => {
    issuer();
    expect((await ask(at("/mcp/github"), bearer(await token()))).status).toBe(200);
    const narrow = await token({ aud: `${BASE}/mcp/github?tenant=${tenant.id}` });
    expect((await ask(at("/mcp/github"), bearer(narrow))).status).toBe(200);
    expect((await ask(at("/mcp/gitlab"), bearer(narrow))).status).toBe(401);
    expect((await ask(at(), bearer(narrow))).status).toBe(401);
  });

  it("opens no other tenant, though both trust the same issuer", async () => {
    issuer();
    const { status, json } = await ask(at("/mcp", other.id), bearer(await token()));
    expect(status).toBe(401);
    expect(JSON.stringify(json)).toContain("another audience");
    expect((await ask(at("/mcp", other.id), bearer(await token({ aud: `${BASE}/mcp` })))).status).toBe(401);
  });

  it("opens no tenant without issuers, which looks like one that is not there", async () => {
    const texts = await Promise.all(
      [keyless.id, "no-such-tenant", "NO/tenant"].map(async (id) => {
        const { status, json } = await ask(at("/mcp", encodeURIComponent(id)), bearer(await token()));
        return `${status} ${id === "NO/tenant" ? "" : JSON.stringify(json)}`;
      }),
    );
    expect(texts[0]).toContain("takes API keys only");
    expect(texts[1]).toBe(texts[0]);
    expect(texts[2]).toMatch(/^401/);
  });

  it("is no API key", async () => {
    issuer();
    expect((await ask(at(), { "x-api-key": await token() })).status).toBe(401);
  });

  it("whose actor is not here is forbidden, and not asked to sign in again", async () => {
    issuer();
    const { status, json, challenge: told } = await ask(at(), bearer(await token({ azp: "app-9" })));
    expect([status, told]).toEqual([403, null]);
    expect(json).toMatchObject({ error: { data: { code: "actor_forbidden" } } });
  });

  it("that cannot be checked for now is not called bad", async () => {
    issuer();
    isDown = true;
    const fresh = compose(bindings as unknown as Env);
    const { status, json, headers } = await ask(at(), bearer(await token()), { ports: fresh.ports });
    expect([status, headers.get("retry-after"), headers.get("www-authenticate")]).toEqual([503, "5", null]);
    expect(json).toMatchObject({ error: { data: { code: "issuer_unavailable" } } });
  });

  it("has no audience of its own where nobody knows the gateway's address", async () => {
    issuer();
    const { json } = await ask(at(), bearer(await token()), { publicUrl: undefined });
    expect(json).toMatchObject({ error: { message: expect.stringContaining("PUBLIC_URL") } });
  });
});

describe("calls of a token's holder", () => {
  it("ask for approval, are known by a key id of their own, and cannot approve themselves", async () => {
    const rule = { id: "always", effect: "require_approval", message: "people decide" };
    const sections = {
      identity: { issuers: { acme: { issuer: ISSUER, actor: { default: "agent" }, audiences: ["gw"] } } },
      policy: { rules: [rule] },
      egress: { allow: ["model.test", "tool.test", "idp.test"] },
    };
    const asking = await createTenant({}, {}, { sections });
    const approver = await createKey(asking.id, ["approver"]);
    const sent = upstream(({ url }) => {
      if (url.endsWith("/openid-configuration"))
        return Response.json({ issuer: ISSUER, jwks_uri: "https://idp.test/keys" });
      return Response.json(url === "https://idp.test/keys" ? { keys: [jwk] } : { id: "re_1" });
    }).sent;
    const app = callsOf((principal) => principal);
    const asked = await app(`/v1/tool-calls?tenant=${asking.id}`, await token({ aud: "gw" }), {
      tool_call: { name: "refund", args: { amount_usd: 5 } },
      session_id: "s-token",
    });
    const call = await asked.json<{ id: string; approval: { id: string } }>();
    expect(asked.status, JSON.stringify(call)).toBe(202);
    const shown = await (await request(`/v1/approvals/${call.approval.id}`, approver)).json<Record<string, string>>();
    expect(shown["requested_by"]).toMatch(/^jwt:acme:[0-9a-f]{16}$/);
    const asApprover = callsOf((principal) => ({ ...principal, roles: ["approver"] }));
    const own = await asApprover(
      `/v1/approvals/${call.approval.id}/approve?tenant=${asking.id}`,
      await token({ aud: "gw" }),
      {},
    );
    expect(await own.json()).toMatchObject({ code: "approver_is_requester" });
    const given = await request(`/v1/approvals/${call.approval.id}/approve`, approver, { method: "POST", body: "{}" });
    expect(await given.json()).toMatchObject({ id: call.id, status: "succeeded" });
    expect(sent.filter(({ url }) => url === "https://tool.test/refunds")).toHaveLength(1);
  });

  /** The API's routes, for whoever the MCP surface would let in, as that one or somebody else. */
  function callsOf(as: (principal: Principal) => Principal) {
    const app = new Hono<HttpEnv>();
    for (const route of [...toolCallRoutes, ...approvalRoutes])
      app.on(route.method, route.path, async (c) => {
        c.set("runtime", { ...runtime });
        const found = await authenticateMcp(c);
        if (!found.ok) return challenge(c, found);
        c.set("principal", as(found.value.principal));
        c.set("credential", found.value.credential);
        return route.answer(c);
      });
    return async (path: string, text: string, body: unknown) => {
      const waiting: Promise<unknown>[] = [];
      const context = {
        waitUntil: (work: Promise<unknown>) => void waiting.push(work),
        passThroughOnException: () => undefined,
        props: {},
      };
      const init = { method: "POST", headers: bearer(text), body: JSON.stringify(body) };
      const answer = await app.request(`${BASE}${path}`, init, bindings, context);
      await Promise.all(waiting);
      return answer;
    };
  }
});

describe("a challenge", () => {
  const metadata = (path = "/mcp") => `${BASE}/.well-known/oauth-protected-resource${path}?tenant=${tenant.id}`;

  it("says where the resource describes itself, and of no error where nothing was sent", async () => {
    const { status, json, challenge: told } = await ask(at());
    expect(status).toBe(401);
    expect(json).toMatchObject({
      jsonrpc: "2.0",
      id: null,
      error: { code: -32_001, data: { code: "unauthenticated" } },
    });
    expect(told).toBe(`Bearer scope="gw/billing:write", resource_metadata="${metadata()}"`);
    expect((await ask(at("/mcp/github"))).challenge).toBe(`Bearer resource_metadata="${metadata("/mcp/github")}"`);
  });

  it("says what is wrong with a token, without a word of it", async () => {
    issuer();
    const { challenge: told } = await ask(at(), bearer(await token({ exp: 1_000, sub: "s3cr3t" })));
    expect(told).toBe(
      `Bearer error="invalid_token", error_description="the token has expired", scope="gw/billing:write", resource_metadata="${metadata()}"`,
    );
  });

  it("leads nowhere for tenants that take keys only", async () => {
    expect((await ask(at("/mcp", keyless.id))).challenge).toBe("Bearer");
    expect((await ask("/mcp")).challenge).toBe("Bearer");
  });

  it("may be read by pages that may ask", async () => {
    const { headers } = await ask(at(), { origin: BASE }, { mcpAccess: { hosts: ["gateway.test"], origins: [] } });
    expect(headers.get("access-control-allow-origin")).toBe(BASE);
    expect(headers.get("access-control-expose-headers")).toContain("www-authenticate");
  });

  it("steps up with the scopes that the issuer is to be asked for", async () => {
    const answer = await ask(at("/step-up"));
    expect(answer.status).toBe(403);
    expect(answer.challenge).toBe(
      `Bearer error="insufficient_scope", error_description="the token lacks a scope: billing:write", scope="gw/billing:write", resource_metadata="${metadata()}"`,
    );
  });
});

describe("the metadata's routes", () => {
  it("answer without a key, for tenants that have issuers", async () => {
    const answer = await request(`/.well-known/oauth-protected-resource/mcp?tenant=${tenant.id}`, "none");
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    expect(await answer.json()).toEqual({
      resource: `${BASE}/mcp?tenant=${tenant.id}`,
      authorization_servers: [ISSUER],
      scopes_supported: ["gw/billing:write"],
      bearer_methods_supported: ["header"],
      resource_name: "Interlock",
      resource_documentation: `${BASE}/docs`,
    });
    const same = await request(`/.well-known/oauth-protected-resource?tenant=${tenant.id}`, "none");
    expect(await same.json()).toMatchObject({ resource: `${BASE}/mcp?tenant=${tenant.id}` });
  });

  it.each([
    ["no tenant", () => "/mcp"],
    ["a tenant with keys only", () => `/mcp?tenant=${keyless.id}`],
    ["a tenant that is not there", () => "/mcp?tenant=nobody"],
    ["a server that is not there", () => `/mcp/github?tenant=${tenant.id}`],
  ])("answer 404 for %s", async (_, path) => {
    const answer = await request(`/.well-known/oauth-protected-resource${path()}`, "none");
    expect(answer.status).toBe(404);
    expect(answer.headers.get("content-type")).toContain("problem+json");
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
  });

  it("answer preflights: clients in a browser say their protocol version", async () => {
    const answer = await request("/.well-known/oauth-protected-resource/mcp", "none", { method: "OPTIONS" });
    expect([answer.status, answer.headers.get("access-control-allow-headers")]).toEqual([204, "*"]);
  });
});

describe("hosts and origins", () => {
  const ask = (
    vars: Readonly<Record<string, string>>,
    url: string,
    headers: Readonly<Record<string, string>>,
    method = "POST",
  ) => {
    const app = new Hono<HttpEnv>();
    app.all("/mcp", (c) => {
      c.set("runtime", { ...runtime, mcpAccess: mcpAccess({ ALLOW_PRIVATE_EGRESS: "false", ...vars }) });
      return checkOrigin(c) ?? new Response("in", { headers: corsHeaders(c) });
    });
    return app.request(url, { method, headers });
  };
  const status = async (...args: Parameters<typeof ask>) => (await ask(...args)).status;
  const own = { PUBLIC_URL: "https://gw.example/" };

  it("a host that is not ours is refused, where ours are known", async () => {
    expect(await status(own, "https://gw.example/mcp", {})).toBe(200);
    expect(await status(own, "https://evil.example/mcp", {})).toBe(403);
    expect(await status({}, "https://any.example/mcp", {})).toBe(200);
    expect(await status({ ALLOW_PRIVATE_EGRESS: "true" }, "http://localhost:8787/mcp", {})).toBe(200);
    expect(await status({ ALLOW_PRIVATE_EGRESS: "true" }, "http://rebound.example:8787/mcp", {})).toBe(403);
  });

  it.each([
    ["https://gw.example", 200],
    ["https://gw.example:8443", 200],
    ["http://gw.example", 403],
    ["https://evil.example", 403],
    ["https://gw.example.evil.example", 403],
    ["null", 403],
    ["file://", 403],
    ["garbage", 403],
    ["https://app.example", 200],
    ["https://app.example:444", 403],
    ["chrome-extension://abc", 200],
    ["chrome-extension://gw.example", 403],
  ])("a page of %s gets %i", async (origin, expected) => {
    const vars = { ...own, MCP_ALLOWED_ORIGINS: "https://app.example,chrome-extension://abc" };
    const answer = await ask(vars, "https://gw.example/mcp", { origin });
    expect(answer.status).toBe(expected);
    expect(answer.headers.get("access-control-allow-origin")).toBe(expected === 200 ? origin : null);
    if (expected === 403)
      expect(await answer.json()).toMatchObject({ jsonrpc: "2.0", error: { code: -32_000 }, id: null });
  });

  it("where no host is known, a page must be on the host that is asked", async () => {
    expect(await status({}, "https://any.example/mcp", { origin: "https://any.example" })).toBe(200);
    expect(await status({}, "https://any.example/mcp", { origin: "https://other.example" })).toBe(403);
  });

  it("preflights of pages that may ask are answered, and no others", async () => {
    const asked = {
      origin: "https://gw.example",
      "access-control-request-method": "POST",
      "access-control-request-headers": "Authorization, Interlock-Session, Mcp-Param-Region, X-Evil",
    };
    const answer = await ask(own, "https://gw.example/mcp", asked, "OPTIONS");
    expect(answer.status).toBe(204);
    expect(answer.headers.get("access-control-allow-methods")).toBe("GET, POST, DELETE, OPTIONS");
    const allowed = answer.headers.get("access-control-allow-headers")?.split(", ");
    expect(allowed).toEqual(
      expect.arrayContaining([
        "authorization",
        "mcp-protocol-version",
        "mcp-session-id",
        "last-event-id",
        "interlock-session",
        "mcp-param-region",
      ]),
    );
    expect(allowed).not.toContain("x-evil");
    expect(answer.headers.get("access-control-expose-headers")).toContain("www-authenticate");
    expect(
      (await ask(own, "https://gw.example/mcp", { ...asked, origin: "https://evil.example" }, "OPTIONS")).status,
    ).toBe(403);
    const plain = await ask(own, "https://gw.example/mcp", {}, "OPTIONS");
    expect([plain.status, plain.headers.get("allow"), plain.headers.get("access-control-allow-methods")]).toEqual([
      204,
      "GET, POST, DELETE, OPTIONS",
      null,
    ]);
  });
});
