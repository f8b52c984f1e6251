// Proves what inference spans tell of requests and providers.
import { describe, expect, test } from "vitest";
import { locateMembers } from "../../src/core/json/members.ts";
import { providerAttributes, samplingAttributes } from "../../src/core/trace/inference-attributes.ts";

function told(body: unknown): Readonly<Record<string, unknown>> {
  const located = locateMembers(typeof body === "string" ? body : JSON.stringify(body));
  if (located === undefined) throw new Error("no object");
  return JSON.parse(JSON.stringify(samplingAttributes(located))) as Readonly<Record<string, unknown>>;
}

describe("sampling", () => {
  test("every parameter that the conventions name", () => {
    expect(
      told({
        temperature: 0.2,
        top_p: 1,
        top_k: 40,
        frequency_penalty: -0.5,
        presence_penalty: 0.5,
        seed: 7,
        stop: ["END", "STOP"],
        n: 2,
        response_format: { type: "json_schema", json_schema: {} },
      }),
    ).toEqual({
      "gen_ai.request.temperature": 0.2,
      "gen_ai.request.top_p": 1,
      "gen_ai.request.top_k": 40,
      "gen_ai.request.frequency_penalty": -0.5,
      "gen_ai.request.presence_penalty": 0.5,
      "gen_ai.request.seed": 7,
      "gen_ai.request.stop_sequences": ["END", "STOP"],
      "gen_ai.request.choice.count": 2,
      "gen_ai.output.type": "json",
    });
  });

  test("what is not there, of another type, or usual is not told", () => {
    expect(told({})).toEqual({});
    expect(told({ temperature: "hot", stop: null, n: 1, seed: {}, response_format: "json" })).toEqual({});
    expect(told({ stop: "one" })).toEqual({ "gen_ai.request.stop_sequences": ["one"] });
    expect(told('{"temperature": 1e999, "top_p": nope}')).toEqual({});
  });
});

describe("providers", () => {
  test.each([
    ["https://api.openai.com/v1", "openai", 443],
    ["https://acme.openai.azure.com/openai/v1", "azure.ai.openai", 443],
    ["https://acme.services.ai.azure.com/models", "azure.ai.inference", 443],
    ["https://api.anthropic.com/v1", "anthropic", 443],
    ["https://europe-west4-aiplatform.googleapis.com/v1", "gcp.vertex_ai", 443],
    ["https://generativelanguage.googleapis.com/v1beta/openai", "gcp.gemini", 443],
    ["https://bedrock-runtime.eu-central-1.amazonaws.com/openai/v1", "aws.bedrock", 443],
    ["https://api.cohere.ai/compatibility/v1", "cohere", 443],
    ["https://eu-de.ml.cloud.ibm.com/ml/v1", "ibm.watsonx.ai", 443],
    ["https://api.perplexity.ai", "perplexity", 443],
    ["https://api.x.ai/v1", "x_ai", 443],
    ["https://api.deepseek.com", "deepseek", 443],
    ["https://api.groq.com/openai/v1", "groq", 443],
    ["https://api.mistral.ai/v1", "mistral_ai", 443],
    ["http://localhost:11434/v1", "local", 11434],
    ["https://api.openai.com.evil.example/v1", "local", 443],
  ])("%s is %s", (base_url, name, port) => {
    const provider = { kind: "openai-compatible" as const, base_url };
    expect(providerAttributes({ provider, providerName: "local" })).toEqual({
      "gen_ai.provider.name": name,
      "server.address": new URL(base_url).hostname,
      "server.port": port,
    });
  });

  test.each([
    [{ kind: "azure-openai", base_url: "https://models.acme.example" }, "azure.ai.openai", "models.acme.example"],
    [{ kind: "anthropic" }, "anthropic", "api.anthropic.com"],
    [{ kind: "gemini" }, "gcp.gemini", "generativelanguage.googleapis.com"],
    [
      { kind: "gemini", vertex: { project: "acme", location: "europe-west4" } },
      "gcp.vertex_ai",
      "europe-west4-aiplatform.googleapis.com",
    ],
    [
      { kind: "gemini", vertex: { project: "acme", location: "global" }, base_url: "http://demo.upstream/v1" },
      "gcp.vertex_ai",
      "demo.upstream",
    ],
    [{ kind: "gemini", vertex: { project: "acme", location: "global" } }, "gcp.vertex_ai", "aiplatform.googleapis.com"],
    [{ kind: "workers-ai" }, "cloudflare.workers_ai", undefined],
  ] as const)("%j is %s at %s", (provider, name, host) => {
    const told = providerAttributes({ provider, providerName: "mine" });
    expect([told["gen_ai.provider.name"], told["server.address"]]).toEqual([name, host]);
  });

  test("openai needs no address of its own", () => {
    expect(providerAttributes({ provider: { kind: "openai" }, providerName: "mine" })).toMatchObject({
      "gen_ai.provider.name": "openai",
      "server.address": "api.openai.com",
    });
  });
});
