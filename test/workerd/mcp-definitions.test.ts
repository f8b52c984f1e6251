// Proves the life of accepted MCP definitions inside workerd: published, listed as tools, kept from version to version, rolled back.
import { describe, expect, it } from "vitest";
import { createKey, createTenant, request, testConfig, type TestTenant } from "./tenant.ts";

const definition = (name: string, description = `Does ${name}.`): Readonly<Record<string, unknown>> => ({
  name,
  description,
  inputSchema: { type: "object", properties: { id: { type: "string" } } },
  _meta: { "com.example/kept": [1, { deep: true }] },
});
const withServer = (server: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  testConfig(
    {},
    {},
    {
      sections: {
        mcp: { servers: { crm: { url: "https://tool.test/mcp", tools: { "*": { effect: "write" } }, ...server } } },
      },
    },
  );

interface Answer {
  readonly status: number;
  readonly json: Record<string, unknown>;
}

async function admin(): Promise<{
  readonly tenant: TestTenant;
  readonly send: (method: string, path: string, body?: unknown, version?: number) => Promise<Answer>;
}> {
  const tenant = await createTenant({});
  const key = await createKey(tenant.id, ["admin"]);
  const send = async (method: string, path: string, body?: unknown, version?: number): Promise<Answer> => {
    const headers = version === undefined ? {} : { "if-match": `"${version}"` };
    const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
    const answer = await request(path, key, init);
    return { status: answer.status, json: await answer.json<Record<string, unknown>>() };
  };
  return { tenant, send };
}

const toolsOf = (document: unknown): readonly string[] =>
  Object.keys((document as { readonly tools: object }).tools).filter((name) => name.startsWith("crm."));

describe("accepted definitions", () => {
  it("are tools of the agent, and what GET tells can be PUT again", async () => {
    const { tenant, send } = await admin();
    const put = await send("PUT", "/v1/config", withServer({ definitions: [definition("orders/create")] }), 1);
    expect(put.status, JSON.stringify(put.json)).toBe(200);
    const listed = await (await request("/v1/tools", tenant.agent)).json<{ data: readonly { name: string }[] }>();
    expect(listed.data.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["crm.orders/create", "crm.resources.read", "crm.prompts.get"]),
    );
    const got = await send("GET", "/v1/config");
    const again = await send("PUT", "/v1/config", got.json["document"], 2);
    expect(again.status, JSON.stringify(again.json)).toBe(200);
    expect(again.json["digest"]).toBe(put.json["digest"]);
    const servers = await send("GET", "/v1/mcp/servers");
    expect(servers.json["data"]).toMatchObject([
      { server: "crm", url: "https://tool.test/mcp", service: null, pin: "tool", accepted: 1 },
    ]);
  });

  it("stay where a file names none, are checked as they stay, and come back with the version that had them", async () => {
    const { send } = await admin();
    await send("PUT", "/v1/config", withServer({ definitions: [definition("search")] }), 1);
    const checked = await send("POST", "/v1/config/check", withServer({}));
    expect(checked.json).toMatchObject({ ok: true, diff: [], warnings: [] });
    await send("PUT", "/v1/config", withServer({ pin: "server" }), 2);
    expect(toolsOf((await send("GET", "/v1/config")).json["document"])).toContain("crm.search");
    const moved = await send("POST", "/v1/config/check", withServer({ url: "https://tool.test/other" }));
    expect(JSON.stringify(moved.json["warnings"])).toContain("1 accepted definitions are dropped");
    await send("PUT", "/v1/config", withServer({ definitions: [] }), 3);
    expect(toolsOf((await send("GET", "/v1/config")).json["document"])).not.toContain("crm.search");
    const back = await send("POST", "/v1/config/rollback", { version: 3 }, 4);
    expect(back.status, JSON.stringify(back.json)).toBe(200);
    expect(toolsOf((await send("GET", "/v1/config")).json["document"])).toContain("crm.search");
  });

  it("are asked for by servers of the config, with a digest that is one", async () => {
    const { send } = await admin();
    expect(await send("GET", "/v1/mcp/servers/crm")).toMatchObject({ status: 404, json: { code: "not_found" } });
    const wrong = await send("POST", "/v1/mcp/servers/crm/accept", { digest: "x", tool: "search" });
    expect(wrong).toMatchObject({ status: 400, json: { code: "invalid_request" } });
    expect(JSON.stringify(wrong.json["errors"])).toContain("current_digest");
  });
});
