// Proves that each fault of the demo model breaks what it says in every dialect, streamed and whole.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ask, DIALECTS, eventsOf, type Dialect } from "./dialect-calls.ts";
import { startUpstream, type Upstream } from "./start-upstream.ts";

let up: Upstream;

beforeAll(async () => {
  up = await startUpstream();
}, 60_000);
afterAll(() => up.stop());
beforeEach(() => up.reset());

interface Read {
  readonly status: number;
  readonly text: string;
  readonly isBroken: boolean;
}

/** The answer as far as it came. After `forMs` without an end it counts as broken. */
async function read(dialect: Dialect, model: string, stream: boolean, forMs = 5000): Promise<Read> {
  const response = await ask(up, dialect, model, { stream, signal: AbortSignal.timeout(forMs) });
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let text = "";
  try {
    for await (const bytes of response.body ?? []) text += decoder.decode(bytes, { stream: true });
    return { status: response.status, text, isBroken: false };
  } catch {
    return { status: response.status, text, isBroken: true };
  }
}

/** What each dialect says when all went well, and what an error inside of an answer looks like. */
const WORDS: Readonly<Record<Dialect, { readonly end: string; readonly error: string; readonly usage: string }>> = {
  chat: { end: "[DONE]", error: '"type":"server_error"', usage: "prompt_tokens" },
  responses: { end: "response.completed", error: '"code":"server_error"', usage: "input_tokens" },
  messages: { end: "message_stop", error: '"type":"overloaded_error"', usage: "input_tokens" },
  generate: { end: '"finishReason":"STOP"', error: '"status":"UNAVAILABLE"', usage: "promptTokenCount" },
  list: { end: '"finishReason":"STOP"', error: '"status":"UNAVAILABLE"', usage: "promptTokenCount" },
};

describe("before an answer", () => {
  const STATUSES: readonly (readonly [string, number, Readonly<Record<Dialect, string>>])[] = [
    ["fault-400", 400, said("invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT")],
    ["fault-401", 401, said("invalid_api_key", "authentication_error", "UNAUTHENTICATED")],
    ["fault-429", 429, said("rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED")],
    ["fault-500-html", 500, said("<html>", "<html>", "<html>")],
    ["fault-503", 503, said("overloaded", "api_error", "UNAVAILABLE")],
    ["fault-529", 529, said("overloaded", "overloaded_error", "UNAVAILABLE")],
  ];

  function said(openai: string, anthropic: string, gemini: string): Readonly<Record<Dialect, string>> {
    return { chat: openai, responses: openai, messages: anthropic, generate: gemini, list: gemini };
  }

  test.each(STATUSES)(
    "%s answers %i in every dialect, streamed or not, and costs nothing",
    async (model, status, words) => {
      for (const dialect of DIALECTS) {
        for (const stream of [true, false]) {
          const response = await ask(up, dialect, model, { stream });
          expect(response.status).toBe(status);
          const isGoogle = dialect === "generate" || dialect === "list";
          expect(response.headers.get("retry-after")).toBe(status === 429 && !isGoogle ? "7" : null);
          const text = await response.text();
          expect(text).toContain(words[dialect]);
          if (status === 429 && isGoogle) expect(text).toContain('"retryDelay":"7s"');
          expect(text.startsWith("[")).toBe(dialect === "list" && stream && status !== 500);
        }
      }
      expect(await up.effects()).toMatchObject({ model_calls: { [model]: 10 }, completed: {}, billed_usd_micros: 0 });
    },
  );

  test.each(DIALECTS)("%s: fault-429-once refuses the first call of a key", async (dialect) => {
    const statuses = [];
    for (let call = 0; call < 2; call += 1) statuses.push((await ask(up, dialect, `fault-429-once:${dialect}`)).status);
    expect(statuses).toEqual([429, 200]);
  });

  test.each(DIALECTS)("%s: fault-hang never answers, late-150 answers late", async (dialect) => {
    for (const stream of [true, false]) {
      const hung = ask(up, dialect, "fault-hang", { stream, signal: AbortSignal.timeout(150) });
      await expect(hung).rejects.toThrow();
      const started = performance.now();
      expect((await ask(up, dialect, "late-150", { stream })).status).toBe(200);
      expect(performance.now() - started).toBeGreaterThan(145);
    }
  });
});

describe.each(DIALECTS)("%s, streamed", (dialect) => {
  const { end, error, usage } = WORDS[dialect];

  test("hangs after the preamble, or after three pieces", async () => {
    const early = await read(dialect, "fault-hang-preamble", true, 200);
    expect([early.isBroken, early.text.length > 20, early.text.includes("piece 1")]).toEqual([true, true, false]);
    const mid = await read(dialect, "fault-hang-mid", true, 200);
    expect([mid.isBroken, mid.text.includes("piece 3"), mid.text.includes("piece 4")]).toEqual([true, true, false]);
  });

  test("is cut, ends early between two events, or inside of one", async () => {
    for (const [model, isBroken] of [
      ["fault-cut", true],
      ["fault-half", false],
      ["fault-truncated", false],
    ] as const) {
      const got = await read(dialect, model, true);
      expect([got.status, got.isBroken]).toEqual([200, isBroken]);
      expect(got.text).toContain("piece 3");
      expect(got.text).not.toContain(end);
      expect(/(\n\n|\})$/.test(got.text)).toBe(model !== "fault-truncated");
      expect(await up.effects()).toMatchObject({ cut: { [model]: 1 } });
    }
  });

  test("tells an error as its first event, or after three pieces", async () => {
    const first = await read(dialect, "fault-in-band", true);
    expect(eventsOf(dialect, first.text)).toHaveLength(1);
    expect(first.text).toContain(error);
    const late = await read(dialect, "fault-in-band-late", true);
    expect(late.text).toContain("piece 3");
    expect(late.text).toContain(error);
    expect(late.text).not.toContain(end);
    expect(JSON.stringify(eventsOf(dialect, late.text).at(-1)?.data)).toContain(error);
  });

  test("is empty, oddly framed, or full of what means nothing", async () => {
    expect(await read(dialect, "fault-empty-stream", true)).toEqual({ status: 200, text: "", isBroken: false });
    const crlf = (await read(dialect, "fault-crlf", true)).text;
    expect(crlf.startsWith("\uFEFF")).toBe(true);
    if (dialect !== "list") expect(crlf.replaceAll("\r\n", "")).not.toContain("\n");
    expect(crlf).toContain(end);
    const pings = (await read(dialect, "fault-pings", true)).text;
    if (dialect !== "list") expect(pings.startsWith(": keep-alive\n\n")).toBe(true);
    expect(eventsOf(dialect, pings).length).toBeGreaterThan(8);
  });

  test("has a broken event in it, one of a megabyte, or no usage", async () => {
    expect((await read(dialect, "fault-garbage-event", true)).text).toContain('{"id": nonsense');
    const big = eventsOf(dialect, (await read(dialect, "fault-big-event", true)).text);
    expect(Math.max(...big.map(({ data }) => JSON.stringify(data).length))).toBeGreaterThan(1_048_576);
    const silent = (await read(dialect, "fault-no-usage", true)).text;
    expect(silent).toContain(end);
    expect(silent).not.toContain(usage);
  });
});

describe.each(DIALECTS.filter((dialect) => dialect !== "list"))("%s, whole", (dialect) => {
  const { error, usage } = WORDS[dialect];

  test("hangs half way, is cut there, or ends there", async () => {
    for (const [model, isBroken] of [
      ["fault-hang-mid", true],
      ["fault-hang-preamble", true],
      ["fault-cut", true],
      ["fault-half", false],
      ["fault-truncated", false],
    ] as const) {
      const got = await read(dialect, model, false, 300);
      expect([model, got.status, got.isBroken]).toEqual([model, 200, isBroken]);
      expect(() => JSON.parse(got.text) as unknown).toThrow();
      expect(got.text.length).toBeGreaterThan(50);
    }
  });

  test("is an error with status 200, no JSON, empty, without usage, or very big", async () => {
    expect((await read(dialect, "fault-in-band", false)).text).toContain(error);
    expect((await read(dialect, "fault-in-band-late", false)).text).toContain(error);
    expect((await read(dialect, "fault-garbage-event", false)).text).toContain('{"id": nonsense');
    expect((await read(dialect, "fault-empty-stream", false)).text).toBe("");
    expect((await read(dialect, "fault-no-usage", false)).text).not.toContain(usage);
    expect((await read(dialect, "fault-big-event", false)).text.length).toBeGreaterThan(1_048_576);
  });
});

describe("embeddings", () => {
  test.each([
    ["fault-429", 429],
    ["fault-503", 503],
    ["fault-no-usage", 200],
  ])("%s answers %i", async (model, status) => {
    const response = await up.call("/v1/embeddings", { json: { model, input: "hello" } });
    expect([response.status, (await response.text()).includes("prompt_tokens")]).toEqual([status, false]);
  });
});
