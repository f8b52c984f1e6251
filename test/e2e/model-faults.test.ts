// Proves what the official client makes of each way a provider can fail, and what it does next; what goes over the wire is the matrix's.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import OpenAI from "openai";
import { costMicro, type JsonRecord } from "./document.ts";
import { at, framesOf, openStage, readAll, traceIdOf, until, type Stage } from "./harness.ts";

/** What the official client makes of each fault: what it throws, or nothing when it takes the answer. */
interface Expected {
  readonly model: string;
  readonly isStream: boolean;
  readonly throws?: new (...args: never[]) => Error;
}

const CASES: readonly Expected[] = [
  ...[true, false].flatMap((isStream): readonly Expected[] => [
    { model: "fault-400", isStream, throws: OpenAI.BadRequestError },
    { model: "fault-401", isStream, throws: OpenAI.AuthenticationError },
    { model: "fault-429", isStream, throws: OpenAI.RateLimitError },
    { model: "fault-500-html", isStream, throws: OpenAI.InternalServerError },
    { model: "fault-503", isStream, throws: OpenAI.InternalServerError },
    { model: "impatient-hang", isStream, throws: OpenAI.InternalServerError },
    { model: "impatient-tcp-hang", isStream, throws: OpenAI.InternalServerError },
    { model: "fault-big-event", isStream },
    { model: "fault-garbage-event", isStream, throws: SyntaxError },
    { model: "fault-no-usage", isStream },
  ]),
  { model: "fault-in-band", isStream: true, throws: OpenAI.InternalServerError },
  { model: "fault-in-band", isStream: false },
  { model: "fault-in-band-late", isStream: true, throws: OpenAI.APIError },
  { model: "fault-cut", isStream: true, throws: OpenAI.APIError },
  { model: "fault-cut", isStream: false, throws: OpenAI.InternalServerError },
  { model: "fault-empty-stream", isStream: true, throws: OpenAI.InternalServerError },
  { model: "fault-empty-stream", isStream: false },
  { model: "fault-crlf", isStream: true },
];

let stage: Stage;

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());
beforeEach(() => stage.reset());

const MESSAGES = [{ role: "user" as const, content: "hello" }];
const named = (expected: Expected): readonly [string, Expected] => [
  `${expected.model}${expected.isStream ? ", streamed" : ""}`,
  expected,
];

test.each(CASES.map(named))("%s: the official client", async (_, expected) => {
  const tenant = await stage.tenant();
  const client = tenant.openai({ "Interlock-Session": "s" }, 0);
  const ask = async (): Promise<number> => {
    if (!expected.isStream) {
      await client.chat.completions.create({ model: expected.model, messages: MESSAGES });
      return 1;
    }
    let chunks = 0;
    const stream = await client.chat.completions.create({ model: expected.model, messages: MESSAGES, stream: true });
    for await (const chunk of stream) chunks += chunk.choices.length;
    return chunks;
  };
  if (expected.throws === undefined) expect(await ask()).toBeGreaterThan(0);
  else await expect(ask()).rejects.toBeInstanceOf(expected.throws);
  expect((await tenant.settled("s")).held).toBe(0);
});

describe("a stream with CRLF and a byte order mark", () => {
  test("is read whole by the client, and only its usage frame is taken out", async () => {
    const tenant = await stage.tenant();
    const response = await tenant.chat(
      { model: "fault-crlf", messages: MESSAGES, stream: true },
      { headers: { "Interlock-Session": "s" } },
    );
    const { text } = await readAll(response);
    const frames = framesOf(text);
    expect(frames.at(-1)).toBe("[DONE]");
    const chunks = frames.slice(0, -1).map((frame) => JSON.parse(frame) as JsonRecord);
    for (const chunk of chunks) expect(chunk["choices"]).toHaveLength(1);
    expect(chunks.map((chunk) => at(chunk, "choices.0.delta.content") ?? "").join("")).toContain("piece 1 piece 2 ");
  });
});

describe("a provider's 429", () => {
  test("is retried by the official client as it would be without us, each try a call of its own", async () => {
    const models = {
      "limited-once": {
        provider: "demo",
        upstream: "fault-429-once:e2e",
        price: { input_per_mtok_usd: 0.15, output_per_mtok_usd: 0.6 },
      },
    };
    const tenant = await stage.tenant({ models });
    const waits: number[] = [];
    const client = new OpenAI({
      apiKey: tenant.agent,
      baseURL: `${stage.gateway.url}/v1`,
      defaultHeaders: { "Interlock-Session": "s" },
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        const after = response.headers.get("retry-after");
        if (after === null) return response;
        waits.push(Number(after));
        // The wait itself is the client's affair: it is told a shorter one.
        const headers = new Headers(response.headers);
        headers.set("retry-after-ms", "1");
        return new Response(response.body, { status: response.status, headers });
      },
    });
    const done = await client.chat.completions.create({ model: "limited-once", messages: MESSAGES });
    expect(waits).toEqual([7]);
    if (done.usage === undefined) throw new Error("no usage");
    const { used } = await tenant.settled("s");
    expect(used).toBe(costMicro(done.usage));
    expect((await stage.effects()).model_calls["fault-429-once:e2e"]).toBe(2);
  });
});

describe("a provider that cannot be reached", () => {
  test("answers 502 and is charged its hold: it may have been reached", async () => {
    const tenant = await stage.tenant();
    const document = (await stage.asRoot(tenant.id, "GET", "/v1/config")).json;
    const config = document["document"] as { providers: JsonRecord; egress: { allow: readonly string[] } };
    const published = await stage.send(
      "PUT",
      "/v1/config",
      {
        ...config,
        providers: { ...config.providers, demo: { kind: "openai-compatible", base_url: "http://127.0.0.1:9/v1" } },
        egress: { allow: [...config.egress.allow, "127.0.0.1:9"] },
      },
      {
        key: stage.gateway.secrets.rootKey,
        headers: { "interlock-tenant": tenant.id, "if-match": '"1"' },
      },
    );
    expect(published.status, published.text).toBe(200);
    const answer = await until("the new config to be followed", async () => {
      const tried = await tenant.chatAnswer(
        { model: "demo-large", messages: MESSAGES },
        { headers: { "Interlock-Session": "s" } },
      );
      return tried.status === 200 ? undefined : tried;
    });
    expect([answer.status, at(answer.json, "error.code")]).toEqual([502, "upstream_failed"]);
    expect(answer.headers.get("x-should-retry")).toBe("true");
    const { call, attributes } = await tenant.tracedCall(traceIdOf(answer));
    expect([call.status, attributes["interlock.cost.basis"]]).toEqual(["failed", "hold"]);
    expect((await tenant.settled("s")).held).toBe(0);
  });

  test("by its stored secret being removed answers 502 and costs nothing: nothing was sent", async () => {
    const tenant = await stage.tenant();
    await stage.asRoot(tenant.id, "DELETE", "/v1/secrets/demo_model");
    const answer = await tenant.chatAnswer(
      { model: "demo-large", messages: MESSAGES },
      { headers: { "Interlock-Session": "s" } },
    );
    expect([answer.status, at(answer.json, "error.code")]).toEqual([502, "egress_blocked"]);
    expect((await tenant.settled("s")).used).toBe(0);
    expect((await stage.effects()).model_calls).toEqual({});
  });
});

describe("a caller that reads slowly", () => {
  test.each([true, false])("is not taken for a silent provider, with usage shown: %s", async (include_usage) => {
    // Long enough that no buffer on the way takes it all.
    const model = { provider: "terse", upstream: "frames-40000", context: 8_000, max_output_tokens: 50_000 };
    const price = { input_per_mtok_usd: 0.15, output_per_mtok_usd: 0.6 };
    const terse = {
      kind: "openai-compatible",
      base_url: "http://demo.upstream/v1",
      service: "DEMO",
      secret: "demo_model",
      timeouts: { idle_ms: 500 },
    };
    const tenant = await stage.tenant({ models: { long: { ...model, price } }, providers: { terse } });
    const response = await tenant.chat({
      model: "long",
      messages: MESSAGES,
      stream: true,
      stream_options: { include_usage },
    });
    const decoder = new TextDecoder();
    let text = "";
    let hasPaused = false;
    for await (const bytes of response.body ?? []) {
      if (!hasPaused) await new Promise((resolve) => setTimeout(resolve, 2_000));
      hasPaused = true;
      text = (text + decoder.decode(bytes, { stream: true })).slice(-500);
    }
    expect(text).toMatch(/data: \[DONE\]\s*$/);
  });
});
