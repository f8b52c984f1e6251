// Proves, for every way in which an upstream fails, what a read, a write with a key and a write without one come to: written down first.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FAULTS, startFaultyUpstream, type Fault, type FaultyUpstream } from "./faulty-upstream.ts";
import { openStage, traceIdOf, type Answer, type Stage, type Tenant } from "./harness.ts";
import type { JsonRecord } from "./document.ts";

/** HTTP status, error code or status of the call, effects at the upstream, attempts. */
type Cell = readonly [status: number, says: string, effects: number, attempts: number];

/** What a fault comes to when it happens once, and when it never stops; three attempts are allowed. */
interface Row {
  readonly once: readonly [read: Cell, keyed: Cell, keyless: Cell];
  readonly always: readonly [read: Cell, keyed: Cell, keyless: Cell];
}

const UNKNOWN_0: Cell = [504, "outcome_unknown", 0, 1];
const UNKNOWN_1: Cell = [504, "outcome_unknown", 1, 1];

/**
 * A refused connection looks to a Worker like a lost one, so that a write over it is unknown. A 429 refuses before it
 * acts, so that every call may come again. Garbage and too large an answer of a 2xx are a success all the same.
 */
const MATRIX: Readonly<Record<Fault, Row>> = {
  refuse: {
    once: [[502, "tool_failed", 0, 3], [504, "outcome_unknown", 0, 3], UNKNOWN_0],
    always: [[502, "tool_failed", 0, 3], [504, "outcome_unknown", 0, 3], UNKNOWN_0],
  },
  reset_before: {
    once: [[200, "succeeded", 0, 2], [200, "succeeded", 1, 2], UNKNOWN_0],
    always: [[502, "tool_failed", 0, 3], [504, "outcome_unknown", 0, 3], UNKNOWN_0],
  },
  reset_after: {
    once: [[200, "succeeded", 0, 2], [200, "succeeded", 1, 2], UNKNOWN_1],
    always: [[502, "tool_failed", 0, 3], [504, "outcome_unknown", 1, 3], UNKNOWN_1],
  },
  hang: {
    once: [[200, "succeeded", 0, 2], [200, "succeeded", 1, 2], UNKNOWN_0],
    always: [[504, "tool_timeout", 0, 3], [504, "outcome_unknown", 0, 3], UNKNOWN_0],
  },
  slow_body: {
    once: [[200, "succeeded", 0, 2], [200, "succeeded", 1, 2], UNKNOWN_1],
    always: [[504, "tool_timeout", 0, 3], [504, "outcome_unknown", 1, 3], UNKNOWN_1],
  },
  half_body: {
    once: [[200, "succeeded", 0, 2], [200, "succeeded", 1, 2], UNKNOWN_1],
    always: [[502, "tool_failed", 0, 3], [504, "outcome_unknown", 1, 3], UNKNOWN_1],
  },
  status_429: {
    once: [
      [200, "succeeded", 0, 2],
      [200, "succeeded", 1, 2],
      [200, "succeeded", 1, 2],
    ],
    always: [
      [502, "tool_failed", 0, 3],
      [502, "tool_failed", 0, 3],
      [502, "tool_failed", 0, 3],
    ],
  },
  status_500: {
    once: [[200, "succeeded", 0, 2], [200, "succeeded", 1, 2], UNKNOWN_0],
    always: [[502, "tool_failed", 0, 3], [504, "outcome_unknown", 0, 3], UNKNOWN_0],
  },
  status_503: {
    once: [[200, "succeeded", 0, 2], [200, "succeeded", 1, 2], UNKNOWN_0],
    always: [[502, "tool_failed", 0, 3], [504, "outcome_unknown", 0, 3], UNKNOWN_0],
  },
  garbage: {
    once: [
      [200, "succeeded", 0, 1],
      [200, "succeeded", 1, 1],
      [200, "succeeded", 1, 1],
    ],
    always: [
      [200, "succeeded", 0, 1],
      [200, "succeeded", 1, 1],
      [200, "succeeded", 1, 1],
    ],
  },
  redirect: {
    once: [
      [502, "tool_failed", 0, 1],
      [502, "tool_failed", 0, 1],
      [502, "tool_failed", 0, 1],
    ],
    always: [
      [502, "tool_failed", 0, 1],
      [502, "tool_failed", 0, 1],
      [502, "tool_failed", 0, 1],
    ],
  },
  huge: {
    once: [
      [200, "succeeded", 0, 1],
      [200, "succeeded", 1, 1],
      [200, "succeeded", 1, 1],
    ],
    always: [
      [200, "succeeded", 0, 1],
      [200, "succeeded", 1, 1],
      [200, "succeeded", 1, 1],
    ],
  },
};

const COLUMN = { read: 0, keyed: 1, keyless: 2 } as const;
const KINDS = ["read", "keyed", "keyless"] as const;
const CELLS = FAULTS.flatMap((fault) =>
  (["once", "always"] as const).flatMap((often) =>
    KINDS.map((kind) => {
      const expected: Cell = MATRIX[fault][often][COLUMN[kind]];
      return { fault, often, kind, name: `${fault}-${often}-${kind}`, expected };
    }),
  ),
);

let stage: Stage;
let faulty: FaultyUpstream;
let tenant: Tenant;

function toolOf({ fault, often, kind, name }: (typeof CELLS)[number]): JsonRecord {
  const path = `${name}/${fault}/${often === "once" ? 1 : 99}`;
  return {
    kind: "http",
    method: kind === "read" ? "GET" : "POST",
    url: `${fault === "refuse" ? faulty.refusing : faulty.origin}/${path}`,
    effect: kind === "read" ? "read" : "write",
    input_schema: { type: "object" },
    timeout_ms: 700,
    deadline_ms: 20_000,
    retry: { max_attempts: 3, backoff_ms: 10 },
    ...(kind === "keyed" ? { idempotency: { header: "Idempotency-Key" } } : {}),
  };
}

beforeAll(async () => {
  stage = await openStage();
  faulty = await startFaultyUpstream();
  tenant = await stage.tenant({
    tools: Object.fromEntries(CELLS.map((cell) => [`m.${cell.name}`, toolOf(cell)])),
    hosts: [new URL(faulty.origin).host, new URL(faulty.refusing).host],
    actor: { allowed_tools: ["m.*"] },
  });
});
afterAll(async () => {
  await stage.close();
  await faulty.stop();
});

/** What a call came to, as the matrix writes it. */
function cellOf(answer: Answer, name: string): Cell {
  const call = (answer.status === 200 ? answer.json : answer.json["tool_call"]) as JsonRecord | undefined;
  const says = String(answer.status === 200 ? answer.json["status"] : answer.json["code"]);
  return [answer.status, says, faulty.seen(name).effects, Number(call?.["attempts"])];
}

describe("the fault matrix", () => {
  const got = new Map<string, Answer>();

  beforeAll(async () => {
    const waiting = [...CELLS];
    const worker = async (): Promise<void> => {
      for (let cell = waiting.pop(); cell !== undefined; cell = waiting.pop())
        got.set(cell.name, await tenant.tool(`m.${cell.name}`, {}, { session_id: cell.name }));
    };
    await Promise.all(Array.from({ length: 8 }, worker));
  }, 120_000);

  test(`has ${FAULTS.length} faults, once and always, for three kinds of calls`, () => {
    expect(CELLS).toHaveLength(72);
  });

  test.each(CELLS)("$name", ({ name, expected }) => {
    const answer = got.get(name);
    if (answer === undefined) throw new Error("not called");
    expect(cellOf(answer, name), answer.text).toEqual(expected);
  });

  test("every attempt of a call sent the same key, and no call was sent more often than it says", () => {
    for (const { name, kind, fault, expected } of CELLS) {
      const { requests, keys } = faulty.seen(name);
      expect(requests, name).toBe(fault === "refuse" ? 0 : expected[3]);
      expect(new Set(keys).size, name).toBeLessThanOrEqual(kind === "keyed" ? 1 : 0);
    }
  });

  test("each attempt is a span below its call, with its number, its status and what it failed of", async () => {
    const answer = got.get("status_503-once-keyed");
    if (answer === undefined) throw new Error("not called");
    const { spans, calls } = await tenant.trace(traceIdOf(answer));
    const attempts = spans.filter((span) => span.name.startsWith("attempt "));
    expect(attempts.map((span) => span.parent_span_id)).toEqual([calls[0]?.span_id, calls[0]?.span_id]);
    expect(attempts[0]?.attributes).toMatchObject({
      "interlock.attempt.number": 1,
      "http.response.status_code": 503,
      "interlock.outcome": "unknown",
      "error.type": "unavailable",
      "interlock.attempt.retry_after_ms": 1_000,
    });
    expect(attempts[1]?.attributes).toMatchObject({
      "interlock.attempt.number": 2,
      "http.request.resend_count": 1,
      "http.response.status_code": 200,
      "interlock.outcome": "succeeded",
    });
    const own = spans.find((span) => span.span_id === calls[0]?.span_id);
    expect(own?.attributes["interlock.attempts"]).toBe(2);
  });
});
