// Proves what MCP names, rungs, mirrored headers, results and sessions come to, without a client or a server.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { refuse } from "../../src/core/errors.ts";
import { rungOf } from "../../src/core/mcp/ladder.ts";
import {
  meantPrompt,
  meantUri,
  namesMeant,
  shownName,
  shownPrompt,
  shownUri,
  type McpView,
} from "../../src/core/mcp/names.ts";
import { paramMismatch } from "../../src/core/mcp/param-headers.ts";
import { refusalResult } from "../../src/core/mcp/results.ts";
import {
  addressee,
  changedSession,
  MAX_KEPT_CHARS,
  mayUse,
  MCP_SESSION_IDLE_MS,
  streamsToForget,
  type McpSession,
  type McpStream,
} from "../../src/core/state/mcp-session.ts";

const serverName = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,20}$/);
const ownName = fc.stringMatching(/^[A-Za-z0-9_./-]{1,60}$/);
const separator = fc.constantFrom(".", "_", "__", "-");
const text = fc.string({ minLength: 1, maxLength: 60 });

describe("names", () => {
  it("of tools lead back to the config's own, on both endpoints and with every separator", () => {
    fc.assert(
      fc.property(serverName, ownName, separator, fc.boolean(), (server, name, between, isOne) => {
        const view: McpView = { server: isOne ? server : null, separator: between };
        const tool = {
          name: `${server}.${name}`,
          entry: { mcp: { server, kind: "tool", name, digest: null } as const },
        };
        const shown = shownName(view, tool) ?? "";
        expect(shown.endsWith(name)).toBe(true);
        if (isOne) expect(shown).toBe(name);
        // A dash may stand in the server's own name: then the config's name is what is sure.
        if (between !== "-" || !server.includes("-")) expect(namesMeant(view, shown)).toContain(tool.name);
      }),
    );
  });

  it("of prompts and resources come back as they went", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(serverName, { minLength: 1, maxLength: 4 }),
        text,
        separator,
        fc.boolean(),
        (servers, name, between, isOne) => {
          const [server = ""] = servers;
          const view: McpView = { server: isOne ? server : null, separator: between };
          expect(meantUri(view, shownUri(view, server, name))).toEqual({ server, uri: name });
          const meant = meantPrompt(view, servers, shownPrompt(view, server, name));
          const isAmbiguous = servers.some((each) => each !== server && each.startsWith(server));
          if (!isAmbiguous) expect(meant).toEqual({ server, name });
        },
      ),
    );
  });

  it("of a resource expand as the server's own template does", () => {
    const all: McpView = { server: null, separator: "." };
    expect(shownUri(all, "docs", "demo://page/{id}").replace("{id}", "a%20b")).toBe(
      shownUri(all, "docs", "demo://page/a%20b"),
    );
    expect(meantUri(all, "demo://page/1")).toBeUndefined();
    expect(meantUri(all, "interlock:docs")).toBeUndefined();
  });
});

describe("the ladder", () => {
  const tasks = { extensions: { "io.modelcontextprotocol/tasks": {} } };
  const pages = { elicitation: { url: {} } };
  it.each([
    ["tasks and pages", { ...tasks, ...pages }, true, "task"],
    ["tasks in a session", tasks, false, "text"],
    ["pages", pages, true, "url"],
    ["pages in a session", pages, false, "url"],
    ["forms alone", { elicitation: { form: {} } }, true, "text"],
    ["nothing", {}, true, "text"],
    ["tasks that are no object", { extensions: { "io.modelcontextprotocol/tasks": true } }, true, "text"],
  ] as const)("%s", (_, capabilities, isModern, rung) => {
    expect(rungOf(capabilities, isModern)).toBe(rung);
  });
});

describe("headers that mirror arguments", () => {
  const schema = {
    type: "object",
    properties: {
      region: { type: "string", "x-mcp-header": "Region" },
      size: { type: "integer", "x-mcp-header": "Size" },
      deep: { type: "object", properties: { flag: { type: "boolean", "x-mcp-header": "Flag" } } },
      list: { type: "array", items: { type: "string", "x-mcp-header": "Never" } },
    },
  };
  const says = (
    args: Parameters<typeof paramMismatch>[1],
    headers: Readonly<Record<string, string>>,
  ): string | undefined => paramMismatch(schema, args, (name) => headers[name])?.header;
  it.each([
    ["nothing is carried", {}, {}, undefined],
    ["null asks for no header", { region: null }, {}, undefined],
    ["the same", { region: "eu" }, { "Mcp-Param-Region": "eu" }, undefined],
    ["another", { region: "eu" }, { "Mcp-Param-Region": "us" }, "Mcp-Param-Region"],
    ["missing", { region: "eu" }, {}, "Mcp-Param-Region"],
    ["encoded", { region: "ä" }, { "Mcp-Param-Region": "=?base64?w6Q=?=" }, undefined],
    ["badly encoded", { region: "ä" }, { "Mcp-Param-Region": "=?base64?w6Q?=" }, "Mcp-Param-Region"],
    ["no end mark is literal", { region: "=?base64?w6Q=" }, { "Mcp-Param-Region": "=?base64?w6Q=" }, undefined],
    ["numbers are numbers", { size: 42 }, { "Mcp-Param-Size": "42.0" }, undefined],
    ["another number", { size: 42 }, { "Mcp-Param-Size": "43" }, "Mcp-Param-Size"],
    ["deep", { deep: { flag: true } }, { "Mcp-Param-Flag": "false" }, "Mcp-Param-Flag"],
    ["not under items", { list: ["a"] }, {}, undefined],
  ] as const)("%s", (_, args, headers, expected) => {
    expect(says(args, headers)).toBe(expected);
  });

  it("take whatever a client has encoded of any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), (region) => {
        const encoded = `=?base64?${Buffer.from(region, "utf8").toString("base64")}?=`;
        expect(says({ region }, { "Mcp-Param-Region": encoded })).toBeUndefined();
      }),
    );
  });
});

it("tells a refusal to models and machines, and names arguments as the client knows them", () => {
  const mistakes = [{ path: "tool_call.args.amount", message: "expected a number" }];
  const result = refusalResult(refuse("invalid_arguments", "tool_call.args.amount: expected a number", { mistakes }));
  expect(result).toMatchObject({
    isError: true,
    content: [{ type: "text", text: expect.stringContaining("arguments.amount: expected a number") }],
    _meta: { "dev.interlock/error": { code: "invalid_arguments", mistakes: [{ path: "arguments.amount" }] } },
  });
});

const session: McpSession = {
  id: "a".repeat(64),
  keyId: "key",
  actor: "actor",
  server: null,
  protocolVersion: "2025-11-25",
  initialize: {},
  logLevel: null,
  subscriptions: [],
  createdAt: 0,
  lastAt: 0,
};
const stream = (id: string, more: Partial<McpStream> = {}): McpStream => ({
  id,
  requests: ["1"],
  events: 1,
  chars: 10,
  isOver: false,
  startedAt: 0,
  ...more,
});

describe("a session", () => {
  it("is its owner's at its endpoint, until it was idle too long", () => {
    const { keyId, actor, server } = session;
    const owner = { keyId, actor, server };
    expect(mayUse(session, owner, MCP_SESSION_IDLE_MS - 1)).toBe(true);
    expect(mayUse(session, owner, MCP_SESSION_IDLE_MS)).toBe(false);
    for (const other of [{ keyId: "else" }, { actor: "else" }, { server: "else" }])
      expect(mayUse(session, { ...owner, ...other }, 0)).toBe(false);
  });

  it("keeps its subscriptions, each once and two hundred at most", () => {
    const uris = Array.from({ length: 300 }, (_, index) => `r:${index % 250}`);
    const after = uris.reduce((all, uri) => changedSession(all, { type: "subscribe", uri }), session);
    expect(after.subscriptions).toHaveLength(200);
    expect(changedSession(after, { type: "unsubscribe", uri: "r:0" }).subscriptions).not.toContain("r:0");
    expect(changedSession(session, { type: "log_level", level: "debug" }).logLevel).toBe("debug");
  });

  it("hands a message to the running stream that it is for, and to no other", () => {
    const running = stream("one", { requests: ["1"] });
    const text = stream("two", { requests: ['"1"'] });
    const over = stream("three", { requests: ["3"], isOver: true });
    const streams = [running, text, over];
    const to = (message: Parameters<typeof addressee>[1]): string | undefined => addressee(streams, message)?.id;
    expect(to({ id: "two:0", result: {} })).toBe("two");
    expect(to({ id: "three:0", result: {} })).toBeUndefined();
    expect(to({ id: 0, result: {} })).toBeUndefined();
    const cancelled = (requestId: string | number): string | undefined =>
      to({ method: "notifications/cancelled", params: { requestId } });
    expect([cancelled(1), cancelled("1"), cancelled(3), cancelled(9)]).toEqual(["one", "two", undefined, undefined]);
    expect(to({ method: "notifications/initialized" })).toBeUndefined();
  });

  it("forgets the oldest finished streams first, none that runs, and keeps within its bound", () => {
    const some = fc.array(
      fc.record({ chars: fc.integer({ min: 0, max: MAX_KEPT_CHARS }), isOver: fc.boolean(), startedAt: fc.nat(1_000) }),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(some, (parts) => {
        const streams = parts.map((part, index) => stream(`s${index}`, part));
        const forgotten = new Set(streamsToForget(streams));
        const kept = streams.filter(({ id }) => !forgotten.has(id));
        expect(streams.filter(({ id, isOver }) => forgotten.has(id) && !isOver)).toEqual([]);
        const finished = kept.filter(({ isOver }) => isOver);
        const chars = kept.reduce((all, each) => all + each.chars, 0);
        if (finished.length > 0) expect(chars).toBeLessThanOrEqual(MAX_KEPT_CHARS);
        const newest = Math.max(-1, ...streams.filter(({ id }) => forgotten.has(id)).map(({ startedAt }) => startedAt));
        expect(finished.every(({ startedAt }) => startedAt >= newest)).toBe(true);
      }),
    );
  });
});
