// Proves that each fault of the demo upstream breaks what it says, and that calls given up on are counted.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startUpstream, type Upstream } from "./start-upstream.ts";

let up: Upstream;

beforeAll(async () => {
  up = await startUpstream({ hasCaller: true });
}, 60_000);
afterAll(() => up.stop());
beforeEach(() => up.reset());

const STRICT = { headers: { "x-demo-count": "strict" } };

/** The body as far as it came, and whether it broke off. */
async function readAll(response: Response): Promise<{ text: string; isBroken: boolean }> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let text = "";
  try {
    for await (const bytes of response.body ?? []) text += decoder.decode(bytes, { stream: true });
    return { text, isBroken: false };
  } catch {
    return { text, isBroken: true };
  }
}

async function streamed(model: string): Promise<{ status: number; text: string; isBroken: boolean }> {
  const response = await up.chat({ model, stream: true, stream_options: { include_usage: true } }, STRICT);
  return { status: response.status, ...(await readAll(response)) };
}

describe("model faults", () => {
  test.each([
    ["fault-400", 400, "invalid_request_error"],
    ["fault-401", 401, "invalid_api_key"],
    ["fault-429", 429, "rate_limit_exceeded"],
    ["fault-500-html", 500, "<html>"],
    ["fault-503", 503, "server_error"],
  ])("%s answers %i, streamed or not", async (model, status, words) => {
    for (const stream of [true, false]) {
      const response = await up.chat({ model, stream }, STRICT);
      expect(response.status).toBe(status);
      expect(response.headers.get("retry-after")).toBe(status === 429 ? "7" : null);
      expect(await response.text()).toContain(words);
    }
    expect(await up.effects()).toMatchObject({
      model_calls: { [model]: 2 },
      completed: {},
      billed_usd_micros: 0,
    });
  });

  test("fault-429-once refuses the first call of each key only", async () => {
    const statuses = [];
    for (const key of ["a", "a", "b", "a"]) statuses.push((await up.chat({ model: `fault-429-once:${key}` })).status);
    expect(statuses).toEqual([429, 200, 429, 200]);
  });

  test("fault-cut tears the connection down after some chunks, and is billed", async () => {
    const { text, isBroken } = await streamed("fault-cut");
    expect(isBroken).toBe(true);
    expect(text).not.toContain("[DONE]");
    const effects = await up.effects();
    expect(effects).toMatchObject({ cut: { "fault-cut": 1 }, completed: {} });
    expect(effects.billed_usd_micros).toBeGreaterThan(0);
    const whole = await up.chat({ model: "fault-cut" });
    expect((await readAll(whole)).isBroken).toBe(true);
  });

  test("in-band errors come first, or after three pieces, without an end marker", async () => {
    const first = await streamed("fault-in-band");
    expect(first).toMatchObject({ status: 200, isBroken: false });
    expect(first.text).toMatch(/^data: \{"error":\{.*\n\n$/);
    const late = await streamed("fault-in-band-late");
    expect(late.text).toContain("piece 3 ");
    expect(late.text).not.toContain("piece 4 ");
    expect(late.text).toMatch(/data: \{"error":\{[^\n]*\n\n$/);
    expect(await up.effects()).toMatchObject({ completed: {}, cut: { "fault-in-band-late": 1 } });
  });

  test("odd framings", async () => {
    expect(await streamed("fault-empty-stream")).toMatchObject({ status: 200, text: "" });
    const crlf = await streamed("fault-crlf");
    expect(crlf.text.startsWith("\uFEFFdata: ")).toBe(true);
    expect(crlf.text.replaceAll("\r\n", "")).not.toContain("\n");
    expect((await streamed("fault-garbage-event")).text).toMatch(/data: \{"id": nonsense\n\n[^]*\[DONE\]/);
    expect((await streamed("fault-no-usage")).text).not.toContain("prompt_tokens");
    const longest = (await streamed("fault-big-event")).text.split("\n\n").map((event) => event.length);
    expect(Math.max(...longest)).toBeGreaterThan(1_048_576);
  });

  test("slow-20 spreads its pieces over time", async () => {
    const started = performance.now();
    const response = await up.chat({ model: "slow-20", stream: true });
    const headersAfter = performance.now() - started;
    await response.text();
    expect(performance.now() - started).toBeGreaterThan(24 * 18);
    expect(headersAfter).toBeLessThan(24 * 18);
  });
});

describe("cancelled calls", () => {
  test("a client that leaves a running stream is counted and billed for what it was sent", async () => {
    const response = await up.chat({ model: "slow-40", stream: true }, { ...STRICT, signal: AbortSignal.timeout(300) });
    expect((await readAll(response)).isBroken).toBe(true);
    await expect.poll(async () => (await up.effects()).cancelled, { timeout: 5000 }).toEqual({ "slow-40": 1 });
    const { billed_usd_micros: billed, completed } = await up.effects();
    expect(completed).toEqual({});
    expect(billed).toBeGreaterThan(0);
    expect(billed).toBeLessThan(Math.floor((9 * 150_000 + 24 * 600_000) / 1_000_000));
  });

  test.each(["fault-hang", "fault-hang-mid", "slow-1000"])(
    "a Worker that gives up on %s is noticed at once",
    async (model) => {
      const response = await up.call("/impatient/v1/chat/completions", {
        json: { model, stream: true, messages: [{ role: "user", content: "hello" }] },
      });
      expect(await response.text()).toMatch(/^gave up/);
      await expect.poll(async () => (await up.effects()).cancelled, { timeout: 5000 }).toEqual({ [model]: 1 });
    },
  );
});

describe("tool faults", () => {
  const order = { customer_id: "cus_123", amount_usd: 5 };
  const refund = (fault: string, signal?: AbortSignal): Promise<Response> =>
    up.call(`/billing/refunds?fault=${fault}`, {
      json: order,
      ...(signal === undefined ? {} : { signal }),
    });

  test.each([
    ["500", 500],
    ["503", 503],
    ["429", 429],
    ["redirect-private", 302],
    ["nonsense", 422],
  ])("%s answers %i without an effect", async (fault, status) => {
    const response = await refund(fault);
    expect(response.status).toBe(status);
    if (status === 302) expect(response.headers.get("location")).toContain("169.254.169.254");
    expect(await up.effects()).toMatchObject({ refunds: 0 });
  });

  test.each([
    ["hang-before", 0],
    ["hang-after", 1],
  ])("%s never answers and has %i effects", async (fault, refunds) => {
    await expect(refund(fault, AbortSignal.timeout(500))).rejects.toThrow();
    expect(await up.effects()).toMatchObject({ refunds });
  });

  test("answers after the effect are late, broken, cut or too large", async () => {
    expect((await readAll(await refund("reset-after"))).isBroken).toBe(true);
    await expect((await refund("garbage")).json()).rejects.toThrow();
    await expect((await refund("half-body")).json()).rejects.toThrow();
    const started = performance.now();
    expect((await refund("slow:200")).status).toBe(201);
    expect(performance.now() - started).toBeGreaterThan(190);
    expect((await (await refund("huge")).arrayBuffer()).byteLength).toBeGreaterThan(64 * 1_048_576);
    expect(await up.effects()).toMatchObject({ refunds: 5 });
  });

  test("armed faults hit the next matching requests, then no more", async () => {
    await up.call("/_demo/faults", {
      json: { path_prefix: "/billing/refunds", fault: "503", times: 2 },
    });
    const statuses = [(await up.call("/crm/customers/cus_123")).status];
    for (let round = 0; round < 3; round += 1)
      statuses.push((await up.call("/billing/refunds", { json: order })).status);
    expect(statuses).toEqual([200, 503, 503, 201]);
    expect((await up.call("/_demo/faults", { json: { path_prefix: "/", fault: "none" } })).status).toBe(422);
  });
});

test("without a state object the model still answers and the tools refuse", async () => {
  const bare = await startUpstream({ hasState: false });
  try {
    const response = await bare.chat({ model: "text-3" }, STRICT);
    expect(await response.json()).toMatchObject({ usage: { completion_tokens: 3 } });
    expect((await bare.chat({ model: "fault-429-once:x" })).status).toBe(429);
    expect((await bare.chat({ model: "fault-429-once:x" })).status).toBe(200);
    expect((await bare.call("/crm/customers/cus_123")).status).toBe(503);
  } finally {
    await bare.stop();
  }
}, 30_000);
