// Proves attempts, failover, hedging and provider breakers over the built bundle: who is asked, what the caller sees, what is charged.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PRICE, type JsonRecord } from "./document.ts";
import { at, framesOf, micro, openStage, traceIdOf, until, type Answer, type Stage, type Tenant } from "./harness.ts";
import { startScriptedProvider, type ScriptedProvider } from "./scripted-provider.ts";

let stage: Stage;
let scripted: ScriptedProvider;

beforeAll(async () => {
  stage = await openStage({}, true);
  scripted = await startScriptedProvider();
});
afterAll(async () => {
  await stage.close();
  await scripted.stop();
});

interface Leg {
  readonly steps: readonly string[];
  readonly provider?: JsonRecord;
  readonly candidate?: JsonRecord;
}

let cases = 0;

/** A tenant with one route `r` over models `a`, `b`, …, each at a provider of its own that plays these steps. */
async function routed(
  legs: readonly Leg[],
  route: JsonRecord = {},
): Promise<{ readonly tenant: Tenant; readonly name: string }> {
  cases += 1;
  const name = `case${cases}`;
  const letters = legs.map((_, index) => "abc".charAt(index));
  const providers = legs.map(({ steps, provider }, index) => [
    `p${letters[index]}`,
    { kind: "openai-compatible", base_url: scripted.base(`${name}${letters[index]}`, ...steps), ...provider },
  ]);
  const models = letters.map((letter) => [
    letter,
    { provider: `p${letter}`, max_output_tokens: 100, context: 1_000, price: PRICE },
  ]);
  const tenant = await stage.tenant({
    providers: Object.fromEntries(providers) as JsonRecord,
    models: Object.fromEntries(models) as JsonRecord,
    routes: {
      r: { candidates: letters.map((letter, index) => ({ model: letter, ...legs[index]?.candidate })), ...route },
    },
    actor: { models: ["*"] },
    hosts: [scripted.host],
  });
  return { tenant, name };
}

const messages = [{ role: "user", content: "hello" }];
const ask = (tenant: Tenant, more: JsonRecord = {}, headers: Readonly<Record<string, string>> = {}): Promise<Answer> =>
  tenant.chatAnswer({ model: "r", messages, ...more }, { headers });
const said = ({ status, text, json }: Answer): readonly unknown[] => [
  status,
  at(json, "choices.0.message.content") ?? text,
];
const asked = (name: string, ...letters: readonly string[]): readonly number[] =>
  letters.map((letter) => scripted.requests(`${name}${letter}`).length);

describe("a route", () => {
  test("answers from its first candidate, and says who answered and why", async () => {
    const { tenant, name } = await routed([{ steps: ["ok"] }, { steps: ["ok"] }], { tier: "fast" });
    const answer = await ask(tenant);
    expect(said(answer)).toEqual([200, "by a"]);
    expect(
      ["interlock-model", "interlock-tier", "interlock-route-reason"].map((each) => answer.headers.get(each)),
    ).toEqual(["a", "fast", "route"]);
    expect(asked(name, "a", "b")).toEqual([1, 0]);
  });

  test.each(["500", "503", "529", "401", "403", "404", "429", "inband", "late"])(
    "asks the next candidate when the first says %s, and charges nothing for it",
    async (step) => {
      const { tenant, name } = await routed([{ steps: [step] }, { steps: ["ok"] }]);
      const stream = step === "inband" || step === "late";
      const answer = await ask(tenant, { stream });
      expect(answer.status, answer.text).toBe(200);
      expect(answer.headers.get("interlock-model")).toBe("b");
      expect(answer.text).toContain("by b");
      expect(answer.text).not.toContain("overloaded");
      expect(asked(name, "a", "b")).toEqual([1, 1]);
      const trace = await tenant.trace(traceIdOf(answer));
      expect(trace.calls.map((call) => [call.model, call.status])).toEqual([["b", "succeeded"]]);
      const attempts = trace.spans.filter((span) => span.name.startsWith("attempt "));
      expect(attempts.map((span) => [span.name, span.status])).toEqual([
        ["attempt 1 a", "error"],
        ["attempt 2 b", "ok"],
      ]);
      expect(micro(trace.cost_usd)).toBe(Math.ceil(10 * 0.15 + 5 * 0.6));
    },
  );

  test.each(["400", "413", "422"])("passes %s on: the request itself is wrong", async (step) => {
    const { tenant, name } = await routed([{ steps: [step] }, { steps: ["ok"] }]);
    const answer = await ask(tenant);
    expect([answer.status, at(answer.json, "error.message")]).toEqual([Number(step), `says ${step}`]);
    expect(asked(name, "a", "b")).toEqual([1, 0]);
  });

  test("answers the last failure when all fail", async () => {
    const { tenant } = await routed([{ steps: ["500"] }, { steps: ["503"] }]);
    const answer = await ask(tenant);
    expect([answer.status, at(answer.json, "error.message")]).toEqual([503, "says 503"]);
  });

  test("never switches once content has been shown: the stream ends with a typed error, and no marker", async () => {
    const { tenant, name } = await routed([{ steps: ["mid"] }, { steps: ["ok"] }]);
    const answer = await ask(tenant, { stream: true });
    expect(answer.status).toBe(200);
    expect(answer.text).toContain("by a");
    expect(framesOf(answer.text).at(-1)).toContain("overloaded");
    expect(answer.text).not.toContain("[DONE]");
    expect(asked(name, "a", "b")).toEqual([1, 0]);
  });

  test("tells nobody a credential that a provider repeats in the first event of a stream", async () => {
    const { tenant } = await routed([{ steps: ["echo"], provider: { secret: "demo_model" } }]);
    const answer = await ask(tenant, { stream: true });
    expect(answer.status).toBe(502);
    expect(answer.text).toContain("bad key");
    expect(answer.text).not.toContain(stage.gateway.secrets.modelToken);
  });

  test("asks the same candidate again as often as the route says, after as long as it is told", async () => {
    const { tenant, name } = await routed([{ steps: ["429-1", "503", "ok"] }], {
      retry: { max_attempts: 3, backoff_ms: 50 },
    });
    const startedAt = Date.now();
    const answer = await ask(tenant);
    expect(said(answer)).toEqual([200, "by a"]);
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(1_000);
    expect(asked(name, "a")).toEqual([3]);
    const { call, attributes } = await tenant.tracedCall(traceIdOf(answer));
    expect([call.status, attributes["interlock.attempts"]]).toEqual(["succeeded", 3]);
  });
});

describe("a time that is up", () => {
  test.each([
    ["connect_ms", "hang", false],
    ["first_byte_ms", "hang", false],
    ["first_byte_ms", "pause", true],
  ])(
    "%s (%s): the next candidate answers; what may have been billed is charged and recorded by itself",
    async (limit, step, stream) => {
      const { tenant, name } = await routed([
        { steps: [step], candidate: { timeouts: { [limit]: 200 } } },
        { steps: ["ok"] },
      ]);
      const answer = await ask(tenant, { stream }, { "Interlock-Session": `s-${name}` });
      expect(answer.status, answer.text).toBe(200);
      expect(answer.text).toContain("by b");
      await until(
        "the first candidate's request to be ended",
        async () => scripted.left(`${name}a`) === 1 || undefined,
      );
      const trace = await tenant.trace(traceIdOf(answer), 2);
      expect(trace.calls.map(({ model, status, error_code }) => `${model} ${status} ${error_code}`).toSorted()).toEqual(
        ["a failed upstream_timeout", "b succeeded null"],
      );
      const settled = await tenant.settled(`s-${name}`);
      expect(settled.callsUsed).toBe(2);
      // The whole hold of the first, the usage of the second.
      expect(settled.used).toBeGreaterThan(60);
    },
  );

  test("idle_ms ends a stream that has gone silent with a typed error", async () => {
    const { tenant, name } = await routed([{ steps: ["silence"] }], { timeouts: { idle_ms: 300 } });
    for (const more of [{}, { stream_options: { include_usage: true } }]) {
      const startedAt = Date.now();
      const answer = await ask(tenant, { stream: true, ...more }, { "Interlock-Session": `s-${name}` });
      expect(Date.now() - startedAt).toBeLessThan(2_000);
      expect(answer.text).toContain("by a");
      expect(framesOf(answer.text).at(-1)).toContain("upstream_timeout");
    }
    expect((await tenant.settled(`s-${name}`)).openHolds).toBe(0);
  });

  test("idle_ms is not put off by what came before the silence", async () => {
    const { tenant } = await routed([{ steps: ["backlog"] }], { timeouts: { idle_ms: 300 } });
    const startedAt = Date.now();
    const answer = await ask(tenant, { stream: true, stream_options: { include_usage: true } });
    expect(framesOf(answer.text).at(-1)).toContain("upstream_timeout");
    expect(Date.now() - startedAt).toBeLessThan(2_000);
  });

  test("is not waited for once a translated stream has told its caller of an error", async () => {
    const { tenant, name } = await routed([{ steps: ["garbage"] }], { timeouts: { idle_ms: 4_000 } });
    const startedAt = Date.now();
    const answer = await stage.send(
      "POST",
      "/v1/messages",
      { model: "r", max_tokens: 50, messages, stream: true },
      { key: tenant.agent, headers: { "Interlock-Session": `s-${name}` } },
    );
    expect(answer.text).toContain("event: error");
    expect(answer.text).not.toContain("message_stop");
    expect(Date.now() - startedAt).toBeLessThan(3_000);
    await until("the provider to be left", async () => scripted.left(`${name}a`) === 1 || undefined);
    const { call } = await tenant.tracedCall(traceIdOf(answer));
    expect(call.status).toBe("failed");
  });

  test("total_ms ends a stream however lively it is", async () => {
    const { tenant } = await routed([{ steps: ["silence"] }], { timeouts: { total_ms: 300 } });
    const answer = await ask(tenant, { stream: true });
    expect(framesOf(answer.text).at(-1)).toContain("upstream_timeout");
  });
});

describe("a weighted route", () => {
  test("keeps a session on one candidate, and spreads sessions by weight", async () => {
    const { tenant, name } = await routed(
      [
        { steps: ["ok"], candidate: { weight: 3 } },
        { steps: ["ok"], candidate: { weight: 1 } },
        { steps: ["ok"], candidate: { weight: 0 } },
      ],
      { balance: "weighted" },
    );
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) => ask(tenant, {}, { "Interlock-Session": `s${n % 20}` })),
    );
    const bySession = new Map<string, Set<string | null>>();
    for (const { headers } of answers) {
      const session = headers.get("interlock-session") ?? "";
      bySession.set(session, (bySession.get(session) ?? new Set()).add(headers.get("interlock-model")));
    }
    expect([...bySession.values()].map(({ size }) => size)).toEqual(Array.from({ length: 20 }, () => 1));
    const [first = 0, second = 0, third] = asked(name, "a", "b", "c");
    expect([first + second, third]).toEqual([60, 0]);
    expect(first).toBeGreaterThan(second);
    expect(second).toBeGreaterThan(0);
  });
});

describe("a hedged route", () => {
  test("asks the second when the first is slow, answers from whichever begins first, and charges both", async () => {
    const { tenant, name } = await routed([{ steps: ["slow-1500"] }, { steps: ["ok"] }], { hedge_ms: 100 });
    const startedAt = Date.now();
    const answer = await ask(tenant, {}, { "Interlock-Session": `s-${name}` });
    expect(said(answer)).toEqual([200, "by b"]);
    expect(Date.now() - startedAt).toBeLessThan(1_200);
    await until("the slow one to be ended", async () => scripted.left(`${name}a`) === 1 || undefined);
    const trace = await tenant.trace(traceIdOf(answer), 2);
    expect(trace.calls.map(({ model, status }) => `${model} ${status}`).toSorted()).toEqual([
      "a failed",
      "b succeeded",
    ]);
    expect((await tenant.settled(`s-${name}`)).callsUsed).toBe(2);
  });

  test("asks nobody else when the first is quick", async () => {
    const { tenant, name } = await routed([{ steps: ["ok"] }, { steps: ["ok"] }], { hedge_ms: 2_000 });
    expect(said(await ask(tenant))).toEqual([200, "by a"]);
    expect(asked(name, "a", "b")).toEqual([1, 0]);
  });

  test("goes on with the slow one when the second fails", async () => {
    const { tenant } = await routed([{ steps: ["slow-400"] }, { steps: ["500"] }], { hedge_ms: 50 });
    expect(said(await ask(tenant))).toEqual([200, "by a"]);
  });
});

describe("a provider's breaker", () => {
  test("keeps calls away from it in every isolate, and lets it back after a probe", async () => {
    const breaker = { consecutive_failures: 2, cooldown_ms: 1_500, probes: 1 };
    const { tenant, name } = await routed([{ steps: ["500", "500", "ok"], provider: { breaker } }, { steps: ["ok"] }]);
    for (let n = 0; n < 2; n += 1) expect(said(await ask(tenant))).toEqual([200, "by b"]);
    await until("the breaker to be open here", async () => {
      const before = asked(name, "a");
      await ask(tenant);
      return asked(name, "a")[0] === before[0] || undefined;
    });
    const elsewhere = await until(
      "the breaker to be open elsewhere",
      async () => {
        const answer = await fetch(`${stage.gateway.secondUrl}/v1/chat/completions`, {
          method: "POST",
          headers: { authorization: `Bearer ${tenant.agent}` },
          body: JSON.stringify({ model: "a", messages }),
        });
        return answer.status === 503 ? answer : undefined;
      },
      3_000,
    );
    expect(Number(elsewhere.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    await until("the probe to close it", async () => said(await ask(tenant))[1] === "by a" || undefined);
  });
});
