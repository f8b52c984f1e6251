// Proves when a failed attempt is made again: only where that is safe, never past the deadline, never more often than said.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readRetryAfter } from "../../src/adapters/retry-after.ts";
import { RETRY_CAUSES, type RetryCause } from "../../src/core/policy/retry-causes.ts";
import { callTerms, causeOf, nextAttempt, together, type CallTerms } from "../../src/core/policy/retry.ts";
import { classifyHttp, type HttpAnswer, type ToolOutcome } from "../../src/core/policy/tool-outcome.ts";
import { published } from "./policy-fixture.ts";

const NOW = 1_780_000_000_000;

function termsOf(more: Readonly<Record<string, unknown>>, callers: number | null = null): CallTerms {
  const config = published({
    tools: {
      t: {
        kind: "http",
        method: "POST",
        url: "https://t.example.com/x",
        effect: "write",
        input_schema: { type: "object" },
        ...more,
      },
    },
    egress: { allow: ["t.example.com"] },
  });
  const tool = config.tool("t");
  if (tool === undefined) throw new Error("no such tool");
  return callTerms(tool.entry, callers);
}

const retry = { max_attempts: 3, backoff_ms: 100, max_backoff_ms: 1_000 };
const failed = {
  made: 1,
  cause: "timeout" as const,
  retryAfterMs: null,
  now: NOW,
  deadlineAt: NOW + 60_000,
  random: 0.5,
};

describe("the terms of a call", () => {
  it.each([
    [{}, null, [30_000, 30_000, 1]],
    [{ timeout_ms: 2_000 }, null, [2_000, 2_000, 1]],
    [{ timeout_ms: 2_000, retry }, null, [2_000, 60_000, 3]],
    [{ timeout_ms: 90_000, retry }, null, [90_000, 90_000, 3]],
    [{ timeout_ms: 2_000, deadline_ms: 5_000, retry }, null, [2_000, 5_000, 3]],
    [{ timeout_ms: 2_000, deadline_ms: 5_000, retry }, 700, [2_000, 700, 3]],
    [{ timeout_ms: 2_000, deadline_ms: 5_000, retry }, 9_000, [2_000, 5_000, 3]],
  ])("of %j for a caller who waits %j", (entry, callers, expected) => {
    const { timeoutMs, deadlineMs, maxAttempts } = termsOf(entry, callers);
    expect([timeoutMs, deadlineMs, maxAttempts]).toEqual(expected);
  });

  it("repeat reads, and writes with a key", () => {
    expect(termsOf({}).isRepeatable).toBe(false);
    expect(termsOf({ effect: "read" }).isRepeatable).toBe(true);
    expect(termsOf({ effect: "irreversible", idempotency: { header: "Idempotency-Key" } }).isRepeatable).toBe(true);
  });
});

describe("what an attempt failed of", () => {
  it.each<readonly [HttpAnswer | undefined, boolean, RetryCause | null]>([
    [undefined, false, null],
    [{ type: "blocked", reason: "r" }, false, null],
    [{ type: "unsent", reason: "r" }, false, "unsent"],
    [{ type: "timed_out" }, false, "timeout"],
    [{ type: "lost" }, false, "connection"],
    [{ type: "cut", status: 200 }, false, "connection"],
    ...([200, 201, 302, 400, 404, 409, 422] as const).map(
      (status) => [{ type: "answered", status, body: null } as const, false, null] as const,
    ),
    [{ type: "answered", status: 409, body: null }, true, "unavailable"],
    [{ type: "answered", status: 429, body: null }, false, "rate_limited"],
    [{ type: "answered", status: 500, body: null }, false, "server_error"],
    [{ type: "answered", status: 503, body: null }, false, "unavailable"],
  ])("%j, as a repeat: %j", (answer, isRepeat, cause) => {
    expect(causeOf(answer, isRepeat)).toBe(cause);
  });
});

describe("the next attempt", () => {
  it("falls within an exponential backoff, wherever the dice say", () => {
    const terms = termsOf({ effect: "read", retry: { ...retry, max_attempts: 10 } });
    const waits = [1, 2, 3, 4, 5, 6].map((made) => nextAttempt(terms, { ...failed, made }));
    expect(waits.map((each) => (each.again ? each.waitMs : -1))).toEqual([50, 100, 200, 400, 500, 500]);
    expect(nextAttempt(terms, { ...failed, random: 0 })).toEqual({ again: true, waitMs: 0 });
  });

  it("comes no sooner than the upstream asks, and not at all where it asks for too long", () => {
    const terms = termsOf({ effect: "read", retry });
    expect(nextAttempt(terms, { ...failed, retryAfterMs: 900 })).toEqual({ again: true, waitMs: 900 });
    expect(nextAttempt(terms, { ...failed, retryAfterMs: 1_001 })).toEqual({ again: false, why: "retry_after" });
    const short = { ...failed, retryAfterMs: 900, deadlineAt: NOW + 900 };
    expect(nextAttempt(terms, short)).toEqual({ again: false, why: "deadline" });
  });

  it("is made only of what the tool names", () => {
    const terms = termsOf({ effect: "read", retry: { ...retry, on: ["unavailable"] } });
    expect(nextAttempt(terms, failed)).toEqual({ again: false, why: "no_help" });
    expect(nextAttempt(terms, { ...failed, cause: "unavailable" }).again).toBe(true);
    expect(nextAttempt(terms, { ...failed, cause: "unsent" }).again).toBe(true);
  });

  const anyTerms = fc.record({
    max: fc.integer({ min: 1, max: 10 }),
    backoff: fc.integer({ min: 1, max: 600_000 }),
    maxBackoff: fc.integer({ min: 1, max: 600_000 }),
    isRepeatable: fc.boolean(),
    on: fc.subarray([...RETRY_CAUSES]),
  });
  const anyFailure = fc.record({
    cause: fc.constantFrom<(RetryCause | null)[]>(...RETRY_CAUSES, "unsent", null),
    tookMs: fc.integer({ min: 0, max: 30_000 }),
    retryAfterMs: fc.option(fc.integer({ min: 0, max: 700_000 })),
    random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  });

  it("never begins past the deadline, never repeats what may act twice, never exceeds its number", () => {
    fc.assert(
      fc.property(
        anyTerms,
        fc.array(anyFailure, { minLength: 12, maxLength: 12 }),
        fc.integer({ min: 1, max: 120_000 }),
        ({ max, backoff, maxBackoff, isRepeatable, on }, failures, deadlineMs) => {
          const terms: CallTerms = {
            timeoutMs: 30_000,
            deadlineMs,
            maxAttempts: max,
            backoffMs: backoff,
            maxBackoffMs: maxBackoff,
            on,
            isRepeatable,
          };
          const deadlineAt = NOW + deadlineMs;
          let now = NOW;
          let made = 0;
          for (const { tookMs, ...failure } of failures) {
            expect(now).toBeLessThan(deadlineAt);
            now += Math.min(tookMs, deadlineAt - now);
            made += 1;
            const next = nextAttempt(terms, { ...failure, made, now, deadlineAt });
            if (!next.again) break;
            const { cause, retryAfterMs } = failure;
            expect(next.waitMs).toBeLessThanOrEqual(maxBackoff);
            expect(next.waitMs).toBeGreaterThanOrEqual(retryAfterMs ?? 0);
            if (!isRepeatable) expect(["unsent", "rate_limited"]).toContain(cause);
            if (cause !== "unsent") expect(on).toContain(cause);
            now += next.waitMs;
          }
          expect(made).toBeLessThanOrEqual(max);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("is never made of a write without a key whose outcome is unknown", () => {
    const answers: readonly HttpAnswer[] = [
      { type: "timed_out" },
      { type: "lost" },
      { type: "cut", status: 200 },
      ...[500, 502, 503, 504].map((status) => ({ type: "answered", status, body: null }) as const),
    ];
    for (const answer of answers) {
      expect(classifyHttp("write", answer).status).toBe("unknown");
      const next = nextAttempt(termsOf({ retry }), { ...failed, cause: causeOf(answer, false) });
      expect(next).toEqual({ again: false, why: "unsafe" });
    }
  });
});

describe("several attempts together", () => {
  const unknown: ToolOutcome = { status: "unknown", message: "lost" };
  const done: ToolOutcome = { status: "succeeded", result: 1, httpStatus: 200 };
  const refused: ToolOutcome = { status: "failed", code: "tool_failed", message: "409", httpStatus: 409, result: null };

  it("stay unknown until one succeeds", () => {
    expect(together(null, unknown)).toBe(unknown);
    expect(together(unknown, done)).toBe(done);
    expect(together(refused, done)).toBe(done);
    expect(together(refused, refused)).toBe(refused);
    expect(together(unknown, refused).status).toBe("unknown");
  });
});

describe("Retry-After", () => {
  it.each([
    ["2", 2_000],
    ["0", 0],
    [" 7 ", 7_000],
    ["Wed, 21 Oct 2015 07:28:00 GMT", 0],
    [new Date(NOW + 3_000).toUTCString(), 3_000],
    ["soon", null],
    ["-1", null],
    ["1.5", null],
    ["", null],
    [null, null],
  ])("%j asks for %j ms", (text, expected) => {
    expect(readRetryAfter(text, NOW)).toBe(expected);
  });
});
