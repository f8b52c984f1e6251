// Responses requests: what they mean, how a conversation reads as one, and what the gateway reads and changes in those that pass.
import { describe, expect, test } from "vitest";
import type { Conversation } from "../../src/core/dialect/conversation.ts";
import { carry } from "../../src/core/dialect/responses/foreign-state.ts";
import { responsesCodec } from "../../src/core/dialect/responses/codec.ts";
import { responsesWire } from "../../src/core/dialect/responses/wire.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import { bodyOf, expectValid, FIELDS, REASONING, refusedPaths, TARGET, valueOf } from "./responses-fixture.ts";

function read(body: JsonObject): Conversation {
  return valueOf(responsesCodec.readRequest({ model: "gpt", ...body }, FIELDS));
}

function refused(body: JsonObject): readonly string[] {
  return refusedPaths(responsesCodec.readRequest({ model: "gpt", ...body }, FIELDS));
}

const TOOL = { type: "function", name: "find", parameters: { type: "object" }, strict: true } as const;

describe("what a request means", () => {
  test("instructions, texts, media, calls and results", () => {
    const { turns } = read({
      instructions: "be kind",
      input: [
        { role: "user", content: "hi" },
        {
          type: "message",
          role: "user",
          content: [
            { type: "input_text", text: "look" },
            { type: "input_image", image_url: "data:image/png;base64,AAAA", detail: "low" },
            { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,BBBB" },
            { type: "input_file", file_url: "https://x.test/b.pdf" },
          ],
        },
        REASONING,
        { type: "function_call", id: "fc_1", call_id: "c1", name: "find", arguments: '{"q":1}', status: "completed" },
        { type: "function_call", call_id: "c2", name: "find", arguments: "" },
        { type: "function_call_output", call_id: "c1", output: "one" },
        { type: "function_call_output", call_id: "c2", output: [{ type: "input_text", text: "two" }] },
        { role: "developer", content: "now briefly" },
      ],
    });
    expect(turns).toEqual([
      { role: "system", parts: [{ type: "text", text: "be kind" }] },
      {
        role: "user",
        parts: [
          { type: "text", text: "hi" },
          { type: "text", text: "look" },
          { type: "image", source: { type: "base64", mediaType: "image/png", data: "AAAA" }, detail: "low" },
          {
            type: "document",
            source: { type: "base64", mediaType: "application/pdf", data: "BBBB" },
            name: "a.pdf",
          },
          { type: "document", source: { type: "url", url: "https://x.test/b.pdf" } },
        ],
      },
      {
        role: "assistant",
        parts: [
          { type: "reasoning", text: "first\n\nthen", signed: { origin: "responses", value: REASONING } },
          { type: "tool_call", id: "c1", name: "find", args: '{"q":1}' },
          { type: "tool_call", id: "c2", name: "find", args: "{}" },
        ],
      },
      {
        role: "user",
        parts: [
          { type: "tool_result", callId: "c1", name: "find", content: [{ type: "text", text: "one" }], isError: false },
          { type: "tool_result", callId: "c2", name: "find", content: [{ type: "text", text: "two" }], isError: false },
        ],
      },
      { role: "system", parts: [{ type: "text", text: "now briefly" }] },
    ]);
  });

  test("state of another dialect comes back to where it belongs", () => {
    const thought = { origin: "messages", value: { signature: "s" } } as const;
    const ofCall = { origin: "generate", value: "t" } as const;
    const { turns } = read({
      input: [
        { role: "user", content: "hi" },
        { type: "reasoning", id: "rs_1", summary: [], encrypted_content: carry(thought) },
        { type: "function_call", call_id: "c1", name: "find", arguments: "{}" },
        { type: "reasoning", id: "rs_2", summary: [], encrypted_content: carry(ofCall, "c1") },
      ],
    });
    expect(turns[1]?.parts).toEqual([
      { type: "reasoning", text: "", signed: thought },
      { type: "tool_call", id: "c1", name: "find", args: "{}", signed: ofCall },
    ]);
  });

  test("wishes, and those that change no answer by name", () => {
    const conversation = read({
      input: "hi",
      tools: [TOOL],
      tool_choice: { type: "function", name: "find" },
      parallel_tool_calls: false,
      temperature: 0.5,
      top_p: 0.9,
      text: { format: { type: "json_schema", name: "a", schema: { type: "object" }, strict: true } },
      reasoning: { effort: "high", summary: "auto" },
      metadata: { a: "b" },
      store: true,
      safety_identifier: "u1",
      service_tier: "auto",
      truncation: "disabled",
      include: ["reasoning.encrypted_content"],
    });
    expect(conversation).toMatchObject({
      turns: [{ role: "user", parts: [{ type: "text", text: "hi" }] }],
      tools: [{ name: "find", schema: { type: "object" }, strict: true }],
      toolChoice: { type: "tool", name: "find" },
      parallelToolCalls: false,
      maxOutput: 1000,
      temperature: 0.5,
      topP: 0.9,
      output: { type: "json_schema", name: "a", strict: true },
      reasoning: { effort: "high", isShown: true },
      user: "u1",
      hints: ["metadata", "store", "service_tier"],
    });
  });

  test("everything without a counterpart is named at once", () => {
    expect(
      refused({
        input: [
          { type: "web_search_call", id: "ws_1", status: "completed" },
          { role: "user", content: [{ type: "input_image", file_id: "file_1" }] },
        ],
        truncation: "auto",
        top_logprobs: 3,
        text: { verbosity: "low" },
        reasoning: { context: "all_turns" },
        tools: [{ type: "custom", name: "x" }],
        modalities: ["audio"],
      }),
    ).toEqual([
      "untranslatable",
      "modalities",
      "truncation",
      "top_logprobs",
      "input.0",
      "input.1.content.0",
      "tools.0",
      "text.verbosity",
      "reasoning.context",
    ]);
    expect(refused({ input: 3 })).toEqual(["invalid_request", "input"]);
  });
});

describe("how a conversation reads as a request", () => {
  const body: JsonObject = {
    instructions: "be kind",
    input: [
      { type: "message", role: "user", content: [{ type: "input_text", text: "hi" }] },
      REASONING,
      { type: "message", role: "assistant", content: "well" },
      { type: "function_call", call_id: "c1", name: "find", arguments: "{}" },
      { type: "function_call_output", call_id: "c1", output: "one" },
      { type: "message", role: "system", content: [{ type: "input_text", text: "briefly" }] },
    ],
    tools: [TOOL],
    tool_choice: "required",
    parallel_tool_calls: true,
    text: { format: { type: "json_object" } },
    reasoning: { effort: "low", summary: "auto" },
  };

  test("what is read is written again, and its items are OpenAI's", () => {
    const conversation = read(body);
    const written = valueOf(responsesCodec.writeRequest(conversation, TARGET));
    expect(written).toEqual({
      ...body,
      model: "gpt-5.4",
      max_output_tokens: 4096,
      store: false,
      include: ["reasoning.encrypted_content"],
    });
    for (const item of written["input"] as readonly JsonObject[]) expectValid("InputItem", item);
    for (const tool of written["tools"] as readonly JsonObject[]) expectValid("Tool", tool);
    expect(valueOf(responsesCodec.readRequest(written, FIELDS)).turns).toEqual(conversation.turns);
  });

  test("foreign and unsigned thoughts stay out; a failed result says so", () => {
    const written = valueOf(
      responsesCodec.writeRequest(
        {
          turns: [
            { role: "user", parts: [{ type: "text", text: "hi" }] },
            {
              role: "assistant",
              parts: [
                { type: "reasoning", text: "mine", signed: { origin: "messages", value: { signature: "s" } } },
                { type: "reasoning", text: "nobody's" },
                {
                  type: "tool_call",
                  id: "c1",
                  name: "crm.find",
                  args: "{}",
                  signed: { origin: "generate", value: "t" },
                },
              ],
            },
            {
              role: "user",
              parts: [{ type: "tool_result", callId: "c1", content: [{ type: "text", text: "gone" }], isError: true }],
            },
          ],
          tools: [{ name: "crm.find", schema: { type: "object" } }],
          isStream: true,
          hints: [],
        },
        { ...TARGET, model: "gpt-4.1", isOpenAi: true },
      ),
    );
    expect(written).toMatchObject({
      stream: true,
      input: [
        { role: "user" },
        { type: "function_call", call_id: "c1", arguments: "{}" },
        { type: "function_call_output", call_id: "c1", output: "Error: gone" },
      ],
      tools: [{ strict: false }],
    });
    expect(written).not.toHaveProperty("include");
    expect(JSON.stringify(written)).not.toContain("crm.find");
  });

  test("what Responses have no word for is refused", () => {
    const conversation: Conversation = {
      turns: [{ role: "user", parts: [{ type: "audio", mediaType: "audio/wav", data: "AA" }] }],
      tools: [],
      stop: ["x"],
      seed: 1,
      topK: 3,
      frequencyPenalty: 0.1,
      isStream: false,
      hints: [],
    };
    expect(refusedPaths(responsesCodec.writeRequest(conversation, TARGET))).toEqual([
      "untranslatable",
      "top_k",
      "seed",
      "frequency_penalty",
      "stop",
      "input.0.0",
    ]);
  });
});

describe("what passes through", () => {
  const fields = (body: JsonObject): unknown =>
    responsesWire.readFields(bodyOf({ model: "gpt", input: "hi", ...body }), {});

  test("owned fields", () => {
    expect(fields({ stream: true, max_output_tokens: 7, tools: [TOOL] })).toMatchObject({
      value: { model: "gpt", isStream: true, maxOutput: 7, choices: 1, wantsUsage: true },
    });
    for (const [wrong, path] of [
      [{ model: 3 }, "model"],
      [{ stream: "yes" }, "stream"],
      [{ max_output_tokens: 0 }, "max_output_tokens"],
      [{ store: "no" }, "store"],
      [{ previous_response_id: 3 }, "previous_response_id"],
    ] as const)
      expect(fields(wrong)).toMatchObject({ ok: false, code: "invalid_request", mistakes: [{ path }] });
  });

  test.for([
    [{ background: true }, "background"],
    [{ conversation: "conv_1" }, "conversation"],
    [{ prompt: { id: "pmpt_1" } }, "prompt"],
    [{ service_tier: "priority" }, "service_tier"],
    [{ context_management: [{ type: "compaction" }] }, "context_management"],
    [{ reasoning: { mode: "pro" } }, "reasoning.mode"],
    [{ tool_choice: { type: "web_search_preview" } }, "tool_choice"],
    [{ tool_choice: { type: "allowed_tools", mode: "auto", tools: [{ type: "mcp" }] } }, "tool_choice.tools.0"],
    [{ input: [{ type: "compaction_trigger" }] }, "input.0"],
    [{ input: [{ type: "additional_tools", tools: [{ type: "mcp" }] }] }, "input.0.tools.0"],
    ...[
      "web_search",
      "file_search",
      "code_interpreter",
      "computer_use_preview",
      "mcp",
      "image_generation",
      "local_shell",
      "custom",
      "shell",
      "tool_search",
    ].map((type) => [{ tools: [TOOL, { type }] }, "tools.1"] as const),
  ] as const)("refuses what acts, stores or costs elsewhere: %j", ([body, path]) => {
    expect(fields(body as unknown as JsonObject)).toMatchObject({
      ok: false,
      code: "unsupported",
      mistakes: [{ path }],
    });
  });

  test("what says nothing passes", () => {
    expect(
      fields({ background: false, conversation: null, prompt: null, service_tier: "flex", tool_choice: "auto" }),
    ).toMatchObject({
      ok: true,
    });
  });

  test("only owned fields change", () => {
    const edited = (body: string, edits: Partial<Parameters<typeof responsesWire.edited>[2]> = {}): string => {
      const text = bodyOf(body);
      return responsesWire.edited(text, valueOf(responsesWire.readFields(text, {})), {
        model: "gpt-5.4",
        maxOutput: 9,
        isOpenAi: true,
        ...edits,
      });
    };
    expect(
      edited(
        '{ "model":"fast", "input":"hi",  "x_new":1e2, "store":true,"previous_response_id":"resp_1","max_output_tokens": 50 }',
      ),
    ).toBe(
      '{ "include":["reasoning.encrypted_content"],"model":"gpt-5.4", "input":"hi",  "x_new":1e2, "store":false,"previous_response_id":null,"max_output_tokens": 9 }',
    );
    expect(edited('{"model":"gpt-4.1","input":"hi","store":false,"max_output_tokens":9}', { model: "gpt-4.1" })).toBe(
      '{"model":"gpt-4.1","input":"hi","store":false,"max_output_tokens":9}',
    );
    expect(
      edited('{"model":"gpt-5.4","input":"hi","store":false,"max_output_tokens":9}', { isOpenAi: false }),
    ).not.toContain("include");
  });

  test("reasoning that OpenAI could not know is taken out", () => {
    const own = { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "gA" };
    const body = bodyOf({
      model: "gpt-5.4",
      store: false,
      input: [
        own,
        { type: "reasoning", id: "rs_2", summary: [] },
        { type: "reasoning", id: "rs_3", summary: [], encrypted_content: carry({ origin: "messages", value: 1 }) },
        { role: "user", content: "a" },
      ],
    });
    const edited = JSON.parse(
      responsesWire.edited(body, FIELDS, { model: "gpt-5.4", maxOutput: 9, isOpenAi: true }),
    ) as JsonObject;
    expect(edited["input"]).toEqual([own, { role: "user", content: "a" }]);
  });
});
