// Proves what bounds an attempt, what its failure means for money and for breakers, and that nothing is sent for nobody.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { chatWire } from "../../src/core/dialect/chat/wire.ts";
import { AttemptClock } from "../../src/gateway/model/attempt-clock.ts";
import { both } from "../../src/gateway/model/chunk-transform.ts";
import { passedBack } from "../../src/gateway/model/passed-back.ts";
import { ProviderHealth } from "../../src/gateway/model/provider-health.ts";
import { retryAfterOf } from "../../src/gateway/model/attempt.ts";
import { holdExpiry } from "../../src/gateway/model/want.ts";

const TIMEOUTS = { connectMs: 100, firstByteMs: 200, idleMs: 50, totalMs: 1_000 };

describe("an attempt's clock", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("is over before it begins when the call is", () => {
    for (const stop of ["caller_left", "halted"] as const) {
      const call = new AbortController();
      call.abort(stop);
      const clock = new AttemptClock(TIMEOUTS, call.signal);
      expect([clock.signal.aborted, clock.stop, vi.getTimerCount()]).toEqual([true, stop, 0]);
    }
  });

  it.each([
    [100, [], "connect"],
    [200, ["connected"], "first_byte"],
    [1_000, ["connected", "began"], "total"],
  ] as const)("ends after %i ms of %j by %s, and leaves no timer", (ms, steps, stop) => {
    const clock = new AttemptClock(TIMEOUTS, new AbortController().signal);
    for (const step of steps) clock[step]();
    vi.advanceTimersByTime(ms - 1);
    expect(clock.stop).toBeUndefined();
    vi.advanceTimersByTime(1);
    expect([clock.stop, vi.getTimerCount()]).toEqual([stop, 0]);
  });

  it("keeps its first reason, and hears nothing once it is over", () => {
    const call = new AbortController();
    const clock = new AttemptClock(TIMEOUTS, call.signal);
    clock.end("outrun");
    call.abort("halted");
    expect(clock.stop).toBe("outrun");
    const other = new AttemptClock(TIMEOUTS, call.signal);
    other.over();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("leave to probe a provider", () => {
  const provider = { kind: "openai-compatible", breaker: {} } as const;
  const candidate = { model: { providerName: "p", provider } };
  const failure = {
    refusal: { ok: false, code: "upstream_failed", detail: "" },
    isUnbilled: true,
    httpStatus: 429,
    credential: undefined,
    retryAfterMs: null,
    text: undefined,
    usage: undefined,
    stop: undefined,
  } as const;

  it("is asked for once per call, told of when something was found out, and given back when not", async () => {
    const told: unknown[] = [];
    const ports = {
      system: { now: () => 10_000, randomHex: () => "ab" },
      breakers: {
        probe: (_: string, { id }: { id: string }) => (
          told.push(`asked ${id}`),
          Promise.resolve({ retryAfterMs: null })
        ),
        report: (_: string, [sample]: { probe: string | null; hasFailed: boolean }[]) => (
          told.push(`told ${sample?.probe ?? "nobody"} ${sample?.hasFailed ?? ""}`),
          Promise.resolve()
        ),
        abandon: (_: string, { id }: { id: string }) => (told.push(`abandoned ${id}`), Promise.resolve()),
      },
    };
    const listed = [{ key: "provider:p", until: 5_000, phase: "half_open" }];
    // What the class needs of ports and candidates is these members alone.
    const health = new ProviderHealth(ports as never, "t", { breakers: listed as never, defer: () => undefined });
    const verdict = { cause: null, mayFailOver: true, isFault: false };
    expect((await health.mayAsk(candidate as never)).ok).toBe(true);
    expect((await health.mayAsk(candidate as never)).ok).toBe(true);
    health.tell(candidate as never, { type: "failed", failure: { ...failure, verdict } }, 5);
    await health.mayAsk(candidate as never);
    health.tell(
      candidate as never,
      { type: "failed", failure: { ...failure, verdict: { ...verdict, isFault: true } } },
      5,
    );
    health.abandon(candidate as never);
    expect(told).toEqual(["asked ab", "abandoned ab", "asked ab", "told ab true"]);
  });
});

describe("what a provider says", () => {
  it("of how long to wait is its header, or Google's body", () => {
    const body = '{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"2.5s"}]}}';
    expect(retryAfterOf(429, new Headers({ "retry-after": "3" }), body)).toBe(3_000);
    expect(retryAfterOf(429, new Headers(), body)).toBe(2_500);
    expect(retryAfterOf(200, new Headers({ "retry-after": "3" }))).toBeNull();
    expect(retryAfterOf(429, new Headers({ "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT" }))).toBeNull();
  });

  it("of its account, or in the gateway's name, does not reach the caller", () => {
    const given = { "openai-organization": "o", "interlock-release": "r", "x-request-id": "1", "content-type": "a/b" };
    expect(Object.fromEntries(passedBack(new Headers(given)))).toEqual({ "content-type": "a/b", "x-request-id": "1" });
  });

  it("of usage counts once a chat stream has ended, and a comment after the marker takes nothing back", () => {
    const running =
      'data: {"choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\n';
    expect(chatWire.streamed(running).usage).toBeUndefined();
    expect(chatWire.streamed(`${running}data: [DONE]\n\n: bye\n\n`)).toMatchObject({
      isDone: true,
      usage: { output: 1 },
    });
  });
});

describe("a hold", () => {
  const candidate = { timeouts: TIMEOUTS } as never;
  it("outlives every attempt that may still begin", () => {
    const grace = holdExpiry(0, [], { maxAttempts: 1 });
    expect(holdExpiry(0, [candidate], { maxAttempts: 1 })).toBe(grace + 1_000);
    expect(holdExpiry(0, [candidate], { maxAttempts: 2 })).toBe(grace + 2_000);
    expect(holdExpiry(0, [candidate, candidate], { maxAttempts: 1 })).toBe(grace + 2_000);
  });
});

describe("two changes of a stream", () => {
  const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);
  const wrapping = (mark: string): NonNullable<ReturnType<typeof both>> => ({
    pass: (chunk) => new TextEncoder().encode(`${mark}${text(chunk)}${mark}`),
    flush: () => new TextEncoder().encode(`end${mark}`),
  });

  it("are made one after the other, their ends included", () => {
    const chain = both(wrapping("a"), wrapping("b"));
    expect(text(chain?.pass(new TextEncoder().encode("x")))).toBe("baxab");
    expect(text(chain?.flush())).toBe("bendabendb");
    expect(both(undefined, undefined)).toBeUndefined();
  });
});
