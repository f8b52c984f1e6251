// Makes conversations, answers and answers on their way for property tests, within what a dialect can say.
import fc from "fast-check";
import { NO_USAGE, type Usage } from "../../src/core/budget/price.ts";
import type { Conversation, Part, Signed, ToolCallPart, Turn } from "../../src/core/dialect/conversation.ts";
import type { Finish, Reply, ReplyEvent, ReplyPart } from "../../src/core/dialect/reply.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";

/** What a dialect has words for: arbitraries stay within it, so that there and back must be the same. */
export interface Expressible {
  /** Names of tools that pass unaltered. */
  readonly toolName: RegExp;
  /** Whether a system turn may stand after the first turn. */
  readonly hasSystemAnywhere: boolean;
  /** Whether a tool's result tells that it failed. */
  readonly hasFailedResults: boolean;
  /** What a user may send beside texts. */
  readonly media: readonly Part[];
  /** What may be said of sampling and of the form of the answer, each or not. */
  readonly wishes: { readonly [K in keyof Conversation]?: fc.Arbitrary<Exclude<Conversation[K], undefined>> };
  /**
   * How an answer's parts may stand: `any`, or `grouped` where a whole answer has one thought, then one text, one refusal
   * and last its calls.
   */
  readonly parts: "any" | "grouped";
  readonly replyTypes: readonly ReplyPart["type"][];
  /** Signed state that calls may carry. */
  readonly signed: readonly Signed[];
  /** Ends that come back as they were. */
  readonly finishes: readonly Finish[];
  /** Buckets of usage that come back as they were. */
  readonly buckets: readonly (keyof Usage)[];
}

/** Texts that break what is careless: line ends, frames, quotes, characters of several bytes, halves of none. */
const text = fc.oneof(
  fc.string({ minLength: 1, maxLength: 12 }),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 }),
  fc.constantFrom(
    "\n\ndata: [DONE]\n\n",
    "ü€😀",
    '"\\',
    "event: error\r\n",
    "\u2028\u0000",
    " ",
    '"usage":{',
    '"error":"x',
  ),
);
const word = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/);
/** Arguments as models write them: valid, with spaces, or broken. */
const args = fc.oneof(
  fc.constant("{}"),
  fc
    .dictionary(word, fc.oneof(fc.integer(), text, fc.constant(null)), { maxKeys: 3 })
    .map((value) => JSON.stringify(value)),
);
const schema = fc.constantFrom<JsonObject>(
  { type: "object", properties: {} },
  { type: "object", properties: { city: { type: "string", enum: ["Ulm"] } }, required: ["city"] },
);

function maybe<T>(each: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(each, { nil: undefined });
}

/** Without the members that were not said. */
function said<T extends object>(object: T): T {
  // Only members that are optional can be `undefined` here.
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}

function call(can: Expressible): fc.Arbitrary<Omit<ToolCallPart, "id">> {
  return fc
    .record({
      type: fc.constant("tool_call" as const),
      name: fc.stringMatching(can.toolName),
      args,
      signed: can.signed.length === 0 ? fc.constant(undefined) : maybe(fc.constantFrom(...can.signed)),
    })
    .map(({ signed, ...rest }) => (signed === undefined ? rest : { ...rest, signed }));
}

interface Round {
  readonly system: string | undefined;
  readonly asked: readonly Part[];
  readonly said: string;
  readonly calls: readonly (Omit<ToolCallPart, "id"> & { readonly result: string; readonly isError: boolean })[];
}

function rounds(can: Expressible): fc.Arbitrary<readonly Round[]> {
  const texts = text.map((each): Part => ({ type: "text", text: each }));
  const part = can.media.length === 0 ? texts : fc.oneof(texts, fc.constantFrom(...can.media));
  const made = fc
    .record({
      called: call(can),
      result: fc.oneof(text, fc.constant("")),
      isError: can.hasFailedResults ? fc.boolean() : fc.constant(false),
    })
    .map(({ called, ...rest }) => ({ ...called, ...rest }));
  return fc.array(
    fc.record({
      system: maybe(text),
      asked: fc.array(part, { minLength: 1, maxLength: 3 }),
      said: text,
      calls: fc.array(made, { maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 4 },
  );
}

function turnsOf(list: readonly Round[], can: Expressible): readonly Turn[] {
  return list.flatMap(({ system, asked, said: words, calls }, round): readonly Turn[] => {
    const before = list[round - 1]?.calls ?? [];
    const results = before.map(({ name, result, isError }, index): Part => ({
      type: "tool_result",
      callId: `c${round - 1}_${index}`,
      name,
      content: result === "" ? [] : [{ type: "text", text: result }],
      isError,
    }));
    const made = calls.map(({ result: _result, isError: _isError, ...rest }, index): Part => ({
      ...rest,
      id: `c${round}_${index}`,
    }));
    // A system turn may not stand between calls and their results.
    const maySay = round === 0 || (can.hasSystemAnywhere && results.length === 0);
    return [
      ...(system === undefined || !maySay
        ? []
        : [{ role: "system" as const, parts: [{ type: "text" as const, text: system }] }]),
      { role: "user", parts: [...results, ...asked] },
      { role: "assistant", parts: [{ type: "text", text: words }, ...made] },
    ];
  });
}

/** Any conversation that a dialect can say: rounds of an agent, the last one ending with its user where it can. */
export function anyConversation(can: Expressible): fc.Arbitrary<Conversation> {
  const tool = fc.record({
    name: fc.stringMatching(can.toolName),
    description: maybe(text),
    schema,
  });
  const wishes = fc.record(
    Object.fromEntries(Object.entries(can.wishes).map(([key, value]) => [key, maybe(value as fc.Arbitrary<unknown>)])),
  );
  return fc
    .record({
      rounds: rounds(can),
      tools: fc.uniqueArray(tool, { minLength: 1, maxLength: 3, selector: ({ name }) => name }),
      isStream: fc.boolean(),
      wishes,
    })
    .map((made) => ({
      ...said(made.wishes),
      turns: turnsOf(made.rounds, can),
      tools: made.tools.map(({ description, ...tool }) =>
        description === undefined ? tool : { ...tool, description },
      ),
      isStream: made.isStream,
      hints: [],
    }));
}

/** Any use of tokens within a dialect's buckets; reasoning is part of the output. */
function anyUsage(can: Expressible): fc.Arbitrary<Usage> {
  const figures = Object.fromEntries(can.buckets.map((bucket) => [bucket, fc.nat({ max: 1_000_000 })]));
  return fc.record(figures).map((found: Partial<Usage>) => {
    const usage = { ...NO_USAGE, ...found };
    return { ...usage, reasoning: Math.min(usage.reasoning, usage.output) };
  });
}

/** Any answer that a dialect can say; no two neighbouring parts are texts of one kind, as no stream could tell them apart. */
export function anyReply(
  can: Expressible,
  minted: { readonly id: string; readonly model: string },
): fc.Arbitrary<Reply> {
  const kinds = can.replyTypes.map((type): fc.Arbitrary<ReplyPart> =>
    type === "tool_call"
      ? call(can).map((each) => ({ ...each, id: "" }))
      : text.map((each): ReplyPart => ({ type, text: each })),
  );
  return fc
    .record({
      parts: fc.array(fc.oneof(...kinds), { maxLength: 6 }),
      finish: fc.constantFrom(...can.finishes),
      usage: anyUsage(can),
    })
    .map(({ parts, finish, usage }) => {
      const placed = can.parts === "grouped" ? grouped(parts) : parts;
      const apart = placed
        .filter((part, index) => part.type === "tool_call" || part.type !== placed[index - 1]?.type)
        .map((part, index) => (part.type === "tool_call" ? { ...part, id: `call_${index}` } : part));
      const hasCalls = apart.some(({ type }) => type === "tool_call");
      return { ...minted, parts: apart, finish: finishWith(finish, hasCalls), usage };
    });
}

const ORDER = ["reasoning", "text", "refusal", "tool_call"];

function grouped(parts: readonly ReplyPart[]): readonly ReplyPart[] {
  return parts.toSorted((left, right) => ORDER.indexOf(left.type) - ORDER.indexOf(right.type));
}

/** An answer with calls that only ended waits for their results; one without has none to wait for. */
function finishWith(finish: Finish, hasCalls: boolean): Finish {
  if (hasCalls && (finish === "stop" || finish === "stop_sequence")) return "tool_calls";
  return !hasCalls && finish === "tool_calls" ? "stop" : finish;
}

/** An answer on its way: each text whole or in two pieces, as `halves` has it. */
export function eventsOfReply({ id, model, parts, finish, usage }: Reply, halves = true): readonly ReplyEvent[] {
  return [
    { type: "start", id, model },
    ...parts.flatMap((part, index): readonly ReplyEvent[] => {
      const whole = part.type === "tool_call" ? part.args : part.text;
      const letters = Array.from(whole);
      const middle = halves ? Math.floor(letters.length / 2) : 0;
      return [
        {
          type: "part",
          index,
          part: part.type === "tool_call" ? { type: part.type, id: part.id, name: part.name } : { type: part.type },
        },
        ...[letters.slice(0, middle), letters.slice(middle)]
          .filter((piece) => piece.length > 0)
          .map((piece): ReplyEvent => ({ type: "delta", index, text: piece.join("") })),
        ...("signed" in part && part.signed !== undefined
          ? [{ type: "signed" as const, index, signed: part.signed }]
          : []),
        { type: "part_end", index },
      ];
    }),
    ...(usage === undefined ? [] : [{ type: "usage" as const, usage }]),
    { type: "finish", finish },
    { type: "done" },
  ];
}
