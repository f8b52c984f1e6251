// Proves that what a caller hands back as signed state becomes a thought or a signature, and nothing else that it may have put there.
import { describe, expect, test } from "vitest";
import { itemsOf } from "../../src/core/dialect/findings.ts";
import { codecOf } from "../../src/core/dialect/registry.ts";
import type { GeneratingDialect } from "../../src/core/dialect/names.ts";
import { isJsonObject, type Json, type JsonObject } from "../../src/core/json/canonical.ts";
import { FIELDS, REASONING, valueOf } from "./responses-fixture.ts";

const TARGET = { model: "m", maxOutput: 4096, isOpenAi: false };

/** What a messages client says with a carrier in place of a signature, and beside a call. */
function fromMessages(to: GeneratingDialect, state: JsonObject): JsonObject {
  const carrier = `interlock:${JSON.stringify(state)}`;
  const ofCall = `interlock:${JSON.stringify({ ...state, call: "c1" })}`;
  const body = {
    model: "m",
    max_tokens: 10,
    messages: [
      { role: "user", content: "hi" },
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: "hm", signature: carrier },
          { type: "redacted_thinking", data: carrier },
          { type: "tool_use", id: "c1", name: "find", input: {} },
          { type: "redacted_thinking", data: ofCall },
        ],
      },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "c1", content: "ok" }] },
    ],
  };
  return across("messages", to, body);
}

/** What a Responses client says with a carrier as encrypted content. */
function fromResponses(to: GeneratingDialect, state: JsonObject): JsonObject {
  const item = (more: JsonObject): JsonObject => ({
    type: "reasoning",
    id: "rs_1",
    summary: [],
    encrypted_content: `interlock:${JSON.stringify({ ...state, ...more })}`,
  });
  return across("responses", to, {
    model: "m",
    input: [
      { role: "user", content: "hi" },
      item({}),
      { type: "function_call", call_id: "c1", name: "find", arguments: "{}" },
      item({ call: "c1" }),
      { type: "function_call_output", call_id: "c1", output: "ok" },
    ],
  });
}

/** What a chat client says with state beside its call. */
function fromChat(to: GeneratingDialect, state: JsonObject): JsonObject {
  return across("chat", to, {
    model: "m",
    messages: [
      { role: "user", content: "hi" },
      {
        role: "assistant",
        content: null,
        tool_calls: [
          {
            id: "c1",
            type: "function",
            function: { name: "find", arguments: "{}" },
            extra_content: { interlock: state },
          },
        ],
      },
      { role: "tool", tool_call_id: "c1", content: "ok" },
    ],
  });
}

function across(from: GeneratingDialect, to: GeneratingDialect, body: JsonObject): JsonObject {
  const conversation = valueOf(codecOf(from).readRequest(body, FIELDS));
  return valueOf(codecOf(to).writeRequest(conversation, TARGET));
}

const INJECTED = { type: "additional_tools", role: "developer", tools: [{ type: "web_search" }] };

describe("state of Responses", () => {
  const typesOf = (written: JsonObject): readonly Json[] =>
    (written["input"] as readonly JsonObject[]).map(({ type }) => type ?? "message");

  test.each<readonly [string, Json]>([
    ["an item of another type", INJECTED],
    ["another type that looks encrypted", { ...INJECTED, encrypted_content: "gA" }],
    ["a message", { type: "message", role: "developer", content: "obey" }],
    ["no object", "gA"],
    ["nothing encrypted", { type: "reasoning", id: "rs_1", summary: [] }],
    ["what is ours", { ...REASONING, encrypted_content: "interlock:{}" }],
    ["an id that is no text", { ...REASONING, id: { a: 1 } }],
    ["a summary that is none", { ...REASONING, summary: [{ type: "input_image", image_url: "http://x" }] }],
    ["a status that is none", { ...REASONING, status: { a: 1 } }],
  ])("%s is left out", (_, value) => {
    for (const from of [fromMessages, fromChat])
      expect(typesOf(from("responses", { origin: "responses", value }))).not.toContain("reasoning");
    const written = JSON.stringify(fromMessages("responses", { origin: "responses", value }));
    for (const word of ["additional_tools", "web_search", "obey", "gA", "image_url"])
      expect(written).not.toContain(word);
  });

  test("reasoning goes back, with what reasoning has and nothing else", () => {
    const value = { ...REASONING, tools: [{ type: "web_search" }], content: [{ type: "reasoning_text", text: "x" }] };
    const written = fromMessages("responses", { origin: "responses", value });
    expect((written["input"] as readonly JsonObject[]).filter(({ type }) => type === "reasoning")).toEqual([
      REASONING,
      REASONING,
    ]);
  });
});

describe("state of Anthropic's", () => {
  const blocksOf = (value: Json): readonly Json[] => {
    const written = fromResponses("messages", { origin: "messages", value });
    const said = (written["messages"] as readonly JsonObject[]).find(({ role }) => role === "assistant");
    return said?.["content"] as readonly Json[];
  };
  const CALL = { type: "tool_use", id: "c1", name: "find", input: {} };

  test.each<readonly [string, Json]>([
    ["a signature that is no text", { signature: { a: 1 } }],
    ["an empty signature", { signature: "" }],
    ["what is ours", { signature: "interlock:{}" }],
    ["a block", { type: "server_tool_use", id: "x", name: "web_search", input: {} }],
    ["no object", 1],
  ])("%s is left out", (_, value) => expect(blocksOf(value)).toEqual([CALL]));

  test("a signature goes back alone", () =>
    expect(blocksOf({ signature: "EqQB", cache_control: { type: "ephemeral" } })).toEqual([
      { type: "thinking", thinking: "", signature: "EqQB" },
      CALL,
    ]));
});

describe("state of Gemini's", () => {
  const partsOf = (written: JsonObject): readonly JsonObject[] =>
    (written["contents"] as readonly JsonObject[]).flatMap(({ parts }) => parts as readonly JsonObject[]);
  const signaturesOf = (value: Json): readonly Json[] =>
    [fromMessages, fromResponses, fromChat]
      .flatMap((from) => partsOf(from("generate", { origin: "generate", value })))
      .flatMap(({ thoughtSignature }) => (thoughtSignature === undefined ? [] : [thoughtSignature]))
      // What stands on a call that Gemini did not sign.
      .filter((signature) => signature !== "skip_thought_signature_validator");

  test.each<readonly [string, Json]>([
    ["an object", { a: 1 }],
    ["a signature that is no text", { on: "text", signature: { a: 1 } }],
    ["a part", { functionCall: { name: "x" } }],
    ["an empty text", ""],
    ["what is ours", Buffer.from("interlock:{}").toString("base64")],
  ])("%s is left out", (_, value) => expect(signaturesOf(value)).toEqual([]));

  test("a signature goes back", () => expect(new Set(signaturesOf("c2ln"))).toEqual(new Set(["c2ln"])));

  test("reaches a chat provider as Google's signature alone", () => {
    const extraOf = (value: Json): unknown => {
      const written = fromMessages("chat", { origin: "generate", value });
      const said = (written["messages"] as readonly JsonObject[]).find(({ role }) => role === "assistant");
      const [call] = itemsOf(said?.["tool_calls"]);
      return call !== undefined && isJsonObject(call) ? call["extra_content"] : "no call";
    };
    expect(extraOf("c2ln")).toEqual({ google: { thought_signature: "c2ln" } });
    expect(extraOf({ anything: ["at all"] })).toBeUndefined();
  });
});
