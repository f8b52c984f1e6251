// Proves that a caller who leaves stops the provider, and that what was used until then is paid and told.
import { request } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import OpenAI from "openai";
import { documentOf, PRICE, type JsonRecord } from "./document.ts";
import { openStage, until, type Stage, type Tenant } from "./harness.ts";
import { startRecordingUpstream, type RecordingUpstream } from "./recording-upstream.ts";

let stage: Stage;
let silent: RecordingUpstream;

beforeAll(async () => {
  stage = await openStage();
  silent = await startRecordingUpstream();
  silent.isSilent = true;
});
afterAll(async () => {
  await stage.close();
  await silent.stop();
});
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

/** What is sent and when its caller leaves. */
interface Leaving {
  readonly model: string;
  readonly stream?: boolean;
  /** Resolves once the provider has the call. */
  readonly arrived: () => Promise<unknown>;
  /** By a reset, or by closing, which the peer cannot tell from a half-close. */
  readonly how: "reset" | "close";
}

/** Sends a call and leaves: a streamed one after its first bytes, another once the provider has it. */
async function hangUp(
  tenant: Tenant,
  { arrived, how, ...body }: Leaving,
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
  const begun = new Promise((resolve) => {
    leaving.on("response", (response) => {
      response.on("error", () => undefined);
      response.once("data", resolve);
    });
  });
  leaving.end(text);
  await arrived();
  if (body.stream === true) await begun;
  if (how === "reset") leaving.socket?.resetAndDestroy();
  else leaving.destroy();
}

/** Whether the demo upstream has a call of this model. */
const arrivedAt = (model: string) => (): Promise<boolean> =>
  until("the call to arrive", async () => ((await stage.effects()).model_calls[model] ?? 0) > 0 || undefined);

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
});

test("a stream that went silent is left by a reset: the provider is told, the session settles", async () => {
  const tenant = await stage.tenant();
  const { id, headers } = traced(3);
  const model = "fault-hang-mid";
  await hangUp(tenant, { model, stream: true, arrived: arrivedAt(model), how: "reset" }, headers);
  await cancelled(model);
  await paid(tenant, id);
});

// The call is kept alive by `waitUntil` from its beginning: when the caller's connection is reset before any header,
// workerd fires `request.signal` and then drops a handler that nothing else waits for.
describe("before any header, a caller that resets its connection", () => {
  test.each(["fault-hang", "slow-500"])(
    "over a service binding (%s): the hold is paid, the call is told",
    async (model) => {
      const tenant = await stage.tenant();
      const { id, headers } = traced(4);
      await hangUp(tenant, { model, arrived: arrivedAt(model), how: "reset" }, headers);
      await tenant.settled("s", 3_000);
      await paid(tenant, id);
    },
  );

  test("over the network: the provider's connection closes, the hold is paid, the call is told", async () => {
    const tenant = await stage.tenant();
    const document = documentOf(stage.gateway.upstreamUrl, {
      models: { silent: { provider: "silent", price: PRICE, max_output_tokens: 1_000 } },
    });
    const published = await stage.send(
      "PUT",
      "/v1/config",
      {
        ...document,
        providers: {
          ...(document["providers"] as JsonRecord),
          silent: { kind: "openai-compatible", base_url: `${silent.origin}/v1` },
        },
        egress: { allow: [new URL(stage.gateway.upstreamUrl).host, new URL(silent.origin).host] },
      },
      { key: stage.gateway.secrets.rootKey, headers: { "interlock-tenant": tenant.id, "if-match": '"1"' } },
    );
    if (published.status !== 200) throw new Error(published.text);
    const { id, headers } = traced(7);
    const before = silent.requests.length;
    const arrived = (): Promise<boolean> =>
      until("the call to arrive", async () => silent.requests.length > before || undefined);
    await hangUp(tenant, { model: "silent", arrived, how: "reset" }, headers);
    await until("the provider's connection to close", async () => silent.left > 0 || undefined, 3_000);
    await tenant.settled("s", 3_000);
    await paid(tenant, id);
  });
});

// NOTE: workerd reads a plain close (FIN) as a half-close and goes on until it writes: `request.signal` does not fire.
describe("before any header, a caller that only closes its side", () => {
  test("is noticed when the answer is written; until then the call runs, and it is paid as what it used", async () => {
    const tenant = await stage.tenant();
    const { id, headers } = traced(5);
    await hangUp(tenant, { model: "slow-20", arrived: arrivedAt("slow-20"), how: "close" }, headers);
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
