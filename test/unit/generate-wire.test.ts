// Proves what the gateway reads of Gemini requests and answers that pass through, and that it changes nothing else.
import { describe, expect, it } from "vitest";
import { generateWire } from "../../src/core/dialect/generate/wire.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import { chunk, chunks } from "./generate-fixture.ts";
import { bodyOf, refusedPaths, valueOf } from "./messages-fixture.ts";

const PATH = { model: "gemini-2.5-pro", isStream: true };
const CONTENTS = [{ role: "user", parts: [{ text: "hi" }] }];
const fields = (body: unknown, path = PATH) => valueOf(generateWire.readFields(bodyOf(body), path));
const refused = (body: unknown) => refusedPaths(generateWire.readFields(bodyOf(body), PATH));
const EDITS = { model: "gemini-2.5-pro", maxOutput: 512, isOpenAi: false };
const edited = (text: string, edits = EDITS, path = PATH): string =>
  generateWire.edited(bodyOf(text), fields(text, path), edits);

describe("owned fields", () => {
  it("come from the path and from either spelling of generationConfig", () => {
    expect(fields({ contents: CONTENTS })).toEqual({
      model: "gemini-2.5-pro",
      isStream: true,
      wantsUsage: true,
      maxOutput: undefined,
      choices: 1,
    });
    expect(fields({ contents: CONTENTS, generationConfig: { maxOutputTokens: 7, candidateCount: 2 } })).toMatchObject({
      maxOutput: 7,
      choices: 2,
    });
    expect(fields({ generation_config: { max_output_tokens: 7 } })).toMatchObject({ maxOutput: 7 });
    expect(fields({ generationConfig: null }).maxOutput).toBeUndefined();
    expect(fields({ model: "models/gemini-2.5-pro" }).model).toBe("gemini-2.5-pro");
  });

  it.each<[string, unknown, string]>([
    ["a config in both spellings", { generationConfig: {}, generation_config: {} }, "generation_config"],
    [
      "a limit in both spellings",
      '{"generationConfig":{"maxOutputTokens":1,"max_output_tokens":9}}',
      "generationConfig.max_output_tokens",
    ],
    [
      "a limit that stands twice",
      '{"generationConfig":{"maxOutputTokens":1,"maxOutputTokens":9}}',
      "generationConfig.maxOutputTokens",
    ],
    [
      "a limit spelled with escapes beside it",
      String.raw`{"generationConfig":{"maxOutputTokens":1,"m\u0061xOutputTokens":9}}`,
      "generationConfig.maxOutputTokens",
    ],
    ["a limit that is a text", { generationConfig: { maxOutputTokens: "7" } }, "generationConfig.maxOutputTokens"],
    ["a limit of nothing", { generation_config: { max_output_tokens: 0 } }, "generation_config.max_output_tokens"],
    ["too many candidates", { generationConfig: { candidateCount: 129 } }, "generationConfig.candidateCount"],
    ["a config that is no object", { generationConfig: [] }, "generationConfig"],
    ["another model than the path's", { model: "models/gemini-2.5-flash" }, "model"],
  ])("refuse %s", (_, body, path) => {
    expect(refused(body)).toEqual(["invalid_request", path]);
  });

  it.each([
    "googleSearch",
    "google_search",
    "googleSearchRetrieval",
    "codeExecution",
    "code_execution",
    "urlContext",
    "url_context",
    "fileSearch",
    "computerUse",
    "googleMaps",
    "enterpriseWebSearch",
    "retrieval",
    "mcpServers",
    "somethingNew",
  ])("refuse the hosted tool %s by name, also beside functions", (name) => {
    const tools = [{ functionDeclarations: [{ name: "f" }] }, { function_declarations: [], [name]: {} }];
    expect(refused({ contents: CONTENTS, tools })).toEqual(["unsupported", `tools.1.${name}`]);
  });

  it("refuse what would answer or cost elsewhere", () => {
    const body = {
      serviceTier: "priority",
      continuationToken: "x",
      generationConfig: { routingConfig: { autoMode: {} } },
      tools: { googleSearch: {} },
    };
    expect(refused(body)).toEqual([
      "unsupported",
      "serviceTier",
      "continuationToken",
      "generationConfig.routingConfig",
      "tools.0.googleSearch",
    ]);
  });

  it("let pass what costs what the provider's usage says", () => {
    const body = {
      cachedContent: "cachedContents/1",
      safetySettings: [{ category: "x", threshold: "BLOCK_NONE" }],
      serviceTier: "flex",
      tools: [{ functionDeclarations: [], googleSearch: null }],
      somethingNew: 1,
    };
    expect(fields(body).model).toBe("gemini-2.5-pro");
  });
});

describe("edits", () => {
  it("change the limit in place and leave every other byte", () => {
    const text =
      '{ "contents": [], "generationConfig" : {"temperature":1.0, "maxOutputTokens" : 900 ,"x":[1 ,2]}, "n":1e2}';
    expect(edited(text)).toBe(text.replace("900", "512"));
    const snake = '{"generation_config":{"max_output_tokens":900},"contents":[]}';
    expect(edited(snake)).toBe(snake.replace("900", "512"));
  });

  it("put the limit where there is none", () => {
    expect(edited('{"contents":[]}')).toBe('{"generationConfig":{"maxOutputTokens":512},"contents":[]}');
    expect(edited('{"generationConfig":null,"contents":[]}')).toBe(
      '{"generationConfig":{"maxOutputTokens":512},"contents":[]}',
    );
    expect(edited('{"generationConfig":{ "seed":1 }}')).toBe('{"generationConfig":{ "maxOutputTokens":512,"seed":1 }}');
    expect(edited("{}")).toBe('{"generationConfig":{"maxOutputTokens":512}}');
  });

  it("touch nothing where nothing changes", () => {
    const text = '{"contents":[ ],"generationConfig":{"maxOutputTokens":512}}';
    expect(edited(text)).toBe(text);
    expect(edited(text, { ...EDITS, maxOutput: 512, model: "another" })).toBe(text);
  });

  it("name the provider's own model where the body names one", () => {
    const text = '{"model":"models/alias","contents":[]}';
    const changed = edited(text, { ...EDITS, model: "gemini-2.5-flash" }, { model: "alias", isStream: false });
    expect(JSON.parse(changed)).toMatchObject({ model: "models/gemini-2.5-flash" });
  });

  it("take state out that Gemini did not sign", () => {
    const foreign = Buffer.from('interlock:{"origin":"messages","value":1}').toString("base64");
    const contents = [
      { role: "user", parts: [{ text: "hi" }] },
      { role: "model", parts: [{ text: "hm", thought: true, thoughtSignature: foreign }] },
      {
        role: "model",
        parts: [
          { functionCall: { name: "f" }, thoughtSignature: foreign },
          { functionCall: { name: "g" }, thoughtSignature: "T3du" },
        ],
      },
    ];
    const body = JSON.stringify({ contents });
    const rest = (model: string): unknown => (JSON.parse(edited(body, { ...EDITS, model })) as JsonObject)["contents"];
    const calls = (first: JsonObject) => [
      contents[0],
      {
        role: "model",
        parts: [
          { functionCall: { name: "f" }, ...first },
          { functionCall: { name: "g" }, thoughtSignature: "T3du" },
        ],
      },
    ];
    expect(rest("gemini-2.5-pro")).toEqual(calls({}));
    expect(rest("gemini-3-pro")).toEqual(calls({ thoughtSignature: "skip_thought_signature_validator" }));
  });
});

const USAGE = { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 };

describe("whole answers", () => {
  it.each<[string, JsonObject, object | undefined]>([
    ["plain", USAGE, { input: 10, output: 5 }],
    [
      "cached tokens in the prompt, thoughts beside the candidates, tools on top",
      {
        promptTokenCount: 1000,
        cachedContentTokenCount: 800,
        candidatesTokenCount: 50,
        thoughtsTokenCount: 150,
        toolUsePromptTokenCount: 30,
        totalTokenCount: 1230,
      },
      { input: 230, cacheRead: 800, output: 200, reasoning: 150 },
    ],
    [
      "sound, some of it cached",
      {
        promptTokenCount: 100,
        cachedContentTokenCount: 40,
        candidatesTokenCount: 30,
        promptTokensDetails: [
          { modality: "TEXT", tokenCount: 20 },
          { modality: "AUDIO", tokenCount: 80 },
        ],
        cacheTokensDetails: [{ modality: "AUDIO", tokenCount: 40 }],
        candidatesTokensDetails: [{ modality: "AUDIO", tokenCount: 25 }],
      },
      { input: 20, cacheRead: 40, inputAudio: 40, output: 5, outputAudio: 25 },
    ],
    ["thoughts alone", { promptTokenCount: 9, thoughtsTokenCount: 4 }, { input: 9, output: 4, reasoning: 4 }],
    ["a blocked prompt", { promptTokenCount: 9, totalTokenCount: 9 }, { input: 9, output: 0 }],
    [
      "more cached than sent",
      { promptTokenCount: 5, cachedContentTokenCount: 9, candidatesTokenCount: 1 },
      { input: 0, cacheRead: 5 },
    ],
    ["nothing to know the answer from", { promptTokenCount: 9 }, undefined],
    ["counts that are none", { promptTokenCount: -1, candidatesTokenCount: 2.5 }, undefined],
  ])("tell usage: %s", (_, usageMetadata, expected) => {
    const { usage } = generateWire.whole(bodyOf({ usageMetadata }));
    if (expected === undefined) expect(usage).toBeUndefined();
    else expect(usage).toMatchObject(expected);
  });

  it("tell id, model and reasons", () => {
    const answer = chunk([{ text: "hi" }], { finishReason: "STOP" }, { usageMetadata: USAGE });
    expect(generateWire.whole(bodyOf(answer))).toMatchObject({
      id: "resp1",
      model: "gemini-2.5-pro",
      finishReasons: ["STOP"],
      error: undefined,
    });
    const blocked = { promptFeedback: { blockReason: "SAFETY" } };
    expect(generateWire.whole(bodyOf(blocked)).finishReasons).toEqual(["SAFETY"]);
  });

  it("tell an error inside", () => {
    const error = { code: 503, message: "overloaded", status: "UNAVAILABLE" };
    expect(generateWire.whole(bodyOf({ error })).error).toEqual({
      kind: "overloaded",
      message: "overloaded",
      code: "UNAVAILABLE",
    });
  });
});

describe("streams", () => {
  const HEAD = chunk([{ text: "Hel" }], {}, { usageMetadata: { promptTokenCount: 10, totalTokenCount: 10 } });
  const MIDDLE = chunk([{ text: "lo" }], {}, { usageMetadata: { ...USAGE, candidatesTokenCount: 2 } });
  const TAIL = chunk([{ text: "" }], { finishReason: "STOP" }, { usageMetadata: USAGE });

  it("end with the chunk that has a finish reason; the last usage counts", () => {
    expect(generateWire.streamed(chunks(HEAD, MIDDLE, TAIL))).toMatchObject({
      isDone: true,
      usage: { input: 10, output: 5 },
      id: "resp1",
      model: "gemini-2.5-pro",
      finishReasons: ["STOP"],
      error: undefined,
    });
    const later = chunk([], {}, { usageMetadata: { ...USAGE, candidatesTokenCount: 7 } });
    expect(generateWire.streamed(chunks(HEAD, TAIL, later)).usage).toMatchObject({ output: 7 });
  });

  it("that are cut tell no usage: what was made and never sent is billed", () => {
    const said = generateWire.streamed(chunks(HEAD, MIDDLE));
    expect(said).toMatchObject({ isDone: false, usage: undefined, error: undefined });
    const closing = generateWire.closing({ code: "upstream_failed", message: "cut" }, said);
    expect(generateWire.streamed(chunks(HEAD, MIDDLE) + closing).error).toEqual({
      kind: "overloaded",
      message: "cut",
      code: "UNAVAILABLE",
    });
    expect(closing).toMatch(/^\n\ndata: \{"error":\{"code":503,.*"UNAVAILABLE".*\}\n\n$/);
  });

  it("are not done while one of several candidates is not", () => {
    const of = (index: number, more: JsonObject = {}): JsonObject => ({
      candidates: [{ content: { parts: [{ text: "x" }], role: "model" }, index, ...more }],
    });
    const open = chunks(of(0), of(1), of(0, { finishReason: "STOP" }));
    expect(generateWire.streamed(open).isDone).toBe(false);
    expect(generateWire.streamed(open + chunks(of(1, { finishReason: "MAX_TOKENS" })))).toMatchObject({
      isDone: true,
      finishReasons: ["STOP", "MAX_TOKENS"],
    });
  });

  it("of a blocked prompt are done", () => {
    const blocked = {
      promptFeedback: { blockReason: "PROHIBITED_CONTENT" },
      usageMetadata: { promptTokenCount: 4, totalTokenCount: 4 },
    };
    expect(generateWire.streamed(chunks(blocked))).toMatchObject({
      isDone: true,
      usage: { input: 4, output: 0 },
      finishReasons: ["PROHIBITED_CONTENT"],
    });
  });

  it("do not take a text that talks of errors for one", () => {
    const text = chunk([{ text: '{"error": {"code": 500}, "finishReason": "STOP"}' }]);
    expect(generateWire.streamed(chunks(HEAD, text))).toMatchObject({ isDone: false, error: undefined });
  });

  it("begin with content, unless only an error or nothing came", () => {
    const empty = chunk([{ text: "" }]);
    const error = { error: { code: 429, message: "slow down", status: "RESOURCE_EXHAUSTED" } };
    expect(generateWire.opening("")).toEqual({ type: "waiting" });
    expect(generateWire.opening(chunks(HEAD).slice(0, 20))).toEqual({ type: "waiting" });
    expect(generateWire.opening(chunks(empty))).toEqual({ type: "preamble" });
    expect(generateWire.opening(chunks({ usageMetadata: USAGE }))).toEqual({ type: "preamble" });
    expect(generateWire.opening(chunks(empty, HEAD))).toEqual({ type: "content" });
    expect(generateWire.opening(chunks(chunk([{ text: "hm", thought: true }])))).toEqual({ type: "content" });
    expect(generateWire.opening(chunks(chunk([{ functionCall: { name: "f" } }])))).toEqual({ type: "content" });
    expect(generateWire.opening(chunks(empty, error))).toMatchObject({ type: "error", error: { kind: "rate_limit" } });
    expect(generateWire.opening("data: what is this\n\n")).toEqual({ type: "content" });
  });

  it("say nothing more when they have ended", () => {
    const said = generateWire.streamed(chunks(TAIL));
    expect(generateWire.closing({ code: "halted", message: "m" }, said)).toBe("");
    const cut = generateWire.streamed("");
    expect(generateWire.closing({ code: "halted", message: "m" }, cut)).toContain('"PERMISSION_DENIED"');
    expect(generateWire.closing({ code: "upstream_timeout", message: "m" }, cut)).toContain('"DEADLINE_EXCEEDED"');
  });
});
