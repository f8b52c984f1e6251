// Makes Gemini requests, answers and streams for tests.
import type { CallFields, Minted } from "../../src/core/dialect/dialect.ts";
import { generateCodec } from "../../src/core/dialect/generate/codec.ts";
import type { ReplyEvent } from "../../src/core/dialect/reply.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import { eventsOf } from "../../src/core/stream/events.ts";

export const GENERATE_FIELDS: CallFields = {
  model: "gemini-2.5-pro",
  isStream: false,
  wantsUsage: true,
  maxOutput: 1000,
  choices: 1,
};

export const GENERATE_MINTED: Minted = {
  createdS: 1_700_000_000,
  seed: "seed1",
  model: "gemini-2.5-pro",
  wantsUsage: true,
};

/** Chunks of a stream as Google sends them. */
export function chunks(...objects: readonly JsonObject[]): string {
  return objects.map((object) => `data: ${JSON.stringify(object)}\r\n\r\n`).join("");
}

/** One chunk of the first candidate. */
export function chunk(parts: readonly JsonObject[], more: JsonObject = {}, outside: JsonObject = {}): JsonObject {
  return {
    candidates: [{ content: { parts, role: "model" }, index: 0, ...more }],
    modelVersion: "gemini-2.5-pro",
    responseId: "resp1",
    ...outside,
  };
}

/** What a stream says in no dialect's words. */
export function generateEvents(text: string): readonly ReplyEvent[] {
  const reader = generateCodec.streamReader();
  return [...eventsOf(text).flatMap(({ data, name }) => reader.push(data, name)), ...reader.end()];
}

/** What reply events read as, chunk by chunk. */
export function writtenChunks(events: readonly ReplyEvent[], minted = GENERATE_MINTED): readonly JsonObject[] {
  const writer = generateCodec.streamWriter(minted);
  const text = events.map((event) => writer.write(event)).join("");
  return eventsOf(text).map(({ data }) => JSON.parse(data) as JsonObject);
}
