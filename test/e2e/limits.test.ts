// Proves that a limit holds under parallel load: exactly N calls of N, and never a cent over.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { costMicro, lookupTool, type JsonRecord } from "./document.ts";
import { at, framesOf, openStage, until, type Effects, type Stage, type Tenant } from "./harness.ts";

let stage: Stage;

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());
beforeEach(() => stage.reset());

const PARALLEL = 200;
const MESSAGES = [{ role: "user", content: "hello" }];

interface Result {
  readonly status: number;
  readonly code: unknown;
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number } | undefined;
}

/** One call, every third of them streamed without asking for usage and every third with. */
async function call(
  tenant: Tenant,
  each: number,
  more: JsonRecord = {},
  headers: Record<string, string> = {},
): Promise<Result> {
  const options = each % 3 === 1 ? { stream_options: { include_usage: true } } : {};
  const isStream = each % 3 !== 0;
  const answer = await tenant.chatAnswer(
    { model: "text-10", messages: MESSAGES, ...(isStream ? { stream: true, ...options } : {}), ...more },
    { headers: { "Interlock-Session": "s", ...headers } },
  );
  const last =
    isStream && answer.status === 200 ? (JSON.parse(framesOf(answer.text).at(-2) ?? "{}") as JsonRecord) : answer.json;
  return { status: answer.status, code: at(answer.json, "error.code"), usage: last["usage"] as Result["usage"] };
}

function inParallel(make: (each: number) => Promise<Result>): Promise<readonly Result[]> {
  return Promise.all(Array.from({ length: PARALLEL }, (_, each) => make(each)));
}

/** What the upstream did, once it has counted this many calls to their end. */
function completed(model: string, calls: number): Promise<Effects> {
  return until("the upstream's counts", async () => {
    const seen = await stage.effects();
    return (seen.completed[model] ?? 0) >= calls ? seen : undefined;
  });
}

describe("200 parallel calls, streamed and not", () => {
  test("against a session's limit of 10: exactly 10 reach the upstream, 190 get 429", async () => {
    const tenant = await stage.tenant({ session: { calls: 10 } });
    const results = await inParallel((each) => call(tenant, each));
    expect(results.filter((result) => result.status === 200)).toHaveLength(10);
    const refused = results.filter((result) => result.status === 429);
    expect(refused).toHaveLength(190);
    expect(new Set(refused.map((result) => result.code))).toEqual(new Set(["insufficient_quota"]));
    const { callsUsed, openHolds } = await tenant.settled("s");
    expect([callsUsed, openHolds]).toEqual([10, 0]);
    expect((await completed("text-10", 10)).model_calls).toEqual({ "text-10": 10 });
    expect((await call(tenant, 0)).status).toBe(429);
  });

  test("against a task's limit of 7 inside the session's 10: each scope holds", async () => {
    const tenant = await stage.tenant({ session: { calls: 10 }, task: { calls: 7 } });
    const results = await inParallel((each) =>
      call(tenant, each, {}, { "Interlock-Task": each % 2 === 0 ? "a" : "b" }),
    );
    expect(results.filter((result) => result.status === 200)).toHaveLength(10);
    await tenant.settled("s");
    const { json } = await tenant.get("/v1/sessions/s");
    const used = ["a", "b"].map((task) => Number(at(json, `tasks.${task}.calls.used`)));
    expect(Math.max(...used)).toBeLessThanOrEqual(7);
    expect(used.reduce((sum, each) => sum + each, 0)).toBe(10);
    expect((await completed("text-10", 10)).model_calls).toEqual({ "text-10": 10 });
  });

  test("against a dollar limit: what the upstream bills never passes it", async () => {
    const LIMIT_MICRO = 1_000;
    const tenant = await stage.tenant({ session: { usd: "0.001" } });
    const results = await inParallel((each) => call(tenant, each, { max_tokens: 10 }));
    const made = results.filter((result) => result.status === 200);
    expect(made.length).toBeGreaterThan(5);
    expect(made.length).toBeLessThan(PARALLEL);
    expect(results.filter((result) => result.status === 429)).toHaveLength(PARALLEL - made.length);
    const { used } = await tenant.settled("s");
    expect(used).toBeLessThanOrEqual(LIMIT_MICRO);
    const effects = await completed("text-10", made.length);
    expect(effects.model_calls).toEqual({ "text-10": made.length });
    expect(effects.billed_usd_micros).toBeLessThanOrEqual(used);
    const known = made.flatMap(({ usage }) => (usage === undefined || usage === null ? [] : [costMicro(usage)]));
    expect(new Set(known).size).toBe(1);
    expect(used).toBe((known[0] ?? 0) * made.length);
  });

  test("wave after wave, the dollar limit is used up and not passed", async () => {
    const LIMIT_MICRO = 600;
    const tenant = await stage.tenant({ session: { usd: "0.0006" } });
    let made = 0;
    let passed = -1;
    for (let wave = 0; wave < 100 && passed !== 0; wave += 1) {
      const results = await Promise.all(Array.from({ length: 20 }, (_, each) => call(tenant, each, { max_tokens: 5 })));
      passed = results.filter((result) => result.status === 200).length;
      made += passed;
      const { used, remaining } = await tenant.settled("s");
      expect(used).toBeLessThanOrEqual(LIMIT_MICRO);
      expect(remaining).toBe(LIMIT_MICRO - used);
    }
    expect(passed).toBe(0);
    const effects = await completed("text-10", made);
    expect(effects.billed_usd_micros).toBeLessThanOrEqual(LIMIT_MICRO);
    expect((await call(tenant, 0, { max_tokens: 1_000 })).status).toBe(429);
  });

  test("against a token limit: used tokens never pass it", async () => {
    const tenant = await stage.tenant({ session: { tokens: 5_000 } });
    const results = await inParallel((each) => call(tenant, each, { max_tokens: 10 }));
    const made = results.filter((result) => result.status === 200).length;
    expect(made).toBeGreaterThan(2);
    await tenant.settled("s");
    const { json } = await tenant.get("/v1/sessions/s");
    expect(Number(at(json, "budget.tokens.used"))).toBeLessThanOrEqual(5_000);
  });
});

describe("200 parallel tool calls", () => {
  test("against a limit of 10: exactly 10 are made", async () => {
    const tools = { "crm.get_customer": lookupTool() };
    const tenant = await stage.tenant({ session: { tool_calls: 10 }, tools });
    const statuses = await Promise.all(
      Array.from({ length: PARALLEL }, async () => {
        const answer = await tenant.tool("crm.get_customer", { customer_id: "cus_123" }, { session_id: "s" });
        return answer.status;
      }),
    );
    expect(statuses.filter((status) => status === 200)).toHaveLength(10);
    expect(statuses.filter((status) => status === 429)).toHaveLength(190);
    expect((await tenant.session("s")).toolCallsUsed).toBe(10);
  });

  test("against a limit on the money they move: refunds never pass it", async () => {
    const tenant = await stage.tenant({ session: { tool_usd: 100 } });
    const statuses = await Promise.all(
      Array.from({ length: PARALLEL }, async (_, each) => {
        const answer = await tenant.tool(
          "billing.refund",
          { customer_id: "cus_123", amount_usd: 3 },
          { session_id: "s" },
          { headers: { "Idempotency-Key": `k${each}` } },
        );
        return answer.status;
      }),
    );
    expect(statuses.filter((status) => status === 200)).toHaveLength(33);
    expect(statuses.filter((status) => status === 429)).toHaveLength(167);
    expect((await stage.effects()).refunds).toBe(33);
  });
});
