// Proves which tools the accepted definitions of MCP servers become, and what of them stays from one version to the next.
import { describe, expect, it } from "vitest";
import { checkConfig, type Surroundings } from "../../src/core/config/check.ts";
import { diffConfigs } from "../../src/core/config/diff.ts";
import type { ConfigDocument } from "../../src/core/config/document.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import { isAccepted, sentSetDigest } from "../../src/core/mcp/definitions.ts";
import { ANYWHERE } from "./policy-fixture.ts";

const definition = (name: string, more: JsonObject = {}): JsonObject => ({
  name,
  description: `Does ${name}.`,
  inputSchema: { type: "object", properties: { id: { type: "string" } } },
  ...more,
});
const DEFINITIONS = [
  definition("search"),
  definition("orders/create", { title: "Create", outputSchema: { type: "object" } }),
];
const URL_ = "https://mcp.example.com/mcp";

function candidate(server: JsonObject = {}, more: JsonObject = {}): JsonObject {
  return {
    mcp: { servers: { crm: { url: URL_, definitions: DEFINITIONS, ...server } } },
    egress: { allow: ["mcp.example.com"] },
    ...more,
  };
}

function without(server: JsonObject = {}): JsonObject {
  return { mcp: { servers: { crm: { url: URL_, ...server } } }, egress: { allow: ["*.example.com"] } };
}

interface Read {
  readonly document: ConfigDocument;
  readonly warnings: readonly string[];
}

function read(document: unknown, around: Partial<Surroundings> = {}): Read {
  const checked = checkConfig(document, { ...ANYWHERE, ...around });
  if (!checked.ok) throw new Error(JSON.stringify(checked.mistakes, null, 1));
  return {
    document: checked.document,
    warnings: checked.warnings.map(({ path, message }) => `${path}: ${message}`),
  };
}

function mistakes(document: unknown, around: Partial<Surroundings> = {}): readonly string[] {
  const checked = checkConfig(document, { ...ANYWHERE, ...around });
  return checked.ok ? [] : checked.mistakes.map(({ path, message }) => `${path}: ${message}`);
}

describe("accepted definitions", () => {
  it("become tools with what the server is held to", () => {
    const { document, warnings } = read(
      candidate({
        timeout_ms: 5_000,
        tools: {
          "*": { effect: "write", output_trust: "trusted", scopes: ["crm:all"] },
          "orders/*": { scopes: ["crm:orders"], cost_usd: 1 },
          "orders/create": { effect: "irreversible" },
          "resources.read": { output_trust: "untrusted" },
        },
      }),
    );
    expect(Object.keys(document.tools)).toEqual([
      "crm.search",
      "crm.orders/create",
      "crm.resources.read",
      "crm.prompts.get",
    ]);
    expect(document.tools["crm.orders/create"]).toEqual({
      kind: "mcp",
      description: "Does orders/create.",
      method: "POST",
      url: URL_,
      timeout_ms: 5_000,
      effect: "irreversible",
      output_trust: "trusted",
      scopes: ["crm:orders"],
      cost_usd: 1,
      input_schema: DEFINITIONS[1]?.["inputSchema"],
      mcp: {
        server: "crm",
        kind: "tool",
        name: "orders/create",
        digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
        title: "Create",
        output_schema: { type: "object" },
      },
    });
    expect(document.tools["crm.search"]).toMatchObject({ effect: "write", scopes: ["crm:all"] });
    expect(document.tools["crm.resources.read"]).toMatchObject({
      effect: "write",
      output_trust: "untrusted",
      mcp: { kind: "resource", digest: null },
    });
    expect(warnings).toEqual([]);
  });

  it("are untrusted and irreversible where nothing says, and that is told", () => {
    const { document, warnings } = read(candidate({ tools: { search: { effect: "read" } } }));
    expect(document.tools["crm.orders/create"]).toMatchObject({ effect: "irreversible", output_trust: "untrusted" });
    expect(document.tools["crm.resources.read"]).toMatchObject({ effect: "read", output_trust: "untrusted" });
    expect(warnings).toEqual(['mcp.servers.crm.tools: nothing says what "orders/create" does: taken as irreversible']);
  });

  it("may be hidden, and resources and prompts left out", () => {
    const { document } = read(
      candidate({ tools: { "*": { effect: "read" }, search: { hidden: true } }, resources: false, prompts: false }),
    );
    expect(Object.keys(document.tools)).toEqual(["crm.orders/create"]);
  });

  it("carry the set where any change stops them all", () => {
    const { document } = read(candidate({ pin: "server", tools: { "*": { effect: "read" } } }));
    const origins = Object.values(document.tools).map(({ mcp }) => mcp);
    expect(new Set(origins.map((each) => each?.set))).toEqual(new Set([sentSetDigest(DEFINITIONS)]));
    for (const origin of origins) {
      expect(origin !== undefined && isAccepted(origin, DEFINITIONS)).toBe(true);
      expect(origin !== undefined && isAccepted(origin, [...DEFINITIONS, definition("more")])).toBe(false);
    }
    expect(read(candidate()).document.tools["crm.search"]?.mcp).not.toHaveProperty("set");
  });

  it("stand behind a binding with an absolute address", () => {
    const { document } = read(candidate({ url: "/mcp", service: "CRM" }), { services: ["CRM"] });
    expect(document.tools["crm.search"]).toMatchObject({ url: "https://service.internal/mcp", service: "CRM" });
  });

  it("that are none are told with the reason, and kept", () => {
    const { document, warnings } = read(candidate({ definitions: [...DEFINITIONS, definition("no good")] }));
    expect(document.mcp.servers["crm"]?.definitions).toHaveLength(3);
    expect(warnings.join("\n")).toContain('mcp.servers.crm.definitions: "no good" becomes no tool');
  });

  it("are made anew whenever the document is read: what was read can be sent", () => {
    const once = read(candidate({ pin: "server", tools: { "*": { effect: "write" } } })).document;
    const again = read(JSON.parse(JSON.stringify(once))).document;
    expect(again).toEqual(once);
    const changed = structuredClone(once) as { tools: Record<string, { effect: string }> };
    const tool = changed.tools["crm.search"];
    if (tool !== undefined) tool.effect = "read";
    expect(read(changed).document.tools["crm.search"]?.effect).toBe("write");
  });

  it("may have names as long as MCP allows", () => {
    const name = `a/${"b".repeat(126)}`;
    const { document } = read({
      ...candidate({ definitions: [definition(name)], tools: { "*": { effect: "read" } } }),
      actors: { a: { allowed_tools: [`crm.${name}`] } },
      policy: {
        rules: [{ id: "r", tools: [`crm.${name}`], effect: "deny" }],
        tests: [{ name: "t", call: { actor: "a", tool: `crm.${name}` }, expect: { effect: "deny" } }],
      },
    });
    expect(document.tools).toHaveProperty([`crm.${name}`]);
  });
});

describe("mistakes", () => {
  const own = {
    kind: "mcp",
    method: "POST",
    url: URL_,
    effect: "read",
    input_schema: { type: "object" },
  };

  it.each([
    [candidate({}, { tools: { hand: own } }), "tools.hand.mcp: is missing"],
    [
      candidate({}, { tools: { hand: { ...own, mcp: { server: "crn", kind: "tool", name: "x", digest: null } } } }),
      'tools.hand.mcp.server: no such MCP server (did you mean "crm"?)',
    ],
    [
      candidate({}, { tools: { "crm.search": { ...own, kind: "http" } } }),
      'mcp.servers.crm: a tool of the server becomes "crm.search", which is a tool already',
    ],
    [candidate({ definitions: [definition("prompts.get")] }), 'becomes "crm.prompts.get", which is a tool already'],
    [candidate({ url: "http://mcp.example.com" }), "mcp.servers.crm.url: expected an https URL"],
    [candidate({ url: "https://other.example.com" }), "is not in egress.allow"],
    [candidate({ url: "mcp", service: "CRM" }), "mcp.servers.crm.url: expected a path such as `/mcp`"],
    [
      candidate({ tools: { search: { amount: { field: "amount", currency: "USD" } } } }),
      'mcp.servers.crm (tools.crm.search.amount.field): "amount" is not an argument of the tool',
    ],
  ])("case %#", (document, message) => {
    expect(mistakes(document).join("\n")).toContain(message);
  });

  it("name the server's own credential and binding once", () => {
    const auth = { kind: "bearer", secret: "token" };
    expect(mistakes(candidate({ auth }), { secrets: [] })).toEqual([
      expect.stringContaining('mcp.servers.crm.auth.secret: no stored secret "token"'),
    ]);
    expect(mistakes(candidate({ url: "/mcp", service: "CRM" }), { services: ["ERP"] })).toEqual([
      'mcp.servers.crm.service: no service binding "CRM" in this deployment',
    ]);
  });

  it("in names of settings are warnings with what was meant", () => {
    const { warnings } = read(candidate({ tools: { "*": { effect: "read" }, serch: {}, "order*": {}, "x*": {} } }));
    expect(warnings).toEqual([
      'mcp.servers.crm.tools.serch: is no tool of this server (did you mean "search"?)',
      "mcp.servers.crm.tools.x*: is no tool of this server",
    ]);
  });

  it("in rules come out when a schema changes", () => {
    const policy = {
      rules: [{ id: "r", tools: ["crm.search"], when: 'has(args.id) && args.id == "1"', effect: "deny" }],
    };
    expect(mistakes(candidate({}, { policy }))).toEqual([]);
    const narrower = definition("search", { inputSchema: { type: "object", properties: { key: { type: "string" } } } });
    expect(mistakes(candidate({ definitions: [narrower] }, { policy })).join("\n")).toContain("policy.rules.0.when");
  });
});

describe("from one version to the next", () => {
  const active = read(candidate()).document;

  it("definitions stay where a candidate names none", () => {
    expect(read(without(), { active }).document.mcp.servers["crm"]?.definitions).toEqual(DEFINITIONS);
    expect(read(without(), { active }).document.tools).toHaveProperty(["crm.search"]);
    expect(read(without({ definitions: [] }), { active }).document.tools).not.toHaveProperty(["crm.search"]);
  });

  it("are dropped with a warning where the server is elsewhere", () => {
    const { document, warnings } = read(without({ url: "https://new.example.com/mcp" }), { active });
    expect(document.mcp.servers["crm"]?.definitions).toEqual([]);
    expect(warnings).toEqual([
      "mcp.servers.crm.definitions: the server is elsewhere now: its 2 accepted definitions are dropped",
    ]);
  });

  it("are nothing at first, and that is told", () => {
    expect(read(without()).warnings).toEqual([expect.stringContaining("nothing is accepted of this server")]);
  });

  it("a change is told by tool and by set", () => {
    const after = read(candidate({ definitions: [definition("search", { description: "Other." })] })).document;
    const says = diffConfigs(active, after).map((each) => each.says);
    expect(says).toEqual([
      expect.stringContaining('tool "crm.search": description changes from Does search. to Other.'),
      expect.stringContaining('tool "crm.search": mcp.digest changes'),
      expect.stringContaining('tool "crm.orders/create"'),
      expect.stringMatching(/MCP server "crm": definitions changes from [0-9a-f]{12} to [0-9a-f]{12}/),
    ]);
  });
});
