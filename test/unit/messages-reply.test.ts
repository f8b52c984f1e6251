// Proves how Anthropic answers, streams and errors translate both ways, in the exact order and shape that its clients read.
import { describe, expect, it } from "vitest";
import { NO_USAGE } from "../../src/core/budget/price.ts";
import type { Signed } from "../../src/core/dialect/conversation.ts";
import { messagesCodec } from "../../src/core/dialect/messages/codec.ts";
import type { Finish, ModelErrorKind, Reply, ReplyEvent } from "../../src/core/dialect/reply.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import {
  block,
  ended,
  expectValid,
  MINTED,
  replyEvents,
  sse,
  START,
  STOP,
  valueOf,
  writtenEvents,
} from "./messages-fixture.ts";

const MESSAGE: JsonObject = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-opus-4-8",
  content: [
    { type: "thinking", thinking: "hm", signature: "EqQB" },
    { type: "redacted_thinking", data: "opaque" },
    { type: "text", text: "I look." },
    { type: "tool_use", id: "toolu_1", name: "now", input: {} },
    { type: "tool_use", id: "toolu_2", name: "get", input: { id: 7 } },
  ],
  stop_reason: "tool_use",
  stop_sequence: null,
  usage: {
    input_tokens: 10,
    cache_read_input_tokens: 5,
    output_tokens: 20,
    output_tokens_details: { thinking_tokens: 4 },
  },
};
const OWN: Signed = { origin: "messages", value: { signature: "EqQB" } };
const SEALED: Signed = { origin: "messages", value: { data: "opaque" } };
const FOREIGN: Signed = { origin: "generate", value: "thought" };
const USAGE = { ...NO_USAGE, input: 10, cacheRead: 5, output: 20, reasoning: 4 };
const REPLY: Reply = {
  id: "msg_1",
  model: "claude-opus-4-8",
  parts: [
    { type: "reasoning", text: "hm", signed: OWN },
    { type: "reasoning", text: "", signed: SEALED },
    { type: "text", text: "I look." },
    { type: "tool_call", id: "toolu_1", name: "now", args: "{}" },
    { type: "tool_call", id: "toolu_2", name: "get", args: '{"id":7}' },
  ],
  finish: "tool_calls",
  usage: USAGE,
};
const replyOf = (more: Partial<Reply>): Reply => ({
  ...REPLY,
  parts: [{ type: "text", text: "x" }],
  finish: "stop",
  ...more,
});
const written = (reply: Reply): JsonObject => {
  const message = messagesCodec.writeReply(reply, MINTED);
  expectValid("AMessage", message);
  return message;
};

describe("a whole answer", () => {
  it("is read part by part", () => expect(valueOf(messagesCodec.readReply(MESSAGE))).toEqual(REPLY));

  it("there and back is the same answer", () =>
    expect(valueOf(messagesCodec.readReply(written(REPLY)))).toEqual({ ...REPLY, id: "msg_seed1" }));

  it("is written with every member that Anthropic's has", () =>
    expect(
      written(replyOf({ usage: { ...USAGE, cacheWrite: 1, cacheWriteLong: 2, inputAudio: 3, outputAudio: 4 } })),
    ).toEqual({
      id: "msg_seed1",
      type: "message",
      role: "assistant",
      model: "claude-opus-4-8",
      content: [{ type: "text", text: "x", citations: null }],
      container: null,
      diagnostics: null,
      stop_reason: "end_turn",
      stop_sequence: null,
      stop_details: null,
      usage: {
        input_tokens: 13,
        cache_creation_input_tokens: 3,
        cache_read_input_tokens: 5,
        cache_creation: { ephemeral_5m_input_tokens: 1, ephemeral_1h_input_tokens: 2 },
        output_tokens: 24,
        output_tokens_details: { thinking_tokens: 4 },
        server_tool_use: null,
        inference_geo: null,
        service_tier: null,
        speed: null,
      },
    }));

  it("carries other dialects' state where a client keeps Anthropic's, and gets it back", () => {
    const parts: Reply["parts"] = [
      { type: "reasoning", text: "unsigned" },
      { type: "reasoning", text: "signed elsewhere", signed: FOREIGN },
      { type: "tool_call", id: "call_1", name: "a", args: '{"x":1}', signed: FOREIGN },
      { type: "tool_call", id: "call_2", name: "b", args: "{}" },
    ];
    const message = written(replyOf({ parts, finish: "tool_calls" }));
    expect((message["content"] as JsonObject[]).map(({ type }) => type)).toEqual([
      "thinking",
      "thinking",
      "tool_use",
      "redacted_thinking",
      "tool_use",
    ]);
    expect(valueOf(messagesCodec.readReply(message)).parts).toEqual(parts);
  });

  it("keeps arguments that are no object as the model wrote them", () => {
    const parts: Reply["parts"] = [{ type: "tool_call", id: "call_1", name: "a", args: '{"x":' }];
    const message = written(replyOf({ parts, finish: "tool_calls" }));
    expect(message["content"]).toMatchObject([{ type: "tool_use", input: '{"x":' }]);
    expect(valueOf(messagesCodec.readReply(message)).parts).toEqual(parts);
  });

  it("that refused says so", () => {
    const message = written(replyOf({ parts: [{ type: "refusal", text: "No." }] }));
    expect(message).toMatchObject({
      content: [{ type: "text", text: "No." }],
      stop_reason: "refusal",
      stop_details: { type: "refusal", category: null },
    });
  });

  it.each([{}, { id: "x", model: "y" }, { error: { message: "no" } }])("is none: %j", (body) =>
    expect(messagesCodec.readReply(body)).toMatchObject({ ok: false, code: "upstream_failed" }),
  );
});

describe("how an answer ended", () => {
  it.each<[string, Finish]>([
    ["end_turn", "stop"],
    ["stop_sequence", "stop_sequence"],
    ["max_tokens", "length"],
    ["model_context_window_exceeded", "length"],
    ["tool_use", "tool_calls"],
    ["refusal", "filtered"],
    ["pause_turn", "paused"],
    ["compaction", "other"],
    ["toString", "other"],
  ])("%s means %s, whole and in a stream", (stop_reason, finish) => {
    const content = [{ type: "text", text: "x" }];
    expect(valueOf(messagesCodec.readReply({ ...MESSAGE, content, stop_reason })).finish).toBe(finish);
    const events = replyEvents(sse(START, ...block(0, { type: "text", text: "" }), ended(stop_reason), STOP));
    expect(events.find(({ type }) => type === "finish")).toEqual({ type: "finish", finish });
  });

  it.each<[Finish, string]>([
    ["stop", "end_turn"],
    ["stop_sequence", "stop_sequence"],
    ["length", "max_tokens"],
    ["tool_calls", "tool_use"],
    ["filtered", "refusal"],
    ["paused", "pause_turn"],
    ["other", "refusal"],
  ])("%s is written as %s", (finish, stop_reason) => {
    expect(written(replyOf({ finish }))["stop_reason"]).toBe(stop_reason);
    const events = writtenEvents([
      { type: "start", id: "a", model: "b" },
      { type: "finish", finish },
      { type: "done" },
    ]);
    expect(events.at(-2)).toMatchObject({ type: "message_delta", delta: { stop_reason } });
  });

  it("waits for results when it holds calls and says no more than that it is over", () => {
    expect(valueOf(messagesCodec.readReply({ ...MESSAGE, stop_reason: "end_turn" })).finish).toBe("tool_calls");
    expect(valueOf(messagesCodec.readReply({ ...MESSAGE, stop_reason: "max_tokens" })).finish).toBe("length");
  });

  it("names the sequence that stopped it", () => {
    const message = { ...MESSAGE, content: [], stop_reason: "stop_sequence", stop_sequence: "END" };
    const reply = valueOf(messagesCodec.readReply(message));
    expect(reply).toMatchObject({ finish: "stop_sequence", stopSequence: "END" });
    expect(written(reply)).toMatchObject({ stop_reason: "stop_sequence", stop_sequence: "END" });
  });
});

const THINKING = { type: "thinking", thinking: "", signature: "" };
const tool = (id: string, name: string): JsonObject => ({ type: "tool_use", id, name, input: {} });
const json = (partial_json: string): JsonObject => ({ type: "input_json_delta", partial_json });

/** Text before two parallel calls: Anthropic's indexes count every block, ours count parts. */
const STREAM: readonly JsonObject[] = [
  START,
  { type: "ping" },
  ...block(0, THINKING, { type: "thinking_delta", thinking: "hm" }, { type: "signature_delta", signature: "EqQB" }),
  ...block(1, { type: "redacted_thinking", data: "opaque" }),
  ...block(2, { type: "server_tool_use", id: "s", name: "web_search", input: {} }, json("{}")),
  ...block(3, { type: "text", text: "" }, { type: "text_delta", text: "I " }, { type: "text_delta", text: "look." }),
  ...block(4, tool("toolu_1", "now")),
  ...block(5, tool("toolu_2", "get"), json(""), json('{"id"'), json(":7}")),
  ended("tool_use"),
  STOP,
];
const STREAMED_USAGE = { ...NO_USAGE, input: 3, cacheWrite: 12304, output: 550 };
const EVENTS: readonly ReplyEvent[] = [
  { type: "start", id: "msg_1", model: "claude-opus-4-8", usage: { ...STREAMED_USAGE, output: 1 } },
  { type: "part", index: 0, part: { type: "reasoning" } },
  { type: "delta", index: 0, text: "hm" },
  { type: "signed", index: 0, signed: OWN },
  { type: "part_end", index: 0 },
  { type: "part", index: 1, part: { type: "reasoning" } },
  { type: "signed", index: 1, signed: SEALED },
  { type: "part_end", index: 1 },
  { type: "part", index: 2, part: { type: "text" } },
  { type: "delta", index: 2, text: "I " },
  { type: "delta", index: 2, text: "look." },
  { type: "part_end", index: 2 },
  { type: "part", index: 3, part: { type: "tool_call", id: "toolu_1", name: "now" } },
  { type: "delta", index: 3, text: "{}" },
  { type: "part_end", index: 3 },
  { type: "part", index: 4, part: { type: "tool_call", id: "toolu_2", name: "get" } },
  { type: "delta", index: 4, text: '{"id"' },
  { type: "delta", index: 4, text: ":7}" },
  { type: "part_end", index: 4 },
  { type: "usage", usage: STREAMED_USAGE },
  { type: "finish", finish: "tool_calls" },
  { type: "done" },
];

describe("a stream", () => {
  it("is read event by event, indexes counting parts alone", () => expect(replyEvents(sse(...STREAM))).toEqual(EVENTS));

  it("is written in Anthropic's order, blocks counted from 0, and says the truth at its end", () => {
    const events = writtenEvents(EVENTS);
    expect(events.map(({ type, index }) => (index === undefined ? type : `${String(type)} ${String(index)}`))).toEqual(
      (
        "message_start|content_block_start 0|content_block_delta 0|content_block_delta 0|content_block_stop 0|" +
        "content_block_start 1|content_block_stop 1|" +
        "content_block_start 2|content_block_delta 2|content_block_delta 2|content_block_stop 2|" +
        "content_block_start 3|content_block_delta 3|content_block_stop 3|" +
        "content_block_start 4|content_block_delta 4|content_block_delta 4|content_block_stop 4|" +
        "message_delta|message_stop"
      ).split("|"),
    );
    expect(events.at(-2)).toEqual({
      type: "message_delta",
      delta: { container: null, stop_reason: "tool_use", stop_sequence: null, stop_details: null },
      usage: {
        input_tokens: 3,
        cache_creation_input_tokens: 12304,
        cache_read_input_tokens: 0,
        output_tokens: 550,
        output_tokens_details: null,
        server_tool_use: null,
      },
    });
  });

  it("there and back is the same stream", () =>
    expect(replyEvents(sse(...writtenEvents(EVENTS)))).toEqual([
      { ...EVENTS[0], id: "msg_seed1" },
      ...EVENTS.slice(1),
    ]));

  it("begins with an estimate where nobody knows the prompt's tokens yet", () => {
    const [start] = writtenEvents([{ type: "start", id: "x", model: "y" }], { ...MINTED, inputTokens: 77 });
    expect(start).toMatchObject({
      message: { id: "msg_seed1", stop_reason: null, usage: { input_tokens: 77, output_tokens: 0 } },
    });
  });

  it("carries other dialects' state behind their parts, and gets it back", () => {
    const events: readonly ReplyEvent[] = [
      { type: "start", id: "msg_seed1", model: "claude-opus-4-8", usage: USAGE },
      { type: "part", index: 0, part: { type: "reasoning" } },
      { type: "delta", index: 0, text: "unsigned" },
      { type: "part_end", index: 0 },
      { type: "part", index: 1, part: { type: "reasoning" } },
      { type: "signed", index: 1, signed: FOREIGN },
      { type: "part_end", index: 1 },
      { type: "part", index: 2, part: { type: "tool_call", id: "call_1", name: "a" } },
      { type: "delta", index: 2, text: "{}" },
      { type: "signed", index: 2, signed: FOREIGN },
      { type: "part_end", index: 2 },
      { type: "part", index: 3, part: { type: "text" } },
      { type: "delta", index: 3, text: "x" },
      { type: "part_end", index: 3 },
      { type: "usage", usage: USAGE },
      { type: "finish", finish: "tool_calls" },
      { type: "done" },
    ];
    expect(replyEvents(sse(...writtenEvents(events)))).toEqual(events);
  });

  it("writes no block for empty parts", () => {
    const events = writtenEvents([
      { type: "start", id: "x", model: "y" },
      { type: "part", index: 0, part: { type: "text" } },
      { type: "delta", index: 0, text: "" },
      { type: "part_end", index: 0 },
      { type: "part", index: 1, part: { type: "reasoning" } },
      { type: "part_end", index: 1 },
      { type: "finish", finish: "stop" },
      { type: "done" },
    ]);
    expect(events.map(({ type }) => type)).toEqual(["message_start", "message_delta", "message_stop"]);
  });

  it("takes arguments that stood in the start of a call", () => {
    const start = { type: "tool_use", id: "a", name: "b", input: { x: 1 } };
    expect(replyEvents(sse(START, ...block(0, start), ended("tool_use"), STOP))).toContainEqual({
      type: "delta",
      index: 0,
      text: '{"x":1}',
    });
  });

  it("that told of an error ends with it", () => {
    const text = sse(START, ...block(0, { type: "text", text: "" }, { type: "text_delta", text: "I" }), {
      type: "error",
      error: { type: "overloaded_error", message: "Overloaded" },
    });
    const events = replyEvents(text);
    expect(events.at(-1)).toEqual({
      type: "error",
      error: { kind: "overloaded", message: "Overloaded", code: "overloaded_error" },
    });
    expect(writtenEvents(events).at(-1)).toMatchObject({
      type: "error",
      error: { type: "overloaded_error", message: "Overloaded" },
    });
  });

  it.each([
    ["was cut", sse(START, ...block(0, { type: "text", text: "half" }))],
    ["said all but that it is over", sse(START, ended("end_turn"))],
    ["was empty", ""],
    ["was garbage", "data: <html>\n\n"],
  ])("that %s ends with an error and nothing that says it is whole", (_, text) => {
    const events = replyEvents(text);
    expect(events.at(-1)).toMatchObject({ type: "error", error: { kind: "server" } });
    expect(events.map(({ type }) => type)).not.toContain("done");
  });

  it("without a reason ends as nothing good", () =>
    expect(replyEvents(sse(START, STOP)).slice(1)).toEqual([{ type: "finish", finish: "other" }, { type: "done" }]));
});

describe("errors", () => {
  it.each<[string, ModelErrorKind]>([
    ["invalid_request_error", "invalid_request"],
    ["authentication_error", "authentication"],
    ["permission_error", "permission"],
    ["not_found_error", "not_found"],
    ["rate_limit_error", "rate_limit"],
    ["billing_error", "quota"],
    ["overloaded_error", "overloaded"],
    ["timeout_error", "timeout"],
    ["api_error", "server"],
  ])("%s are of the kind %s, there and back", (type, kind) => {
    const body = { type: "error", error: { type, message: "m" }, request_id: "req_1" };
    const error = messagesCodec.readError(JSON.stringify(body), 500);
    expect(error).toEqual({ kind, message: "m", code: type });
    const told = messagesCodec.writeError(error);
    expectValid("AError", told);
    expect(told).toMatchObject({ type: "error", error: { type, message: "m" } });
  });

  it("too large have a type of their own", () =>
    expect(messagesCodec.writeError({ kind: "too_large", message: "m" })).toMatchObject({
      error: { type: "request_too_large" },
    }));

  it("that are no JSON are told by their status, never by their text", () => {
    expect(messagesCodec.readError("<html>secret</html>", 529)).toEqual({
      kind: "overloaded",
      message: "the provider answered with status 529",
    });
    expect(messagesCodec.readError('{"error":{"message":"m","type":"new_error"}}', 404)).toEqual({
      kind: "not_found",
      message: "m",
      code: "new_error",
    });
  });
});
