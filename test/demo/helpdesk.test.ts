// Proves the demo help desk with the official client of both revisions, and that the demo's config has accepted what it offers.
import { readFileSync } from "node:fs";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { startUpstream, TOKENS, type Upstream } from "./start-upstream.ts";

let up: Upstream;
const clients: Client[] = [];

beforeAll(async () => {
  up = await startUpstream();
}, 60_000);
beforeEach(() => up.reset());
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
});
afterAll(() => up.stop());

async function dial(mode: "auto" | "legacy", token: string = TOKENS.crm): Promise<Client> {
  const client = new Client({ name: "a-test", version: "1.0.0" }, { versionNegotiation: { mode } });
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(`${up.origin}/mcp/helpdesk`), { requestInit }));
  clients.push(client);
  return client;
}

describe.each([
  ["auto", "2026-07-28"],
  ["legacy", "2025-11-25"],
] as const)("%s", (mode, revision) => {
  test("offers what demo/interlock.yaml has accepted, to the letter", async () => {
    const client = await dial(mode);
    expect(client.getNegotiatedProtocolVersion()).toBe(revision);
    const source = readFileSync(new URL("../../demo/interlock.yaml", import.meta.url), "utf8");
    const { mcp } = parse(source) as { mcp: { servers: { helpdesk: { definitions: readonly object[] } } } };
    expect(mcp.servers.helpdesk.definitions).toHaveLength(4);
    expect((await client.listTools()).tools).toEqual(mcp.servers.helpdesk.definitions);
  });

  test("finds articles, and shows them as resources", async () => {
    const client = await dial(mode);
    const found = await client.callTool({ name: "search_articles", arguments: { query: "lost ORDER" } });
    expect(found.content).toMatchObject([
      { type: "resource_link", uri: "helpdesk://articles/refunds" },
      { type: "resource_link", uri: "helpdesk://articles/shipping" },
    ]);
    const uri = "helpdesk://articles/refunds";
    expect((await client.listResources()).resources.map((each) => each.uri)).toContain(uri);
    expect((await client.readResource({ uri })).contents).toMatchObject([{ uri, mimeType: "text/markdown" }]);
    const ref = { type: "ref/resource", uri: "helpdesk://articles/{slug}" } as const;
    const { completion } = await client.complete({ ref, argument: { name: "slug", value: "s" } });
    expect(completion.values).toEqual(["shipping"]);
  });

  test("closes and deletes tickets, and says which there are none", async () => {
    const client = await dial(mode);
    const call = (name: string, more: Readonly<Record<string, string>> = {}) =>
      client.callTool({ name, arguments: { ticket_id: "tic_101", ...more } });
    expect((await call("get_ticket")).structuredContent).toMatchObject({ status: "open", resolution: null });
    await call("close_ticket", { resolution: "Replaced" });
    expect((await call("get_ticket")).structuredContent).toMatchObject({ status: "closed", resolution: "Replaced" });
    expect((await call("delete_ticket")).content).toEqual([{ type: "text", text: "Deleted tic_101." }]);
    for (const name of ["get_ticket", "delete_ticket"]) expect(await call(name)).toMatchObject({ isError: true });
    expect(await up.effects()).toMatchObject({ tickets_closed: 1, tickets_deleted: 1 });
  });

  test("has a prompt whose arguments are completed", async () => {
    const client = await dial(mode);
    const ref = { type: "ref/prompt", name: "answer_customer" } as const;
    const { completion } = await client.complete({ ref, argument: { name: "article", value: "" } });
    expect(completion.values).toEqual(["refunds", "shipping", "accounts"]);
    const args = { article: "refunds", question: "Do I get my money back?" };
    const { messages } = await client.getPrompt({ name: "answer_customer", arguments: args });
    expect(messages).toMatchObject([{ content: { text: expect.stringContaining("is refunded in full") as string } }]);
  });
});

test("takes nobody without its token", async () => {
  await expect(dial("auto", "wrong")).rejects.toThrow();
});
