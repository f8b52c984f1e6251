// Proves how Anthropic requests translate: what they mean in no dialect's words, what is written of it, what is refused by name.
import { describe, expect, it } from "vitest";
import type { Conversation } from "../../src/core/dialect/conversation.ts";
import { messagesCodec } from "../../src/core/dialect/messages/codec.ts";
import { carry } from "../../src/core/dialect/messages/foreign-state.ts";
import { takesSystemInside, thinksAdaptively } from "../../src/core/dialect/messages/model-features.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import { FIELDS, refusedPaths, TARGET, valueOf } from "./messages-fixture.ts";

const USER = { role: "user", content: "hi" } as const;
const REQUEST: JsonObject = { model: "claude", max_tokens: 1000, messages: [USER] };
const read = (more: JsonObject): Conversation => valueOf(messagesCodec.readRequest({ ...REQUEST, ...more }, FIELDS));
const refused = (more: JsonObject): readonly string[] =>
  refusedPaths(messagesCodec.readRequest({ ...REQUEST, ...more }, FIELDS));
const SPARE: Conversation = {
  turns: [{ role: "user", parts: [{ type: "text", text: "hi" }] }],
  tools: [],
  isStream: false,
  hints: [],
};
const write = (more: Partial<Conversation>, target = TARGET): JsonObject =>
  valueOf(messagesCodec.writeRequest({ ...SPARE, ...more }, target));
const unwritable = (more: Partial<Conversation>): readonly string[] =>
  refusedPaths(messagesCodec.writeRequest({ ...SPARE, ...more }, TARGET));

/** An agent's second round: text before two parallel calls, results in one message, a text behind them. */
const ROUND: readonly JsonObject[] = [
  USER,
  {
    role: "assistant",
    content: [
      { type: "thinking", thinking: "Two things.", signature: "EqQB" },
      { type: "redacted_thinking", data: "opaque" },
      { type: "text", text: "I look." },
      { type: "tool_use", id: "toolu_1", name: "crm_get", input: { id: 7 } },
      { type: "tool_use", id: "toolu_2", name: "now", input: {} },
    ],
  },
  {
    role: "user",
    content: [
      { type: "tool_result", tool_use_id: "toolu_1", content: "found" },
      {
        type: "tool_result",
        tool_use_id: "toolu_2",
        content: [
          { type: "text", text: "no" },
          { type: "image", source: { type: "url", url: "https://x/y.png" } },
        ],
        is_error: true,
      },
      { type: "text", text: "go on" },
    ],
  },
];

describe("a request", () => {
  it("with parallel calls, text before them and signed thinking keeps every part in its place", () => {
    expect(read({ messages: ROUND }).turns).toEqual([
      { role: "user", parts: [{ type: "text", text: "hi" }] },
      {
        role: "assistant",
        parts: [
          { type: "reasoning", text: "Two things.", signed: { origin: "messages", value: { signature: "EqQB" } } },
          { type: "reasoning", text: "", signed: { origin: "messages", value: { data: "opaque" } } },
          { type: "text", text: "I look." },
          { type: "tool_call", id: "toolu_1", name: "crm_get", args: '{"id":7}' },
          { type: "tool_call", id: "toolu_2", name: "now", args: "{}" },
        ],
      },
      {
        role: "user",
        parts: [
          {
            type: "tool_result",
            callId: "toolu_1",
            name: "crm_get",
            content: [{ type: "text", text: "found" }],
            isError: false,
          },
          {
            type: "tool_result",
            callId: "toolu_2",
            name: "now",
            content: [
              { type: "text", text: "no" },
              { type: "image", source: { type: "url", url: "https://x/y.png" } },
            ],
            isError: true,
          },
          { type: "text", text: "go on" },
        ],
      },
    ]);
  });

  it("there and back is the same request", () => {
    const request: JsonObject = {
      model: TARGET.model,
      max_tokens: TARGET.maxOutput,
      system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral", ttl: "1h" } }],
      messages: [...ROUND, { role: "system", content: "Now in French." }, { role: "assistant", content: "Bien" }],
      tools: [
        {
          name: "crm_get",
          description: "Reads",
          input_schema: { type: "object", properties: { id: { type: "number" } } },
          strict: true,
          cache_control: { type: "ephemeral" },
        },
        { name: "now", input_schema: { type: "object" } },
      ],
      tool_choice: { type: "any", disable_parallel_tool_use: true },
      temperature: 0.5,
      top_p: 0.9,
      top_k: 5,
      stop_sequences: ["END"],
      thinking: { type: "enabled", budget_tokens: 2048, display: "summarized" },
      output_config: { effort: "high", format: { type: "json_schema", schema: { type: "object" } } },
      metadata: { user_id: "u-1" },
      stream: true,
    };
    const fields = { ...FIELDS, isStream: true, maxOutput: TARGET.maxOutput };
    const conversation = valueOf(messagesCodec.readRequest(request, fields));
    expect(conversation.hints).toEqual(["cache_control"]);
    expect(valueOf(messagesCodec.writeRequest(conversation, TARGET))).toEqual(request);
  });

  it("merges neighbouring turns, results first", () => {
    const messages = [
      USER,
      {
        role: "user",
        content: [
          { type: "text", text: "more" },
          { type: "tool_result", tool_use_id: "a" },
        ],
      },
    ];
    expect(read({ messages }).turns).toEqual([
      {
        role: "user",
        parts: [
          { type: "tool_result", callId: "a", content: [], isError: false },
          { type: "text", text: "hi" },
          { type: "text", text: "more" },
        ],
      },
    ]);
  });

  it("keeps documents and images, plain text as its bytes", () => {
    const content = [
      { type: "document", source: { type: "base64", media_type: "application/pdf", data: "JVBE" }, title: "a.pdf" },
      {
        type: "document",
        source: { type: "text", media_type: "text/plain", data: "Grüße" },
        cache_control: { type: "ephemeral" },
      },
      { type: "image", source: { type: "base64", media_type: "image/png", data: "iVBO" } },
    ];
    const { turns } = read({ messages: [{ role: "user", content }] });
    expect(turns[0]?.parts[1]).toEqual({
      type: "document",
      source: { type: "base64", mediaType: "text/plain", data: "R3LDvMOfZQ==" },
      cache: { ttl: "5m" },
    });
    expect(write({ turns })["messages"]).toEqual([{ role: "user", content }]);
  });

  it("says how hard to think in words, tokens or not at all", () => {
    expect(read({ thinking: { type: "disabled" } }).reasoning).toEqual({ budgetTokens: 0 });
    expect(
      read({ thinking: { type: "adaptive", display: "omitted" }, output_config: { effort: "max" } }).reasoning,
    ).toEqual({
      effort: "xhigh",
      isShown: false,
    });
    expect(read({ output_config: { effort: "low" } }).reasoning).toEqual({ effort: "low" });
    expect(read({}).reasoning).toBeUndefined();
  });

  it("leaves out hints and names them", () => {
    const more = {
      cache_control: { type: "ephemeral" },
      service_tier: "auto",
      metadata: { user_id: "u", team: "x" },
      context_management: { edits: [{ type: "clear_thinking_20251015", keep: "all" }] },
      tools: [{ name: "a", input_schema: { type: "object" }, eager_input_streaming: true, defer_loading: false }],
    };
    expect(read(more).hints).toEqual([
      "cache_control",
      "service_tier",
      "context_management",
      "tools.eager_input_streaming",
      "metadata",
    ]);
  });

  it("without a counterpart is refused, naming every field", () => {
    const cited = {
      type: "document",
      source: { type: "url", url: "https://x" },
      citations: { enabled: true },
      context: "c",
    };
    expect(
      refused({
        messages: [
          {
            role: "user",
            content: [cited, { type: "search_result", source: "s", title: "t", content: [] }],
            name: "bob",
          },
          { role: "assistant", content: [{ type: "server_tool_use", id: "s", name: "web_search", input: {} }] },
          { role: "user", content: [{ type: "image", source: { type: "file", file_id: "f" } }] },
        ],
        tools: [
          { type: "bash_20250124", name: "bash" },
          { name: "a", input_schema: {}, input_examples: [{}], defer_loading: true },
        ],
        thinking: { type: "between_tools" },
        brand_new: 1,
        context_management: { edits: [{ type: "clear_tool_uses_20250919" }] },
      }),
    ).toEqual([
      "untranslatable",
      "brand_new",
      "context_management.edits.0",
      "messages.0.name",
      "messages.0.content.0.citations",
      "messages.0.content.0.context",
      "messages.0.content.1",
      "messages.1.content.0",
      "messages.2.content.0.source",
      "tools.0",
      "tools.1.defer_loading",
      "tools.1.input_examples",
      "thinking.type",
    ]);
    expect(refusedPaths(messagesCodec.readRequest(REQUEST, { ...FIELDS, maxOutput: 0 }))).toEqual([
      "untranslatable",
      "max_tokens",
    ]);
  });

  it.each([
    [{ messages: "hi" }, "messages"],
    [{ messages: [{ role: "tool", content: "x" }] }, "messages.0"],
    [{ messages: [{ role: "user", content: 5 }] }, "messages.0.content"],
    [
      { messages: [{ role: "user", content: [{ type: "tool_use", id: "a", name: "b", input: {} }] }] },
      "messages.0.content.0",
    ],
    [{ messages: [{ role: "user", content: [{ type: "tool_result" }] }] }, "messages.0.content.0.tool_use_id"],
    [{ tools: [{ name: "a" }] }, "tools.0"],
    [{ tool_choice: { type: "tool" } }, "tool_choice"],
    [{ temperature: 1.5 }, "temperature"],
    [{ output_config: { effort: "huge" } }, "output_config.effort"],
    [
      { system: [{ type: "text", text: "x", cache_control: { type: "ephemeral", ttl: "9h" } }] },
      "system.0.cache_control",
    ],
  ])("that nobody could read is refused: %j", (more, path) => expect(refused(more)).toEqual(["invalid_request", path]));
});

describe("a conversation as an Anthropic request", () => {
  it("has all results of one turn in one user message, before anything else", () => {
    const { messages } = write({
      turns: [
        { role: "user", parts: [{ type: "text", text: "hi" }] },
        {
          role: "assistant",
          parts: [
            { type: "tool_call", id: "call_1", name: "a", args: "" },
            { type: "tool_call", id: "functions.b:1", name: "b", args: '{"x":1}' },
          ],
        },
        { role: "user", parts: [{ type: "tool_result", callId: "call_1", content: [], isError: false }] },
        {
          role: "user",
          parts: [
            { type: "text", text: "and" },
            { type: "tool_result", callId: "functions.b:1", content: [{ type: "text", text: "2" }], isError: false },
          ],
        },
      ],
    });
    const id = "id_functions_2e_b_3a_1";
    expect(messages).toEqual([
      { role: "user", content: "hi" },
      {
        role: "assistant",
        content: [
          { type: "tool_use", id: "call_1", name: "a", input: {} },
          { type: "tool_use", id, name: "b", input: { x: 1 } },
        ],
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "call_1" },
          { type: "tool_result", tool_use_id: id, content: "2" },
          { type: "text", text: "and" },
        ],
      },
    ]);
  });

  it("has system texts where the model takes them", () => {
    const system = (text: string) => ({ role: "system", parts: [{ type: "text", text }] }) as const;
    const turns = [system("A"), ...SPARE.turns, system("B"), ...SPARE.turns];
    expect(write({ turns })).toMatchObject({
      system: "A",
      messages: [USER, { role: "system", content: "B" }, USER],
    });
    const older = write({ turns }, { ...TARGET, model: "claude-sonnet-4-20250514" });
    expect(older["system"]).toEqual([
      { type: "text", text: "A" },
      { type: "text", text: "B" },
    ]);
    expect(older["messages"]).toEqual([
      {
        role: "user",
        content: [
          { type: "text", text: "hi" },
          { type: "text", text: "hi" },
        ],
      },
    ]);
  });

  it("leaves out empty texts, empty turns and thinking that Anthropic did not sign", () => {
    const { messages } = write({
      turns: [
        {
          role: "user",
          parts: [
            { type: "text", text: "" },
            { type: "text", text: "hi" },
          ],
        },
        {
          role: "assistant",
          parts: [
            { type: "reasoning", text: "unsigned" },
            { type: "reasoning", text: "", signed: { origin: "responses", value: "gAAA" } },
          ],
        },
        { role: "user", parts: [{ type: "text", text: "again" }] },
      ],
    });
    expect(messages).toEqual([
      {
        role: "user",
        content: [
          { type: "text", text: "hi" },
          { type: "text", text: "again" },
        ],
      },
    ]);
  });

  it("thinks as the model's age lets it", () => {
    const effort = (model: string, maxOutput = 8192) =>
      write({ reasoning: { effort: "medium" } }, { ...TARGET, model, maxOutput });
    expect(effort("claude-opus-4-8")).toMatchObject({
      thinking: { type: "adaptive" },
      output_config: { effort: "medium" },
    });
    expect(effort("claude-sonnet-4-5-20250929")).toMatchObject({ thinking: { type: "enabled", budget_tokens: 4096 } });
    expect(effort("claude-sonnet-4-5-20250929")).not.toHaveProperty("output_config");
    expect(effort("claude-3-7-sonnet-20250219", 1000)).toMatchObject({ thinking: { type: "disabled" } });
    expect(write({ reasoning: { effort: "none" } })).toMatchObject({ thinking: { type: "disabled" } });
    expect(write({ reasoning: { budgetTokens: 0 } })).toMatchObject({ thinking: { type: "disabled" } });
    expect(write({ reasoning: { budgetTokens: 512 } })).toMatchObject({ thinking: { type: "disabled" } });
    expect(write({ reasoning: { budgetTokens: 9999 } })).toMatchObject({
      thinking: { type: "enabled", budget_tokens: 4095 },
    });
    const forced = write({
      reasoning: { effort: "high" },
      tools: [{ name: "a", schema: {} }],
      toolChoice: { type: "required" },
    });
    expect(forced).toMatchObject({ output_config: { effort: "high" }, tool_choice: { type: "any" } });
    expect(forced).not.toHaveProperty("thinking");
  });

  it("knows models by their names", () => {
    expect(
      ["claude-opus-4-8", "claude-sonnet-5", "claude-mythos-preview", "anthropic.claude-opus-5-5-v1:0"].every(
        takesSystemInside,
      ),
    ).toBe(true);
    expect(["claude-opus-4-7", "claude-3-5-haiku-latest", "claude-sonnet-4-20250514"].some(takesSystemInside)).toBe(
      false,
    );
    expect(["claude-opus-4-6", "claude-haiku-5-5"].every(thinksAdaptively)).toBe(true);
    expect(thinksAdaptively("claude-haiku-4-5-20251001")).toBe(false);
  });

  it("completes schemas and leaves out choices without tools", () => {
    expect(write({ tools: [{ name: "a", schema: {} }] })["tools"]).toEqual([
      { name: "a", input_schema: { type: "object" } },
    ]);
    expect(write({ toolChoice: { type: "none" }, parallelToolCalls: false })).not.toHaveProperty("tool_choice");
    expect(write({ tools: [{ name: "a", schema: {} }], parallelToolCalls: false })["tool_choice"]).toEqual({
      type: "auto",
      disable_parallel_tool_use: true,
    });
  });

  it("refuses what Anthropic has no word for, naming everything", () => {
    expect(
      unwritable({
        temperature: 1.5,
        seed: 1,
        frequencyPenalty: 0.5,
        presencePenalty: 1,
        output: { type: "json" },
        tools: [{ name: "a", schema: { type: "array" } }],
        turns: [
          {
            role: "user",
            parts: [
              { type: "audio", mediaType: "audio/wav", data: "x" },
              { type: "image", source: { type: "url", url: "https://x" }, detail: "low" },
            ],
          },
          { role: "assistant", parts: [{ type: "tool_call", id: "a", name: "b", args: '{"x":' }] },
        ],
      }),
    ).toEqual([
      "untranslatable",
      "temperature",
      "seed",
      "frequency_penalty",
      "presence_penalty",
      "response_format",
      "messages.0.0",
      "messages.0.1.detail",
      "messages.1.0.arguments",
      "tools.0.parameters",
    ]);
    expect(unwritable({ turns: [{ role: "system", parts: [{ type: "text", text: "x" }] }] })).toEqual([
      "untranslatable",
      "messages",
    ]);
    expect(unwritable({ frequencyPenalty: 0, presencePenalty: 0 })).toEqual(["accepted"]);
  });
});

describe("state of other dialects in an Anthropic client's hands", () => {
  it("comes back as it was, with its call", () => {
    const content = [
      { type: "thinking", thinking: "seen", signature: carry({ origin: "responses", value: { id: "rs_1" } }) },
      { type: "thinking", thinking: "unsigned", signature: carry(undefined) },
      { type: "tool_use", id: "call_1", name: "a", input: {} },
      { type: "redacted_thinking", data: carry({ origin: "generate", value: "sig" }, "call_1") },
      { type: "thinking", thinking: "changed", signature: "interlock:{broken" },
    ];
    expect(read({ messages: [USER, { role: "assistant", content }] }).turns[1]?.parts).toEqual([
      { type: "reasoning", text: "seen", signed: { origin: "responses", value: { id: "rs_1" } } },
      { type: "reasoning", text: "unsigned" },
      { type: "tool_call", id: "call_1", name: "a", args: "{}", signed: { origin: "generate", value: "sig" } },
      { type: "reasoning", text: "changed" },
    ]);
  });
});

describe("a system text before everything else", () => {
  it.each([
    [undefined, "First."],
    [
      "Then.",
      [
        { type: "text", text: "First." },
        { type: "text", text: "Then." },
      ],
    ],
    [
      [{ type: "text", text: "Then.", cache_control: { type: "ephemeral" } }],
      [
        { type: "text", text: "First." },
        { type: "text", text: "Then.", cache_control: { type: "ephemeral" } },
      ],
    ],
  ])("goes before %j", (system, expected) => {
    const body = system === undefined ? REQUEST : ({ ...REQUEST, system } as JsonObject);
    expect(messagesCodec.withSystem(body, "First.")).toEqual({ ...REQUEST, system: expected });
  });
});
