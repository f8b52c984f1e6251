// Proves OpenAPI import: every operation becomes a tool or is named with a reason, and what is published is tools alone.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { checkConfig, type Surroundings } from "../../src/core/config/check.ts";
import { importOpenApi, type ImportTerms, type ImportedTool } from "../../src/core/config/openapi-import.ts";
import { argumentCheck } from "../../src/core/policy/arguments.ts";
import { mapRequest, type RequestMapping } from "../../src/core/tools/request.ts";

const CRM: unknown = parse(readFileSync(new URL("../corpus/openapi-crm.yaml", import.meta.url), "utf8"));
const around: Surroundings = { priceBook: null, secrets: ["crm"], services: ["CRM"], allowPrivateEgress: false };

function imported(
  terms: ImportTerms = {},
  document: unknown = CRM,
): {
  readonly tools: Readonly<Record<string, ImportedTool>>;
  readonly skipped: readonly string[];
  readonly notes: readonly string[];
} {
  const result = importOpenApi(document, terms);
  if (!result.ok) throw new Error(JSON.stringify(result.mistakes));
  return {
    tools: Object.fromEntries(result.tools.map(({ name, tool }) => [name, tool])),
    skipped: result.skipped.map(({ operation, reason }) => `${operation}: ${reason}`),
    notes: result.tools.flatMap(({ notes }) => notes),
  };
}

describe("an import", () => {
  it("gives every operation a tool or a reason", () => {
    const { tools, skipped } = imported({ prefix: "crm" });
    expect(Object.entries(tools).map(([name, { method, effect }]) => [name, method, effect].join(" "))).toEqual([
      "crm.getCustomer GET read",
      "crm.updateCustomer PATCH write",
      "crm.deleteCustomer DELETE irreversible",
      "crm.head_search HEAD read",
      "crm.post_search POST write",
      "crm.login POST write",
    ]);
    expect(skipped).toEqual([
      'filtered: the query parameter "filter" has a style that is not known',
      "probe: the method OPTIONS is not one of tools",
      "upload: its request body is multipart/form-data; expected JSON or a form",
      'far: the reference "other.yaml#/p" leads out of the document, and nothing is fetched',
      'dangling: the reference "#/components/parameters/nobody" leads nowhere',
      'get /far/{other}: its path names "other", which is no parameter',
    ]);
  });

  it("puts parameters and body where they belong", () => {
    const { tools, notes } = imported();
    const request = (name: string, args: object): unknown =>
      mapRequest(tools[name] as unknown as RequestMapping, args as never);
    expect(request("getCustomer", { id: "7", fields: ["a", "b"], "X-Trace": "t" })).toMatchObject({
      url: "https://eu.crm.example/v2/customers/7?fields=a&fields=b",
      headers: { "X-Trace": "t" },
    });
    expect(request("updateCustomer", { id: "7", name: "Ada", body_id: "x" })).toMatchObject({
      url: "https://eu.crm.example/v2/customers/7",
      body: '{"id":"x","name":"Ada"}',
    });
    expect(request("deleteCustomer", { id: "7" })).toMatchObject({ body: null });
    expect(request("login", { user: "a b" })).toMatchObject({ body: "user=a+b" });
    expect(request("post_search", { body: { eq: "x" } })).toMatchObject({ body: '{"eq":"x"}' });
    expect(notes).toContain('left out: the cookie parameter "theme" cannot be sent');
  });

  it("translates schemas of 3.0, keeps recursion, and leaves out what only answers have", () => {
    const { tools } = imported();
    const check = (name: string): ((args: object) => number) => {
      const of = argumentCheck(tools[name]?.["input_schema"] as Readonly<Record<string, unknown>>);
      return (args) => of(args as never).length;
    };
    const update = check("updateCustomer");
    expect(update({ id: "7", name: "Ada", note: null, parent: { name: "B", parent: { name: "C" } }, age: 1 })).toBe(0);
    expect(update({ id: "7", name: "Ada", parent: { name: "B", parent: {} } })).toBeGreaterThan(0);
    expect(update({ id: "7", name: "Ada", age: 0 })).toBeGreaterThan(0);
    expect(update({ id: "7", name: "Ada", created: "now" })).toBeGreaterThan(0);
    expect(check("post_search")({ body: { and: [{ eq: "x" }] } })).toBe(0);
    expect(check("post_search")({ body: { and: [{ eq: 1 }] } })).toBeGreaterThan(0);
  });

  it("takes server, service, effects and choice from its terms", () => {
    const { tools, skipped, notes } = imported({
      only: ["getCustomer"],
      server: "https://other.example/api/",
      effects: { getCustomer: "write" },
      auth: { kind: "bearer", secret: "crm" },
      timeout_ms: 900,
    });
    expect(tools["getCustomer"]).toMatchObject({
      url: "https://other.example/api/customers/{id}",
      effect: "write",
      timeout_ms: 900,
    });
    expect(skipped).toEqual([]);
    expect(notes).toEqual(['left out: the cookie parameter "theme" cannot be sent']);
    expect(imported({ service: "CRM" }).tools["getCustomer"]).toMatchObject({
      kind: "service",
      service: "CRM",
      url: "/v2/customers/{id}",
    });
  });

  it("refuses other documents, unknown operations and relative servers", () => {
    expect(importOpenApi({ swagger: "2.0" })).toMatchObject({ ok: false });
    expect(importOpenApi({ openapi: "3.2.0", paths: {} })).toMatchObject({ ok: false });
    expect(importOpenApi(CRM, { only: ["getCustomr"] })).toMatchObject({
      mistakes: [{ message: 'the document has no operation "getCustomr" (did you mean "getCustomer"?)' }],
    });
    const relative = { openapi: "3.1.0", servers: [{ url: "/v1" }], paths: { "/a": { get: {} } } };
    expect(imported({}, relative).skipped).toEqual([
      'get /a: its server is "/v1", which is no absolute URL: say which with `server`',
    ]);
  });

  it("never throws, whatever stands in the document", () => {
    const odd: readonly unknown[] = [null, 1, "x", [], {}, { $ref: "#/paths" }, { $ref: "#" }, { $ref: 7 }];
    for (const value of odd)
      for (const document of [
        { openapi: "3.1.0", paths: value },
        { openapi: "3.1.0", paths: { "/a": value } },
        { openapi: "3.1.0", paths: { "/a": { get: value } } },
        { openapi: "3.1.0", paths: { "/a": { parameters: value, post: { requestBody: value, parameters: [value] } } } },
        { openapi: "3.1.0", paths: { "/a": { post: { requestBody: { content: { "application/json": value } } } } } },
        { openapi: "3.1.0", paths: { "/a": { get: { parameters: [{ name: "a", in: "query", schema: value }] } } } },
      ])
        expect(() => importOpenApi(document, { server: "https://a.example" })).not.toThrow();
  });
});

describe("a config with an import", () => {
  const document = (more: object = {}): object => ({
    egress: { allow: ["eu.crm.example"] },
    openapi: { crm: { document: CRM, auth: { kind: "bearer", secret: "crm" }, ...more } },
    actors: { a: { allowed_tools: ["crm.getCustomer"] } },
    policy: {
      rules: [{ id: "r", tools: ["crm.updateCustomer"], when: 'args.name == "x"', effect: "deny" }],
    },
  });

  it("publishes tools, with rules checked against their schemas, and warns of what is missing", () => {
    const checked = checkConfig(document(), around);
    expect(checked.ok ? Object.keys(checked.document.tools).length : checked.mistakes).toBe(6);
    expect(checked.ok && "openapi" in checked.document).toBe(false);
    expect(checked.ok ? checked.warnings.map(({ path, message }) => `${path}: ${message}`) : []).toContain(
      'openapi.crm: "upload" is not imported: its request body is multipart/form-data; expected JSON or a form',
    );
    // The tools are what is published: the same ones written out are the same version.
    const written = { ...document(), openapi: undefined, tools: checked.ok ? checked.document.tools : {} };
    const again = checkConfig(JSON.parse(JSON.stringify(written)), around);
    expect(again.ok && checked.ok && again.document).toEqual(checked.ok && checked.document);
  });

  it("names the section of a mistake, and refuses what was asked for by name and cannot come", () => {
    const mistakes = (more: object): readonly string[] => {
      const checked = checkConfig(document(more), around);
      return checked.ok ? [] : checked.mistakes.map(({ path, message }) => `${path}: ${message}`);
    };
    expect(mistakes({ only: ["getCustomer", "updateCustomer", "upload"] })).toEqual([
      'openapi.crm: "upload" is not imported: its request body is multipart/form-data; expected JSON or a form',
    ]);
    expect(mistakes({ effects: { getCustomr: "write" } })).toEqual([
      'openapi.crm.effects: the document has no operation "getCustomr" (did you mean "getCustomer"?)',
    ]);
    expect(mistakes({ server: "https://evil.example", only: ["getCustomer", "updateCustomer"] })).toEqual([
      'openapi.crm (tools.crm.getCustomer.url): host "evil.example" is not in egress.allow',
      'openapi.crm (tools.crm.updateCustomer.url): host "evil.example" is not in egress.allow',
    ]);
    const twice = {
      ...document(),
      tools: {
        "crm.login": {
          kind: "http",
          method: "GET",
          url: "https://eu.crm.example/",
          effect: "read",
          input_schema: { type: "object" },
        },
      },
    };
    expect(checkConfig(twice, around)).toMatchObject({
      mistakes: [{ path: "openapi.crm", message: '"login" becomes "crm.login", which is a tool already' }],
    });
  });
});
