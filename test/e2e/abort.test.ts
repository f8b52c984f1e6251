// Proves that a caller who leaves stops the provider, and that what was used until then is paid and told.
import { request } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import OpenAI from "openai";
import { openStage, traceIdOf, until, type Stage, type Tenant } from "./harness.ts";

let stage: Stage;

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());
beforeEach(() => stage.reset());

const MESSAGES = [{ role: "user" as const, content: "hello" }];
const TRACE = "4bf92f3577b34da6a3ce929d0e0e47";

/** A traceparent of its own for the n-th call, so that a call that never answered can be found. */
function traced(n: number): { readonly id: string; readonly headers: Readonly<Record<string, string>> } {
  const hex = `${TRACE}${n.toString(16).padStart(2, "0")}`;
  return { id: `tr_${hex}`, headers: { traceparent: `00-${hex}-00f067aa0ba902b7-01`, "Interlock-Session": "s" } };
}

/** Waits until the upstream counts a call of this model as cancelled. */
function cancelled(model: string, deadlineMs = 5_000): Promise<boolean> {
  return until(
    `${model} to be cancelled upstream`,
    async () => ((await stage.effects()).cancelled[model] ?? 0) > 0 || undefined,
    deadlineMs,
  );
}

/** Settled, and paid: more than nothing and no more than was held. */
async function paid(tenant: Tenant, traceId: string): Promise<void> {
  const { used } = await tenant.settled("s");
  const { call, attributes } = await tenant.tracedCall(traceId);
  expect(call.status).toBe("caller_left");
  expect(used).toBe(Number(attributes["interlock.cost.micro_usd"]));
  expect(used).toBeGreaterThan(0);
  expect(used).toBeLessThanOrEqual(Number(attributes["interlock.reservation.micro_usd"]));
  expect((await stage.effects()).billed_usd_micros).toBeLessThanOrEqual(used);
}

/** Sends a request and leaves once the upstream has it: by a reset, or by closing, which the peer cannot tell from a half-close. */
async function hangUp(
  tenant: Tenant,
  how: "reset" | "close",
  { upstream, ...body }: { readonly upstream: string; readonly model: string; readonly stream?: boolean },
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const { hostname, port } = new URL(stage.gateway.url);
  const text = JSON.stringify({ messages: MESSAGES, ...body });
  const leaving = request({
    hostname,
    port,
    method: "POST",
    path: "/v1/chat/completions",
    headers: {
      authorization: `Bearer ${tenant.agent}`,
      "content-type": "application/json",
      "content-length": Buffer.byteLength(text),
      ...headers,
    },
  });
  leaving.on("error", () => undefined);
  leaving.end(text);
  await until("the call to arrive", async () => ((await stage.effects()).model_calls[upstream] ?? 0) > 0 || undefined);
  if (how === "reset") leaving.socket?.resetAndDestroy();
  else leaving.destroy();
}

const USAGE = [
  ["usage asked for", { stream_options: { include_usage: true } }],
  ["usage not asked for", {}],
] as const;

describe.each([
  ["a service binding", "slow-200"],
  ["the network", "tcp-slow-200"],
])("over %s", (_, model) => {
  describe.each(USAGE)("%s", (__, options) => {
    test("the client leaves in the middle of a stream: the provider is told, the session settles", async () => {
      const tenant = await stage.tenant();
      const { id, headers } = traced(1);
      const stream = await tenant
        .openai(headers)
        .chat.completions.create({ model, messages: MESSAGES, stream: true, ...options });
      let seen = 0;
      for await (const chunk of stream) {
        seen += chunk.choices[0]?.delta.content === "tick" ? 1 : 0;
        if (seen === 2) break;
      }
      stream.controller.abort();
      await cancelled("slow-200");
      await paid(tenant, id);
    });

    test("the connection breaks after the first bytes: the same", async () => {
      const tenant = await stage.tenant();
      const { id, headers } = traced(2);
      const leaving = new AbortController();
      const response = await tenant.chat(
        { model, messages: MESSAGES, stream: true, ...options },
        { headers, signal: leaving.signal },
      );
      const reader = response.body?.getReader();
      await reader?.read();
      leaving.abort();
      await reader?.read().catch(() => undefined);
      await cancelled("slow-200");
      await paid(tenant, id);
    });
  });

  test("a stream that goes silent is left: the same", async () => {
    const tenant = await stage.tenant();
    const { id, headers } = traced(3);
    const leaving = new AbortController();
    const response = await tenant.chat(
      { model: "fault-hang-mid", messages: MESSAGES, stream: true },
      { headers, signal: leaving.signal },
    );
    expect(traceIdOf(response)).toBe(id);
    const reader = response.body?.getReader();
    await reader?.read();
    leaving.abort();
    await reader?.read().catch(() => undefined);
    await cancelled("fault-hang-mid");
    await paid(tenant, id);
  });
});

describe.each([
  ["a service binding", "slow-500", "slow-500"],
  ["the network", "tcp-slow-500", "slow-500"],
  ["a service binding, the provider silent", "fault-hang", "fault-hang"],
  ["the network, the provider silent", "tcp-fault-hang", "fault-hang"],
])("before any header, over %s", (_, model, upstream) => {
  test.each([true, false])("the caller resets the connection (stream: %j): the provider is told, the hold is paid", async (stream) => {
    // A stream's headers come at once, so that only a provider that is silent is left before them.
    if (stream && upstream === "slow-500") return;
    const tenant = await stage.tenant();
    const { id, headers } = traced(4);
    await hangUp(tenant, "reset", { upstream, model, stream }, headers);
    await cancelled(upstream);
    await paid(tenant, id);
  });
});

// NOTE: workerd reads a plain close (FIN) as a half-close and goes on until it writes: `request.signal` does not fire.
describe("before any header, a caller that only closes its side", () => {
  test("is noticed when the answer is written; until then the call runs, and it is paid as what it used", async () => {
    const tenant = await stage.tenant();
    const { id, headers } = traced(5);
    await hangUp(tenant, "close", { upstream: "slow-20", model: "slow-20" }, headers);
    const { call, attributes } = await tenant.tracedCall(id);
    expect([call.status, attributes["interlock.cost.basis"]]).toEqual(["succeeded", "usage"]);
    expect((await tenant.settled("s")).used).toBe(Number(attributes["interlock.cost.micro_usd"]));
  });

  test("of a silent provider is ended by the provider's timeout, and the hold is paid", async () => {
    const tenant = await stage.tenant();
    const { id, headers } = traced(6);
    const client = new OpenAI({
      apiKey: tenant.agent,
      baseURL: `${stage.gateway.url}/v1`,
      defaultHeaders: headers,
      timeout: 150,
      maxRetries: 0,
    });
    const asked = client.chat.completions.create({ model: "impatient-hang", messages: MESSAGES });
    await expect(asked).rejects.toBeInstanceOf(OpenAI.APIConnectionTimeoutError);
    const { call, attributes } = await tenant.tracedCall(id);
    expect([call.status, call.error_code]).toEqual(["failed", "upstream_timeout"]);
    const { used } = await tenant.settled("s");
    expect(used).toBe(Number(attributes["interlock.reservation.micro_usd"]));
  });
});
