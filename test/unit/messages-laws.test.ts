// Proves laws of the messages dialect on answers and conversations that nobody thought of: there and back is the same.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NO_USAGE } from "../../src/core/budget/price.ts";
import type { Conversation, Part, Signed, Turn } from "../../src/core/dialect/conversation.ts";
import { messagesCodec } from "../../src/core/dialect/messages/codec.ts";
import { messagesWire } from "../../src/core/dialect/messages/wire.ts";
import type { Reply, ReplyEvent, ReplyPart } from "../../src/core/dialect/reply.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import { EventParser } from "../../src/core/stream/events.ts";
import { provesLaws } from "./dialect-laws.ts";
import { complaintsOf, expectValid, FIELDS, MINTED, TARGET, valueOf } from "./messages-fixture.ts";

const text = fc.oneof(
  fc.string({ minLength: 1, maxLength: 12 }),
  fc.constantFrom("\n\ndata: x", "ü€😀", '"\\', "event: error"),
);
const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/);
const args = fc
  .dictionary(name, fc.oneof(fc.integer(), text, fc.boolean(), fc.constant(null)), { maxKeys: 3 })
  .map((value) => JSON.stringify(value));
const own: fc.Arbitrary<Signed> = text.map((signature) => ({
  origin: "messages",
  value: { signature: `E${signature}` },
}));
const foreign: fc.Arbitrary<Signed> = fc.record({
  origin: fc.constantFrom("generate", "responses"),
  value: fc.oneof(text, fc.record({ id: text })),
});
const usage = fc
  .record({
    input: fc.nat(),
    cacheRead: fc.nat(),
    cacheWrite: fc.nat(),
    cacheWriteLong: fc.nat(),
    output: fc.integer({ min: 1, max: 1_000_000 }),
  })
  .map((figures) => ({ ...NO_USAGE, ...figures }));

const replyPart: fc.Arbitrary<ReplyPart> = fc.oneof(
  text.map((each) => ({ type: "text" as const, text: each })),
  fc.record({ type: fc.constant("reasoning" as const), text }),
  fc.record({
    type: fc.constant("reasoning" as const),
    text: fc.oneof(text, fc.constant("")),
    signed: fc.oneof(own, foreign),
  }),
  text.map((data) => ({
    type: "reasoning" as const,
    text: "",
    signed: { origin: "messages" as const, value: { data } },
  })),
  fc.record({ type: fc.constant("tool_call" as const), id: name, name, args }),
  fc.record({ type: fc.constant("tool_call" as const), id: name, name, args, signed: foreign }),
);
/** Answers whose calls have ids of their own. */
const reply: fc.Arbitrary<Reply> = fc
  .record({
    parts: fc.array(replyPart, { maxLength: 6 }),
    usage,
    end: fc.constantFrom("stop", "length", "filtered", "paused"),
  })
  .map(({ parts, usage: figures, end }) => {
    const numbered = parts.map((part, index) =>
      part.type === "tool_call" ? { ...part, id: `${part.id}_${index}` } : part,
    );
    const hasCalls = numbered.some(({ type }) => type === "tool_call");
    return {
      id: "msg_seed1",
      model: MINTED.model,
      parts: numbered,
      finish: hasCalls && end === "stop" ? ("tool_calls" as const) : end,
      usage: figures,
    };
  });

/** An answer on its way, its texts cut in two. */
function eventsOfReply({ id, model, parts, finish, usage: figures }: Reply): readonly ReplyEvent[] {
  const events: ReplyEvent[] = [
    { type: "start", id, model, ...(figures === undefined ? {} : { usage: { ...figures, output: 1 } }) },
  ];
  for (const [index, part] of parts.entries()) {
    events.push({
      type: "part",
      index,
      part: part.type === "tool_call" ? { type: part.type, id: part.id, name: part.name } : { type: part.type },
    });
    const whole = part.type === "tool_call" ? part.args : part.text;
    const half = Math.floor(whole.length / 2);
    for (const piece of [whole.slice(0, half), whole.slice(half)])
      if (piece !== "") events.push({ type: "delta", index, text: piece });
    if ("signed" in part && part.signed !== undefined) events.push({ type: "signed", index, signed: part.signed });
    events.push({ type: "part_end", index });
  }
  if (figures !== undefined) events.push({ type: "usage", usage: figures });
  return [...events, { type: "finish", finish }, { type: "done" }];
}

function written(events: readonly ReplyEvent[]): string {
  const writer = messagesCodec.streamWriter(MINTED);
  return events.map((event) => writer.write(event)).join("");
}

describe("any answer", () => {
  it("is the same after it was written and read, and is always valid", () => {
    fc.assert(
      fc.property(reply, (each) => {
        const message = messagesCodec.writeReply(each, MINTED);
        expectValid("AMessage", message);
        expect(valueOf(messagesCodec.readReply(message))).toEqual(each);
      }),
    );
  });

  it("streams the same, wherever its bytes are cut, and its figures are found without translating", () => {
    fc.assert(
      fc.property(reply, fc.array(fc.nat(4000), { maxLength: 5 }), (each, cuts) => {
        const events = eventsOfReply(each);
        const stream = written(events);
        const places = [0, ...cuts.map((cut) => cut % stream.length), stream.length].toSorted(
          (left, right) => left - right,
        );
        const parser = new EventParser();
        const reader = messagesCodec.streamReader();
        const read = places.flatMap((place, index) =>
          parser
            .push(stream.slice(place, places[index + 1] ?? place))
            .flatMap(({ data, name: event }) => reader.push(data, event)),
        );
        expect([...read, ...reader.end()]).toEqual(events);
        const said = messagesWire.streamed(stream);
        expect(said).toMatchObject({ isDone: true, error: undefined, model: MINTED.model });
        const spent = [said.usage?.input, said.usage?.cacheRead, said.usage?.output];
        expect(spent).toEqual([each.usage?.input, each.usage?.cacheRead, Math.max(1, each.usage?.output ?? 0)]);
      }),
    );
  });
});

const userPart: fc.Arbitrary<Part> = fc.oneof(
  fc.record({ type: fc.constant("text" as const), text }),
  fc.record({
    type: fc.constant("text" as const),
    text,
    cache: fc.constantFrom({ ttl: "5m" as const }, { ttl: "1h" as const }),
  }),
  fc.record({
    type: fc.constant("image" as const),
    source: fc.record({ type: fc.constant("url" as const), url: fc.webUrl() }),
  }),
);
/** Rounds of an agent: what is asked, what it calls, what its tools say. */
const turns: fc.Arbitrary<readonly Turn[]> = fc
  .array(
    fc.record({
      asked: fc.array(userPart, { minLength: 1, maxLength: 3 }),
      said: text,
      calls: fc.array(fc.record({ name, args, isError: fc.boolean(), result: text }), { maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((rounds) =>
    rounds.flatMap(({ asked, said, calls }, round): readonly Turn[] => {
      const before = rounds[round - 1]?.calls ?? [];
      const results = before.map((call, index) => ({
        type: "tool_result" as const,
        callId: `c${round - 1}_${index}`,
        name: call.name,
        content: [{ type: "text" as const, text: call.result }],
        isError: call.isError,
      }));
      const made = calls.map((call, index) => ({
        type: "tool_call" as const,
        id: `c${round}_${index}`,
        name: call.name,
        args: call.args,
      }));
      return [
        { role: "user", parts: [...results, ...asked] },
        { role: "assistant", parts: [{ type: "text", text: said }, ...made] },
      ];
    }),
  );

describe("any conversation", () => {
  it("is the same after it was written and read", () => {
    fc.assert(
      fc.property(turns, fc.boolean(), (each, isStream) => {
        const conversation: Conversation = {
          turns: each,
          tools: [{ name: "a", schema: { type: "object" } }],
          isStream,
          hints: [],
        };
        const request: JsonObject = valueOf(messagesCodec.writeRequest(conversation, TARGET));
        const read = valueOf(messagesCodec.readRequest(request, { ...FIELDS, isStream }));
        expect({ ...read, hints: [] }).toEqual({ ...conversation, maxOutput: FIELDS.maxOutput });
      }),
    );
  });
});

const tenths = fc.integer({ min: 0, max: 10 }).map((each) => each / 10);
const DEFINITIONS = { reply: "AMessage", event: "AStreamEvent", error: "AError" } as const;

describe("the laws of every dialect", () => {
  provesLaws({
    codec: messagesCodec,
    wire: messagesWire,
    target: TARGET,
    fields: FIELDS,
    minted: MINTED,
    replyId: "msg_seed1",
    // Anthropic's schemas have answers alone.
    complaints: (what, value) => (what === "request" ? [] : complaintsOf(DEFINITIONS[what], value)),
    can: {
      toolName: /^[A-Za-z0-9_-]{1,64}$/,
      hasSystemAnywhere: true,
      hasFailedResults: true,
      media: [
        { type: "image", source: { type: "url", url: "https://pictures.example/cat.png" } },
        { type: "image", source: { type: "base64", mediaType: "image/png", data: "iVBO" } },
        { type: "document", source: { type: "base64", mediaType: "application/pdf", data: "JVBERi0=" }, name: "a.pdf" },
        { type: "document", source: { type: "base64", mediaType: "text/plain", data: "R3LDvMOfZQ==" } },
        { type: "text", text: "kept", cache: { ttl: "1h" } },
      ],
      wishes: {
        toolChoice: fc.constantFrom(
          { type: "auto" as const },
          { type: "required" as const },
          { type: "tool" as const, name: "look-up" },
        ),
        temperature: tenths,
        topP: tenths,
        topK: fc.integer({ min: 1, max: 40 }),
        stop: fc.array(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 }),
        output: fc.constant({ type: "json_schema" as const, name: "answer", schema: { type: "object" }, strict: true }),
        reasoning: fc.constantFrom<NonNullable<Conversation["reasoning"]>>(
          { effort: "low" },
          { effort: "xhigh" },
          { budgetTokens: 2048 },
          { budgetTokens: 1024, effort: "high", isShown: true },
          { budgetTokens: 0 },
        ),
        user: fc.string({ minLength: 1, maxLength: 8 }),
      },
      parts: "any",
      replyTypes: ["reasoning", "text", "tool_call"],
      // Requests leave foreign state out; answers carry it, as above.
      signed: [],
      finishes: ["stop", "length", "filtered", "paused", "tool_calls"],
      buckets: ["input", "cacheRead", "cacheWrite", "output", "reasoning"],
    },
  });
});
