// Laws that every dialect keeps: there and back is the same, however a stream is cut, and what is written is valid.
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Conversation } from "../../src/core/dialect/conversation.ts";
import type { CallFields, Codec, Minted, Target, Wire } from "../../src/core/dialect/dialect.ts";
import type { Reply, ReplyEvent, ReplyPart } from "../../src/core/dialect/reply.ts";
import type { Outcome } from "../../src/core/errors.ts";
import { EventParser } from "../../src/core/stream/events.ts";
import { anyConversation, anyReply, eventsOfReply, type Expressible } from "./dialect-arbitraries.ts";

/** A dialect as its laws are proved. */
export interface Lawful {
  readonly codec: Codec;
  readonly wire: Wire;
  readonly can: Expressible;
  readonly target: Target;
  readonly fields: CallFields;
  readonly minted: Minted;
  /** The id that an answer gets. */
  readonly replyId: string;
  /** What the vendor's schemas have against what is written; nothing when it is valid. */
  readonly complaints: (what: "request" | "reply" | "event" | "error", value: unknown) => readonly string[];
}

/** How many cases each law is tried on: it has to stay well below a second in all. */
const RUNS = { numRuns: 60 };

/** The value of an outcome; fails the test for a refusal. */
export function valueOf<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) throw new Error(`${outcome.code}: ${outcome.detail}`);
  return outcome.value;
}

/** The paths that a refusal names, after its code. */
export function refusedPaths(outcome: Outcome<unknown>): readonly string[] {
  return outcome.ok ? ["accepted"] : [outcome.code, ...(outcome.mistakes ?? []).map(({ path }) => path)];
}

/** Defines the tests of a dialect's laws. */
export function provesLaws(dialect: Lawful): void {
  const { codec, can, minted } = dialect;
  const replies = anyReply(can, { id: dialect.replyId, model: minted.model });

  it("says any conversation so that it is read the same", () => {
    fc.assert(
      fc.property(anyConversation(can), (each) => isReadAsWritten(dialect, each)),
      RUNS,
    );
  });

  it("says any answer so that it is read the same", () => {
    fc.assert(
      fc.property(replies, (each) => {
        const body = codec.writeReply(each, minted);
        expect(dialect.complaints("reply", body)).toEqual([]);
        expect(valueOf(codec.readReply(body))).toEqual(each);
      }),
      RUNS,
    );
  });

  it("streams any answer so that it is read the same wherever its bytes are cut", () => {
    fc.assert(
      fc.property(replies, fc.boolean(), fc.array(fc.nat(), { maxLength: 6 }), (each, halves, cuts) => {
        const events = eventsOfReply(each, halves);
        const stream = written(codec, events, minted);
        const read = readInPieces(codec, stream, cuts);
        expect(settled(read)).toEqual(settled(events));
        expect(isSequential(read)).toBe(true);
        expect(assembled(read)).toEqual(each);
        expect(dialect.wire.streamed(stream)).toMatchObject({ isDone: true, error: undefined });
      }),
      RUNS,
    );
  });

  it("streams events that are valid, each for itself", () => {
    fc.assert(
      fc.property(replies, (each) => {
        for (const { data } of new EventParser().push(written(codec, eventsOfReply(each), minted)))
          if (data !== "[DONE]") expect(dialect.complaints("event", JSON.parse(data)), data).toEqual([]);
      }),
      RUNS,
    );
  });

  it("ends a stream that is cut anywhere with an error, and never with a success", () => {
    fc.assert(
      fc.property(replies, fc.nat(), (each, at) => {
        const stream = written(codec, eventsOfReply(each), minted);
        const frames = stream.split(/(?<=\n\n)/);
        // The last frame is the mark of success in each dialect.
        const cut = frames.slice(0, at % frames.length).join("");
        const read = readInPieces(codec, cut, []);
        expect(read.at(-1)?.type).toBe("error");
        expect(read.filter(({ type }) => type === "error" || type === "done")).toHaveLength(1);
      }),
      RUNS,
    );
  });
}

function isReadAsWritten({ codec, target, fields, complaints }: Lawful, conversation: Conversation): void {
  const request = valueOf(codec.writeRequest(conversation, target));
  expect(complaints("request", request)).toEqual([]);
  const read = valueOf(
    codec.readRequest(request, { ...fields, isStream: conversation.isStream, maxOutput: target.maxOutput }),
  );
  expect({ ...read, hints: [] }).toEqual({ ...conversation, maxOutput: target.maxOutput, hints: [] });
}

/** Events as one stream. */
export function written(codec: Codec, events: readonly ReplyEvent[], minted: Minted): string {
  const writer = codec.streamWriter(minted);
  return events.map((event) => writer.write(event)).join("");
}

/** What a stream says whose bytes come in pieces, cut at these places. */
export function readInPieces(codec: Codec, stream: string, cuts: readonly number[]): readonly ReplyEvent[] {
  const bytes = new TextEncoder().encode(stream);
  const places = [
    0,
    ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((left, right) => left - right),
    bytes.length,
  ];
  const decoder = new TextDecoder();
  const parser = new EventParser();
  const reader = codec.streamReader();
  const read = places.flatMap((place, index) =>
    parser
      .push(decoder.decode(bytes.subarray(place, places[index + 1] ?? place), { stream: true }))
      .flatMap(({ data, name }) => reader.push(data, name)),
  );
  return [...read, ...reader.end()];
}

/** Proves that a stream says the same at every single cut of its bytes, and byte by byte. */
export function isSameAtEveryCut(codec: Codec, stream: string): void {
  const whole = readInPieces(codec, stream, []);
  const { length } = new TextEncoder().encode(stream);
  expect(length).toBeGreaterThan(0);
  for (let cut = 1; cut < length; cut += 1) expect(readInPieces(codec, stream, [cut])).toEqual(whole);
  expect(
    readInPieces(
      codec,
      stream,
      Array.from({ length }, (_, index) => index),
    ),
  ).toEqual(whole);
}

/** Events up to how deltas are cut and how often usage is told: the last figures stand, before the end. */
export function settled(events: readonly ReplyEvent[]): readonly ReplyEvent[] {
  const found: ReplyEvent[] = [];
  let usage: ReplyEvent | undefined;
  for (const event of events) {
    const last = found.at(-1);
    if (event.type === "usage") usage = event;
    else if (event.type === "start") found.push({ type: event.type, id: event.id, model: event.model });
    else if (event.type === "delta" && last?.type === "delta")
      found[found.length - 1] = { ...last, text: last.text + event.text };
    else found.push(event);
  }
  return usage === undefined ? found : [...found, usage];
}

/** Whether parts come one after another, numbered from 0, and nothing follows an end. */
export function isSequential(events: readonly ReplyEvent[]): boolean {
  let open: number | undefined;
  let next = 0;
  let hasFinished = false;
  for (const [place, event] of events.entries()) {
    const isLast = place === events.length - 1;
    if ((event.type === "start") !== (place === 0) && event.type !== "error") return false;
    if (event.type === "part") {
      if (open !== undefined || event.index !== next || hasFinished) return false;
      open = next;
      next += 1;
    } else if (event.type === "delta" || event.type === "signed" || event.type === "part_end") {
      if (event.index !== open) return false;
      if (event.type === "part_end") open = undefined;
    } else if (event.type === "finish") {
      if (open !== undefined || hasFinished) return false;
      hasFinished = true;
    } else if ((event.type === "done" || event.type === "error") && !isLast) return false;
  }
  return true;
}

/** The whole answer that a stream told of. */
export function assembled(events: readonly ReplyEvent[]): Reply {
  const parts: ReplyPart[] = [];
  let reply: Reply = { id: "", model: "", parts, finish: "other", usage: undefined };
  for (const event of events) {
    if (event.type === "start") reply = { ...reply, id: event.id, model: event.model };
    else if (event.type === "part")
      parts.push(event.part.type === "tool_call" ? { ...event.part, args: "" } : { type: event.part.type, text: "" });
    else if (event.type === "usage") reply = { ...reply, usage: event.usage };
    else if (event.type === "finish") {
      const { type: _type, ...end } = event;
      reply = { ...reply, ...end };
    } else if (event.type === "delta" || event.type === "signed") parts[event.index] = grown(parts[event.index], event);
  }
  return reply;
}

function grown(part: ReplyPart | undefined, event: ReplyEvent & { readonly type: "delta" | "signed" }): ReplyPart {
  if (part === undefined) throw new Error(`no part ${event.index} has begun`);
  if (event.type === "delta")
    return part.type === "tool_call"
      ? { ...part, args: part.args + event.text }
      : { ...part, text: part.text + event.text };
  if (part.type !== "tool_call" && part.type !== "reasoning") throw new Error(`a ${part.type} is not signed`);
  return { ...part, signed: event.signed };
}
