// Proves that OpenAI's client, unmodified, makes, streams, parses and continues responses, whatever dialect answers.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type OpenAI from "openai";
import { PRICE } from "./document.ts";
import { openStage, until, type Stage, type Tenant } from "./harness.ts";
import { startRecordingUpstream, type RecordingUpstream } from "./recording-upstream.ts";
import { call, message, REASONING, response, sse, streamOf } from "../unit/responses-fixture.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";

let stage: Stage;
let recorder: RecordingUpstream;
let tenant: Tenant;

beforeAll(async () => {
  stage = await openStage();
  recorder = await startRecordingUpstream();
  tenant = await stage.tenant({
    providers: {
      recorder: {
        kind: "openai-compatible",
        base_url: `${recorder.origin}/v1`,
        secret: "demo_model",
        dialects: ["responses"],
      },
    },
    models: { recorded: { provider: "recorder", price: PRICE, max_output_tokens: 1_000 } },
    hosts: [new URL(recorder.origin).host],
  });
});
afterAll(async () => {
  await stage.close();
  await recorder.stop();
});
beforeEach(() => recorder.requests.splice(0));

let count = 0;

/** What the provider answers next: whole, or as a stream. */
function answers(output: readonly JsonObject[], isStream: boolean, more: JsonObject = {}): string {
  count += 1;
  const id = `resp_e2e_${count}`;
  const text = isStream
    ? streamOf(output, more).replaceAll("resp_1", id)
    : JSON.stringify(response({ id, output, ...more }));
  recorder.answer = {
    status: 200,
    headers: { "content-type": isStream ? "text/event-stream" : "application/json" },
    body: new TextEncoder().encode(text),
  };
  return id;
}

function lastAsked(): { readonly input: readonly JsonObject[]; readonly store: boolean } {
  const last = recorder.requests.at(-1);
  if (last === undefined) throw new Error("nothing was sent");
  return JSON.parse(last.body) as { input: JsonObject[]; store: boolean };
}

/** The client of a session. */
const client = (session: string): OpenAI => tenant.openai({ "Interlock-Session": session }, 0);

/** Waits until a response is kept: that happens behind its answer. */
const kept = (session: string, id: string): Promise<unknown> =>
  until(`response ${id}`, () => client(session).responses.retrieve(id));

const TOOL = {
  type: "function" as const,
  name: "find",
  parameters: { type: "object", properties: { q: { type: "string" } }, required: ["q"], additionalProperties: false },
  strict: true,
};

describe("a provider that speaks Responses", () => {
  test("answers whole, and the next call goes on from it with its reasoning", async () => {
    const id = answers([REASONING, call(1, '{"q":"a"}')], false);
    const first = await client("w1").responses.create({ model: "recorded", input: "look it up", tools: [TOOL] });
    expect(first).toMatchObject({ id, status: "completed", output_text: "" });
    expect(lastAsked()).toMatchObject({ input: "look it up", store: false });
    await kept("w1", id);
    answers([message("found")], false);
    const second = await client("w1").responses.create({
      model: "recorded",
      previous_response_id: id,
      input: [{ type: "function_call_output", call_id: "call_1", output: "a" }],
      tools: [TOOL],
    });
    expect(second).toMatchObject({ output_text: "found", previous_response_id: id });
    expect(lastAsked().input).toMatchObject([
      { role: "user", content: [{ type: "input_text", text: "look it up" }] },
      REASONING,
      { type: "function_call", call_id: "call_1" },
      { type: "function_call_output", call_id: "call_1", output: "a" },
    ]);
    const { data } = await client("w1").responses.inputItems.list(second.id, { order: "asc" });
    expect(data).toHaveLength(4);
    await client("w1").responses.delete(id);
    await expect(client("w1").responses.retrieve(id)).rejects.toMatchObject({ status: 404 });
  });

  test("streams, and the next call goes on from it", async () => {
    const id = answers([REASONING, message("hello there")], true);
    const stream = client("w2").responses.stream({ model: "recorded", input: "hi" });
    let text = "";
    stream.on("response.output_text.delta", ({ delta }) => {
      text += delta;
    });
    const final = await stream.finalResponse();
    expect([text, final.output_text, final.id]).toEqual(["hello there", "hello there", id]);
    await kept("w2", id);
    answers([message("again")], true);
    const events = await client("w2").responses.create({
      model: "recorded",
      input: "more",
      previous_response_id: id,
      stream: true,
    });
    let last: unknown;
    for await (const event of events) last = event;
    expect(last).toMatchObject({
      type: "response.completed",
      response: { previous_response_id: id, output: [{ content: [{ text: "again" }] }] },
    });
    expect(lastAsked().input).toHaveLength(4);
  });

  test("parses what a format asked for", async () => {
    answers([message('{"city":"Paris"}')], false);
    const parsed = await client("w3").responses.parse({
      model: "recorded",
      input: "where",
      text: { format: { type: "json_schema", name: "place", schema: { type: "object" }, strict: true } },
    });
    expect(parsed.output_parsed).toEqual({ city: "Paris" });
  });

  test("a stream that breaks fails with what was said, and is charged", async () => {
    const [cut = ""] = streamOf([message("hello")]).split("event: response.output_item.done");
    recorder.answer = {
      status: 200,
      headers: { "content-type": "text/event-stream" },
      body: new TextEncoder().encode(cut),
    };
    const events = await client("w4").responses.create({
      model: "recorded",
      input: "hi",
      stream: true,
      max_output_tokens: 50,
    });
    let last: unknown;
    for await (const event of events) last = event;
    expect(last).toMatchObject({ type: "response.failed", response: { id: "resp_1", status: "failed" } });
    expect((await tenant.settled("w4")).used).toBeGreaterThan(0);
  });

  test("an error before anything was said is the call's error", async () => {
    recorder.answer = {
      status: 200,
      headers: { "content-type": "text/event-stream" },
      body: new TextEncoder().encode(sse({ type: "error", code: "server_error", message: "no", param: null })),
    };
    const events = client("w5").responses.create({ model: "recorded", input: "hi", stream: true });
    await expect(events).rejects.toMatchObject({ status: 502 });
  });

  test("hosted tools and unknown responses are refused in OpenAI's shape", async () => {
    const hosted = client("w6").responses.create({ model: "recorded", input: "hi", tools: [{ type: "web_search" }] });
    await expect(hosted).rejects.toMatchObject({ status: 400, code: "unsupported", param: "tools.0" });
    const unknown = client("w6").responses.create({ model: "recorded", input: "hi", previous_response_id: "resp_x" });
    await expect(unknown).rejects.toMatchObject({
      status: 400,
      code: "previous_response_not_found",
      param: "previous_response_id",
    });
    expect(recorder.requests).toEqual([]);
  });
});

describe("a provider that speaks chat completions", () => {
  test("answers whole, says what was asked for, and is gone on from", async () => {
    const first = await client("t1").responses.create({
      model: "demo-large",
      input: "hello",
      instructions: "be kind",
      temperature: 0.5,
    });
    expect(first).toMatchObject({ object: "response", status: "completed", instructions: "be kind", temperature: 0.5 });
    expect(first.output_text).toContain("hello");
    expect(first.usage?.total_tokens).toBeGreaterThan(0);
    await kept("t1", first.id);
    const second = await client("t1").responses.create({
      model: "demo-large",
      input: "and more",
      previous_response_id: first.id,
    });
    expect(second.usage?.input_tokens).toBeGreaterThan(first.usage?.input_tokens ?? 0);
  });

  test("streams in OpenAI's order, and the client's own accumulation agrees", async () => {
    const stream = client("t2").responses.stream({ model: "demo-large", input: "hello" });
    const types: string[] = [];
    stream.on("event", ({ type }) => types.push(type));
    const final = await stream.finalResponse();
    expect(final.output_text).toContain("hello");
    expect(types.slice(0, 4)).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
    ]);
    expect(types.at(-1)).toBe("response.completed");
    await kept("t2", final.id);
  });

  test("a caller that leaves a stream ends it at the provider", async () => {
    await stage.reset();
    const events = await client("t4").responses.create({ model: "slow-200", input: "hello", stream: true });
    for await (const event of events) if (event.type === "response.output_text.delta") break;
    await until("the provider to see it", async () => {
      const { cancelled } = await stage.effects();
      return (cancelled["slow-200"] ?? 0) === 1 ? true : undefined;
    });
    expect((await tenant.settled("t4")).used).toBeGreaterThan(0);
  });

  test("a response of one provider is gone on from at another", async () => {
    const id = answers([REASONING, message("hello")], false);
    await client("t3").responses.create({ model: "recorded", input: "hi" });
    await kept("t3", id);
    const second = await client("t3").responses.create({
      model: "demo-large",
      input: "go on",
      previous_response_id: id,
    });
    expect(second.status).toBe("completed");
    await kept("t3", second.id);
    answers([message("back")], false);
    await client("t3").responses.create({ model: "recorded", input: "back", previous_response_id: second.id });
    expect(lastAsked().input.map(({ type, role }) => role ?? type)).toEqual([
      "user",
      "reasoning",
      "assistant",
      "user",
      "assistant",
      "user",
    ]);
  });
});
