// Holds the event-stream parser to the web platform's own vectors, however a stream is cut (test/corpus/sse.json).
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { EventParser, eventsOf, type ServerSentEvent } from "../../src/core/stream/events.ts";

interface Vector {
  readonly name: string;
  readonly stream: string;
  readonly events: readonly { readonly event?: string; readonly data: string }[];
}

const corpus = JSON.parse(readFileSync(new URL("../corpus/sse.json", import.meta.url), "utf8")) as {
  readonly vectors: readonly Vector[];
};

function fed(pieces: readonly string[]): readonly ServerSentEvent[] {
  const parser = new EventParser();
  return pieces.flatMap((piece) => parser.push(piece));
}

describe("the event parser", () => {
  it.each(corpus.vectors.map((vector) => [vector.name, vector] as const))("reads %s", (_, { stream, events }) => {
    const expected = events.map(({ event, data }) => ({ name: event ?? "", data }));
    expect(eventsOf(stream)).toEqual(expected);
    if (stream.length > 20_000) return;
    expect(fed(stream.split(""))).toEqual(expected);
    if (stream.length > 200) return;
    for (let at = 0; at <= stream.length; at += 1)
      expect(fed([stream.slice(0, at), stream.slice(at)])).toEqual(expected);
  });

  it("takes time in proportion to a stream's length", () => {
    const frame = `data: ${"x".repeat(30)}\n\n`;
    expect(eventsOf(frame.repeat(100_000))).toHaveLength(100_000);
    const piecemeal = new EventParser();
    for (let piece = 0; piece < 100_000; piece += 1) piecemeal.push("0123456789");
    expect(piecemeal.push("\n\n")).toEqual([]);
  }, 5_000);
});
