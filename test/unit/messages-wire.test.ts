// Proves what passes through between Anthropic clients and providers: owned fields, refusals by name, usage, ends and errors.
import { describe, expect, it } from "vitest";
import { costMicro, NO_USAGE, picoPerToken } from "../../src/core/budget/price.ts";
import { countTokensWire } from "../../src/core/dialect/count-tokens/wire.ts";
import { carry } from "../../src/core/dialect/messages/foreign-state.ts";
import { messagesWire } from "../../src/core/dialect/messages/wire.ts";
import {
  block,
  bodyOf,
  ended,
  expectValid,
  FIELDS,
  refusedPaths,
  sse,
  START,
  STOP,
  valueOf,
} from "./messages-fixture.ts";

const REQUEST = { model: "claude", max_tokens: 100, messages: [{ role: "user", content: "hi" }] };
const fieldsOf = (more: object) => messagesWire.readFields(bodyOf({ ...REQUEST, ...more }), {});

describe("owned fields of a message request", () => {
  it("are the model, the stream and the most output", () => {
    expect(valueOf(fieldsOf({ stream: true }))).toEqual({ ...FIELDS, isStream: true, maxOutput: 100 });
    expect(valueOf(fieldsOf({ max_tokens: 0 })).maxOutput).toBe(0);
  });

  it.each([
    [{ model: "" }, "model"],
    [{ model: 7 }, "model"],
    [{ max_tokens: undefined }, "max_tokens"],
    [{ max_tokens: -1 }, "max_tokens"],
    [{ max_tokens: 1.5 }, "max_tokens"],
    [{ max_tokens: "9" }, "max_tokens"],
    [{ stream: "yes" }, "stream"],
    [{ service_tier: "priority" }, "service_tier"],
  ])("refuse %j, naming it", (more, path) => expect(refusedPaths(fieldsOf(more))).toEqual(["invalid_request", path]));

  it("change alone: every other byte stays as it came", () => {
    const text =
      '{ "model" : "claude",\n "max_tokens":100, "messages":[{"role":"user","content":"\\u00fc 1.50"}], "x_new": 1e3 }';
    const fields = { ...FIELDS, maxOutput: 100 };
    expect(
      messagesWire.edited(bodyOf(text), fields, { model: "claude-opus-4-8", maxOutput: 64, isOpenAi: false }),
    ).toBe(text.replace('"claude"', '"claude-opus-4-8"').replace("100", "64"));
    expect(messagesWire.edited(bodyOf(text), fields, { model: "claude", maxOutput: 100, isOpenAi: false })).toBe(text);
    expect(messagesWire.edited(bodyOf(text), fields, { model: "claude", maxOutput: undefined, isOpenAi: false })).toBe(
      text,
    );
  });

  it("lose state that Anthropic did not sign, and nothing else", () => {
    const foreign = carry({ origin: "generate", value: "abc" });
    const own = { type: "thinking", thinking: "hm", signature: "EqQB" };
    const messages = [
      { role: "user", content: "hi" },
      { role: "assistant", content: [{ type: "thinking", thinking: "", signature: foreign }] },
      { role: "assistant", content: [own, { type: "redacted_thinking", data: carry(undefined) }] },
    ];
    const body = bodyOf({ ...REQUEST, messages });
    const edits = { model: "claude", maxOutput: 100, isOpenAi: false };
    expect(JSON.parse(messagesWire.edited(body, { ...FIELDS, maxOutput: 100 }, edits))).toEqual({
      ...REQUEST,
      messages: [messages[0], { role: "assistant", content: [own] }],
    });
    const quoted = bodyOf({ ...REQUEST, messages: [{ role: "user", content: "interlock: a word" }] });
    expect(messagesWire.edited(quoted, { ...FIELDS, maxOutput: 100 }, edits)).toBe(quoted.text);
  });
});

describe("what would act, answer or cost elsewhere", () => {
  it.each([
    "web_search_20250305",
    "web_fetch_20260318",
    "code_execution_20250825",
    "tool_search_tool_bm25",
    "advisor_20260301",
    "mcp_toolset",
    "brand_new_20300101",
  ])("is refused by name: a tool of the type %s", (type) => {
    const tools = [
      { name: "a", input_schema: { type: "object" } },
      { type, name: "x" },
    ];
    const refusal = fieldsOf({ tools });
    expect(refusedPaths(refusal)).toEqual(["unsupported", "tools.1"]);
    expect(refusal.ok ? "" : refusal.detail).toContain(type);
    expect(refusedPaths(countTokensWire.readFields(bodyOf({ ...REQUEST, tools }), {}))).toEqual([
      "unsupported",
      "tools.1",
    ]);
  });

  it.each([
    "bash_20250124",
    "text_editor_20250728",
    "computer_20251124",
    "memory_20250818",
    "browser_toolset_20260801",
    "custom",
  ])("is not a tool that the caller runs: %s", (type) =>
    expect(refusedPaths(fieldsOf({ tools: [{ type, name: "x" }] }))).toEqual(["accepted"]),
  );

  it("is found behind escapes and in the middle of a conversation", () => {
    const escaped = JSON.stringify({ ...REQUEST, tools: [{ type: "web_search_20250305", name: "w" }] }).replace(
      '"type":"web',
      '"typ\\u0065":"web',
    );
    expect(refusedPaths(messagesWire.readFields(bodyOf(escaped), {}))).toEqual(["unsupported", "tools.0"]);
    const tool = (inner: object) => ({
      messages: [{ role: "system", content: [{ type: "tool_addition", tool: inner }] }],
    });
    expect(
      refusedPaths(fieldsOf(tool({ type: "tool_definition", definition: { type: "web_fetch_20260318", name: "w" } }))),
    ).toEqual(["unsupported", "messages.0.content.0.tool"]);
    expect(
      refusedPaths(
        fieldsOf(tool({ type: "tool_definition", definition: { name: "w", input_schema: { type: "object" } } })),
      ),
    ).toEqual(["accepted"]);
    expect(refusedPaths(fieldsOf(tool({ type: "tool_reference", name: "w" })))).toEqual(["accepted"]);
  });

  it("names everything at once", () => {
    const refusal = fieldsOf({
      mcp_servers: [{ type: "url", url: "https://x", name: "x" }],
      container: "c_1",
      fallbacks: "default",
      thread: { type: "create" },
      speed: "fast",
      inference_geo: "us",
      context_management: { edits: [{ type: "clear_thinking_20251015" }, { type: "compact_20260112" }] },
    });
    expect(refusedPaths(refusal)).toEqual([
      "unsupported",
      "mcp_servers",
      "container",
      "fallbacks",
      "thread",
      "speed",
      "inference_geo",
      "context_management.edits.1",
    ]);
  });

  it("is not what says that nothing is wanted", () => {
    const more = { mcp_servers: [], container: null, speed: "standard", inference_geo: "global", fallbacks: null };
    expect(refusedPaths(fieldsOf(more))).toEqual(["accepted"]);
  });
});

describe("a whole answer", () => {
  const message = { id: "msg_1", type: "message", model: "claude-opus-4-8", role: "assistant", content: [] };

  it("says usage in buckets that do not overlap: what a bill of $0.0544 says costs $0.0544", () => {
    const usage = {
      input_tokens: 3,
      cache_creation_input_tokens: 12304,
      cache_read_input_tokens: 0,
      output_tokens: 550,
    };
    const said = messagesWire.whole(bodyOf({ ...message, stop_reason: "end_turn", usage }));
    expect(said).toMatchObject({
      id: "msg_1",
      model: "claude-opus-4-8",
      finishReasons: ["end_turn"],
      error: undefined,
    });
    expect(said.usage).toEqual({ ...NO_USAGE, input: 3, cacheWrite: 12304, output: 550 });
    const pico = (usd: number): number => picoPerToken(usd) ?? 0;
    const price = {
      source: "test",
      tiers: [
        { from: 0, inputPico: pico(3), outputPico: pico(15), cacheReadPico: pico(0.3), cacheWritePico: pico(3.75) },
      ],
    };
    expect(said.usage === undefined ? 0 : costMicro(price, said.usage)).toBe(54_399);
  });

  it("keeps writes for an hour apart, and adds what a compaction used", () => {
    const usage = {
      input_tokens: 10,
      cache_creation_input_tokens: 300,
      cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 200 },
      cache_read_input_tokens: 40,
      output_tokens: 50,
      output_tokens_details: { thinking_tokens: 20 },
      iterations: [
        { type: "compaction", input_tokens: 1000, output_tokens: 30, cache_read_input_tokens: 0 },
        { type: "message", input_tokens: 10, output_tokens: 50 },
      ],
    };
    expect(messagesWire.whole(bodyOf({ ...message, usage })).usage).toEqual({
      ...NO_USAGE,
      input: 1010,
      cacheRead: 40,
      cacheWrite: 100,
      cacheWriteLong: 200,
      output: 80,
      reasoning: 20,
    });
  });

  it("without both counts has no usage", () => {
    expect(messagesWire.whole(bodyOf({ ...message, usage: { output_tokens: 5 } })).usage).toBeUndefined();
    expect(messagesWire.whole(bodyOf(message)).usage).toBeUndefined();
  });

  it("may be an error", () => {
    const error = { type: "error", error: { type: "overloaded_error", message: "Overloaded" } };
    expect(messagesWire.whole(bodyOf(error)).error).toEqual({
      kind: "overloaded",
      message: "Overloaded",
      code: "overloaded_error",
    });
  });
});

const TEXT = block(0, { type: "text", text: "" }, { type: "text_delta", text: 'says "message_stop"' });
const OVERLOADED = { type: "error", error: { type: "overloaded_error", message: "Overloaded" } };

describe("a stream that is over", () => {
  it("says the largest figure of each kind over all events", () => {
    const later = {
      ...ended("end_turn"),
      usage: { input_tokens: 3, output_tokens: 550, cache_read_input_tokens: 7, cache_creation_input_tokens: 12304 },
    };
    expect(messagesWire.streamed(sse(START, { type: "ping" }, ...TEXT, later, STOP))).toEqual({
      usage: { ...NO_USAGE, input: 3, cacheRead: 7, cacheWrite: 12304, output: 550 },
      model: "claude-opus-4-8",
      id: "msg_1",
      finishReasons: ["end_turn"],
      error: undefined,
      isDone: true,
    });
  });

  it.each([
    ["CRLF and a byte order mark", (text: string) => `\uFEFF${text.replaceAll("\n", "\r\n")}`],
    ["no blank line at its end", (text: string) => text.trimEnd()],
    ["comments and unknown events", (text: string) => `: hi\n\nevent: news\ndata: {"type":"news"}\n\n${text}`],
  ])("is read with %s", (_, change) => {
    const said = messagesWire.streamed(change(sse(START, ...TEXT, ended("tool_use"), STOP)));
    expect(said).toMatchObject({ isDone: true, finishReasons: ["tool_use"], usage: { output: 550 } });
  });

  it("and was cut says so, and has no usage before its last figures", () => {
    expect(messagesWire.streamed(sse(START, ...TEXT))).toMatchObject({
      isDone: false,
      usage: undefined,
      error: undefined,
    });
    expect(messagesWire.streamed(sse(START, ...TEXT, ended("end_turn")))).toMatchObject({
      isDone: false,
      usage: { output: 550 },
    });
  });

  it("tells of an error inside it", () =>
    expect(messagesWire.streamed(sse(START, ...TEXT, OVERLOADED))).toMatchObject({
      isDone: false,
      usage: undefined,
      error: { kind: "overloaded" },
    }));
});

describe("the first bytes of a stream", () => {
  it.each([
    ["nothing", "", "waiting"],
    ["half an event", "event: message_start\ndata: {", "waiting"],
    ["a ping and a start", sse({ type: "ping" }, START), "preamble"],
    [
      "an empty block",
      sse(START, { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } }),
      "preamble",
    ],
    [
      "empty thinking",
      sse({ type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "" } }),
      "preamble",
    ],
    ["a text", sse(START, ...TEXT), "content"],
    [
      "a call",
      sse({
        type: "content_block_start",
        index: 0,
        content_block: { type: "tool_use", id: "a", name: "b", input: {} },
      }),
      "content",
    ],
    [
      "sealed thinking",
      sse({ type: "content_block_start", index: 0, content_block: { type: "redacted_thinking", data: "x" } }),
      "content",
    ],
    ["an answer without content", sse(START, ended("end_turn"), STOP), "content"],
    ["no JSON", "data: what\n\n", "content"],
    ["an error", sse(OVERLOADED), "error"],
    ["an error after a start", sse(START, OVERLOADED), "error"],
    ["an error after content", sse(START, ...TEXT, OVERLOADED), "content"],
  ])("show with %s: %s", (_, text, type) => expect(messagesWire.opening(text).type).toBe(type));
});

describe("a broken stream", () => {
  const closed = (code: string, text: string): string =>
    messagesWire.closing({ code, message: "It broke." }, messagesWire.streamed(text));

  it.each([
    ["upstream_failed", "api_error"],
    ["upstream_timeout", "timeout_error"],
    ["halted", "permission_error"],
  ])("ends for %s with an event of the type %s and no marker", (code, type) => {
    const text = closed(code, sse(START));
    expect(text).toMatch(/^\n\nevent: error\ndata: .*\n\n$/);
    const event = JSON.parse(text.split("data: ")[1] ?? "") as unknown;
    expectValid("AError", event);
    expect(event).toMatchObject({ type: "error", error: { type, message: "It broke." }, interlock: { code } });
    expect(text).not.toContain("message_stop");
  });

  it("that told of its own error, or was whole, gets nothing more", () => {
    expect(closed("upstream_failed", sse(START, OVERLOADED))).toBe("");
    expect(closed("halted", sse(START, ended("end_turn"), STOP))).toBe("");
  });
});

describe("token counting", () => {
  it("owns the model alone and costs nothing", () => {
    const body = bodyOf({ model: "claude", messages: [] });
    const fields = valueOf(countTokensWire.readFields(body, {}));
    expect(fields).toEqual({ ...FIELDS, maxOutput: undefined });
    expect(countTokensWire.edited(body, fields, { model: "other", maxOutput: 5, isOpenAi: false })).toBe(
      '{"model":"other","messages":[]}',
    );
    expect(countTokensWire.whole(bodyOf({ input_tokens: 12 })).usage).toEqual(NO_USAGE);
  });
});
