// Proves the approval ladder over MCP: a task, a page or words, by what the client declared; and that denied, expired and pending are different.
import { Client, StreamableHTTPClientTransport, type ElicitResult } from "@modelcontextprotocol/client";
import { createTaskSessionFromClient, resultFromTaskOutcome } from "@modelcontextprotocol/ext-tasks/client";
import { CreateTaskResultV2Schema, GetTaskResultV2Schema } from "@modelcontextprotocol/ext-tasks/core/v2";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Teardown } from "../mcp/teardown.ts";
import type { JsonRecord } from "./document.ts";
import { at, openStage, until, type Answer, type Stage, type Tenant } from "./harness.ts";

const REFUND = { customer_id: "cus_123", amount_usd: 42 };
const NAME = "billing.refund";
const TASKS = "io.modelcontextprotocol/tasks";
const ME = { name: "a-test", version: "1.0.0" };
type Era = "auto" | "legacy";

let stage: Stage;
let tenant: Tenant;
let approver: string;
const teardown = new Teardown();

beforeAll(async () => {
  stage = await openStage();
  const rule = { id: "people_first", tools: [NAME], effect: "require_approval", message: "refunds need a person" };
  const hasty = { ...rule, id: "hasty", when: "args.amount_usd < 1.0", approval: { expires_in: "2s" } };
  const patient = { ...rule, when: "args.amount_usd >= 1.0" };
  tenant = await stage.tenant({ sections: { policy: { rules: [hasty, patient] } } });
  approver = (await stage.key(tenant.id, ["approver"], { actors: ["*"] })).key;
});
beforeEach(() => stage.reset());
afterEach(() => teardown.run());
afterAll(() => stage.close());

function newSession(): string {
  return `s-${Math.random().toString(36).slice(2, 10)}`;
}

interface Dialled {
  readonly session?: string;
  readonly capabilities?: JsonRecord;
  readonly key?: string;
}

async function dial(
  era: Era,
  { session = newSession(), capabilities = {}, key = tenant.agent }: Dialled = {},
): Promise<Client> {
  const client = new Client(ME, { versionNegotiation: { mode: era }, capabilities });
  const headers = { authorization: `Bearer ${key}`, "interlock-session": session };
  const transport = new StreamableHTTPClientTransport(new URL(`${stage.gateway.url}/mcp`), {
    requestInit: { headers },
  });
  return teardown.add(
    client.connect(transport).then(() => client),
    (each) => each.close(),
  );
}

/** The approval of the tenant's newest waiting call. */
function pending(): Promise<string> {
  return until("an approval to wait", async () => {
    const { json } = await tenant.get("/v1/approvals?status=pending", approver);
    const id = at(json, "data.0.id");
    return typeof id === "string" ? id : undefined;
  });
}

async function decide(verdict: "approve" | "deny", id?: string): Promise<Answer> {
  const approval = id ?? (await pending());
  const shown = await tenant.get(`/v1/approvals/${approval}`, approver);
  const body = { digest: at(shown.json, "digest"), comment: "seen" };
  return stage.send("POST", `/v1/approvals/${approval}/${verdict}`, body, { key: approver });
}

/** Ends what a test left waiting, so that the next one finds its own. */
async function clear(): Promise<void> {
  const { json } = await tenant.get("/v1/approvals?status=pending", approver);
  for (const each of at(json, "data") as readonly JsonRecord[]) await decide("deny", String(each["id"]));
}
afterEach(() => clear());

async function refunds(): Promise<number> {
  return (await stage.effects()).refunds;
}

describe.each(["auto", "legacy"] as const)("in words, %s", (mode) => {
  test("a call that waits is an error that tells the model to wait, and the same call later has the result", async () => {
    const client = await dial(mode);
    const first = await client.callTool({ name: NAME, arguments: REFUND });
    expect(first.isError).toBe(true);
    expect(first.content).toMatchObject([{ type: "text", text: expect.stringContaining("NOT executed") }]);
    expect(first._meta?.["dev.interlock/approval"]).toMatchObject({ status: "pending", retry_after_ms: 20_000 });
    expect(first.structuredContent).toBeUndefined();
    expect(await refunds()).toBe(0);

    // Held until a person has decided.
    const second = client.callTool({ name: NAME, arguments: REFUND });
    expect((await decide("approve")).status).toBe(200);
    const done = await second;
    expect(done.isError ?? false).toBe(false);
    expect(done._meta?.["dev.interlock/call"]).toMatchObject({ status: "succeeded", replayed: true });
    const third = await client.callTool({ name: NAME, arguments: REFUND });
    expect(third.structuredContent).toEqual(done.structuredContent);
    expect(await refunds()).toBe(1);
  });

  test("another amount is another question", async () => {
    const client = await dial(mode);
    const first = await client.callTool({ name: NAME, arguments: REFUND });
    await decide("approve");
    const other = await client.callTool({ name: NAME, arguments: { ...REFUND, amount_usd: 43 } });
    expect(other._meta?.["dev.interlock/approval"]).toMatchObject({ status: "pending" });
    expect(other._meta?.["dev.interlock/approval"]).not.toEqual(first._meta?.["dev.interlock/approval"]);
    expect(await refunds()).toBe(1);
  });

  test("denied and expired are told apart, and neither is executed", async () => {
    const client = await dial(mode);
    await client.callTool({ name: NAME, arguments: REFUND });
    await decide("deny");
    const denied = await client.callTool({ name: NAME, arguments: REFUND });
    expect([denied.isError, denied._meta?.["dev.interlock/error"]]).toMatchObject([true, { code: "approval_denied" }]);
    const hasty = { ...REFUND, amount_usd: 0.5 };
    await client.callTool({ name: NAME, arguments: hasty });
    const expired = await client.callTool({ name: NAME, arguments: hasty });
    expect([expired.isError, expired._meta?.["dev.interlock/error"]]).toMatchObject([
      true,
      { code: "approval_expired" },
    ]);
    expect(await refunds()).toBe(0);
  });

  test("the gateway's own tool tells how a call stands, and has its result", async () => {
    const client = await dial(mode);
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(
      expect.arrayContaining([NAME, "gateway.approval_status", "gateway.preflight"]),
    );
    const waiting = await client.callTool({ name: NAME, arguments: REFUND });
    const { id } = (waiting._meta ?? {})["dev.interlock/approval"] as { readonly id: string };
    const asked = { name: "gateway.approval_status", arguments: { id } };
    expect((await client.callTool(asked)).structuredContent).toMatchObject({ status: "pending_approval", id });
    await decide("approve");
    expect((await client.callTool(asked))._meta?.["dev.interlock/call"]).toMatchObject({ id, status: "succeeded" });
    const stranger = (await stage.key(tenant.id, ["agent"], { scopes: ["*"], actors: ["support_agent_v4"] })).key;
    const other = await dial(mode, { key: stranger });
    expect((await other.callTool(asked))._meta?.["dev.interlock/error"]).toMatchObject({ code: "not_found" });
  });

  test("what would become of a call is told without making it", async () => {
    const client = await dial(mode);
    const told = await client.callTool({ name: "gateway.preflight", arguments: { tool: NAME, arguments: REFUND } });
    expect(told.structuredContent).toMatchObject({ would: "wait_for_approval", effect: "require_approval" });
    expect(await tenant.get("/v1/approvals?status=pending", approver)).toMatchObject({ json: { data: [] } });
  });
});

const PAGES = { elicitation: { form: {}, url: {} } };

describe.each(["auto", "legacy"] as const)("by a page, %s", (mode) => {
  async function opening(answer: (url: string) => Promise<ElicitResult>): Promise<Client> {
    const client = await dial(mode, { capabilities: PAGES });
    client.setRequestHandler("elicitation/create", async ({ params }) =>
      answer(params.mode === "url" ? params.url : "no page"),
    );
    return client;
  }

  test("the client opens the page, a person decides there, and the call has its result", async () => {
    const urls: string[] = [];
    const client = await opening(async (url) => {
      urls.push(url);
      const page = await (await fetch(url)).text();
      expect(page).toContain("A call waits for a decision");
      expect(page).not.toContain("cus_123");
      void decide("approve");
      return { action: "accept" };
    });
    const done = await client.callTool({ name: NAME, arguments: REFUND });
    expect([done.isError ?? false, urls.length]).toEqual([false, 1]);
    expect(urls[0]).toMatch(/^http:\/\/localhost:\d+\/approve\//);
    expect(await refunds()).toBe(1);
  });

  test("a page that is declined is no decision: the call goes on waiting, and says so", async () => {
    const client = await opening(() => Promise.resolve({ action: "decline" }));
    const told = await client.callTool({ name: NAME, arguments: REFUND });
    expect(told._meta?.["dev.interlock/approval"]).toMatchObject({ status: "pending", declined_by_client: true });
    await decide("approve");
    expect(await refunds()).toBe(1);
  });
});

test("a client that says at once that the page was opened is held about twenty seconds a round", async () => {
  const client = await dial("auto", { capabilities: PAGES });
  let rounds = 0;
  client.setRequestHandler("elicitation/create", () =>
    Promise.resolve({ action: (rounds += 1) > 1 ? "decline" : "accept" }),
  );
  const start = performance.now();
  const told = await client.callTool({ name: NAME, arguments: REFUND });
  expect([rounds, Math.round((performance.now() - start) / 1_000)]).toEqual([2, 20]);
  expect(told._meta?.["dev.interlock/approval"]).toMatchObject({ status: "pending" });
});

/** One request of the stateless revision, as it is on the wire. */
async function raw(
  method: string,
  params: JsonRecord,
  { capabilities = {}, session = "s-raw", key = tenant.agent }: Dialled = {},
): Promise<{ readonly status: number; readonly result: JsonRecord; readonly error: JsonRecord }> {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": ME,
    "io.modelcontextprotocol/clientCapabilities": capabilities,
  };
  const named = params["name"] ?? params["taskId"];
  const answer = await stage.send(
    "POST",
    "/mcp",
    { jsonrpc: "2.0", id: 1, method, params: { ...params, _meta } },
    {
      key,
      headers: {
        accept: "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": method,
        "interlock-session": session,
        ...(named === undefined ? {} : { "mcp-name": String(named) }),
      },
    },
  );
  const { result = {}, error = {} } = answer.json as { readonly result?: JsonRecord; readonly error?: JsonRecord };
  return { status: answer.status, result, error };
}

describe("states that clients carry", () => {
  const call = { name: NAME, arguments: REFUND };

  test("one that was tampered with, is another caller's, or another call's, is refused", async () => {
    const session = newSession();
    const first = await raw("tools/call", call, { capabilities: PAGES, session });
    expect(first.result).toMatchObject({ resultType: "input_required" });
    const requestState = String(first.result["requestState"]);
    const inputResponses = { interlock_approval: { action: "accept" } };
    const again = (state: string, more: JsonRecord = {}, dialled: Dialled = {}): ReturnType<typeof raw> =>
      raw(
        "tools/call",
        { ...call, ...more, requestState: state, inputResponses },
        { capabilities: PAGES, session, ...dialled },
      );
    expect((await again(`${requestState.slice(0, -2)}xx`)).error).toMatchObject({ code: -32_602 });
    expect((await again(requestState, { arguments: { ...REFUND, amount_usd: 41 } })).error).toMatchObject({
      code: -32_602,
    });
    const stranger = (await stage.key(tenant.id, ["agent"], { scopes: ["*"], actors: ["support_agent_v4"] })).key;
    expect((await again(requestState, {}, { key: stranger })).error).toMatchObject({ code: -32_602 });
    await decide("approve");
    expect((await again(requestState)).result).toMatchObject({ resultType: "complete" });
    expect(await refunds()).toBe(1);
  });

  test("a session that a client carries is gone on with, and only by whom it was given to", async () => {
    const lookup = { name: "crm.get_customer", arguments: { customer_id: "cus_123" } };
    const meta = (result: JsonRecord): JsonRecord => result["_meta"] as JsonRecord;
    const first = await stateless(lookup, {});
    const carried = { "dev.interlock/session": meta(first)["dev.interlock/session"] };
    const second = await stateless(lookup, carried);
    const call = (result: JsonRecord): JsonRecord => meta(result)["dev.interlock/call"] as JsonRecord;
    expect(call(second)["session_id"]).toBe(call(first)["session_id"]);
    expect(call(second)["trace_id"]).not.toBe(call(first)["trace_id"]);
    expect(call(await stateless(lookup, {}))["session_id"]).not.toBe(call(first)["session_id"]);
    const stranger = (await stage.key(tenant.id, ["agent"], { scopes: ["*"], actors: ["support_agent_v4"] })).key;
    expect(call(await stateless(lookup, carried, stranger))["session_id"]).not.toBe(call(first)["session_id"]);
  });

  async function stateless(params: JsonRecord, meta: JsonRecord, key = tenant.agent): Promise<JsonRecord> {
    const client = new Client(ME, { versionNegotiation: { mode: "auto" } });
    const headers = { authorization: `Bearer ${key}` };
    await client.connect(
      new StreamableHTTPClientTransport(new URL(`${stage.gateway.url}/mcp`), { requestInit: { headers } }),
    );
    try {
      return await client.callTool({ ...params, _meta: meta } as Parameters<Client["callTool"]>[0]);
    } finally {
      await client.close();
    }
  }
});

describe("by a task", () => {
  const TASKING = { extensions: { [TASKS]: {} } };
  const call = { name: NAME, arguments: REFUND };

  async function created(session = newSession()): Promise<{ readonly taskId: string; readonly session: string }> {
    const { result } = await raw("tools/call", call, { capabilities: TASKING, session });
    const task = CreateTaskResultV2Schema.parse(result);
    expect(task).toMatchObject({ status: "working", pollIntervalMs: 5_000 });
    expect(task.statusMessage).toContain("approver or operator");
    expect(task.ttlMs).toBeGreaterThan(0);
    expect(result["content"]).toBeUndefined();
    return { taskId: task.taskId, session };
  }

  async function read({ taskId, session }: { readonly taskId: string; readonly session: string }): Promise<JsonRecord> {
    const { result } = await raw("tasks/get", { taskId }, { capabilities: TASKING, session });
    return GetTaskResultV2Schema.parse(result);
  }

  test("a task works until a person approves, and completes with the result", async () => {
    const task = await created();
    expect(await read(task)).toMatchObject({ status: "working" });
    await decide("approve");
    expect(await read(task)).toMatchObject({ status: "completed", result: { content: [{ type: "text" }] } });
    expect(await refunds()).toBe(1);
  });

  test("denied and expired tasks are completed with an error, and not failed", async () => {
    const task = await created();
    await decide("deny");
    const denied = await read(task);
    expect(denied).toMatchObject({ status: "completed", result: { isError: true } });
    expect(at(denied["result"], "_meta")).toMatchObject({ "dev.interlock/error": { code: "approval_denied" } });
  });

  test("a task is withdrawn by its requester alone", async () => {
    const task = await created();
    const stranger = (await stage.key(tenant.id, ["agent"], { scopes: ["*"], actors: ["support_agent_v4"] })).key;
    const theirs = { capabilities: TASKING, key: stranger };
    for (const method of ["tasks/get", "tasks/cancel"])
      expect((await raw(method, { taskId: task.taskId }, theirs)).error).toMatchObject({ code: -32_602 });
    expect((await raw("tasks/cancel", { taskId: task.taskId }, { capabilities: TASKING })).status).toBe(200);
    expect(await read(task)).toMatchObject({ status: "cancelled" });
    expect((await tenant.get("/v1/approvals?status=pending", approver)).json["data"]).toEqual([]);
  });

  test("a client that did not declare tasks gets none, and may not ask for one", async () => {
    const { taskId } = await created();
    expect((await raw("tasks/get", { taskId })).error).toMatchObject({ code: -32_021 });
    expect((await raw("tools/call", call, { session: newSession() })).result).toMatchObject({ isError: true });
  });

  test("the extension's own client waits for the task and gets its result", async () => {
    const session = newSession();
    const client = await dial("auto", { session, capabilities: TASKING });
    const tasks = createTaskSessionFromClient(client, {
      endpointId: "the-gateway",
      rawDispatch: async (request) => {
        const { method, params, id } = request as {
          readonly method: string;
          readonly params: JsonRecord;
          readonly id: string;
        };
        const { result, error } = await raw(method, params, { capabilities: TASKING, session });
        return (
          Object.keys(error).length > 0 ? { jsonrpc: "2.0", id, error } : { jsonrpc: "2.0", id, result }
        ) as never;
      },
      v2RequestFraming: { protocolVersion: "2026-07-28", clientInfo: ME, clientCapabilities: TASKING },
    });
    const execution = await tasks.callTool(NAME, REFUND);
    void decide("approve");
    const { outcome } = await execution.settle();
    expect(resultFromTaskOutcome(outcome)).toMatchObject({ content: [{ type: "text" }] });
    expect(await refunds()).toBe(1);
    await tasks.close();
  });
});
