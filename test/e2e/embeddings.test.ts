// Proves embeddings to the official client: OpenAI's shapes from either provider, exact charges, hard budgets, refusals unread.
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { APIError } from "openai";
import { EMBEDDED_TOKENS, startGoogleEmbedder, type GoogleEmbedder } from "./google-embedder.ts";
import { at, openStage, traceIdOf, type Stage, type Tenant } from "./harness.ts";

let stage: Stage;
let google: GoogleEmbedder;

beforeAll(async () => {
  stage = await openStage();
  google = await startGoogleEmbedder();
});
afterAll(async () => {
  await stage.close();
  await google.stop();
});

const FREE_OUTPUT = { input_per_mtok_usd: 20, output_per_mtok_usd: 0 };

function tenantOf(session: object = { usd: 2 }): Promise<Tenant> {
  return stage.tenant({
    session: { ...session },
    providers: { google: { kind: "gemini", base_url: google.base, secret: "demo_model" } },
    models: {
      embedder: { provider: "demo", upstream: "demo-embedding", context: 100, price: FREE_OUTPUT },
      google: { provider: "google", upstream: "gemini-embedding-001", price: FREE_OUTPUT },
      "google-absurd": { provider: "google", upstream: "absurd", price: FREE_OUTPUT },
      "google-broken": { provider: "google", upstream: "broken", price: FREE_OUTPUT },
    },
    hosts: [google.host],
  });
}

async function failure(promise: Promise<unknown>): Promise<APIError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof APIError)) throw new Error(`expected an API error, not ${String(error)}`);
  return error;
}

describe("OpenAI's own dialect", () => {
  test("passes through, and is charged at the provider's usage", async () => {
    const tenant = await tenantOf();
    const client = tenant.openai({ "Interlock-Session": "s1" });
    const { data, response } = await client.embeddings
      .create({ model: "embedder", input: ["one text", "another text"], dimensions: 16 })
      .withResponse();
    expect(data.data.map(({ embedding, index }) => [index, embedding.length])).toEqual([
      [0, 16],
      [1, 16],
    ]);
    const direct = await stage.upstream("POST", "/v1/embeddings", {
      model: "demo-embedding",
      input: ["one text", "another text"],
      dimensions: 16,
    });
    expect(data.usage).toEqual(direct.json["usage"]);
    expect((await tenant.settled("s1")).used).toBe(data.usage.prompt_tokens * 20);
    const { call, attributes } = await tenant.tracedCall(traceIdOf(response));
    expect(call).toMatchObject({ kind: "embeddings", status: "succeeded" });
    expect(attributes).toMatchObject({
      "gen_ai.operation.name": "embeddings",
      "gen_ai.usage.input_tokens": data.usage.prompt_tokens,
      "gen_ai.usage.output_tokens": 0,
      "interlock.cost.basis": "usage",
      "interlock.cost.nano_usd": data.usage.prompt_tokens * 20_000,
    });
  });

  test("has the same vectors as numbers and as base64", async () => {
    const client = (await tenantOf()).openai();
    const of = async (encoding_format: "float" | "base64"): Promise<unknown> =>
      (await client.embeddings.create({ model: "embedder", input: "one text", encoding_format })).data[0]?.embedding;
    const floats = Float32Array.from((await of("float")) as number[]);
    const bytes = Buffer.from((await of("base64")) as string, "base64");
    expect([...new Float32Array(new Uint8Array(bytes).buffer)]).toEqual([...floats]);
  });

  test("is held for each of its inputs, whatever one of them may be at most", async () => {
    const tenant = await tenantOf({ usd: 0.01 });
    const input = Array.from({ length: 50 }, () => "a text of some length");
    const error = await failure(tenant.openai({}, 0).embeddings.create({ model: "embedder", input }));
    // A context of 100 tokens would have been held at 0.002 dollars.
    expect([error.status, error.code]).toEqual([429, "insufficient_quota"]);
  });
});

describe("Google's dialect", () => {
  test("is asked for each text, and answers as OpenAI does", async () => {
    const tenant = await tenantOf();
    google.seen.length = 0;
    const { data, response } = await tenant
      .openai({ "Interlock-Session": "s1" })
      .embeddings.create({ model: "google", input: ["a", "b"], dimensions: 3, user: "u" })
      .withResponse();
    expect(data).toMatchObject({
      object: "list",
      data: [
        { object: "embedding", index: 0, embedding: [0.5, -0.25, 0] },
        { object: "embedding", index: 1, embedding: [0.5, -0.25, 1] },
      ],
      usage: { prompt_tokens: EMBEDDED_TOKENS, total_tokens: EMBEDDED_TOKENS },
    });
    expect(google.seen).toMatchObject([
      {
        url: "/v1beta/models/gemini-embedding-001:batchEmbedContents",
        headers: { "x-goog-api-key": stage.gateway.secrets.modelToken },
        body: {
          requests: ["a", "b"].map((text) => ({
            model: "models/gemini-embedding-001",
            content: { parts: [{ text }] },
            outputDimensionality: 3,
          })),
        },
      },
    ]);
    expect(google.seen[0]?.headers.authorization).toBeUndefined();
    expect((await tenant.settled("s1")).used).toBe(EMBEDDED_TOKENS * 20);
    const { attributes } = await tenant.tracedCall(traceIdOf(response));
    expect(attributes["interlock.translation.left_out"]).toEqual(["user"]);
  });

  test("is charged at the hold where its count cannot be priced, and the record says so", async () => {
    const tenant = await tenantOf();
    const { response } = await tenant
      .openai({ "Interlock-Session": "s1" })
      .embeddings.create({ model: "google-absurd", input: "a" })
      .withResponse();
    const { call, attributes } = await tenant.tracedCall(traceIdOf(response));
    expect(call).toMatchObject({ status: "succeeded", error_code: "impossible_usage" });
    expect(attributes).toMatchObject({
      "error.type": "impossible_usage",
      "interlock.cost.basis": "hold",
      "interlock.cost.fault": "impossible_usage",
    });
    expect((await tenant.settled("s1")).used).toBe(attributes["interlock.reservation.micro_usd"]);
    const told = await tenant.get(`/v1/traces/${traceIdOf(response)}/explain`, tenant.auditor);
    expect(told.text).toContain("cannot be priced");
  });

  test("refuses what it has no word for by name, and its errors read as OpenAI's", async () => {
    const client = (await tenantOf()).openai({}, 0);
    const tokens = await failure(client.embeddings.create({ model: "google", input: [1, 2, 3] }));
    expect([tokens.status, tokens.param]).toEqual([400, "input"]);
    const broken = await failure(client.embeddings.create({ model: "google-broken", input: "x" }));
    expect([broken.status, broken.message]).toEqual([400, expect.stringContaining("no such model")]);
  });
});

describe("a request that cannot be", () => {
  test("is refused with the field, and a model that does not embed by name", async () => {
    const tenant = await tenantOf();
    const empty = await stage.send("POST", "/v1/embeddings", { model: "embedder", input: [] }, { key: tenant.agent });
    expect([empty.status, at(empty.json, "error.param")]).toEqual([400, "input"]);
    const missing = await failure(tenant.openai({}, 0).embeddings.create({ model: "nobody", input: "x" }));
    expect([missing.status, missing.code]).toEqual([404, "model_not_found"]);
    const got = await stage.send("GET", "/v1/embeddings", undefined, { key: tenant.agent });
    expect([got.status, at(got.json, "error.code")]).toEqual([405, "method_not_allowed"]);
  });

  test("that says it is too long is refused before it is read", async () => {
    const tenant = await tenantOf();
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const sent = request(`${stage.gateway.url}/v1/embeddings`, {
        method: "POST",
        headers: { authorization: `Bearer ${tenant.agent}`, "content-length": String(17 * 1024 * 1024) },
      });
      sent.on("response", (response) => {
        resolve(response.statusCode);
        sent.destroy();
      });
      sent.on("error", reject);
      // Only the beginning is ever sent: who waits for the rest does not answer.
      sent.write('{"model": "embedder", "input": "');
    });
    expect(status).toBe(413);
  });
});
