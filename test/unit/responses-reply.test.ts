// Responses as answers, whole and streamed: what they say in no dialect's words, and how such words read as responses.
import { describe, expect, test } from "vitest";
import type { ReplyEvent, ReplyPart } from "../../src/core/dialect/reply.ts";
import { responsesCodec } from "../../src/core/dialect/responses/codec.ts";
import { NO_USAGE } from "../../src/core/budget/price.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import {
  call,
  expectValid,
  message,
  MINTED,
  REASONING,
  refusedPaths,
  replyEvents,
  response,
  streamOf,
  USAGE,
  valueOf,
  writtenEvents,
} from "./responses-fixture.ts";

const BUCKETS = { ...NO_USAGE, input: 6, cacheRead: 30, cacheWrite: 4, output: 20, reasoning: 8 };
const OWN = { origin: "responses", value: REASONING } as const;

/** What a stream of reply events adds up to, as parts. */
function partsOf(events: readonly ReplyEvent[]): readonly ReplyPart[] {
  const parts = new Map<number, ReplyPart>();
  for (const event of events) {
    if (event.type === "part")
      parts.set(
        event.index,
        event.part.type === "tool_call" ? { ...event.part, args: "" } : { type: event.part.type, text: "" },
      );
    if (event.type !== "delta" && event.type !== "signed") continue;
    const part = parts.get(event.index);
    if (part === undefined) throw new Error("a fragment of no part");
    if (event.type === "delta")
      parts.set(
        event.index,
        part.type === "tool_call"
          ? { ...part, args: part.args + event.text }
          : { ...part, text: part.text + event.text },
      );
    else if (part.type === "reasoning" || part.type === "tool_call")
      parts.set(event.index, { ...part, signed: event.signed });
  }
  return [...parts.values()];
}

/** A reply as the events in which it would come. */
function eventsFor(parts: readonly ReplyPart[], finish: "stop" | "tool_calls" | "length" | "filtered"): ReplyEvent[] {
  return [
    { type: "start", id: "x", model: "m" },
    ...parts.flatMap((part, index): ReplyEvent[] => [
      {
        type: "part",
        index,
        part: part.type === "tool_call" ? { type: part.type, id: part.id, name: part.name } : { type: part.type },
      },
      ...Array.from(part.type === "tool_call" ? part.args : part.text).map((text): ReplyEvent => ({
        type: "delta",
        index,
        text,
      })),
      ...("signed" in part && part.signed !== undefined
        ? [{ type: "signed", index, signed: part.signed } satisfies ReplyEvent]
        : []),
      { type: "part_end", index },
    ]),
    { type: "usage", usage: BUCKETS },
    { type: "finish", finish },
    { type: "done" },
  ];
}

const ANSWERS: Readonly<
  Record<string, { output: JsonObject[]; more?: JsonObject; parts: ReplyPart[]; finish: string }>
> = {
  "a text": { output: [message("hello")], parts: [{ type: "text", text: "hello" }], finish: "stop" },
  "reasoning with encrypted content before parallel calls": {
    output: [REASONING, call(1, '{"q":"a"}'), call(2, '{"q":"b"}')],
    parts: [
      { type: "reasoning", text: "first\n\nthen", signed: OWN },
      { type: "tool_call", id: "call_1", name: "find", args: '{"q":"a"}' },
      { type: "tool_call", id: "call_2", name: "find", args: '{"q":"b"}' },
    ],
    finish: "tool_calls",
  },
  "reasoning that says nothing": {
    output: [{ id: "rs_1", type: "reasoning", summary: [] }, message("hi")],
    parts: [{ type: "text", text: "hi" }],
    finish: "stop",
  },
  "encrypted reasoning without a summary": {
    output: [{ id: "rs_1", type: "reasoning", summary: [], encrypted_content: "gA" }],
    parts: [
      {
        type: "reasoning",
        text: "",
        signed: { origin: "responses", value: { id: "rs_1", type: "reasoning", summary: [], encrypted_content: "gA" } },
      },
    ],
    finish: "stop",
  },
  "a call without arguments": {
    output: [call(1, "")],
    parts: [{ type: "tool_call", id: "call_1", name: "find", args: "{}" }],
    finish: "tool_calls",
  },
  "arguments that are no JSON": {
    output: [call(1, '{"q": ')],
    parts: [{ type: "tool_call", id: "call_1", name: "find", args: '{"q": ' }],
    finish: "tool_calls",
  },
  "a refusal behind a text": {
    output: [
      {
        ...message("Well."),
        content: [
          { type: "output_text", text: "Well.", annotations: [], logprobs: [] },
          { type: "refusal", refusal: "No." },
        ],
      },
    ],
    parts: [
      { type: "text", text: "Well." },
      { type: "refusal", text: "No." },
    ],
    finish: "stop",
  },
  "an answer that was cut at its longest": {
    output: [message("hel")],
    more: { status: "incomplete", incomplete_details: { reason: "max_output_tokens" } },
    parts: [{ type: "text", text: "hel" }],
    finish: "length",
  },
  "an answer that was filtered": {
    output: [],
    more: { status: "incomplete", incomplete_details: { reason: "content_filter" } },
    parts: [],
    finish: "filtered",
  },
};

describe("what a response says", () => {
  test.for(Object.entries(ANSWERS))("%s: whole, and the same as a stream", ([, { output, more, parts, finish }]) => {
    const body = response({ output, ...more });
    expectValid("Response", body);
    expect(valueOf(responsesCodec.readReply(body))).toEqual({
      id: "resp_1",
      model: "gpt-5.4",
      parts,
      finish,
      usage: BUCKETS,
    });
    const events = replyEvents(streamOf(output, more));
    expect(partsOf(events)).toEqual(parts);
    expect(events[0]).toEqual({ type: "start", id: "resp_1", model: "gpt-5.4" });
    expect(events.slice(-3)).toEqual([{ type: "usage", usage: BUCKETS }, { type: "finish", finish }, { type: "done" }]);
  });

  test("one that failed is no answer", () => {
    const body = response({ status: "failed", error: { code: "server_error", message: "it broke" } });
    expect(refusedPaths(responsesCodec.readReply(body))).toEqual(["upstream_failed"]);
    expect(replyEvents(streamOf([message("hel")], body)).at(-1)).toEqual({
      type: "error",
      error: { kind: "server", message: "it broke", code: "server_error" },
    });
  });

  test("a body that is no response is none", () => {
    expect(refusedPaths(responsesCodec.readReply({ choices: [] }))).toEqual(["upstream_failed"]);
  });

  test("a stream that ends without its last event, or goes back, is an error", () => {
    const cut = streamOf([message("hello")]).split("event: response.completed")[0] ?? "";
    expect(replyEvents(cut).at(-1)).toMatchObject({ type: "error", error: { kind: "server" } });
    const [begun = ""] = streamOf([call(1, "{}"), message("x")]).split("event: response.completed");
    const back = `${begun}event: x\ndata: {"type":"response.function_call_arguments.delta","output_index":0,"delta":"}"}\n\n`;
    expect(replyEvents(back).at(-1)).toMatchObject({ type: "error", error: { kind: "server" } });
  });

  test("an error event is that error, however it is shaped", () => {
    const flat =
      'event: error\ndata: {"type":"error","code":"rate_limit_exceeded","message":"slow down","param":null}\n\n';
    const nested = 'event: error\ndata: {"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}\n\n';
    for (const text of [flat, nested])
      expect(replyEvents(text)).toMatchObject([{ type: "error", error: { kind: "rate_limit", message: "slow down" } }]);
  });

  test("a server that sends no fragments has said it all at the end", () => {
    const silent = streamOf([message("hello"), call(1, '{"q":1}')])
      .split("\n\n")
      .filter((frame) => !frame.includes(".delta"))
      .join("\n\n");
    expect(partsOf(replyEvents(silent))).toEqual([
      { type: "text", text: "hello" },
      { type: "tool_call", id: "call_1", name: "find", args: '{"q":1}' },
    ]);
  });
});

describe("how an answer reads as a response", () => {
  const parts: readonly ReplyPart[] = [
    { type: "reasoning", text: "I think", signed: { origin: "messages", value: { signature: "sig" } } },
    { type: "text", text: "Let me" },
    { type: "text", text: " see." },
    {
      type: "tool_call",
      id: "toolu_1",
      name: "find",
      args: '{"q":"a"}',
      signed: { origin: "generate", value: "thought" },
    },
    { type: "tool_call", id: "toolu_2", name: "find", args: "{}" },
    { type: "refusal", text: "no more" },
  ];
  const reply = { id: "x", model: "m", parts, finish: "tool_calls", usage: BUCKETS } as const;

  test("whole", () => {
    const written = responsesCodec.writeReply(reply, MINTED);
    expectValid("Response", written);
    expect(written).toMatchObject({ id: "resp_seed1", status: "completed", model: "gpt-5.4", usage: USAGE });
    expect(written["output"]).toMatchObject([
      { type: "reasoning", id: "rs_seed1_0", summary: [{ type: "summary_text", text: "I think" }] },
      { type: "message", id: "msg_seed1_1", content: [{ text: "Let me" }, { text: " see." }] },
      { type: "function_call", id: "fc_seed1_2", call_id: "toolu_1", name: "find", arguments: '{"q":"a"}' },
      { type: "reasoning", id: "rs_seed1_3", summary: [] },
      { type: "function_call", id: "fc_seed1_4", call_id: "toolu_2", arguments: "{}" },
      { type: "message", id: "msg_seed1_5", content: [{ type: "refusal", refusal: "no more" }] },
    ]);
  });

  test("what is written reads back, foreign state included", () => {
    expect(valueOf(responsesCodec.readReply(responsesCodec.writeReply(reply, MINTED))).parts).toEqual(parts);
  });

  test("a stream says what the whole says, in OpenAI's order", () => {
    const events = writtenEvents(eventsFor(parts, "tool_calls"));
    expect(events.at(-1)?.["response"]).toEqual(responsesCodec.writeReply(reply, MINTED));
    const types = writtenEvents(
      eventsFor(
        [
          { type: "reasoning", text: "t" },
          { type: "text", text: "a" },
        ],
        "stop",
      ),
    );
    expect(types.map((event) => String(event["type"]).replace("response.", ""))).toEqual([
      "created",
      "in_progress",
      "output_item.added",
      "reasoning_summary_part.added",
      "reasoning_summary_text.delta",
      "reasoning_summary_text.done",
      "reasoning_summary_part.done",
      "output_item.done",
      "output_item.added",
      "content_part.added",
      "output_text.delta",
      "output_text.done",
      "content_part.done",
      "output_item.done",
      "completed",
    ]);
    const calls = writtenEvents(eventsFor([{ type: "tool_call", id: "c", name: "f", args: "{}" }], "tool_calls"));
    expect(calls.slice(2).map((event) => String(event["type"]).replace("response.", ""))).toEqual([
      "output_item.added",
      "function_call_arguments.delta",
      "function_call_arguments.delta",
      "function_call_arguments.done",
      "output_item.done",
      "completed",
    ]);
  });

  test("an end that was none is incomplete", () => {
    const events = writtenEvents(eventsFor([{ type: "text", text: "ab" }], "length"));
    expect(events.at(-1)).toMatchObject({
      type: "response.incomplete",
      response: {
        status: "incomplete",
        incomplete_details: { reason: "max_output_tokens" },
        output: [{ status: "incomplete" }],
      },
    });
    for (const finish of ["paused", "other", "filtered"] as const)
      expect(responsesCodec.writeReply({ ...reply, finish }, MINTED)["status"]).toBe("incomplete");
  });

  test("an answer that breaks fails with what was over; before it began there is only the error", () => {
    const error = { type: "error", error: { kind: "rate_limit", message: "slow down" } } as const;
    const begun = eventsFor(
      [
        { type: "text", text: "ab" },
        { type: "tool_call", id: "c", name: "f", args: "{" },
      ],
      "stop",
    ).slice(0, 7);
    const events = writtenEvents([...begun, error]);
    expect(events.at(-1)).toMatchObject({
      type: "response.failed",
      response: {
        status: "failed",
        error: { code: "rate_limit_exceeded", message: "slow down" },
        output: [{ type: "message", content: [{ text: "ab" }] }],
      },
    });
    expect(writtenEvents([error])).toMatchObject([
      { type: "error", code: "rate_limit", message: "slow down", param: null },
    ]);
  });

  test("a stream of OpenAI's, read and written, reads the same again", () => {
    for (const { output, more } of Object.values(ANSWERS)) {
      const events = replyEvents(streamOf(output, more));
      const text = writtenEvents(events).map(
        (event) => `event: ${String(event["type"])}\ndata: ${JSON.stringify(event)}\n\n`,
      );
      const again = replyEvents(text.join(""));
      expect(partsOf(again)).toEqual(partsOf(events));
    }
  });
});
