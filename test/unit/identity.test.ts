// Proves what a token makes of its holder, which configs of issuers are refused, how the resource is named, and whose pages may ask.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkConfig, type Surroundings } from "../../src/core/config/check.ts";
import { callerOf, claimAt, type Claims } from "../../src/core/identity/token-claims.ts";
import { ownAudiences, reachableScopes, resourceUrl, tokenScopes } from "../../src/core/identity/resource.ts";
import { isHostList, isOriginList, mcpAccess } from "../../src/core/identity/access.ts";
import { identityDocument, ISSUER, START_S } from "./issuer-fixture.ts";

type Json = Readonly<Record<string, unknown>>;

function caller(entry: Json, claims: Json = {}) {
  const document = identityDocument(entry);
  const issuer = document.identity.issuers["acme"];
  if (issuer === undefined) throw new Error("expected the issuer");
  const by = { tenant: "acme", name: "acme", entry: issuer, actors: document.actors };
  return callerOf(by, { sub: "s", exp: START_S, actor: "support", ...claims });
}

function accepted(entry: Json, claims: Json = {}) {
  const found = caller(entry, claims);
  if (!found.ok) throw new Error(found.detail);
  return found.value;
}

function refusal(entry: Json, claims: Json = {}): string {
  const found = caller(entry, claims);
  return found.ok ? "accepted" : `${found.code}: ${found.detail}`;
}

describe("the actor", () => {
  it("is what the claim says, what the map makes of it, or the default", () => {
    expect(accepted({}).principal.actors).toEqual(["support"]);
    const mapped = { actor: { claim: "azp", map: { "app-1": "support", "app-2": "billing" } } };
    expect(accepted(mapped, { azp: "app-2" }).principal.actors).toEqual(["billing"]);
    expect(accepted({ actor: { default: "support" } }, { actor: "billing" }).principal.actors).toEqual(["support"]);
    const either = { actor: { ...mapped.actor, default: "billing" } };
    expect(accepted(either).principal.actors).toEqual(["billing"]);
    expect(accepted(either, { azp: "app-9" }).principal.actors).toEqual(["billing"]);
  });

  it("may be several, where the claim is a list", () => {
    const entry = { actor: { claim: "realm_access.roles", map: { helper: "support", payer: "billing" } } };
    const claims = { realm_access: { roles: ["offline", "payer", "helper", "payer"] } };
    expect(accepted(entry, claims).principal.actors).toEqual(["billing", "support"]);
  });

  it("is forbidden when the config has it not, and missing when the token has none", () => {
    expect(refusal({}, { actor: "root" })).toMatch(/^actor_forbidden: .*not in the config/);
    expect(refusal({}, { actor: "*" })).toMatch(/^actor_forbidden/);
    expect(refusal({}, { actor: "__proto__" })).toMatch(/^actor_forbidden/);
    expect(refusal({ actor: { claim: "actor", map: { a: "support" } } }, { actor: "constructor" })).toMatch(
      /^actor_forbidden: .*maps no actor/,
    );
    for (const actor of [undefined, null, 7, "", {}, []])
      expect(refusal({}, { actor })).toMatch(/^unauthenticated: .*"actor"/);
  });
});

describe("scopes", () => {
  const scopes = (entry: Json | undefined, claims: Json) =>
    accepted(entry === undefined ? {} : { scopes: entry }, claims).principal.scopes;

  it("are words of a text or a list, mapped, or behind a prefix", () => {
    expect(scopes(undefined, { scope: "a:b  c a:b" })).toEqual(["a:b", "c"]);
    expect(scopes({ claim: "scp" }, { scp: ["x", "y"] })).toEqual(["x", "y"]);
    expect(scopes({ map: { Pay: "billing:write" } }, { scope: "Pay other" })).toEqual(["billing:write"]);
    expect(scopes({ prefix: "api://gw/" }, { scope: "api://gw/crm:read openid" })).toEqual(["crm:read"]);
    const both = { prefix: "gw.", map: { admin: "*" } };
    expect(scopes(both, { scope: "admin gw.x y" })).toEqual(["*", "x"]);
    expect(scopes(undefined, {})).toEqual([]);
  });

  it("are never all of them because an issuer says `*`, nor anything that is no scope", () => {
    expect(scopes(undefined, { scope: "* A b/c" })).toEqual([]);
    expect(scopes({ prefix: "x" }, { scope: "x* x" })).toEqual([]);
  });
});

describe("requirements and users", () => {
  it("a claim must be there, with one of the values", () => {
    const entry = { requires: { tid: "t-1", "org.id": ["o-1", "o-2"], email_verified: true } };
    const good = { tid: "t-1", org: { id: "o-2" }, email_verified: true };
    expect(refusal(entry, good)).toBe("accepted");
    expect(refusal(entry, { ...good, tid: "t-2" })).toContain('"tid" is not what the config requires');
    expect(refusal(entry, { ...good, org: undefined })).toContain('no usable claim "org.id"');
    expect(refusal(entry, { ...good, email_verified: "true" })).toContain('"email_verified"');
    expect(refusal({ requires: { groups: "g-2" } }, { groups: ["g-1", "g-2"] })).toBe("accepted");
    expect(refusal({ requires: { groups: "g-2" } }, { groups: ["g-1"] })).toContain("requires");
  });

  it("the user is a claim of its own, and must be there", () => {
    expect(accepted({ user: { claim: "email" } }, { email: "ann@acme.example" }).user).toBe("ann@acme.example");
    expect(refusal({ user: { claim: "email" } })).toContain('no usable claim "email"');
    expect(refusal({}, { sub: "x".repeat(257) })).toContain('no usable claim "sub"');
  });

  it("the key id tells issuers and subjects apart, and says neither", () => {
    const ids = ["a", "b", "ann@acme.example"].map((sub) => accepted({}, { sub }).principal.keyId);
    expect(new Set(ids).size).toBe(3);
    for (const id of ids) expect(id).toMatch(/^jwt:acme:[0-9a-f]{16}$/);
  });

  it("never gives more than the role agent, whatever the claims", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (claims) => {
        const found = caller({}, { ...(claims as Claims), roles: ["admin"], role: "admin" });
        if (!found.ok) return;
        expect(found.value.principal).toMatchObject({ tenant: "acme", roles: ["agent"], isRoot: false });
        expect(found.value.principal.actors.every((actor) => ["support", "billing"].includes(actor))).toBe(true);
        expect(found.value.principal.scopes).not.toContain("*");
      }),
    );
  });

  it("a claim of exactly that name comes before a path", () => {
    const claims = { "https://acme.example/actor": "x", "a.b": 1, a: { b: 2, c: { d: 3 } } };
    expect(
      ["https://acme.example/actor", "a.b", "a.c.d", "a.x", "toString", "a.constructor"].map((name) =>
        claimAt(claims, name),
      ),
    ).toEqual(["x", 1, 3, undefined, undefined, undefined]);
  });
});

describe("the config's identity section", () => {
  const around: Surroundings = { priceBook: null, secrets: null, services: null, allowPrivateEgress: false };
  const mistakes = (issuers: Json, allow: readonly string[] = ["idp.example"], more = around) => {
    const checked = checkConfig({ actors: { support: {} }, identity: { issuers }, egress: { allow } }, more);
    return checked.ok ? [] : checked.mistakes.map(({ path, message }) => `${path}: ${message}`);
  };
  const entry = { issuer: ISSUER, actor: { default: "support" } };

  it("takes an issuer that is complete", () => {
    expect(mistakes({ acme: entry })).toEqual([]);
    const elsewhere = { ...entry, issuer: "https://name.example", jwks_url: "https://idp.example/keys" };
    expect(mistakes({ acme: elsewhere })).toEqual([]);
    const local = { ...entry, issuer: "http://localhost:9/x" };
    expect(mistakes({ acme: local }, ["localhost:9"], { ...around, allowPrivateEgress: true })).toEqual([]);
  });

  it.each([
    [
      "an actor that is not there",
      { actor: { default: "suport" } },
      'actor.default: no such actor "suport" (did you mean "support"?)',
    ],
    ["one in the map", { actor: { claim: "azp", map: { x: "nobody" } } }, 'actor.map.x: no such actor "nobody"'],
    ["neither claim nor default", { actor: {} }, "actor.claim: expected a claim"],
    [
      "a map of no claim",
      { actor: { map: { a: "support" }, default: "support" } },
      "actor.claim: expected the claim whose",
    ],
    ["plain http", { issuer: "http://idp.example" }, "issuer: expected an https URL"],
    ["no URL", { issuer: "acme" }, "issuer: expected an absolute URL"],
    ["a query", { issuer: `${ISSUER}?a=b` }, "issuer: expected a URL without query"],
    [
      "the metadata's address",
      { issuer: `${ISSUER}/.well-known/openid-configuration` },
      "issuer: expected the issuer itself",
    ],
    ["another host", { issuer: "https://other.example" }, 'issuer: host "other.example" is not in egress.allow'],
    ["a private host", { issuer: "https://10.0.0.1" }, "issuer: host"],
    ["keys elsewhere", { jwks_url: "https://keys.example/x" }, 'jwks_url: host "keys.example" is not in egress.allow'],
    [
      "Entra's common address",
      { issuer: "https://login.microsoftonline.com/common/v2.0" },
      "issuer: expected the id of a directory",
    ],
    [
      "an issuer for everybody",
      { issuer: "https://accounts.google.com", jwks_url: "https://idp.example/k" },
      "requires: expected a claim that is yours alone",
    ],
    ["a shared secret", { algorithms: ["HS256"] }, "algorithms.0: expected one of RS256"],
    ["no signature", { algorithms: ["none"] }, "algorithms.0: expected one of RS256"],
    ["another role", { roles: ["admin"] }, "roles.0: expected `agent`"],
    ["too much skew", { clock_skew_s: 301 }, "clock_skew_s"],
    ["an unknown field", { audience: "x" }, 'audience: unknown field (did you mean "audiences"?)'],
  ])("refuses %s", (_, more: Json, expected) => {
    const found = mistakes({ acme: { ...entry, ...more } });
    expect(
      found.some((each) => each.includes(expected)),
      found.join("\n"),
    ).toBe(true);
  });

  it("refuses the same issuer twice", () => {
    expect(mistakes({ acme: entry, again: entry })).toEqual([
      'identity.issuers.again.issuer: is that of "acme" already',
    ]);
  });
});

describe("the resource", () => {
  const base = "https://gw.example";

  it("is named with its server and its tenant", () => {
    expect(resourceUrl({ base, server: null, tenant: null })).toBe(`${base}/mcp`);
    expect(resourceUrl({ base, server: "github", tenant: "acme" })).toBe(`${base}/mcp/github?tenant=acme`);
  });

  it("takes tokens for itself and for all tools, of the tenant that is named", () => {
    expect(ownAudiences({ base, server: null, tenant: null }, "acme")).toEqual([
      `${base}/mcp`,
      `${base}/mcp?tenant=acme`,
    ]);
    expect(ownAudiences({ base, server: null, tenant: "globex" }, "acme")).toEqual([`${base}/mcp?tenant=globex`]);
    expect(ownAudiences({ base, server: "github", tenant: "acme" }, "acme")).toEqual([
      `${base}/mcp/github`,
      `${base}/mcp/github?tenant=acme`,
      `${base}/mcp`,
      `${base}/mcp?tenant=acme`,
    ]);
  });

  it("lists the scopes of the tools that it reaches, as issuers spell them", () => {
    const tool = (scopes: readonly string[], server?: string) => ({
      kind: server === undefined ? "http" : "mcp",
      method: "GET",
      url: "https://x.example",
      input_schema: { type: "object" },
      effect: "read",
      scopes,
      ...(server === undefined ? {} : { mcp: { server, kind: "tool", name: "t", digest: null } }),
    });
    const document = identityDocument(
      { scopes: { map: { Pay: "b:w" }, prefix: "gw/" } },
      { tools: { a: tool(["b:w", "*"]), "github.t": tool(["repo"], "github") } },
    );
    expect(reachableScopes(document, null)).toEqual(["b:w", "repo"]);
    expect(reachableScopes(document, "github")).toEqual(["repo"]);
    expect(tokenScopes(document.identity, ["b:w", "repo"])).toEqual(["Pay", "gw/repo"]);
    const two = {
      issuers: {
        one: { issuer: "https://1.example", actor: {}, scopes: { map: { Pay: "b:w" }, prefix: "gw/" } },
        two: { issuer: "https://2.example", actor: {}, scopes: { ask_prefix: "api://gw/" } },
        three: { issuer: "https://3.example", actor: {}, scopes: { map: { Pay: "b:w" } } },
      },
    };
    expect(tokenScopes(two, ["b:w", "repo"])).toEqual(["Pay", "gw/repo", "api://gw/b:w", "api://gw/repo"]);
  });
});

describe("hosts and origins", () => {
  const access = (settings: Readonly<Record<string, string>>) =>
    mcpAccess({ ALLOW_PRIVATE_EGRESS: "false", ...settings });

  it("are read from the deployment's settings", () => {
    expect(access({})).toEqual({ hosts: null, origins: [] });
    const named = { PUBLIC_URL: "https://gw.example/", MCP_ALLOWED_HOSTS: "Other.example:8443, [::2]," };
    expect(access(named).hosts).toEqual(["gw.example", "other.example", "[::2]"]);
    expect(access({ ALLOW_PRIVATE_EGRESS: "true" }).hosts).toEqual(["localhost", "127.0.0.1", "[::1]"]);
    const origins = "https://App.example, vscode-webview://x";
    expect(access({ MCP_ALLOWED_ORIGINS: origins }).origins).toEqual(["https://app.example", "vscode-webview://x"]);
  });

  it("are hosts and origins, nothing else", () => {
    expect(["", "a.example", "a.example:1, [::1]"].map(isHostList)).toEqual([true, true, true]);
    expect(["https://a", "a b", "a/b", "u@a"].map(isHostList)).toEqual([false, false, false, false]);
    expect(["", "https://a.example:1", "x-y://z"].map(isOriginList)).toEqual([true, true, true]);
    expect(["*", "https://a/b", "a.example", "null"].map(isOriginList)).toEqual([false, false, false, false]);
  });
});
