// Proves laws of the generate dialect on answers and conversations that nobody thought of: there and back is the same.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NO_USAGE } from "../../src/core/budget/price.ts";
import type { Conversation, Part, Signed, Turn } from "../../src/core/dialect/conversation.ts";
import { generateCodec } from "../../src/core/dialect/generate/codec.ts";
import { generateWire } from "../../src/core/dialect/generate/wire.ts";
import type { Reply, ReplyEvent, ReplyPart } from "../../src/core/dialect/reply.ts";
import { EventParser } from "../../src/core/stream/events.ts";
import { chunk, chunks, GENERATE_FIELDS, GENERATE_MINTED, generateEvents } from "./generate-fixture.ts";
import { bodyOf, valueOf } from "./messages-fixture.ts";

const RUNS = { numRuns: 60 };
const text = fc.oneof(fc.string({ minLength: 1, maxLength: 12 }), fc.constantFrom("\n\ndata: x", "ü€😀", '"\\', "]"));
const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_.:-]{0,12}$/);
const args = fc
  .dictionary(fc.stringMatching(/^[a-z]{1,6}$/), fc.oneof(fc.integer(), text, fc.boolean(), fc.constant(null)), {
    maxKeys: 3,
  })
  .map((value) => JSON.stringify(value));
const own: fc.Arbitrary<Signed> = fc.base64String({ minLength: 4, maxLength: 12 }).map((value) => ({
  origin: "generate",
  value: `S${value}`,
}));
const foreign: fc.Arbitrary<Signed> = fc.record({
  origin: fc.constantFrom("messages", "responses"),
  value: fc.oneof(text, fc.record({ id: text })),
});
const signed = fc.oneof(own, foreign);
const usage = fc
  .record({
    input: fc.nat(),
    cacheRead: fc.nat(),
    inputAudio: fc.nat(),
    output: fc.nat(),
    reasoning: fc.nat(),
    outputAudio: fc.nat(),
  })
  .map((figures) => ({ ...NO_USAGE, ...figures, output: figures.output + figures.reasoning }));

const replyPart: fc.Arbitrary<ReplyPart> = fc.oneof(
  text.map((each) => ({ type: "text" as const, text: each })),
  fc.record({ type: fc.constant("reasoning" as const), text: fc.oneof(text, fc.constant("")), signed }),
  fc.record({ type: fc.constant("tool_call" as const), id: name, name, args }),
  fc.record({ type: fc.constant("tool_call" as const), id: name, name, args, signed }),
);

/** Neighbouring texts are one text: nothing tells them apart. */
function joined(parts: readonly ReplyPart[]): readonly ReplyPart[] {
  const found: ReplyPart[] = [];
  for (const part of parts) {
    const last = found.at(-1);
    if (last?.type === "text" && part.type === "text")
      found[found.length - 1] = { ...last, text: last.text + part.text };
    else found.push(part.type === "tool_call" ? { ...part, id: `${part.id}_${found.length}` } : part);
  }
  return found;
}

const reply: fc.Arbitrary<Reply> = fc
  .record({ parts: fc.array(replyPart, { maxLength: 6 }).map(joined), usage, isLong: fc.boolean() })
  .map(({ parts, usage: figures, isLong }) => ({
    id: "r1",
    model: GENERATE_MINTED.model,
    parts,
    finish: isLong ? "length" : parts.some(({ type }) => type === "tool_call") ? "tool_calls" : "stop",
    usage: figures,
  }));

/** An answer as events, its texts in pieces. */
function eventsOfReply({ id, model, parts, finish, usage: figures }: Reply): readonly ReplyEvent[] {
  return [
    { type: "start", id, model },
    ...parts.flatMap((part, index): readonly ReplyEvent[] => {
      const body = part.type === "tool_call" ? part.args : part.text;
      const start = part.type === "tool_call" ? { type: part.type, id: part.id, name: part.name } : { type: part.type };
      const state =
        "signed" in part && part.signed !== undefined ? [{ type: "signed" as const, index, signed: part.signed }] : [];
      return [
        { type: "part", index, part: start },
        ...[body.slice(0, 3), body.slice(3)]
          .filter((each) => each !== "")
          .map((each) => ({ type: "delta" as const, index, text: each })),
        ...state,
        { type: "part_end", index },
      ];
    }),
    ...(figures === undefined ? [] : [{ type: "usage" as const, usage: figures }]),
    { type: "finish", finish },
    { type: "done" },
  ];
}

/** What events come to, put together. */
function replyOf(events: readonly ReplyEvent[]): Reply {
  const parts: ReplyPart[] = [];
  let whole: Partial<Reply> = {};
  for (const event of events) {
    if (event.type === "start") whole = { id: event.id, model: event.model };
    if (event.type === "part")
      parts.push(event.part.type === "tool_call" ? { ...event.part, args: "" } : { type: event.part.type, text: "" });
    const last = parts.at(-1);
    if (event.type === "delta" && last !== undefined)
      parts[parts.length - 1] =
        last.type === "tool_call"
          ? { ...last, args: last.args + event.text }
          : { ...last, text: last.text + event.text };
    if (event.type === "signed" && (last?.type === "tool_call" || last?.type === "reasoning"))
      parts[parts.length - 1] = { ...last, signed: event.signed };
    if (event.type === "usage") whole = { ...whole, usage: event.usage };
    if (event.type === "finish") whole = { ...whole, finish: event.finish };
  }
  return { id: "", model: "", finish: "other", usage: undefined, ...whole, parts };
}

describe("every answer", () => {
  it("is the same after it was written whole and read", () => {
    fc.assert(
      fc.property(reply, (each) => {
        expect(valueOf(generateCodec.readReply(generateCodec.writeReply(each, GENERATE_MINTED)))).toEqual(each);
      }),
      RUNS,
    );
  });

  it("is the same after it was streamed, and the stream is done and tells what was used", () => {
    fc.assert(
      fc.property(reply, (each) => {
        const writer = generateCodec.streamWriter(GENERATE_MINTED);
        const stream = eventsOfReply(each)
          .map((event) => writer.write(event))
          .join("");
        expect(replyOf(generateEvents(stream))).toEqual(each);
        expect(generateWire.streamed(stream)).toMatchObject({ isDone: true, usage: each.usage, error: undefined });
      }),
      RUNS,
    );
  });

  it("streams alike however it is cut into pieces, and is an error when its end is missing", () => {
    fc.assert(
      fc.property(reply, fc.array(fc.nat(400), { maxLength: 5 }), fc.nat(), (each, cuts, end) => {
        const writer = generateCodec.streamWriter(GENERATE_MINTED);
        const frames = eventsOfReply(each)
          .map((event) => writer.write(event))
          .filter((frame) => frame !== "");
        const stream = frames.join("");
        const parser = new EventParser();
        const reader = generateCodec.streamReader();
        const places = [
          0,
          ...cuts.map((cut) => cut % (stream.length + 1)).sort((left, right) => left - right),
          stream.length,
        ];
        const events = places
          .slice(1)
          .flatMap((place, index) =>
            parser
              .push(stream.slice(places[index], place))
              .flatMap(({ data, name: event }) => reader.push(data, event)),
          );
        expect([...events, ...reader.end()]).toEqual(generateEvents(stream));
        const cut = frames.slice(0, end % frames.length).join("");
        expect(generateEvents(cut).at(-1)).toMatchObject({ type: "error" });
        expect(generateWire.streamed(cut)).toMatchObject({ isDone: false, usage: undefined });
      }),
      RUNS,
    );
  });
});

const assistant: fc.Arbitrary<readonly Part[]> = fc
  .array(
    fc.oneof(
      text.map((each) => ({ type: "text" as const, text: each })),
      fc.record({ type: fc.constant("reasoning" as const), text, signed: own }),
    ),
    { maxLength: 3 },
  )
  .map((parts) => joined(parts));
const round: fc.Arbitrary<readonly Turn[]> = fc
  .record({
    said: text,
    parts: assistant,
    calls: fc.array(fc.record({ name, args, answer: text, isError: fc.boolean() }), { minLength: 1, maxLength: 3 }),
    behind: fc.array(text, { maxLength: 1 }),
  })
  .map(({ said, parts, calls, behind }) => [
    { role: "user", parts: [{ type: "text", text: said }] },
    {
      role: "assistant",
      parts: [
        ...parts,
        ...calls.map((call, index) => ({
          type: "tool_call" as const,
          id: `c${index}`,
          name: call.name,
          args: call.args,
        })),
      ],
    },
    {
      role: "user",
      parts: [
        ...calls.map((call, index) => ({
          type: "tool_result" as const,
          callId: `c${index}`,
          name: call.name,
          content: [{ type: "text" as const, text: call.answer }],
          isError: call.isError,
        })),
        ...behind.map((each) => ({ type: "text" as const, text: each })),
      ],
    },
  ]);

describe("every conversation", () => {
  it("that is an agent's round is the same after it was written and read", () => {
    fc.assert(
      fc.property(round, fc.option(text, { nil: undefined }), (turns, system) => {
        const instructed: readonly Turn[] =
          system === undefined ? turns : [{ role: "system", parts: [{ type: "text", text: system }] }, ...turns];
        const conversation: Conversation = { turns: instructed, tools: [], isStream: false, hints: [] };
        const target = { model: "gemini-2.5-pro", maxOutput: 9, isOpenAi: false };
        const written = valueOf(generateCodec.writeRequest(conversation, target));
        expect(valueOf(generateCodec.readRequest(written, GENERATE_FIELDS)).turns).toEqual(instructed);
      }),
      RUNS,
    );
  });

  it("passes with nothing but its limit changed", () => {
    fc.assert(
      fc.property(
        fc.json({ maxDepth: 3 }),
        fc.nat(10_000),
        fc.constantFrom("maxOutputTokens", "max_output_tokens"),
        (other, limit, key) => {
          const around = (tokens: number): string =>
            `{"contents": ${other} ,"generationConfig":{"x":${other}, "${key}" : ${tokens} } }`;
          const body = bodyOf(around(limit + 1));
          const fields = valueOf(generateWire.readFields(body, { model: "m" }));
          expect(generateWire.edited(body, fields, { model: "m", maxOutput: 7, isOpenAi: false })).toBe(around(7));
        },
      ),
      RUNS,
    );
  });
});

describe("every byte that is no answer", () => {
  it("is read without a fault", () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (garbage) => {
        const stream = `data: ${garbage}\n\n` + chunks(chunk([{ text: "x" }]));
        expect(generateEvents(stream).length).toBeGreaterThan(0);
        expect(generateWire.streamed(stream).isDone).toBe(false);
        expect(generateWire.opening(stream).type).not.toBe("waiting");
        expect(generateCodec.readError(garbage, 502).kind).toBeDefined();
      }),
      RUNS,
    );
  });
});
