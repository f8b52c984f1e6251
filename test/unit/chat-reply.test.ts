// Proves what chat completions say as answers, whole and streamed, and that OpenAI's own client reads what is written.
import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { costMicro, NO_USAGE, totalTokens } from "../../src/core/budget/price.ts";
import { chatCodec } from "../../src/core/dialect/chat/codec.ts";
import { chatWire } from "../../src/core/dialect/chat/wire.ts";
import type { Reply } from "../../src/core/dialect/reply.ts";
import type { Json, JsonObject } from "../../src/core/json/canonical.ts";
import { complaints } from "../demo/vendor-schemas.ts";
import { chunk, DONE, MINTED, replyEvents, sse } from "./chat-fixture.ts";
import { eventsOfReply } from "./dialect-arbitraries.ts";
import {
  assembled,
  isSameAtEveryCut,
  isSequential,
  readInPieces,
  refusedPaths,
  valueOf,
  written,
} from "./dialect-laws.ts";
import { bodyOf } from "./messages-fixture.ts";

function fragment(index: number, more: JsonObject): Json {
  return chunk({ tool_calls: [{ index, ...more }] });
}

function begun(index: number, id: string, name: string, args = ""): Json {
  return fragment(index, { id, type: "function", function: { name, arguments: args } });
}

const ROLE = chunk({ role: "assistant", content: "", refusal: null });
const USAGE = {
  prompt_tokens: 1200,
  completion_tokens: 90,
  total_tokens: 1290,
  prompt_tokens_details: { cached_tokens: 1024, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 64, audio_tokens: 0 },
};
const USAGE_CHUNK = { ...(chunk({}) as JsonObject), choices: [], usage: USAGE };

/** Text, and two calls in parallel, one without arguments; the text ends in the chunk in which the first call begins. */
const AGENT =
  sse(
    ROLE,
    chunk({ content: "I lo" }),
    chunk({
      content: "ök 😀.",
      tool_calls: [{ index: 0, id: "call_a", type: "function", function: { name: "weather", arguments: "" } }],
    }),
    fragment(0, { function: { arguments: '{"ci' } }),
    fragment(0, { function: { arguments: 'ty":"Ülm"}' } }),
    begun(1, "call_b", "now"),
    chunk({}, "tool_calls"),
    USAGE_CHUNK,
  ) + DONE;

const AGENT_PARTS = [
  { type: "text", text: "I loök 😀." },
  { type: "tool_call", id: "call_a", name: "weather", args: '{"city":"Ülm"}' },
  { type: "tool_call", id: "call_b", name: "now", args: "{}" },
];

describe("a stream of chat completions", () => {
  it("tells text and calls in parallel, one after another, at every cut of its bytes", () => {
    const events = replyEvents(AGENT);
    expect(isSequential(events)).toBe(true);
    expect(assembled(events)).toEqual({
      id: "chatcmpl-1",
      model: "gpt-5-mini-2025-08-07",
      parts: AGENT_PARTS,
      finish: "tool_calls",
      usage: { ...NO_USAGE, input: 176, cacheRead: 1024, output: 90, reasoning: 64 },
    });
    isSameAtEveryCut(chatCodec, AGENT);
  });

  it("survives comments, line ends of every kind, and a byte order mark", () => {
    const odd = `\uFEFF: hello\r\n\r\n${AGENT.replaceAll("\n", "\r\n")}`;
    expect(replyEvents(odd)).toEqual(replyEvents(AGENT));
  });

  it.each<[string, readonly Json[], readonly (readonly [string, string])[]]>([
    [
      "every call numbered 0",
      [begun(0, "a", "f", "{}"), begun(0, "b", "g", '{"x":'), fragment(0, { function: { arguments: "1}" } })],
      [
        ["a", "{}"],
        ["b", '{"x":1}'],
      ],
    ],
    ["id and name said again", [begun(0, "a", "f", '{"x"'), begun(0, "a", "f", ":1}")], [["a", '{"x":1}']]],
    [
      "another id in each fragment",
      [begun(0, "a", "f", '{"x"'), fragment(0, { id: "b", function: { arguments: ":1}" } })],
      [["a", '{"x":1}']],
    ],
    [
      "no numbers",
      [
        chunk({
          tool_calls: [
            { id: "a", function: { name: "f", arguments: "{}" } },
            { id: "b", function: { name: "f", arguments: '{"x":' } },
          ],
        }),
        chunk({ tool_calls: [{ function: { arguments: "1}" } }] }),
      ],
      [
        ["a", "{}"],
        ["b", '{"x":1}'],
      ],
    ],
    [
      "no ids",
      [begun(0, "", "f", "{}"), begun(1, "", "f", "{}")],
      [
        ["call_chatcmpl1_0", "{}"],
        ["call_chatcmpl1_1", "{}"],
      ],
    ],
    [
      "numbers with gaps",
      [begun(2, "a", "f", "{}"), begun(5, "b", "f", "{}")],
      [
        ["a", "{}"],
        ["b", "{}"],
      ],
    ],
  ])("keeps calls apart: %s", (_, chunks, calls) => {
    const events = replyEvents(sse(ROLE, ...chunks, chunk({}, "stop")) + DONE);
    expect(isSequential(events)).toBe(true);
    const reply = assembled(events);
    expect(reply.parts.map((part) => (part.type === "tool_call" ? [part.id, part.args] : part.type))).toEqual(calls);
    expect(reply.finish).toBe("tool_calls");
  });

  it.each<[string, readonly Json[]]>([
    [
      "a fragment of a call that is over",
      [begun(0, "a", "f"), begun(1, "b", "f"), fragment(0, { function: { arguments: "{}" } })],
    ],
    [
      "a fragment of a call that text has ended",
      [begun(0, "a", "f"), chunk({ content: "x" }), fragment(0, { function: { arguments: "{}" } })],
    ],
    ["a call without a name", [fragment(0, { id: "a", function: { arguments: "{}" } })]],
    ["content that is no text", [chunk({ content: [{ type: "image_url", image_url: { url: "x" } }] })]],
    [
      "an error of the provider",
      [chunk({ content: "x" }), { error: { message: "busy", type: "server_error", code: null } }],
    ],
  ])("ends with an error, and with nothing after it, for %s", (_, chunks) => {
    const events = replyEvents(sse(ROLE, ...chunks, chunk({}, "stop")) + DONE);
    expect(events.at(-1)?.type).toBe("error");
    expect(isSequential(events)).toBe(true);
    expect(events.some(({ type }) => type === "finish" || type === "done")).toBe(false);
  });

  it("is no answer when it ends without its mark", () => {
    const events = replyEvents(AGENT.slice(0, -DONE.length));
    expect(events.at(-1)).toMatchObject({ type: "error", error: { kind: "server" } });
    expect(events.some(({ type }) => type === "finish" || type === "done")).toBe(false);
  });

  it.each([
    ["stop", "stop"],
    ["length", "length"],
    ["content_filter", "filtered"],
    ["eos_token", "other"],
    ["constructor", "other"],
  ])("ends with %s as %s", (reason, finish) => {
    expect(replyEvents(sse(ROLE, chunk({ content: "x" }), chunk({}, reason)) + DONE)).toContainEqual({
      type: "finish",
      finish,
    });
  });

  it("tells refusals, and thoughts however servers name them", () => {
    const thought = chunk({ content: [{ type: "thinking", thinking: [{ type: "text", text: "m." }] }] });
    const stream = sse(
      ROLE,
      chunk({ reasoning_content: "H" }),
      chunk({ reasoning: "m" }),
      thought,
      chunk({ refusal: "No." }),
      chunk({}, "stop"),
    );
    expect(assembled(replyEvents(stream + DONE)).parts).toEqual([
      { type: "reasoning", text: "Hmm." },
      { type: "refusal", text: "No." },
    ]);
  });
});

const REPLY: Reply = {
  id: "x",
  model: "y",
  parts: [
    { type: "text", text: "Look:" },
    { type: "tool_call", id: "toolu_1", name: "crm.find", args: '{"q":"Ü"}' },
    { type: "tool_call", id: "toolu_2", name: "now", args: "{}" },
  ],
  finish: "tool_calls",
  usage: { ...NO_USAGE, input: 176, cacheRead: 1024, output: 90, reasoning: 64 },
};

/** OpenAI's own client on a gateway that answers with this text. */
function clientOf(text: string, type: string): OpenAI {
  const fetch = async (): Promise<Response> => new Response(text, { headers: { "content-type": type } });
  return new OpenAI({ apiKey: "key", baseURL: "https://gateway.example/v1", fetch, maxRetries: 0 });
}

const ASKED = { model: "fast", messages: [{ role: "user" as const, content: "hi" }] };

describe("a written chat completion", () => {
  it("is read by OpenAI's client, streamed as whole", async () => {
    const whole = JSON.stringify(chatCodec.writeReply(REPLY, MINTED));
    const answered = await clientOf(whole, "application/json").chat.completions.create(ASKED);
    const stream = written(chatCodec, eventsOfReply(REPLY), MINTED);
    const runner = clientOf(stream, "text/event-stream").chat.completions.stream({
      ...ASKED,
      stream_options: { include_usage: true },
    });
    const streamed = await runner.finalChatCompletion();
    for (const completion of [answered, streamed]) {
      const [choice] = completion.choices;
      expect(choice?.finish_reason).toBe("tool_calls");
      expect(choice?.message.content).toBe("Look:");
      const calls = choice?.message.tool_calls ?? [];
      expect(calls.map((call) => [call.id, call.type === "function" && call.function.arguments])).toEqual([
        ["toolu_1", '{"q":"Ü"}'],
        ["toolu_2", "{}"],
      ]);
      expect(completion.usage).toMatchObject(USAGE);
    }
  });

  it("tells its role first, counts calls alone, and names a call in its first fragment only", () => {
    const frames = written(chatCodec, eventsOfReply(REPLY), MINTED)
      .split("\n\n")
      .filter((frame) => frame !== "");
    expect(frames.at(-1)).toBe("data: [DONE]");
    const chunks = frames
      .slice(0, -1)
      .map((frame) => JSON.parse(frame.slice("data: ".length)) as OpenAI.ChatCompletionChunk);
    expect(chunks[0]?.choices[0]?.delta.role).toBe("assistant");
    const fragments = chunks.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? []);
    const opening = fragments.filter(({ id }) => id !== undefined);
    expect(opening.map(({ index, id }) => [index, id])).toEqual([
      [0, "toolu_1"],
      [1, "toolu_2"],
    ]);
    for (const each of fragments) expect(each.function?.name === undefined).toBe(each.id === undefined);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: USAGE });
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
  });

  it("says nothing of usage in a stream unless it was asked to", () => {
    const stream = written(chatCodec, eventsOfReply(REPLY), { ...MINTED, wantsUsage: false });
    expect(stream).not.toContain("usage");
    expect(stream.endsWith(DONE)).toBe(true);
  });

  it("tells an error in OpenAI's shape, without a mark of success, and the client throws it", async () => {
    const [start, ...rest] = eventsOfReply(REPLY);
    if (start === undefined) throw new Error("no events");
    const error = {
      type: "error" as const,
      error: { kind: "overloaded" as const, message: "busy", code: "overloaded_error" },
    };
    const stream = written(chatCodec, [start, ...rest.slice(0, 3), error], MINTED);
    expect(stream).not.toContain("[DONE]");
    expect(readInPieces(chatCodec, stream, []).at(-1)).toMatchObject(error);
    const read = async (): Promise<void> => {
      const chunks = await clientOf(stream, "text/event-stream").chat.completions.create({ ...ASKED, stream: true });
      for await (const each of chunks) expect(each.id).toBe("chatcmpl-seed1");
    };
    await expect(read()).rejects.toThrow("busy");
    expect(complaints("openai", "ErrorResponse", chatCodec.writeError(error.error))).toEqual([]);
  });

  it("never says stop for an end that was none", () => {
    for (const finish of ["other", "paused", "filtered", "length"] as const) {
      const body = chatCodec.writeReply({ ...REPLY, parts: [], finish }, MINTED);
      expect(JSON.stringify(body)).not.toContain('"finish_reason":"stop"');
      expect(complaints("openai", "CreateChatCompletionResponse", body)).toEqual([]);
    }
  });
});

describe("a whole chat completion", () => {
  it("holds texts and calls as a stream of the same does", () => {
    const message = {
      role: "assistant",
      content: "I loök 😀.",
      refusal: null,
      tool_calls: [
        { id: "call_a", type: "function", function: { name: "weather", arguments: '{"city":"Ülm"}' } },
        { id: "call_b", type: "function", function: { name: "now", arguments: "" } },
      ],
    };
    const body = {
      id: "chatcmpl-1",
      model: "gpt-5-mini-2025-08-07",
      choices: [{ index: 0, message, finish_reason: "stop" }],
      usage: USAGE,
    };
    expect(valueOf(chatCodec.readReply(body))).toEqual(assembled(replyEvents(AGENT)));
  });

  it.each<JsonObject>([
    {},
    { choices: [] },
    { choices: [{ message: { content: 4 } }] },
    { choices: [{ message: { content: null, tool_calls: [{ id: "a", function: { arguments: "{}" } }] } }] },
  ])("is refused where it is none: %j", (body) => {
    expect(refusedPaths(chatCodec.readReply(body))[0]).toBe("upstream_failed");
  });

  it.each([
    [401, '{"error":{"message":"no","type":"invalid_request_error","code":"invalid_api_key"}}', "authentication"],
    [429, '{"error":{"message":"no","type":"insufficient_quota","code":"insufficient_quota"}}', "quota"],
    [429, '{"error":{"message":"no","type":"tokens","code":"rate_limit_exceeded"}}', "rate_limit"],
    [429, '[{"error":{"message":"no","status":"RESOURCE_EXHAUSTED"}}]', "rate_limit"],
    [503, "<html>", "overloaded"],
    [500, '{"error":"boom"}', "server"],
  ])("tells the kind of an error with status %i: %s", (status, text, kind) => {
    expect(chatCodec.readError(text, status).kind).toBe(kind);
  });
});

describe("what a chat completion cost", () => {
  it("counts cached and reasoning tokens once, whole and streamed", () => {
    const body = JSON.stringify({ choices: [], usage: USAGE });
    const price = {
      source: "test",
      tiers: [{ from: 0, inputPico: 2_500_000, outputPico: 10_000_000, cacheReadPico: 1_250_000 }],
    };
    for (const usage of [chatWire.streamed(AGENT).usage, chatWire.whole(bodyOf(body)).usage]) {
      if (usage === undefined) throw new Error("no usage");
      expect(totalTokens(usage)).toBe(USAGE.total_tokens);
      expect(costMicro(price, usage)).toBe(440 + 1_280 + 900);
    }
  });

  it("costs what was written to a cache as such: a bill of $0.0544 stays $0.0544 as a chat completion", () => {
    const usage = { ...NO_USAGE, input: 3, cacheWrite: 12_304, output: 550 };
    const body = chatCodec.writeReply({ ...REPLY, usage }, MINTED);
    expect(body["usage"]).toMatchObject({ prompt_tokens: 12_307, completion_tokens: 550, total_tokens: 12_857 });
    const read = chatWire.whole(bodyOf(body)).usage;
    expect(read).toEqual(usage);
    const tier = {
      from: 0,
      inputPico: 3_000_000,
      outputPico: 15_000_000,
      cacheReadPico: 300_000,
      cacheWritePico: 3_750_000,
    };
    expect(read && costMicro({ source: "test", tiers: [tier] }, read)).toBe(54_399);
  });

  it("never counts below zero, whatever details say", () => {
    const details = { cached_tokens: 8, cache_write_tokens: 8, audio_tokens: 8 };
    const usage = {
      prompt_tokens: 10,
      completion_tokens: 5,
      prompt_tokens_details: details,
      completion_tokens_details: details,
    };
    const read = chatWire.whole(bodyOf({ choices: [], usage })).usage;
    expect(read).toEqual({ ...NO_USAGE, cacheRead: 8, cacheWrite: 2, outputAudio: 5 });
  });
});
