// Proves that responses are gone on from by whoever made them and by nobody else, that the provider keeps nothing, and that what is kept goes.
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { dayOf } from "../../src/core/units/utc-day.ts";
import { NOT_BEGUN, NOTHING_ERASED, SECOND_PASS_MS } from "../../src/core/trace/erasure.ts";
import { advanceErasure } from "../../src/gateway/erasing/advance-erasure.ts";
import { retain, turnOf } from "../../src/jobs/retention.ts";
import { portsAt } from "./stored-records.ts";
import { bindings, createTenant, request, upstream, asRoot, type TestTenant } from "./tenant.ts";

interface Sent {
  readonly input: readonly Readonly<Record<string, unknown>>[];
  readonly store: boolean;
  readonly previous_response_id?: string | null;
  readonly instructions?: string;
}

const CONFIG = {
  sections: {
    providers: {
      up: { kind: "openai-compatible", base_url: "https://model.test/v1", secret: "upstream", dialects: ["responses"] },
    },
    actors: {
      agent: { scopes: ["*"], allowed_tools: ["*"], models: ["*"], budgets: {} },
      other: { scopes: ["*"], allowed_tools: ["*"], models: ["*"], budgets: {} },
    },
  },
} as const;

let tenant: TestTenant;
let asks: Sent[];
let answered = 0;
/** What the provider answers with, as a response's further members. */
let more: Readonly<Record<string, unknown>> = {};

beforeAll(async () => {
  tenant = await createTenant({}, {}, CONFIG);
});
beforeEach(() => {
  more = {};
  asks = [];
  upstream(async (asked) => {
    answered += 1;
    const body = await asked.json<Sent>();
    asks.push(body);
    return Response.json(responseOf(answered));
  });
});
afterEach(() => vi.restoreAllMocks());

function responseOf(n: number): Readonly<Record<string, unknown>> {
  return {
    id: `resp_${n}`,
    object: "response",
    created_at: 1_700_000_000,
    status: "completed",
    error: null,
    incomplete_details: null,
    model: "m",
    output: [
      { id: `rs_${n}`, type: "reasoning", summary: [], encrypted_content: `gA${n}` },
      {
        id: `msg_${n}`,
        type: "message",
        status: "completed",
        role: "assistant",
        content: [{ type: "output_text", text: `answer ${n}`, annotations: [], logprobs: [] }],
      },
    ],
    store: false,
    previous_response_id: null,
    temperature: 1.0,
    usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 },
    ...more,
  };
}

interface Asked {
  readonly session?: string;
  readonly actor?: string;
  readonly key?: string;
}

function create(
  body: Readonly<Record<string, unknown>>,
  { session, actor, key = tenant.agent }: Asked = {},
): Promise<Response> {
  const headers = new Headers();
  if (session !== undefined) headers.set("interlock-session", session);
  if (actor !== undefined) headers.set("interlock-actor", actor);
  return request("/v1/responses", key, {
    method: "POST",
    headers,
    body: JSON.stringify({ model: "m", max_output_tokens: 20, ...body }),
  });
}

/** Makes a response and answers its id, once it is kept. */
async function made(body: Readonly<Record<string, unknown>>, asked: Asked = {}): Promise<string> {
  const response = await create(body, asked);
  const { id } = await response.json<{ id: string }>();
  expect(response.status).toBe(200);
  await kept(id, asked);
  return id;
}

function get(path: string, { session, key = tenant.agent }: Asked = {}): Promise<Response> {
  return request(
    `/v1/responses/${path}`,
    key,
    session === undefined ? {} : { headers: { "interlock-session": session } },
  );
}

async function kept(id: string, asked: Asked): Promise<void> {
  await vi.waitFor(async () => {
    const found = await get(id, asked);
    await found.body?.cancel();
    expect(found.status).toBe(200);
  });
}

function lastSent(): Sent {
  const last = asks.at(-1);
  if (last === undefined) throw new Error("nothing was sent");
  return last;
}

const NOT_FOUND = {
  error: { type: "invalid_request_error", param: "previous_response_id", code: "previous_response_not_found" },
};

async function expectNotFound(answer: Promise<Response>): Promise<void> {
  const response = await answer;
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject(NOT_FOUND);
}

function inPieces(pieces: readonly string[]): ReadableStream {
  return new ReadableStream({
    type: "bytes",
    async start(controller) {
      for (const piece of pieces) {
        controller.enqueue(new TextEncoder().encode(piece));
        await scheduler.wait(8);
      }
      controller.close();
    },
  });
}

describe("a streamed response", () => {
  it("is shown as its caller asked for it, kept from its last event, and gone on from", async () => {
    upstream(async (asked) => {
      answered += 1;
      asks.push(await asked.json<Sent>());
      const event = (type: string, response: object): string =>
        `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: 0, response })}\n\n`;
      const response = responseOf(answered);
      const text = event("response.created", { ...response, status: "in_progress", output: [] });
      return new Response(inPieces([text, event("response.completed", response)]), {
        headers: { "content-type": "text/event-stream" },
      });
    });
    const streamed = await create({ input: "hello", stream: true });
    const text = await streamed.text();
    expect(text).toContain("response.completed");
    expect(text).toContain('"store":true');
    const [, id = ""] = /"id":"(resp_[^"]+)"/.exec(text) ?? [];
    await kept(id, {});
    await (await create({ input: "go on", stream: true, previous_response_id: id })).text();
    expect(lastSent().input).toHaveLength(4);
  });
});

describe("going on from a response", () => {
  it("sends everything before it, keeps nothing at the provider, and shows what the caller said", async () => {
    const first = await create({ input: "one", instructions: "be kind" }, { session: "s1" });
    expect(lastSent()).toMatchObject({ input: "one", store: false, instructions: "be kind" });
    const text = await first.text();
    // Numbers keep the way in which the provider wrote them.
    const body = JSON.parse(text) as Readonly<Record<string, unknown>>;
    expect(body).toMatchObject({ store: true, previous_response_id: null, instructions: "be kind" });
    const id = String(body["id"]);
    await kept(id, { session: "s1" });
    const second = await create(
      { input: [{ role: "user", content: "two" }], previous_response_id: id },
      { session: "s1" },
    );
    const shown = await second.json<Readonly<Record<string, unknown>>>();
    expect(shown).toMatchObject({ store: true, previous_response_id: id });
    const asked = lastSent();
    expect(asked).not.toHaveProperty("instructions");
    expect(asked.store).toBe(false);
    expect(asked.previous_response_id ?? null).toBeNull();
    expect(asked.input).toMatchObject([
      { type: "message", role: "user", content: [{ type: "input_text", text: "one" }] },
      { type: "reasoning", encrypted_content: expect.stringMatching(/^gA/) },
      { type: "message", role: "assistant", content: [{ text: expect.stringMatching(/^answer/) }] },
      { role: "user", content: "two" },
    ]);
    await kept(String(shown["id"]), { session: "s1" });
    const third = await create({ input: "three", previous_response_id: shown["id"] }, { session: "s1" });
    await third.body?.cancel();
    expect(lastSent().input).toHaveLength(7);
  });

  it("works without naming a session: the call joins the one it goes on from", async () => {
    const first = await create({ input: "one" });
    const session = first.headers.get("interlock-session") ?? "";
    const { id } = await first.json<{ id: string }>();
    await kept(id, {});
    const second = await create({ input: "two", previous_response_id: id });
    expect(second.headers.get("interlock-session")).toBe(session);
    await second.body?.cancel();
    expect((await create({ input: "two", previous_response_id: id }, { session })).status).toBe(200);
    await expectNotFound(create({ input: "two", previous_response_id: id }, { session: "another" }));
  });

  it("is for its own tenant, actor and session alone", async () => {
    const id = await made({ input: "one" }, { session: "s3" });
    const stranger = await createTenant({}, {}, CONFIG);
    const otherKey = await asRoot(tenant.id, "/v1/keys", "POST", {
      tenant: tenant.id,
      roles: ["agent"],
      actors: ["other"],
      scopes: ["*"],
    });
    const { key } = await otherKey.json<{ key: string }>();
    const before = asks.length;
    await expectNotFound(create({ input: "x", previous_response_id: id }, { session: "s3", key: stranger.agent }));
    await expectNotFound(create({ input: "x", previous_response_id: id }, { session: "s3", key }));
    await expectNotFound(create({ input: "x", previous_response_id: id }, { session: "s4" }));
    await expectNotFound(create({ input: "x", previous_response_id: id }));
    await expectNotFound(create({ input: "x", previous_response_id: "resp_nobody" }, { session: "s3" }));
    await expectNotFound(create({ input: "x", previous_response_id: "../s3/x" }, { session: "s3" }));
    expect(asks).toHaveLength(before);
    for (const asked of [{ session: "s3", key: stranger.agent }, { session: "s3", key }, { session: "s4" }, {}])
      expect((await get(id, asked)).status).toBe(404);
  });

  it("is not possible where nothing was to be kept, or nothing ended well", async () => {
    const { id } = await (await create({ input: "one", store: false }, { session: "s5" })).json<{ id: string }>();
    // What is kept later is there: the earlier would be too.
    await made({ input: "one" }, { session: "s5" });
    await expectNotFound(create({ input: "x", previous_response_id: id }, { session: "s5" }));
    more = { status: "failed", error: { code: "server_error", message: "no" } };
    const failed = `resp_${answered + 1}`;
    await (await create({ input: "one" }, { session: "s5" })).body?.cancel();
    more = {};
    await made({ input: "one" }, { session: "s5" });
    await expectNotFound(create({ input: "x", previous_response_id: failed }, { session: "s5" }));
  });

  it("is refused clearly where a response is longer than is kept", async () => {
    more = { metadata: { long: "x".repeat(4_000_000) } };
    const { id } = await (await create({ input: "one" }, { session: "s6" })).json<{ id: string }>();
    more = {};
    await vi.waitFor(async () => {
      const refused = await create({ input: "x", previous_response_id: id }, { session: "s6" });
      expect(await refused.text()).toContain("longer than is kept");
    });
    expect((await get(id, { session: "s6" })).status).toBe(404);
  });

  it("finds items that a request only names", async () => {
    const id = await made({ input: "one" }, { session: "s7" });
    const name = id.replace("resp_", "msg_");
    const input = [
      { role: "user", content: "one" },
      { type: "item_reference", id: name },
      { role: "user", content: "two" },
    ];
    expect((await create({ input }, { session: "s7" })).status).toBe(200);
    expect(lastSent().input[1]).toMatchObject({ id: name, type: "message", role: "assistant" });
    const refused = await create({ input }, { session: "s8" });
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain(`no item with id '${name}'`);
  });
});

describe("a kept response", () => {
  it("is answered as it was shown, with its input, until it is deleted", async () => {
    const id = await made({ input: "one", metadata: { a: "b" } }, { session: "k1" });
    expect(await (await get(id, { session: "k1" })).json()).toMatchObject({ id, store: true, metadata: { a: "b" } });
    const items = await (await get(`${id}/input_items?order=asc`, { session: "k1" })).json();
    expect(items).toMatchObject({
      object: "list",
      has_more: false,
      data: [{ type: "message", role: "user", content: [{ type: "input_text", text: "one" }], id: expect.any(String) }],
    });
    expect((await get(`${id}/input_items?limit=0`, { session: "k1" })).status).toBe(400);
    const remove = (): Promise<Response> =>
      request(`/v1/responses/${id}`, tenant.agent, { method: "DELETE", headers: { "interlock-session": "k1" } });
    expect(await (await remove()).json()).toEqual({ id, object: "response", deleted: true });
    expect((await remove()).status).toBe(404);
    const missing = await get(id, { session: "k1" });
    expect(missing.status).toBe(404);
    expect(await missing.json()).toMatchObject({ error: { type: "invalid_request_error" } });
    await expectNotFound(create({ input: "x", previous_response_id: id }, { session: "k1" }));
  });

  it("lies sealed: no object says a word of it", async () => {
    more = { metadata: { note: "sealedAnswerWord" } };
    await made({ input: "one" }, { session: "k2" });
    const { objects } = await bindings.BLOBS.list({ prefix: `responses/${tenant.id}/` });
    expect(objects.length).toBeGreaterThan(1);
    for (const { key } of objects)
      expect(await (await bindings.BLOBS.get(key))?.text()).not.toContain("sealedAnswerWord");
  });

  it("goes with its session, named or not, and leaves others alone", async () => {
    const id = await made({ input: "one" }, { session: "e1" });
    const other = await made({ input: "one" }, { session: "e2" });
    const first = await create({ input: "one" });
    const unnamed = first.headers.get("interlock-session") ?? "";
    const { id: loose } = await first.json<{ id: string }>();
    await kept(loose, {});
    await erase("e1");
    expect((await get(id, { session: "e1" })).status).toBe(404);
    expect((await get(other, { session: "e2" })).status).toBe(200);
    await erase(unnamed);
    expect((await get(loose)).status).toBe(404);
  });

  it("is over after thirty days, and then deleted", async () => {
    const id = await made({ input: "one" }, { session: "r1" });
    const clock = { now: Date.now() };
    const ports = portsAt(clock);
    const owner = { tenant: tenant.id, actor: "agent", session: "r1", isNamed: true };
    const expiresAt = (await ports.responseStates.find(owner, id, clock.now))?.expiresAt ?? 0;
    expect(expiresAt - clock.now).toBeGreaterThan(29 * 86_400_000);
    expect(await ports.responseStates.find(owner, id, expiresAt)).toBeUndefined();
    const objects = async (): Promise<number> =>
      (await bindings.BLOBS.list({ prefix: `responses/${tenant.id}/` })).objects.length;
    expect(await ports.responseStates.purge(tenant.id, expiresAt, 100)).toBe(0);
    expect(await objects()).toBeGreaterThan(0);
    // The first run of the tenant's turn after the day is over.
    const next = Date.parse(dayOf(expiresAt)) + 86_400_000;
    clock.now = next + turnOf(tenant.id) * 5 * 60_000;
    await retain({ ...ports, tenants: { ...ports.tenants, ids: () => Promise.resolve([tenant.id]) } });
    expect(await objects()).toBe(0);
    expect((await bindings.BLOBS.list({ prefix: `response-days/${tenant.id}/` })).objects).toEqual([]);
  });
});

async function erase(session: string): Promise<void> {
  const clock = { now: Date.now() + 1_000 };
  const ports = portsAt(clock);
  const erasure = {
    tenant: tenant.id,
    id: `er_${ports.system.randomHex(16)}`,
    scope: "session" as const,
    subject: session,
    reason: null,
    status: "requested" as const,
    requestedAt: clock.now,
    requestedBy: "key_test",
    finishedAt: null,
    progress: NOT_BEGUN,
    receipt: NOTHING_ERASED,
  };
  await ports.erasures.create(erasure);
  const first = await advanceErasure(ports, erasure, 10_000);
  clock.now += SECOND_PASS_MS;
  const done = await advanceErasure(ports, first, 10_000);
  expect(done.receipt.counts.responses).toBe(1);
}
