// Proves how Gemini requests translate: what they mean in no dialect's words, what is written of it, what is refused by name.
import { describe, expect, it } from "vitest";
import type { Conversation } from "../../src/core/dialect/conversation.ts";
import { generateCodec } from "../../src/core/dialect/generate/codec.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import { GENERATE_FIELDS } from "./generate-fixture.ts";
import { refusedPaths, valueOf } from "./messages-fixture.ts";

const USER = { role: "user", parts: [{ text: "hi" }] } as const;
const read = (more: JsonObject): Conversation =>
  valueOf(generateCodec.readRequest({ contents: [USER], ...more }, GENERATE_FIELDS));
const refused = (more: JsonObject): readonly string[] =>
  refusedPaths(generateCodec.readRequest({ contents: [USER], ...more }, GENERATE_FIELDS));
const SPARE: Conversation = {
  turns: [{ role: "user", parts: [{ type: "text", text: "hi" }] }],
  tools: [],
  isStream: false,
  hints: [],
};
const TARGET = { model: "gemini-2.5-pro", maxOutput: 4096, isOpenAi: false };
const NEWER = { ...TARGET, model: "gemini-3-pro-preview" };
const write = (more: Partial<Conversation>, target = TARGET): JsonObject =>
  valueOf(generateCodec.writeRequest({ ...SPARE, ...more }, target));
const unwritable = (more: Partial<Conversation>): readonly string[] =>
  refusedPaths(generateCodec.writeRequest({ ...SPARE, ...more }, TARGET));
const config = (more: Partial<Conversation>, target = TARGET): unknown => write(more, target)["generationConfig"];

/** An agent's second round: signed thoughts, parallel calls of which the first is signed, results in one content. */
const ROUND: readonly JsonObject[] = [
  USER,
  {
    role: "model",
    parts: [
      { text: "Two ", thought: true },
      { text: "things.", thought: true, thoughtSignature: "c2lnMQ==" },
      { text: "I " },
      { text: "look.", thoughtSignature: "c2lnMg==" },
      { functionCall: { id: "c1", name: "crm.get", args: { id: 7 } }, thoughtSignature: "c2lnMw==" },
      { functionCall: { name: "now" } },
    ],
  },
  {
    role: "user",
    parts: [
      { text: "go on" },
      { functionResponse: { id: "c1", name: "crm.get", response: { output: "found" } } },
      {
        functionResponse: {
          name: "now",
          response: { error: "no clock" },
          parts: [{ inlineData: { mimeType: "image/png", data: "AAAA" } }],
        },
      },
    ],
  },
];

const TURNS: Conversation["turns"] = [
  { role: "user", parts: [{ type: "text", text: "hi" }] },
  {
    role: "assistant",
    parts: [
      { type: "reasoning", text: "Two things.", signed: { origin: "generate", value: "c2lnMQ==" } },
      { type: "text", text: "I look." },
      { type: "reasoning", text: "", signed: { origin: "generate", value: { on: "text", signature: "c2lnMg==" } } },
      {
        type: "tool_call",
        id: "c1",
        name: "crm.get",
        args: '{"id":7}',
        signed: { origin: "generate", value: "c2lnMw==" },
      },
      { type: "tool_call", id: "call_1_5", name: "now", args: "{}" },
    ],
  },
  {
    role: "user",
    parts: [
      {
        type: "tool_result",
        callId: "c1",
        name: "crm.get",
        content: [{ type: "text", text: "found" }],
        isError: false,
      },
      {
        type: "tool_result",
        callId: "call_1_5",
        name: "now",
        content: [
          { type: "text", text: "no clock" },
          { type: "image", source: { type: "base64", mediaType: "image/png", data: "AAAA" } },
        ],
        isError: true,
      },
      { type: "text", text: "go on" },
    ],
  },
];

describe("a request", () => {
  it("with thoughts, parallel calls and their results keeps every part in its place", () => {
    expect(read({ contents: ROUND }).turns).toEqual(TURNS);
  });

  it("is written as it was read: signatures where they stood, results first", () => {
    expect(write({ turns: TURNS })["contents"]).toEqual([
      USER,
      {
        role: "model",
        parts: [
          { text: "Two things.", thought: true, thoughtSignature: "c2lnMQ==" },
          { text: "I look.", thoughtSignature: "c2lnMg==" },
          { functionCall: { id: "c1", name: "crm.get", args: { id: 7 } }, thoughtSignature: "c2lnMw==" },
          { functionCall: { id: "call_1_5", name: "now", args: {} } },
        ],
      },
      {
        role: "user",
        parts: [
          { functionResponse: { id: "c1", name: "crm.get", response: { output: "found" } } },
          {
            functionResponse: {
              id: "call_1_5",
              name: "now",
              response: { error: "no clock" },
              parts: [{ inlineData: { mimeType: "image/png", data: "AAAA" } }],
            },
          },
          { text: "go on" },
        ],
      },
    ]);
  });

  it("matches results without ids to the calls of their names, in order", () => {
    const call = (id: number): JsonObject => ({ functionCall: { name: "f", args: { id } } });
    const result = (output: string): JsonObject => ({ functionResponse: { name: "f", response: { output } } });
    const contents = [
      USER,
      { role: "model", parts: [call(1), call(2)] },
      { role: "function", parts: [result("a"), result("b")] },
    ];
    const [, , results] = read({ contents }).turns;
    expect(results?.parts).toMatchObject([
      { callId: "call_1_0", content: [{ text: "a" }] },
      { callId: "call_1_1", content: [{ text: "b" }] },
    ]);
    const orphan = { role: "user", parts: [{ functionResponse: { name: "g", response: {} } }] };
    expect(refused({ contents: [...contents, orphan] })).toEqual([
      "invalid_request",
      "contents.3.parts.0.functionResponse",
    ]);
  });

  it("reads a turn that was streamed, content by content, as one", () => {
    const model = (part: JsonObject): JsonObject => ({ role: "model", parts: [part] });
    const contents = [
      USER,
      model({ text: "I " }),
      model({ functionCall: { name: "f" } }),
      model({ functionCall: { name: "g" } }),
      model({ text: "" }),
      { role: "user", parts: ["f", "g"].map((name) => ({ functionResponse: { name, response: { output: name } } })) },
    ];
    const [, turn, results] = read({ contents }).turns;
    expect(turn?.parts).toMatchObject([{ text: "I " }, { id: "call_2_0" }, { id: "call_3_0" }]);
    expect(results?.parts).toMatchObject([{ callId: "call_2_0" }, { callId: "call_3_0" }]);
  });

  it("takes an answer as a whole unless it is output or error alone", () => {
    const answer = (response: JsonObject): unknown => {
      const contents = [
        USER,
        { role: "model", parts: [{ functionCall: { name: "f" } }] },
        { role: "user", parts: [{ functionResponse: { name: "f", response } }] },
      ];
      const [part] = read({ contents }).turns[2]?.parts ?? [];
      return part?.type === "tool_result" ? [part.isError, part.content] : part;
    };
    const said = (text: string) => [{ type: "text", text }];
    expect(answer({ output: { n: 1 } })).toEqual([false, said('{"n":1}')]);
    expect(answer({ n: 1 })).toEqual([false, said('{"n":1}')]);
    expect(answer({ error: { n: 1 } })).toEqual([true, said('{"n":1}')]);
    expect(answer({ output: "a", took: 1 })).toEqual([false, said('{"output":"a","took":1}')]);
    expect(answer({})).toEqual([false, said("{}")]);
  });

  it("reads either spelling, single items and contents without a role", () => {
    const snake = {
      system_instruction: { parts: { text: "Be brief." } },
      contents: { parts: { text: "look" } },
      tools: { function_declarations: { name: "f", parameters_json_schema: { type: "object" } } },
      tool_config: { function_calling_config: { mode: "ANY", allowed_function_names: ["f"] } },
      generation_config: { top_p: 0.5, stop_sequences: ["x"], response_mime_type: "text/plain" },
    };
    expect(read(snake)).toMatchObject({
      turns: [
        { role: "system", parts: [{ type: "text", text: "Be brief." }] },
        { role: "user", parts: [{ type: "text", text: "look" }] },
      ],
      tools: [{ name: "f", schema: { type: "object" } }],
      toolChoice: { type: "tool", name: "f" },
      topP: 0.5,
      stop: ["x"],
      output: { type: "text" },
    });
    expect(refused({ generationConfig: { topP: 1, top_p: 1 } })).toEqual(["invalid_request", "generationConfig.top_p"]);
  });

  it("reads media by what they are", () => {
    const inline = (mimeType: string): JsonObject => ({ inlineData: { mimeType, data: "AA-_" } });
    const parts = [
      inline("image/png"),
      inline("audio/wav"),
      inline("application/pdf"),
      { fileData: { mimeType: "image/png", fileUri: "https://x/y.png" } },
      { inlineData: { mimeType: "image/png", data: "AA" }, mediaResolution: { level: "MEDIA_RESOLUTION_LOW" } },
    ];
    expect(read({ contents: [{ role: "user", parts }] }).turns[0]?.parts).toEqual([
      { type: "image", source: { type: "base64", mediaType: "image/png", data: "AA+/" } },
      { type: "audio", mediaType: "audio/wav", data: "AA+/" },
      { type: "document", source: { type: "base64", mediaType: "application/pdf", data: "AA+/" } },
      { type: "image", source: { type: "url", url: "https://x/y.png" } },
      { type: "image", source: { type: "base64", mediaType: "image/png", data: "AA" }, detail: "low" },
    ]);
  });

  it("reads sampling, thinking and form", () => {
    const generationConfig = {
      temperature: 1.5,
      topP: 0.9,
      topK: 40,
      seed: 7,
      frequencyPenalty: 0.1,
      presencePenalty: -0.1,
      stopSequences: ["a", "b"],
      responseMimeType: "application/json",
      responseSchema: {
        type: "OBJECT",
        properties: { b: { type: "STRING", nullable: true, maxLength: "9" }, a: { type: "INTEGER" } },
        propertyOrdering: ["a", "b"],
        required: ["a"],
      },
      thinkingConfig: { thinkingBudget: 512, includeThoughts: true },
    };
    const conversation = read({ generationConfig });
    expect(conversation).toMatchObject({
      maxOutput: 1000,
      temperature: 1.5,
      topP: 0.9,
      topK: 40,
      seed: 7,
      frequencyPenalty: 0.1,
      presencePenalty: -0.1,
      stop: ["a", "b"],
      reasoning: { budgetTokens: 512, isShown: true },
    });
    const schema =
      '{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":["string","null"],"maxLength":9}},"required":["a"]}';
    expect(JSON.stringify(conversation.output)).toBe(`{"type":"json_schema","name":"answer","schema":${schema}}`);
    expect(
      read({ generationConfig: { thinkingConfig: { thinkingLevel: "HIGH", thinkingBudget: -1 } } }).reasoning,
    ).toEqual({
      effort: "high",
    });
  });

  it("is strict with a schema that leaves nothing open, and in the mode that keeps to schemas", () => {
    const closed = {
      type: "object",
      properties: { a: { type: "string" } },
      required: ["a"],
      additionalProperties: false,
    };
    const output = (responseJsonSchema: JsonObject) =>
      read({ generationConfig: { responseMimeType: "application/json", responseJsonSchema } }).output;
    expect(output(closed)).toMatchObject({ strict: true, schema: closed });
    expect(output({ ...closed, required: [] })).not.toHaveProperty("strict");
    const tools = [{ functionDeclarations: [{ name: "f" }] }];
    const toolConfig = { functionCallingConfig: { mode: "VALIDATED" } };
    expect(read({ tools, toolConfig })).toMatchObject({ toolChoice: { type: "auto" }, tools: [{ strict: true }] });
  });

  it("names hints that it leaves out", () => {
    const parts = [{ text: "hi", partMetadata: { a: 1 } }];
    const more = { labels: { team: "a" }, store: false, serviceTier: "standard", contents: [{ parts }] };
    expect(read(more).hints).toEqual(["labels", "store", "serviceTier", "contents.parts.partMetadata"]);
  });

  it("refuses everything without a counterpart at once, by path", () => {
    const more: JsonObject = {
      safetySettings: [{ category: "x", threshold: "BLOCK_NONE" }],
      cachedContent: "cachedContents/1",
      serviceTier: "flex",
      store: true,
      somethingNew: 1,
      generationConfig: { candidateCount: 2, responseModalities: ["AUDIO"], speechConfig: {}, responseLogprobs: true },
      tools: [{ functionDeclarations: [{ name: "f", response: { type: "STRING" } }, { name: "g" }] }],
      toolConfig: { functionCallingConfig: { mode: "AUTO", allowedFunctionNames: ["f"] } },
      contents: [
        {
          parts: [
            { fileData: { mimeType: "video/mp4", fileUri: "https://youtu.be/x" }, videoMetadata: { fps: 1 } },
            { fileData: { mimeType: "image/png", fileUri: "gs://bucket/x.png" } },
            { fileData: { fileUri: "https://generativelanguage.googleapis.com/v1beta/files/abc" } },
          ],
        },
        { role: "model", parts: [{ executableCode: { code: "1" } }] },
      ],
    };
    expect([...refused(more)].sort()).toEqual(
      [
        "untranslatable",
        "safetySettings",
        "cachedContent",
        "serviceTier",
        "store",
        "somethingNew",
        "generationConfig.candidateCount",
        "generationConfig.responseModalities",
        "generationConfig.speechConfig",
        "generationConfig.responseLogprobs",
        "tools.0.functionDeclarations.0.response",
        "toolConfig.functionCallingConfig.allowedFunctionNames",
        "contents.0.parts.0.fileData",
        "contents.0.parts.0.videoMetadata",
        "contents.0.parts.1.fileData.fileUri",
        "contents.0.parts.2.fileData.fileUri",
        "contents.1.parts.0.executableCode",
      ].sort(),
    );
  });

  it.each<[string, JsonObject, string]>([
    ["a role that is none", { contents: [{ role: "system", parts: [] }] }, "contents.0"],
    ["no contents", { contents: 7 }, "contents"],
    [
      "a part of two kinds",
      { contents: [{ parts: [{ text: "a", functionCall: { name: "f" } }] }] },
      "contents.0.parts.0",
    ],
    [
      "arguments that are no object",
      { contents: [{ role: "model", parts: [{ functionCall: { name: "f", args: [] } }] }] },
      "contents.0.parts.0.functionCall",
    ],
    ["temperature out of range", { generationConfig: { temperature: 3 } }, "generationConfig.temperature"],
    ["a schema without its form", { generationConfig: { responseSchema: {} } }, "generationConfig.responseMimeType"],
    [
      "two schemas of a function",
      { tools: [{ functionDeclarations: [{ name: "f", parameters: {}, parametersJsonSchema: {} }] }] },
      "tools.0.functionDeclarations.0",
    ],
    [
      "a level that is none",
      { generationConfig: { thinkingConfig: { thinkingLevel: "WILD" } } },
      "generationConfig.thinkingConfig.thinkingLevel",
    ],
  ])("refuses %s as invalid", (_, more, path) => {
    expect(refused(more)).toEqual(["invalid_request", path]);
  });
});

describe("a conversation", () => {
  it("is written with its limit, instructions from wherever they stood, and JSON Schema for functions", () => {
    const schema = { type: "object", properties: { q: { type: "string" } }, $defs: {} };
    const written = write({
      turns: [
        { role: "system", parts: [{ type: "text", text: "One." }] },
        { role: "user", parts: [{ type: "text", text: "hi" }] },
        { role: "system", parts: [{ type: "text", text: "Two." }] },
        {
          role: "user",
          parts: [
            { type: "text", text: "" },
            { type: "text", text: "ho" },
          ],
        },
      ],
      tools: [{ name: "look.up", description: "Looks.", schema }],
      toolChoice: { type: "tool", name: "look.up" },
    });
    expect(written).toEqual({
      systemInstruction: { parts: [{ text: "One." }, { text: "Two." }] },
      contents: [{ role: "user", parts: [{ text: "hi" }, { text: "ho" }] }],
      tools: [{ functionDeclarations: [{ name: "look.up", description: "Looks.", parametersJsonSchema: schema }] }],
      toolConfig: { functionCallingConfig: { mode: "ANY", allowedFunctionNames: ["look.up"] } },
      generationConfig: { maxOutputTokens: 4096 },
    });
  });

  it("is sampled, formed and thought about in Gemini's words", () => {
    const sampled = { temperature: 2, topP: 1, topK: 3, seed: 7, frequencyPenalty: 1, presencePenalty: 1, stop: ["x"] };
    const schema = { type: "object" };
    expect(config({ ...sampled, output: { type: "json_schema", name: "n", schema, description: "d" } })).toEqual({
      maxOutputTokens: 4096,
      temperature: 2,
      topP: 1,
      topK: 3,
      seed: 7,
      frequencyPenalty: 1,
      presencePenalty: 1,
      stopSequences: ["x"],
      responseMimeType: "application/json",
      responseJsonSchema: { type: "object", description: "d" },
    });
    const thinking = (reasoning: NonNullable<Conversation["reasoning"]>, target = TARGET): unknown =>
      (config({ reasoning }, target) as JsonObject)["thinkingConfig"];
    expect(thinking({ effort: "high", isShown: true })).toEqual({ thinkingBudget: 24576, includeThoughts: true });
    expect(thinking({ effort: "xhigh" }, NEWER)).toEqual({ thinkingLevel: "HIGH" });
    expect(thinking({ effort: "low", budgetTokens: 99 }, NEWER)).toEqual({ thinkingBudget: 99 });
    expect(thinking({ effort: "none", isShown: true })).toEqual({ thinkingBudget: 0 });
    expect(thinking({ isShown: false })).toEqual({ includeThoughts: false });
    expect(thinking({})).toBeUndefined();
  });

  it("keeps to the schemas of strict functions", () => {
    const tools = [{ name: "f", schema: {}, strict: true }];
    const mode = (more: Partial<Conversation>): unknown => write({ tools, ...more })["toolConfig"];
    expect(mode({})).toEqual({ functionCallingConfig: { mode: "VALIDATED" } });
    expect(mode({ toolChoice: { type: "required" } })).toEqual({ functionCallingConfig: { mode: "ANY" } });
    expect(mode({ toolChoice: { type: "none" } })).toEqual({ functionCallingConfig: { mode: "NONE" } });
  });

  it("sends no state that Gemini did not sign; from Gemini 3 on, Google's own word stands for it on the first call", () => {
    const turns: Conversation["turns"] = [
      { role: "user", parts: [{ type: "text", text: "hi" }] },
      {
        role: "assistant",
        parts: [
          { type: "reasoning", text: "hm", signed: { origin: "messages", value: { signature: "x" } } },
          { type: "reasoning", text: "unsigned" },
          { type: "tool_call", id: "1", name: "f", args: "" },
          { type: "tool_call", id: "2", name: "g", args: "{}" },
        ],
      },
    ];
    const calls = (signature: JsonObject) => [
      USER,
      {
        role: "model",
        parts: [
          { functionCall: { id: "1", name: "f", args: {} }, ...signature },
          { functionCall: { id: "2", name: "g", args: {} } },
        ],
      },
    ];
    expect(write({ turns })["contents"]).toEqual(calls({}));
    expect(write({ turns }, NEWER)["contents"]).toEqual(
      calls({ thoughtSignature: "skip_thought_signature_validator" }),
    );
  });

  it("sends media as what they are, and images in less detail only together", () => {
    const low = { type: "image", source: { type: "url", url: "https://x/y.JPG?z=1" }, detail: "low" } as const;
    const pdf = {
      type: "document",
      source: { type: "base64", mediaType: "application/pdf", data: "AA" },
      name: "n",
    } as const;
    const sound = { type: "audio", mediaType: "audio/wav", data: "AA" } as const;
    const written = write({ turns: [{ role: "user", parts: [low, pdf, sound] }] });
    expect(written).toMatchObject({
      contents: [
        {
          parts: [
            { fileData: { mimeType: "image/jpeg", fileUri: "https://x/y.JPG?z=1" } },
            { inlineData: { mimeType: "application/pdf", data: "AA", displayName: "n" } },
            { inlineData: { mimeType: "audio/wav", data: "AA" } },
          ],
        },
      ],
      generationConfig: { mediaResolution: "MEDIA_RESOLUTION_LOW" },
    });
    const high = { ...low, detail: "high" } as const;
    expect(unwritable({ turns: [{ role: "user", parts: [low, high] }] })).toEqual([
      "untranslatable",
      "messages.0.0.detail",
    ]);
  });

  it("refuses everything that Gemini has no word for at once, by path", () => {
    const turns: Conversation["turns"] = [
      {
        role: "user",
        parts: [{ type: "image", source: { type: "url", url: "https://x/y" } }],
      },
      {
        role: "assistant",
        parts: [
          { type: "tool_call", id: "1", name: "f", args: "[1]" },
          { type: "tool_call", id: "2", name: "f", args: '{"id":9007199254740993}' },
          { type: "tool_call", id: "3", name: "2f", args: "{}" },
        ],
      },
    ];
    const more = {
      turns,
      parallelToolCalls: false,
      temperature: 2.5,
      seed: 2 ** 40,
      stop: ["a", "b", "c", "d", "e", "f"],
      tools: [{ name: "no spaces", schema: {} }],
    };
    expect(unwritable(more)).toEqual([
      "untranslatable",
      "parallel_tool_calls",
      "messages.0.0.url",
      "messages.1.0.arguments",
      "messages.1.1.arguments",
      "messages.1.2.name",
      "tools.0.name",
      "temperature",
      "seed",
      "stop",
    ]);
    expect(unwritable({ turns: [] })).toEqual(["untranslatable", "messages"]);
  });

  it("takes a system text before everything else", () => {
    const before = (body: JsonObject) => generateCodec.withSystem({ contents: [], ...body }, "First.");
    expect(before({})).toEqual({ contents: [], systemInstruction: { parts: [{ text: "First." }] } });
    expect(before({ system_instruction: { role: "user", parts: { text: "Then." } } })).toEqual({
      contents: [],
      system_instruction: { role: "user", parts: [{ text: "First." }, { text: "Then." }] },
    });
  });
});
