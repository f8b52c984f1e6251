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

/** Sends a request and hangs up with the connection once the upstream has it. */
async function hangUp(tenant: Tenant, model: string, body: object, headers: Readonly<Record<string, string>>): Promise<void> {
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
  await until("the call to arrive", async () => ((await stage.effects()).model_calls[model] ?? 0) > 0 || undefined);
  leaving.destroy();
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
  test("the caller hangs up: the provider is told, the session settles at the hold", async () => {
    const tenant = await stage.tenant();
    const { id, headers } = traced(4);
    await hangUp(tenant, upstream, { model }, headers);
    await cancelled(upstream);
    await paid(tenant, id);
  });
});

test("a client whose own timeout runs out is a caller who left", async () => {
  const tenant = await stage.tenant();
  const { id, headers } = traced(5);
  const client = new OpenAI({
    apiKey: tenant.agent,
    baseURL: `${stage.gateway.url}/v1`,
    defaultHeaders: headers,
    timeout: 400,
    maxRetries: 0,
  });
  await expect(client.chat.completions.create({ model: "fault-hang", messages: MESSAGES })).rejects.toBeInstanceOf(
    OpenAI.APIConnectionTimeoutError,
  );
  await cancelled("fault-hang");
  await paid(tenant, id);
});
