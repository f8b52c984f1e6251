// Proves how Gemini answers translate, whole and chunk by chunk: parts, ends, usage, ids, errors.
import { describe, expect, it } from "vitest";
import { NO_USAGE } from "../../src/core/budget/price.ts";
import { generateCodec } from "../../src/core/dialect/generate/codec.ts";
import type { Reply, ReplyEvent } from "../../src/core/dialect/reply.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import { chunk, chunks, GENERATE_MINTED, generateEvents, writtenChunks } from "./generate-fixture.ts";
import { refusedPaths, valueOf } from "./messages-fixture.ts";

const USAGE = { promptTokenCount: 10, candidatesTokenCount: 5, thoughtsTokenCount: 3, totalTokenCount: 18 };
const TOKENS = { ...NO_USAGE, input: 10, output: 8, reasoning: 3 };
const read = (body: JsonObject): Reply => valueOf(generateCodec.readReply(body));
const answer = (parts: readonly JsonObject[], more: JsonObject = { finishReason: "STOP" }): JsonObject =>
  chunk(parts, more, { usageMetadata: USAGE });

describe("a whole answer", () => {
  it("keeps thoughts, text and calls with their signatures", () => {
    const parts = [
      { text: "Hm", thought: true },
      { text: ".", thought: true, thoughtSignature: "c2lnMQ==" },
      { text: "I " },
      { text: "look." },
      { functionCall: { id: "own", name: "a.b", args: { n: 1.5 } }, thoughtSignature: "c2lnMg==" },
      { functionCall: { name: "g" } },
    ];
    const reply = read(answer(parts));
    expect(reply).toEqual({
      id: "resp1",
      model: "gemini-2.5-pro",
      parts: [
        { type: "reasoning", text: "Hm.", signed: { origin: "generate", value: "c2lnMQ==" } },
        { type: "text", text: "I look." },
        {
          type: "tool_call",
          id: "own",
          name: "a.b",
          args: '{"n":1.5}',
          signed: { origin: "generate", value: "c2lnMg==" },
        },
        { type: "tool_call", id: "call_resp1_1", name: "g", args: "{}" },
      ],
      finish: "tool_calls",
      usage: TOKENS,
    });
    expect(generateCodec.writeReply(reply, GENERATE_MINTED)).toMatchObject({
      candidates: [
        {
          content: {
            role: "model",
            parts: [
              { text: "Hm.", thought: true, thoughtSignature: "c2lnMQ==" },
              { text: "I look." },
              { functionCall: { id: "own", name: "a.b", args: { n: 1.5 } }, thoughtSignature: "c2lnMg==" },
              { functionCall: { id: "call_resp1_1", name: "g", args: {} } },
            ],
          },
          finishReason: "STOP",
          index: 0,
        },
      ],
      usageMetadata: USAGE,
      modelVersion: "gemini-2.5-pro",
      responseId: "resp1",
    });
  });

  it("keeps a signature that stands on a text, or on none", () => {
    const parts = [
      { text: "Hi", thoughtSignature: "c2lnMQ==" },
      { text: "", thoughtSignature: "c2lnMg==" },
    ];
    expect(read(answer(parts)).parts).toEqual([
      { type: "text", text: "Hi" },
      { type: "reasoning", text: "", signed: { origin: "generate", value: { on: "text", signature: "c2lnMQ==" } } },
      { type: "reasoning", text: "", signed: { origin: "generate", value: { on: "alone", signature: "c2lnMg==" } } },
    ]);
  });

  it("makes ids of what it says where it has none itself", () => {
    const { responseId: _, ...bare } = answer([{ functionCall: { name: "f" } }]);
    const [call] = read(bare).parts;
    const [again] = read(bare).parts;
    expect(call).toMatchObject({ id: expect.stringMatching(/^call_[0-9a-f]{16}_0$/) as string });
    expect(again).toEqual(call);
  });

  it.each([
    ["STOP", "stop"],
    ["MAX_TOKENS", "length"],
    ["SAFETY", "filtered"],
    ["RECITATION", "filtered"],
    ["BLOCKLIST", "filtered"],
    ["PROHIBITED_CONTENT", "filtered"],
    ["SPII", "filtered"],
    ["LANGUAGE", "other"],
    ["OTHER", "other"],
    ["CONTINUATION", "other"],
    ["SOMETHING_NEW", "other"],
  ])("that ended with %s has ended: %s", (finishReason, finish) => {
    expect(read(answer([{ text: "x" }], { finishReason })).finish).toBe(finish);
  });

  it("that was cut off is long, whether it holds a call or not", () => {
    expect(read(answer([{ functionCall: { name: "f" } }], { finishReason: "MAX_TOKENS" })).finish).toBe("length");
    expect(read(answer([{ text: "x" }], {})).finish).toBe("other");
  });

  it.each(["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MALFORMED_RESPONSE", "TOO_MANY_TOOL_CALLS"])(
    "that ended with %s is an error",
    (finishReason) => {
      const refused = generateCodec.readReply(answer([], { finishReason }));
      expect(refused).toMatchObject({ ok: false, code: "upstream_failed" });
      expect(refused.ok ? "" : refused.detail).toContain(finishReason);
    },
  );

  it("to a blocked prompt is filtered; one that is none at all is an error", () => {
    expect(read({ promptFeedback: { blockReason: "SAFETY" }, usageMetadata: USAGE })).toMatchObject({
      parts: [],
      finish: "filtered",
      usage: TOKENS,
    });
    expect(refusedPaths(generateCodec.readReply({}))).toEqual(["upstream_failed"]);
    const code = generateCodec.readReply(answer([{ executableCode: { code: "1" } }]));
    expect(code.ok ? "" : code.detail).toContain("executableCode");
  });

  it("of another dialect carries its signed state through a Gemini client", () => {
    const signed = { origin: "messages", value: { signature: "Ünïcode", data: [1] } } as const;
    const reply: Reply = {
      id: "",
      model: "claude",
      parts: [
        { type: "reasoning", text: "hm", signed },
        { type: "tool_call", id: "1", name: "f", args: "{}", signed },
        { type: "refusal", text: "no" },
      ],
      finish: "filtered",
      usage: { ...NO_USAGE, input: 1, cacheWrite: 2, cacheRead: 3, output: 4, inputAudio: 5, outputAudio: 6 },
    };
    const written = generateCodec.writeReply(reply, GENERATE_MINTED);
    expect(written).toMatchObject({
      candidates: [{ finishReason: "SAFETY" }],
      responseId: "seed1",
      usageMetadata: {
        promptTokenCount: 11,
        cachedContentTokenCount: 3,
        candidatesTokenCount: 10,
        totalTokenCount: 21,
        promptTokensDetails: [{ modality: "AUDIO", tokenCount: 5 }],
        candidatesTokensDetails: [{ modality: "AUDIO", tokenCount: 6 }],
      },
    });
    const [{ content }] = written["candidates"] as readonly [{ content: { parts: readonly JsonObject[] } }];
    const contents = (parts: readonly JsonObject[]): readonly JsonObject[] => [{ role: "model", parts }];
    const back = (parts: readonly JsonObject[]) =>
      valueOf(
        generateCodec.readRequest(
          { contents: contents(parts) },
          { ...GENERATE_MINTED, isStream: false, maxOutput: 1, choices: 1 },
        ),
      ).turns[0]?.parts;
    const expected = [...reply.parts.slice(0, 2), { type: "text", text: "no" }];
    expect(back(content.parts)).toEqual(expected);
    // Clients that keep bytes write them in the alphabet for URLs.
    const urlSafe = content.parts.map((part) =>
      typeof part["thoughtSignature"] === "string"
        ? { ...part, thoughtSignature: part["thoughtSignature"].replaceAll("+", "-").replaceAll("/", "_") }
        : part,
    );
    expect(back(urlSafe)).toEqual(expected);
  });

  it("with arguments that are no object ends as Gemini's own do then", () => {
    const call = (args: string): Reply["parts"] => [{ type: "tool_call", id: "1", name: "f", args }];
    const ended = (args: string) =>
      generateCodec.writeReply(
        { id: "r", model: "m", parts: call(args), finish: "tool_calls", usage: undefined },
        GENERATE_MINTED,
      );
    for (const args of ['{"a":', "[1]", '"x"', '{"n":9007199254740993}'])
      expect(ended(args)).toMatchObject({
        candidates: [{ content: { parts: [] }, finishReason: "MALFORMED_FUNCTION_CALL" }],
      });
    expect(ended("")).toMatchObject({ candidates: [{ content: { parts: [{ functionCall: { args: {} } }] } }] });
  });
});

const STREAM = chunks(
  chunk([{ text: "Hm", thought: true }], {}, { usageMetadata: { promptTokenCount: 10, totalTokenCount: 10 } }),
  chunk([{ text: ".", thought: true, thoughtSignature: "c2lnMQ==" }]),
  chunk([{ text: "I look." }]),
  chunk([
    { functionCall: { name: "f", args: { a: 1 } }, thoughtSignature: "c2lnMg==" },
    { functionCall: { id: "own", name: "g", args: {} } },
  ]),
  chunk([{ text: "" }], { finishReason: "STOP" }, { usageMetadata: USAGE }),
);

const EVENTS: readonly ReplyEvent[] = [
  { type: "start", id: "resp1", model: "gemini-2.5-pro", usage: { ...NO_USAGE, input: 10 } },
  { type: "part", index: 0, part: { type: "reasoning" } },
  { type: "delta", index: 0, text: "Hm" },
  { type: "delta", index: 0, text: "." },
  { type: "signed", index: 0, signed: { origin: "generate", value: "c2lnMQ==" } },
  { type: "part_end", index: 0 },
  { type: "part", index: 1, part: { type: "text" } },
  { type: "delta", index: 1, text: "I look." },
  { type: "part_end", index: 1 },
  { type: "part", index: 2, part: { type: "tool_call", id: "call_resp1_0", name: "f" } },
  { type: "delta", index: 2, text: '{"a":1}' },
  { type: "signed", index: 2, signed: { origin: "generate", value: "c2lnMg==" } },
  { type: "part_end", index: 2 },
  { type: "part", index: 3, part: { type: "tool_call", id: "own", name: "g" } },
  { type: "delta", index: 3, text: "{}" },
  { type: "part_end", index: 3 },
  { type: "usage", usage: TOKENS },
  { type: "finish", finish: "tool_calls" },
  { type: "done" },
];

describe("a stream", () => {
  it("is read part by part", () => {
    expect(generateEvents(STREAM)).toEqual(EVENTS);
  });

  it("is written with texts as they grow and calls whole; the last chunk has the end and the usage", () => {
    const model = { modelVersion: "gemini-2.5-pro", responseId: "resp1" };
    const of = (part: JsonObject, more: JsonObject = {}): JsonObject => ({
      candidates: [{ content: { parts: [part], role: "model" }, index: 0, ...more }],
      ...model,
    });
    expect(writtenChunks(EVENTS)).toEqual([
      of({ text: "Hm", thought: true }),
      of({ text: ".", thought: true }),
      of({ text: "", thought: true, thoughtSignature: "c2lnMQ==" }),
      of({ text: "I look." }),
      of({ functionCall: { id: "call_resp1_0", name: "f", args: { a: 1 } }, thoughtSignature: "c2lnMg==" }),
      of({ functionCall: { id: "own", name: "g", args: {} } }),
      { ...of({ text: "" }, { finishReason: "STOP" }), usageMetadata: USAGE },
    ]);
  });

  it("gathers arguments in pieces, of calls at the same time", () => {
    const call = (index: number): ReplyEvent => ({
      type: "part",
      index,
      part: { type: "tool_call", id: `c${index}`, name: "f" },
    });
    const piece = (index: number, text: string): ReplyEvent => ({ type: "delta", index, text });
    const end = (index: number): ReplyEvent => ({ type: "part_end", index });
    const events = [call(0), piece(0, '{"a"'), call(1), piece(1, ""), piece(0, ":1}"), end(0), end(1)];
    expect(writtenChunks(events)).toMatchObject([
      { candidates: [{ content: { parts: [{ functionCall: { id: "c0", args: { a: 1 } } }] } }] },
      { candidates: [{ content: { parts: [{ functionCall: { id: "c1", args: {} } }] } }] },
    ]);
    const broken = writtenChunks([call(0), piece(0, '{"a"'), end(0), { type: "done" }]);
    expect(broken).toEqual([
      {
        error: {
          code: 500,
          message: "the model's arguments for f are no JSON object that can be passed on unchanged",
          status: "INTERNAL",
          details: [
            {
              "@type": "type.googleapis.com/google.rpc.ErrorInfo",
              reason: "MALFORMED_FUNCTION_CALL",
              domain: "interlock",
            },
          ],
        },
      },
    ]);
  });

  it("keeps a signature that stands on a text as a part of its own", () => {
    const parts = chunks(
      chunk([{ text: "hm", thought: true }]),
      chunk([{ text: "", thoughtSignature: "c2lnMQ==" }], { finishReason: "STOP" }, { usageMetadata: USAGE }),
    );
    const read = generateEvents(parts);
    expect(read.filter(({ type }) => type === "part" || type === "signed")).toEqual([
      { type: "part", index: 0, part: { type: "reasoning" } },
      { type: "part", index: 1, part: { type: "reasoning" } },
      { type: "signed", index: 1, signed: { origin: "generate", value: { on: "alone", signature: "c2lnMQ==" } } },
    ]);
    expect(writtenChunks(read).slice(0, 2)).toMatchObject([
      { candidates: [{ content: { parts: [{ text: "hm", thought: true }] } }] },
      { candidates: [{ content: { parts: [{ text: "", thoughtSignature: "c2lnMQ==" }] } }] },
    ]);
  });

  it("that ends without a reason ends with an error, and so does one that tells an error", () => {
    const cut = generateEvents(chunks(chunk([{ text: "x" }])));
    expect(cut.at(-1)).toMatchObject({ type: "error", error: { kind: "server" } });
    const told = chunks(
      chunk([{ text: "x" }]),
      { error: { code: 503, message: "m", status: "UNAVAILABLE" } },
      chunk([{ text: "y" }]),
    );
    expect(generateEvents(told).at(-1)).toEqual({
      type: "error",
      error: { kind: "overloaded", message: "m", code: "UNAVAILABLE" },
    });
    const failed = generateEvents(chunks(chunk([], { finishReason: "MALFORMED_FUNCTION_CALL" })));
    expect(failed.at(-1)).toMatchObject({ type: "error" });
    expect(generateEvents("data: [1]\n\n")).toMatchObject([{ type: "error" }]);
  });

  it("of a blocked prompt is filtered, and usage after the end still counts", () => {
    expect(generateEvents(chunks({ promptFeedback: { blockReason: "SAFETY" } })).slice(-2)).toEqual([
      { type: "finish", finish: "filtered" },
      { type: "done" },
    ]);
    const late = chunks(chunk([{ text: "x" }], { finishReason: "STOP" }), { usageMetadata: USAGE });
    expect(generateEvents(late).slice(-3)).toEqual([
      { type: "usage", usage: TOKENS },
      { type: "finish", finish: "stop" },
      { type: "done" },
    ]);
  });
});

describe("errors", () => {
  it.each([
    [400, "INVALID_ARGUMENT", "invalid_request"],
    [401, "UNAUTHENTICATED", "authentication"],
    [403, "PERMISSION_DENIED", "permission"],
    [404, "NOT_FOUND", "not_found"],
    [429, "RESOURCE_EXHAUSTED", "rate_limit"],
    [503, "UNAVAILABLE", "overloaded"],
    [504, "DEADLINE_EXCEEDED", "timeout"],
    [500, "INTERNAL", "server"],
  ] as const)("of status %i read and write as %s", (code, status, kind) => {
    const body = { error: { code, message: "m", status } };
    const error = generateCodec.readError(JSON.stringify(body), code);
    expect(error).toEqual({ kind, message: "m", code: status });
    expect(generateCodec.writeError(error)).toEqual(body);
  });

  it("name a wrong key, and the field that was wrong", () => {
    const details = [{ reason: "API_KEY_INVALID" }, { fieldViolations: [{ field: "contents[0]", description: "d" }] }];
    const error = { code: 400, message: "m", status: "INVALID_ARGUMENT", details };
    expect(generateCodec.readError(JSON.stringify([{ error }]), 400)).toEqual({
      kind: "authentication",
      message: "m",
      code: "INVALID_ARGUMENT",
      param: "contents[0]",
    });
    expect(generateCodec.writeError({ kind: "quota", message: "m", code: "insufficient_quota", param: "p" })).toEqual({
      error: {
        code: 429,
        message: "m",
        status: "RESOURCE_EXHAUSTED",
        details: [
          { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "insufficient_quota", domain: "interlock" },
          {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            fieldViolations: [{ field: "p", description: "m" }],
          },
        ],
      },
    });
  });

  it("that are no JSON are told by their status alone", () => {
    expect(generateCodec.readError("<html>secret</html>", 502)).toEqual({
      kind: "server",
      message: "the provider answered with status 502",
    });
  });
});
