// Proves what each kind of provider is sent: its address, its credential, what is listed of the caller's headers, and nothing else.
import { describe, expect, it } from "vitest";
import type { Egress, EgressRequest } from "../../src/adapters/egress.ts";
import { modelAddress } from "../../src/adapters/models/model-address.ts";
import { providerModels } from "../../src/adapters/models/provider-models.ts";
import { workersAiOf, type WorkersAi } from "../../src/adapters/models/workers-ai.ts";
import type { ProviderEntry } from "../../src/core/config/document.ts";
import type { Dialect } from "../../src/core/dialect/dialect.ts";
import type { ModelRequest, ModelResponse } from "../../src/gateway/ports/models.ts";

const AZURE = "https://acme.openai.azure.com";

function addressOf(
  provider: ProviderEntry,
  dialect: Dialect,
  more: { isStream?: boolean; query?: string } = {},
): string | undefined {
  return modelAddress({ provider, dialect, model: "m/1", isStream: false, query: "", ...more })?.url;
}

describe("the address of a call", () => {
  it.each<readonly [ProviderEntry, Dialect, string]>([
    [{ kind: "openai" }, "chat", "https://api.openai.com/v1/chat/completions"],
    [{ kind: "openai" }, "responses", "https://api.openai.com/v1/responses"],
    [{ kind: "openai" }, "embeddings", "https://api.openai.com/v1/embeddings"],
    [
      { kind: "openai", base_url: "https://eu.api.openai.com/v1/" },
      "chat",
      "https://eu.api.openai.com/v1/chat/completions",
    ],
    [{ kind: "azure-openai", base_url: AZURE }, "chat", `${AZURE}/openai/v1/chat/completions`],
    [{ kind: "azure-openai", base_url: `${AZURE}/openai/v1/` }, "responses", `${AZURE}/openai/v1/responses`],
    [
      { kind: "azure-openai", base_url: AZURE, api_version: "2024-10-21" },
      "chat",
      `${AZURE}/openai/deployments/m%2F1/chat/completions?api-version=2024-10-21`,
    ],
    [
      { kind: "azure-openai", base_url: `${AZURE}/openai`, api_version: "2024-10-21" },
      "embeddings",
      `${AZURE}/openai/deployments/m%2F1/embeddings?api-version=2024-10-21`,
    ],
    [
      { kind: "azure-openai", base_url: AZURE, api_version: "2025-03-01-preview" },
      "responses",
      `${AZURE}/openai/responses?api-version=2025-03-01-preview`,
    ],
    [{ kind: "anthropic" }, "messages", "https://api.anthropic.com/v1/messages"],
    [{ kind: "anthropic" }, "count_tokens", "https://api.anthropic.com/v1/messages/count_tokens"],
    [{ kind: "anthropic", base_url: "https://x.test/v1" }, "messages", "https://x.test/v1/messages"],
    [{ kind: "anthropic", base_url: "https://x.test/anthropic/" }, "messages", "https://x.test/anthropic/v1/messages"],
    [{ kind: "openai-compatible", base_url: "https://x.test/api" }, "chat", "https://x.test/api/chat/completions"],
    [{ kind: "openai-compatible", base_url: "https://x.test/api/v1" }, "messages", "https://x.test/api/v1/messages"],
    [{ kind: "gemini" }, "generate", "https://generativelanguage.googleapis.com/v1beta/models/m/1:generateContent"],
    [
      { kind: "gemini" },
      "embeddings",
      "https://generativelanguage.googleapis.com/v1beta/models/m/1:batchEmbedContents",
    ],
    [
      { kind: "gemini", vertex: { project: "acme-1", location: "global" } },
      "generate",
      "https://aiplatform.googleapis.com/v1/projects/acme-1/locations/global/publishers/google/models/m/1:generateContent",
    ],
  ])("%j in %s is %s", (provider, dialect, url) => expect(addressOf(provider, dialect)).toBe(url));

  it("carries a query, and is none where there is nobody to ask", () => {
    expect(addressOf({ kind: "anthropic" }, "messages", { query: "beta=true" })).toBe(
      "https://api.anthropic.com/v1/messages?beta=true",
    );
    expect(addressOf({ kind: "gemini" }, "generate", { isStream: true, query: "x=1" })).toMatch(
      /:streamGenerateContent\?alt=sse&x=1$/,
    );
    expect([addressOf({ kind: "azure-openai" }, "chat"), addressOf({ kind: "workers-ai" }, "chat")]).toEqual([
      undefined,
      undefined,
    ]);
  });

  it("is one of the vendor's own hosts, or one that the config allows", () => {
    const hosts = (provider: ProviderEntry, dialect: Dialect): readonly string[] | undefined =>
      modelAddress({ provider, dialect, model: "m", isStream: false, query: "" })?.allowedHosts;
    expect(hosts({ kind: "openai" }, "chat")).toEqual(["api.openai.com"]);
    expect(hosts({ kind: "anthropic" }, "messages")).toEqual(["api.anthropic.com"]);
    expect(hosts({ kind: "gemini" }, "generate")).toEqual(["generativelanguage.googleapis.com"]);
    expect(hosts({ kind: "openai", base_url: "https://x.test" }, "chat")).toBeUndefined();
    expect(hosts({ kind: "azure-openai", base_url: AZURE }, "chat")).toBeUndefined();
  });
});

interface Sent {
  readonly requests: readonly EgressRequest[];
  readonly answers: readonly ModelResponse[];
}

async function send(
  provider: ProviderEntry,
  more: Partial<ModelRequest> = {},
  around: { readonly egress?: Egress; readonly workersAi?: WorkersAi } = {},
): Promise<Sent> {
  const requests: EgressRequest[] = [];
  const models = providerModels({
    egress: (request) => {
      requests.push(request);
      return around.egress?.(request) ?? Promise.resolve({ sent: true, response: Response.json({ id: "x" }) });
    },
    secrets: { reveal: (_tenant, name) => Promise.resolve(name === "gone" ? undefined : `key-of-${name}`) },
    system: { now: () => 1_800_000_000_000 },
    workersAi: around.workersAi,
  });
  const answer = await models.send({
    tenant: "t",
    providerName: "p",
    provider,
    dialect: "chat",
    model: "m",
    isStream: false,
    body: '{"model":"m","messages":[]}',
    headers: new Map(),
    query: "",
    allowedHosts: ["x.test"],
    signal: new AbortController().signal,
    ...more,
  });
  return { requests, answers: [answer] };
}

const CALLERS = new Map([
  ["accept", "text/event-stream"],
  ["accept-encoding", "zstd"],
  ["authorization", "Bearer callers-own"],
  ["x-api-key", "callers-own"],
  ["x-goog-api-key", "callers-own"],
  ["api-key", "callers-own"],
  ["cookie", "c=1"],
  ["openai-organization", "org-1"],
  ["openai-project", "proj-1"],
  ["x-goog-user-project", "proj-1"],
  ["openai-beta", "assistants=v2"],
  ["anthropic-beta", "context-1m"],
  ["traceparent", "00-a-b-01"],
]);

describe("the headers of a call", () => {
  it.each<readonly [ProviderEntry, Dialect, Readonly<Record<string, string>>]>([
    [{ kind: "openai", secret: "s" }, "chat", { authorization: "Bearer key-of-s", "openai-beta": "assistants=v2" }],
    [
      { kind: "azure-openai", base_url: AZURE, secret: "s" },
      "responses",
      { "api-key": "key-of-s", "openai-beta": "assistants=v2" },
    ],
    [
      { kind: "anthropic", secret: "s" },
      "messages",
      { "x-api-key": "key-of-s", "anthropic-version": "2023-06-01", "anthropic-beta": "context-1m" },
    ],
    [{ kind: "gemini", secret: "s" }, "generate", { "x-goog-api-key": "key-of-s" }],
    [
      { kind: "openai-compatible", base_url: "https://x.test/v1", secret: "s" },
      "messages",
      { "x-api-key": "key-of-s", "anthropic-version": "2023-06-01", "anthropic-beta": "context-1m" },
    ],
    [{ kind: "openai-compatible", base_url: "https://x.test/v1" }, "chat", { "openai-beta": "assistants=v2" }],
  ])("%j in %s are its own and those that are listed", async (provider, dialect, expected) => {
    const { requests } = await send(provider, { dialect, headers: CALLERS });
    expect(Object.fromEntries(requests[0]?.headers ?? [])).toEqual({
      accept: "text/event-stream",
      "content-type": "application/json",
      traceparent: "00-a-b-01",
      ...expected,
    });
  });

  it("name the version of Anthropic's API that the caller names", async () => {
    const headers = new Map([["anthropic-version", "2024-01-01"]]);
    const { requests } = await send({ kind: "anthropic", secret: "s" }, { dialect: "messages", headers });
    expect(requests[0]?.headers.get("anthropic-version")).toBe("2024-01-01");
  });

  it("are sent nowhere while the stored secret cannot be read", async () => {
    const { requests, answers } = await send({ kind: "openai", secret: "gone" });
    expect([requests, answers]).toEqual([
      [],
      [{ type: "blocked", message: 'the stored secret "gone" cannot be read' }],
    ]);
  });
});

describe("what comes back", () => {
  it("is the answer with the credential that must not be seen in it", async () => {
    const { answers } = await send({ kind: "openai", secret: "s" });
    expect(answers[0]).toMatchObject({ type: "answered", status: 200, credential: "key-of-s" });
  });

  it("is a connection that failed, a door that is closed, or a caller that left", async () => {
    const fails: Egress = () => Promise.reject(new TypeError("connect ECONNREFUSED 10.0.0.1"));
    const closed: Egress = () => Promise.resolve({ sent: false, reason: 'host "x" is private' });
    const openai: ProviderEntry = { kind: "openai" };
    const left = AbortSignal.abort();
    expect((await send(openai, {}, { egress: fails })).answers).toEqual([
      { type: "unreachable", message: "the model provider's connection failed" },
    ]);
    expect((await send(openai, {}, { egress: closed })).answers).toEqual([
      { type: "blocked", message: 'host "x" is private' },
    ]);
    expect((await send(openai, { signal: left }, { egress: fails })).answers).toEqual([{ type: "aborted" }]);
  });
});

describe("Workers AI", () => {
  const provider: ProviderEntry = { kind: "workers-ai" };

  it("is blocked where the deployment has no binding", async () => {
    expect((await send(provider)).answers).toEqual([
      { type: "blocked", message: "this deployment has no Workers AI: its `AI` binding is missing" },
    ]);
    expect([workersAiOf({}), workersAiOf({ AI: "no" }), workersAiOf({ AI: {} })]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(workersAiOf({ AI: { run: () => undefined } })).toBeDefined();
  });

  async function asked(
    response: Response,
  ): Promise<{ readonly asked: readonly unknown[]; readonly answer: ModelResponse | undefined }> {
    const runs: unknown[] = [];
    const workersAi: WorkersAi = {
      run: (model, input, { returnRawResponse }) => {
        runs.push([model, input, returnRawResponse]);
        return Promise.resolve(response);
      },
    };
    const { answers, requests } = await send(provider, {}, { workersAi });
    expect(requests).toEqual([]);
    return { asked: runs, answer: answers[0] };
  }

  async function textOf(answer: ModelResponse | undefined): Promise<string> {
    return answer?.type === "answered" ? new TextDecoder().decode(await answer.bytes()) : "";
  }

  it("gets the model by name, the rest as input, and its chat completion passes", async () => {
    const { asked: runs, answer } = await asked(Response.json({ choices: [] }));
    expect(runs).toEqual([["m", { messages: [] }, true]]);
    expect(answer).toMatchObject({ type: "answered", status: 200, credential: undefined });
    expect(await textOf(answer)).toBe('{"choices":[]}');
  });

  it("that answers in another form is told of, with a status that leaves the hold charged", async () => {
    const { answer } = await asked(Response.json({ response: "hello", usage: { prompt_tokens: 1 } }));
    expect(answer).toMatchObject({ type: "answered", status: 504 });
    expect(JSON.parse(await textOf(answer))).toMatchObject({ error: { code: "not_chat" } });
  });

  it("streams, and refuses, as it is", async () => {
    const stream = new Response("data: x\n\n", { headers: { "content-type": "text/event-stream" } });
    expect(await textOf((await asked(stream)).answer)).toBe("data: x\n\n");
    expect((await asked(Response.json({ message: "no" }, { status: 429 }))).answer).toMatchObject({ status: 429 });
  });
});
