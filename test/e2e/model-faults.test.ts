// Proves what a caller sees of each way a provider can fail, and that every one of them is settled, within its hold and never free.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import OpenAI from "openai";
import { costMicro, type JsonRecord } from "./document.ts";
import { at, framesOf, openStage, readAll, traceIdOf, until, type Stage } from "./harness.ts";

type Basis = "usage" | "hold" | "none";

/** What one fault is to its caller. */
interface Expected {
  readonly model: string;
  readonly isStream: boolean;
  readonly status: number;
  /** Words the body has. */
  readonly has?: readonly string[];
  /** Words it must not have. */
  readonly lacks?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly basis: Basis;
  readonly outcome: "succeeded" | "failed";
  /** What the official client throws; nothing when it takes the answer. */
  readonly throws?: new (...args: never[]) => Error;
}

const DONE = "data: [DONE]";
const REFUSED = { basis: "none", outcome: "failed" } as const;

const CASES: readonly Expected[] = [
  ...[true, false].flatMap((isStream): readonly Expected[] => [
    {
      model: "fault-400",
      isStream,
      status: 400,
      has: ["This request is refused."],
      throws: OpenAI.BadRequestError,
      ...REFUSED,
    },
    {
      model: "fault-401",
      isStream,
      status: 401,
      has: ["invalid_api_key"],
      throws: OpenAI.AuthenticationError,
      ...REFUSED,
    },
    {
      model: "fault-429",
      isStream,
      status: 429,
      has: ["rate_limit_exceeded"],
      headers: { "retry-after": "7" },
      throws: OpenAI.RateLimitError,
      ...REFUSED,
    },
    {
      model: "fault-500-html",
      isStream,
      status: 500,
      has: ["<html><body><h1>500 Internal Server Error</h1></body></html>"],
      headers: { "content-type": "text/html; charset=utf-8" },
      throws: OpenAI.InternalServerError,
      ...REFUSED,
    },
    { model: "fault-503", isStream, status: 503, has: ["overloaded"], throws: OpenAI.InternalServerError, ...REFUSED },
    {
      model: "impatient-hang",
      isStream,
      status: 504,
      has: ["upstream_timeout"],
      basis: "hold",
      outcome: "failed",
      throws: OpenAI.InternalServerError,
    },
    {
      model: "impatient-tcp-hang",
      isStream,
      status: 504,
      has: ["upstream_timeout"],
      basis: "hold",
      outcome: "failed",
      throws: OpenAI.InternalServerError,
    },
    {
      model: "fault-big-event",
      isStream,
      status: 200,
      has: ["x".repeat(1_048_576)],
      basis: "usage",
      outcome: "succeeded",
    },
  ]),
  {
    model: "fault-in-band",
    isStream: true,
    status: 502,
    has: ["upstream_failed", "The server had an error while processing your request."],
    lacks: ["[DONE]"],
    headers: { "content-type": "application/json" },
    basis: "none",
    outcome: "failed",
    throws: OpenAI.InternalServerError,
  },
  {
    model: "fault-in-band-late",
    isStream: true,
    status: 200,
    has: ["piece 1", "piece 3", "The server had an error while processing your request."],
    lacks: ["[DONE]", "piece 4", "ended before it was complete"],
    basis: "hold",
    outcome: "failed",
    throws: OpenAI.APIError,
  },
  {
    model: "fault-cut",
    isStream: true,
    status: 200,
    has: ["piece 1", "piece 3", '"code":"upstream_failed"', "ended before it was complete"],
    lacks: ["[DONE]", "piece 4"],
    basis: "hold",
    outcome: "failed",
    throws: OpenAI.APIError,
  },
  {
    model: "fault-cut",
    isStream: false,
    status: 502,
    has: ["upstream_failed"],
    basis: "hold",
    outcome: "failed",
    throws: OpenAI.InternalServerError,
  },
  {
    model: "fault-empty-stream",
    isStream: true,
    status: 502,
    has: ["upstream_failed"],
    basis: "hold",
    outcome: "failed",
    throws: OpenAI.InternalServerError,
  },
  {
    model: "fault-crlf",
    isStream: true,
    status: 200,
    has: ["\uFEFFdata: ", "\r\n\r\n", DONE],
    basis: "usage",
    outcome: "succeeded",
  },
  {
    model: "fault-garbage-event",
    isStream: true,
    status: 200,
    has: ['data: {"id": nonsense\n\n', "piece 8", DONE],
    basis: "usage",
    outcome: "succeeded",
    throws: SyntaxError,
  },
  {
    model: "fault-garbage-event",
    isStream: false,
    status: 200,
    has: ['{"id": nonsense'],
    basis: "hold",
    outcome: "failed",
    throws: SyntaxError,
  },
  {
    model: "fault-no-usage",
    isStream: true,
    status: 200,
    has: ["piece 8", DONE],
    basis: "hold",
    outcome: "succeeded",
  },
  {
    model: "fault-no-usage",
    isStream: false,
    status: 200,
    has: ["piece 8"],
    lacks: ['"usage"', "prompt_tokens"],
    basis: "hold",
    outcome: "succeeded",
  },
  {
    model: "fault-in-band",
    isStream: false,
    status: 200,
    has: ["The server had an error"],
    basis: "none",
    outcome: "failed",
  },
  { model: "fault-empty-stream", isStream: false, status: 200, basis: "hold", outcome: "failed" },
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

describe.each([
  ["usage asked for", { include_usage: true }],
  ["usage not asked for", undefined],
])("%s", (_, options) => {
  const cases = CASES.filter((each) => each.isStream || options === undefined);

  test.each(cases.map(named))("%s: the raw answer, its price and its settlement", async (__, expected) => {
    const tenant = await stage.tenant();
    const response = await tenant.chat(
      {
        model: expected.model,
        messages: MESSAGES,
        ...(expected.isStream ? { stream: true } : {}),
        ...(expected.isStream && options !== undefined ? { stream_options: options } : {}),
      },
      { headers: { "Interlock-Session": "s" } },
    );
    const { text, isBroken } = await readAll(response);
    expect([response.status, isBroken]).toEqual([expected.status, false]);
    for (const words of expected.has ?? []) expect(text.includes(words), `has ${words.slice(0, 80)}`).toBe(true);
    for (const words of expected.lacks ?? []) expect(text.includes(words), `lacks ${words.slice(0, 80)}`).toBe(false);
    for (const [name, value] of Object.entries(expected.headers ?? {})) expect(response.headers.get(name)).toBe(value);

    const { used, held } = await tenant.settled("s");
    const { call, attributes } = await tenant.tracedCall(traceIdOf(response));
    const cost = Number(attributes["interlock.cost.micro_usd"]);
    const reserved = Number(attributes["interlock.reservation.micro_usd"]);
    expect(held).toBe(0);
    expect([call.status, attributes["interlock.cost.basis"]]).toEqual([expected.outcome, expected.basis]);
    expect(used).toBe(cost);
    expect(cost).toBeLessThanOrEqual(reserved);
    if (expected.basis === "none") expect(cost).toBe(0);
    else expect(cost).toBeGreaterThan(0);
    if (expected.basis === "hold") expect(cost).toBe(reserved);
    expect((await stage.effects()).billed_usd_micros).toBeLessThanOrEqual(cost);
  });
});

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
  const { held } = await tenant.settled("s");
  expect(held).toBe(0);
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
