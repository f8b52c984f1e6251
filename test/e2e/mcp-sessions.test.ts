// Proves what sessions and streams over MCP promise: whose they are, that a broken stream is gone on with, that cancelling and changes are heard.
import { request } from "node:http";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startHostileUpstream, type HostileUpstream } from "../mcp/hostile-upstream.ts";
import { startReferenceUpstream, type ReferenceUpstream } from "../mcp/reference-upstream.ts";
import { openSubject, type Subject } from "../mcp/subject.ts";
import { Teardown } from "../mcp/teardown.ts";
import type { JsonRecord } from "./document.ts";
import { framesOf, until } from "./harness.ts";

const VERSION = "2025-11-25";
const ME = { name: "a-test", version: "1.0.0" };

let hostile: HostileUpstream;
let reference: ReferenceUpstream;
let subject: Subject;
const teardown = new Teardown();
const each = new Teardown();

beforeAll(async () => {
  hostile = await teardown.add(startHostileUpstream(), ({ stop }) => stop());
  reference = await teardown.add(startReferenceUpstream({ era: "both" }), ({ stop }) => stop());
  const more = { timeout_ms: 20_000 };
  const servers = { hostile: { url: hostile.url, more }, reference: { url: reference.url } };
  subject = await teardown.add(openSubject("gateway", servers), ({ close }) => close());
});
beforeEach(() => hostile.reset());
afterEach(() => each.run());
afterAll(() => teardown.run());

interface Sent {
  readonly server?: string;
  readonly session?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

function send(
  method: string,
  body: unknown,
  { server = "hostile", session, headers, signal }: Sent = {},
): Promise<Response> {
  const endpoint = subject.endpointOf(server);
  return fetch(endpoint.url, {
    method,
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
    headers: {
      ...endpoint.headers,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": VERSION,
      ...(session === undefined ? {} : { "mcp-session-id": session }),
      ...headers,
    },
  });
}

async function initialized(sent: Sent = {}): Promise<string> {
  const params = { protocolVersion: VERSION, capabilities: {}, clientInfo: ME };
  const answer = await send("POST", { jsonrpc: "2.0", id: 0, method: "initialize", params }, sent);
  const session = answer.headers.get("mcp-session-id");
  if (session === null) throw new Error(`no session: ${answer.status} ${await answer.text()}`);
  await answer.text();
  expect(
    (await send("POST", { jsonrpc: "2.0", method: "notifications/initialized" }, { ...sent, session })).status,
  ).toBe(202);
  return session;
}

const callOf = (id: number | string, name = "act", args: JsonRecord = { note: `n${String(id)}` }): JsonRecord => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name, arguments: args, _meta: { progressToken: `p${String(id)}` } },
});

/** Reads a stream's text until it holds something. */
async function readUntil(response: Response, has: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes, { stream: true });
    if (text.includes(has)) return text;
  }
  throw new Error(`the stream ended without ${has}:\n${text}`);
}

function letGo(): Promise<unknown> {
  return until("the server to be let go", () => Promise.resolve(hostile.running() === 0 || undefined), 8_000);
}

describe("a session", () => {
  test("is needed, is its caller's and its endpoint's alone, and ends", async () => {
    expect((await send("POST", callOf(1))).status).toBe(400);
    const session = await initialized();
    const list = { jsonrpc: "2.0", id: 2, method: "tools/list" };
    expect((await send("POST", list, { session })).status).toBe(200);
    expect((await send("POST", list, { session: "f".repeat(64) })).status).toBe(404);
    expect((await send("POST", list, { session: "../../else" })).status).toBe(404);
    expect((await send("POST", list, { session, server: "reference" })).status).toBe(404);
    expect((await send("GET", undefined, { session, server: "reference" })).status).toBe(404);
    expect((await send("POST", list, { session, headers: { "mcp-protocol-version": "1999-01-01" } })).status).toBe(400);
    expect((await send("DELETE", undefined, { session })).status).toBe(204);
    expect((await send("POST", list, { session })).status).toBe(404);
  });

  test("takes what is malformed for an error, and goes on", async () => {
    const session = await initialized();
    for (const [body, status] of [
      ["{", 400],
      ["[]", 400],
      ['"text"', 400],
      ['{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"act","arguments":{"n":1e999}}}', 400],
    ] as const)
      expect((await send("POST", body, { session })).status, body).toBe(status);
    const answers: readonly (readonly [JsonRecord, number])[] = [
      [{ jsonrpc: "2.0", id: 3, method: "no/such" }, -32_601],
      [{ jsonrpc: "2.0", id: 4, method: "prompts/get" }, -32_602],
      [{ jsonrpc: "2.0", id: 5, method: "resources/read", params: {} }, -32_602],
    ];
    for (const [body, code] of answers) {
      const answer = await send("POST", body, { session });
      const text = await answer.text();
      const json = text.startsWith("{") ? text : (framesOf(text).find((frame) => frame !== "") ?? "{}");
      expect(JSON.parse(json), text).toMatchObject({ id: body["id"], error: { code } });
    }
    expect(
      (await (await send("POST", { jsonrpc: "2.0", id: 9, method: "ping" }, { session })).json()) as unknown,
    ).toEqual({
      jsonrpc: "2.0",
      id: 9,
      result: {},
    });
  });
});

describe("a stream that broke off", () => {
  test("is gone on with from the event that came last: nothing twice, nothing missing, and once at the server", async () => {
    const session = await initialized();
    hostile.doing = "slow_progress";
    const leaving = new AbortController();
    const broken = await send("POST", callOf(7), { session, signal: leaving.signal });
    const seen = await readUntil(broken, '"progress":1');
    leaving.abort();
    const last = [...seen.matchAll(/^id: (\S+)$/gm)].at(-1)?.[1] ?? "";
    expect(last).toMatch(/^[0-9a-f]{24}\/1$/);
    const rest = await send("GET", undefined, { session, headers: { "last-event-id": last } });
    const messages = framesOf(await rest.text()).map((frame) => JSON.parse(frame) as JsonRecord);
    expect(messages.at(-1)).toMatchObject({ id: 7, result: { content: [{ text: "act done" }] } });
    const progress = messages.slice(0, -1).map((message) => (message["params"] as JsonRecord)["progress"]);
    expect(progress).toEqual(progress.map((_, index) => index + 2));
    expect(hostile.effects()).toEqual({ act: 1 });
    // What is over can be read again, from its beginning.
    const again = await send("GET", undefined, { session, headers: { "last-event-id": last.replace(/1$/, "0") } });
    expect(framesOf(await again.text())).toHaveLength(messages.length + 1);
  });

  test("is nobody else's, and one that never was is told", async () => {
    const session = await initialized();
    const finished = await send("POST", callOf(8), { session });
    const [id = ""] = /[0-9a-f]{24}\/\d+/.exec(await finished.text()) ?? [];
    const other = await initialized();
    const asked = (named: string, last: string): Promise<number> =>
      send("GET", undefined, { session: named, headers: { "last-event-id": last } }).then(({ status }) => status);
    expect(await asked(session, id)).toBe(200);
    expect(await asked(other, id)).toBe(404);
    expect(await asked(session, `${"0".repeat(24)}/1`)).toBe(404);
    expect(await asked(session, "rubbish")).toBe(400);
  });
});

describe("cancelling", () => {
  test("a session's request by its word: the server is let go, and the call is of unknown outcome", async () => {
    const session = await initialized();
    hostile.faults.set("tools/call", "hang_mid_sse");
    const running = send("POST", callOf(11), { session });
    await until("the call to arrive", () => Promise.resolve(hostile.effects()["act"]));
    const cancelled = {
      jsonrpc: "2.0",
      method: "notifications/cancelled",
      params: { requestId: 11, reason: "enough" },
    };
    expect((await send("POST", cancelled, { session })).status).toBe(202);
    await letGo();
    await (await running).body?.cancel();
  });

  test("a session's client that only leaves cancels nothing: its answer waits for it", async () => {
    const session = await initialized();
    hostile.doing = "slow_progress";
    const leaving = new AbortController();
    const broken = await send("POST", callOf(12), { session, signal: leaving.signal });
    await readUntil(broken, '"progress":1');
    leaving.abort();
    await until("the call to be done", () => Promise.resolve(hostile.running() === 0 || undefined), 8_000);
    expect(hostile.effects()).toEqual({ act: 1 });
  });

  test.each(["hang_before_headers", "hang_mid_sse"] as const)(
    "a request of the stateless revision by breaking its connection (%s)",
    async (fault) => {
      hostile.faults.set("tools/call", fault);
      const { url, headers } = subject.endpointOf("hostile");
      const { hostname, port, pathname } = new URL(url);
      const _meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": ME,
        "io.modelcontextprotocol/clientCapabilities": {},
      };
      const params = { name: "act", arguments: { note: fault }, _meta };
      const leaving = request({
        hostname,
        port,
        path: pathname,
        method: "POST",
        headers: {
          ...headers,
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          "mcp-protocol-version": "2026-07-28",
          "mcp-method": "tools/call",
          "mcp-name": "act",
        },
      });
      leaving.on("error", () => undefined);
      leaving.end(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }));
      await until("the call to arrive", () => Promise.resolve(hostile.running() > 0 || undefined));
      leaving.socket?.resetAndDestroy();
      await letGo();
    },
  );
});

describe.each(["auto", "legacy"] as const)("changes, told to a client that listens (%s)", (mode) => {
  async function listening(server: string, onChange: () => void): Promise<Client> {
    const endpoint = subject.endpointOf(server);
    const client = new Client(ME, {
      versionNegotiation: { mode },
      listChanged: { tools: { autoRefresh: false, onChanged: onChange } },
    });
    const transport = new StreamableHTTPClientTransport(new URL(endpoint.url), {
      requestInit: { headers: { ...endpoint.headers } },
    });
    return each.add(
      client.connect(transport).then(() => client),
      (one) => one.close(),
    );
  }

  test("of the tools it may use: an accepted definition", async () => {
    let changes = 0;
    await listening("hostile", () => (changes += 1));
    const before = hostile.tools;
    const [first, ...rest] = before;
    if (first === undefined) throw new Error("no tools");
    hostile.tools = [{ ...first, description: `Acts, and was reworded for ${mode}.` }, ...rest];
    await subject.accept("hostile");
    await until("the change to be told", () => Promise.resolve(changes > 0 || undefined), 15_000);
  }, 30_000);

  test("of a resource that it has subscribed to", async () => {
    const client = await listening("reference", () => undefined);
    const uris: string[] = [];
    client.setNotificationHandler("notifications/resources/updated", ({ params }) => void uris.push(params.uri));
    const uri = "test://watched-resource";
    if (mode === "legacy") await client.subscribeResource({ uri });
    else await each.add(client.listen({ resourceSubscriptions: [uri] }), (one) => one.close());
    await until(
      "the change to be told",
      async () => {
        await reference.touch(uri);
        return uris.length > 0 || undefined;
      },
      20_000,
    );
    expect(new Set(uris)).toEqual(new Set([uri]));
  }, 30_000);
});
