// Proves what chat-completions requests mean, how conversations read as such, and that nothing is dropped unsaid.
import { describe, expect, it } from "vitest";
import { chatCodec } from "../../src/core/dialect/chat/codec.ts";
import type { Conversation } from "../../src/core/dialect/conversation.ts";
import { originalName, safeName } from "../../src/core/dialect/tool-names.ts";
import type { Json, JsonObject } from "../../src/core/json/canonical.ts";
import { complaints } from "../demo/vendor-schemas.ts";
import { FIELDS, IMAGE_DATA, TARGET } from "./chat-fixture.ts";
import { refusedPaths, valueOf } from "./dialect-laws.ts";

const ASKED = { model: "fast", messages: [{ role: "user", content: "hi" }] };

function read(body: JsonObject): Conversation {
  return valueOf(chatCodec.readRequest(body, FIELDS));
}

function refused(more: JsonObject): readonly string[] {
  return refusedPaths(chatCodec.readRequest({ ...ASKED, ...more }, FIELDS));
}

function call(id: string, name: string, args: string): JsonObject {
  return { id, type: "function", function: { name, arguments: args } };
}

const AGENT = {
  model: "fast",
  messages: [
    { role: "system", content: "Be brief." },
    { role: "user", content: [{ type: "text", text: "Compare" }] },
    {
      role: "assistant",
      content: "I look.",
      tool_calls: [
        call("call_a", "weather", '{"city":"Ulm"}'),
        call("call_b", "weather", ""),
        call("call_c", "now", "{}"),
      ],
    },
    { role: "tool", tool_call_id: "call_a", content: "rain" },
    { role: "tool", tool_call_id: "call_b", content: [{ type: "text", text: "sun" }] },
    { role: "tool", tool_call_id: "call_c", content: "" },
    { role: "user", content: "And now?" },
    { role: "developer", content: "Answer in German." },
  ],
};

describe("a chat-completions request", () => {
  it("keeps parallel results in order, in one turn, before what the user says next", () => {
    const [system, asked, called, answered, last] = read(AGENT).turns;
    expect(system).toEqual({ role: "system", parts: [{ type: "text", text: "Be brief." }] });
    expect(asked).toEqual({ role: "user", parts: [{ type: "text", text: "Compare" }] });
    expect(called?.parts.map((part) => (part.type === "tool_call" ? part.args : part.type))).toEqual([
      "text",
      '{"city":"Ulm"}',
      "{}",
      "{}",
    ]);
    expect(answered).toEqual({
      role: "user",
      parts: [
        {
          type: "tool_result",
          callId: "call_a",
          name: "weather",
          content: [{ type: "text", text: "rain" }],
          isError: false,
        },
        {
          type: "tool_result",
          callId: "call_b",
          name: "weather",
          content: [{ type: "text", text: "sun" }],
          isError: false,
        },
        { type: "tool_result", callId: "call_c", name: "now", content: [], isError: false },
        { type: "text", text: "And now?" },
      ],
    });
    expect(last).toEqual({ role: "system", parts: [{ type: "text", text: "Answer in German." }] });
  });

  it("is valid when it was written anew", () => {
    const written = valueOf(chatCodec.writeRequest(read(AGENT), TARGET));
    expect(complaints("openai", "CreateChatCompletionRequest", written)).toEqual([]);
    expect(written["messages"]).toMatchObject(
      AGENT.messages.map(({ role }) => ({ role: role === "developer" ? "system" : role })),
    );
  });

  it("takes pictures, files and sound, by address or in base64", () => {
    const content: Json = [
      { type: "image_url", image_url: { url: "https://pictures.example/cat.png", detail: "high" } },
      { type: "image_url", image_url: { url: `data:image/png;charset=binary;base64,${IMAGE_DATA}` } },
      { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,JVBERi0=" } },
      { type: "input_audio", input_audio: { data: "UklGRg==", format: "wav" } },
    ];
    expect(read({ ...ASKED, messages: [{ role: "user", content }] }).turns[0]?.parts).toEqual([
      { type: "image", source: { type: "url", url: "https://pictures.example/cat.png" }, detail: "high" },
      { type: "image", source: { type: "base64", mediaType: "image/png", data: IMAGE_DATA } },
      { type: "document", source: { type: "base64", mediaType: "application/pdf", data: "JVBERi0=" }, name: "a.pdf" },
      { type: "audio", mediaType: "audio/wav", data: "UklGRg==" },
    ]);
  });

  it.each<[string, JsonObject, readonly string[]]>([
    [
      "sound as an answer",
      { modalities: ["text", "audio"], audio: { voice: "ash", format: "wav" } },
      ["audio", "modalities"],
    ],
    ["log probabilities", { logprobs: true, top_logprobs: 2 }, ["top_logprobs", "logprobs"]],
    ["biases", { logit_bias: { "50256": -100 } }, ["logit_bias"]],
    ["search", { web_search_options: {} }, ["web_search_options"]],
    ["predictions", { prediction: { type: "content", content: "x" } }, ["prediction"]],
    ["functions of old", { functions: [{ name: "f" }], function_call: "auto" }, ["functions", "function_call"]],
    ["moderation", { moderation: {} }, ["moderation"]],
    ["another verbosity", { verbosity: "low" }, ["verbosity"]],
    ["another tier", { service_tier: "flex" }, ["service_tier"]],
    ["custom tools", { tools: [{ type: "custom", custom: { name: "c" } }] }, ["tools.0"]],
    [
      "allowed tools",
      { tool_choice: { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [] } } },
      ["tool_choice"],
    ],
    ["names of speakers", { messages: [{ role: "user", content: "hi", name: "Ann" }] }, ["messages.0.name"]],
    ["function messages", { messages: [{ role: "function", name: "f", content: "x" }] }, ["messages.0.role"]],
    ["earlier sound", { messages: [{ role: "assistant", audio: { id: "a" } }] }, ["messages.0.audio"]],
    [
      "stored files",
      { messages: [{ role: "user", content: [{ type: "file", file: { file_id: "file-1" } }] }] },
      ["messages.0.content.0.file.file_id"],
    ],
    [
      "what is unknown in parts",
      {
        messages: [
          {
            role: "user",
            content: [
              { type: "text", text: "x", tone: 1 },
              { type: "image_url", image_url: { url: "https://a.example", fps: 2 } },
            ],
          },
        ],
      },
      ["messages.0.content.0.tone", "messages.0.content.1.image_url.fps"],
    ],
    [
      "what is unknown in tools",
      { tools: [{ type: "function", defer: true, function: { name: "f", examples: [] } }] },
      ["tools.0.defer", "tools.0.function.examples"],
    ],
    [
      "what is unknown in the form",
      { response_format: { type: "json_object", grammar: "x" } },
      ["response_format.grammar"],
    ],
    ["what nobody knows", { constructor: 1, __x: true }, ["constructor", "__x"]],
  ])("refuses by name what has no counterpart: %s", (_, more, paths) => {
    expect(refused(more)).toEqual(["untranslatable", ...paths]);
  });

  it("refuses several answers at once", () => {
    expect(refusedPaths(chatCodec.readRequest({ ...ASKED, n: 2 }, { ...FIELDS, choices: 2 }))).toEqual([
      "untranslatable",
      "n",
    ]);
  });

  it.each<[JsonObject, readonly string[]]>([
    [{ messages: "hi" }, ["messages"]],
    [{ stop: ["a", 1] }, ["stop"]],
    [{ temperature: "warm" }, ["temperature"]],
    [{ reasoning_effort: "utmost" }, ["reasoning_effort"]],
    [{ messages: [{ role: "tool", content: "x" }] }, ["messages.0.tool_call_id"]],
    [
      { messages: [{ role: "user", content: [{ type: "file", file: { file_data: "JVBERi0=" } }] }] },
      ["messages.0.content.0.file.file_data"],
    ],
    [
      {
        messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:image/svg+xml,<svg/>" } }] }],
      },
      ["messages.0.content.0.image_url.url"],
    ],
    [{ messages: [{ role: "user", content: [{ type: "constructor" }] }] }, []],
  ])("refuses what no dialect takes: %j", (more, paths) => {
    const [code, ...named] = refused(more);
    if (paths.length === 0) expect(code).toBe("untranslatable");
    else expect([code, ...named]).toEqual(["invalid_request", ...paths]);
  });

  it("names the hints that it leaves out, and says the same without them", () => {
    const hinted = read({
      ...ASKED,
      messages: [{ role: "user", content: [{ type: "text", text: "hi", cache_control: { type: "ephemeral" } }] }],
      metadata: { team: "a" },
      store: false,
      prompt_cache_key: "k",
      service_tier: "auto",
      safety_identifier: "s",
      user: "u",
      stream_options: { include_usage: true, include_obfuscation: false },
      logprobs: false,
      n: 1,
      verbosity: "medium",
    });
    expect(hinted).toEqual({ ...read(ASKED), user: "s", hints: hinted.hints });
    expect(new Set(hinted.hints)).toEqual(
      new Set([
        "cache_control",
        "metadata",
        "store",
        "prompt_cache_key",
        "service_tier",
        "user",
        "stream_options.include_obfuscation",
      ]),
    );
  });

  it("refuses to be written with what chat completions have no word for", () => {
    const base = read(ASKED);
    const paths = (more: Partial<Conversation>): readonly string[] =>
      refusedPaths(chatCodec.writeRequest({ ...base, ...more }, TARGET));
    expect(paths({ topK: 4 })).toEqual(["untranslatable", "top_k"]);
    expect(paths({ temperature: 2.5 })).toEqual(["untranslatable", "temperature"]);
    expect(paths({ stop: ["a", "b", "c", "d", "e"] })).toEqual(["untranslatable", "stop"]);
    const source = { type: "url" as const, url: "https://files.example/a.pdf" };
    expect(paths({ turns: [{ role: "user", parts: [{ type: "document", source }] }] })).toEqual([
      "untranslatable",
      "messages.0.0",
    ]);
    const picture = { type: "image" as const, source };
    const result = { type: "tool_result" as const, callId: "c", content: [picture], isError: false };
    expect(paths({ turns: [{ role: "user", parts: [result] }] })).toEqual([
      "untranslatable",
      "messages.0.tool_result.0",
    ]);
  });

  it("says in words that a tool failed, and leaves out what others signed", () => {
    const written = valueOf(
      chatCodec.writeRequest(
        {
          ...read(ASKED),
          turns: [
            {
              role: "assistant",
              parts: [
                { type: "reasoning", text: "hm", signed: { origin: "messages", value: { signature: "E" } } },
                { type: "tool_call", id: "c", name: "f", args: "{}", signed: { origin: "responses", value: "x" } },
              ],
            },
            {
              role: "user",
              parts: [{ type: "tool_result", callId: "c", content: [{ type: "text", text: "no" }], isError: true }],
            },
          ],
        },
        TARGET,
      ),
    );
    expect(written["messages"]).toEqual([
      { role: "assistant", content: null, tool_calls: [call("c", "f", "{}")] },
      { role: "tool", tool_call_id: "c", content: "Error: no" },
    ]);
  });
});

describe("a tool's name", () => {
  it("is itself where it is allowed, and otherwise one that leads back to it and to no other", () => {
    const long = "a".repeat(80);
    const names = ["look-up", "crm.find", "crm/find", "crm:find", "crm_find", long, `${long}b`, "größe", "", "😀"];
    const safe = names.map(safeName);
    expect(safe[0]).toBe("look-up");
    expect(new Set(safe).size).toBe(names.length);
    for (const each of safe) expect(each).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
    expect(safe.map((each) => originalName(each, names))).toEqual(names);
    expect(originalName("unheard_of", names)).toBe("unheard_of");
  });
});
