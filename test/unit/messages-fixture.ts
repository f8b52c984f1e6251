// Makes Anthropic requests, answers and streams for tests, and holds what is written against Anthropic's own schemas.
import { readFileSync } from "node:fs";
import { Ajv, type ValidateFunction } from "ajv";
import { expect } from "vitest";
import type { CallFields, Minted } from "../../src/core/dialect/dialect.ts";
import type { ReplyEvent } from "../../src/core/dialect/reply.ts";
import type { Outcome } from "../../src/core/errors.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import { locateMembers, type ObjectText } from "../../src/core/json/members.ts";
import { messagesCodec } from "../../src/core/dialect/messages/codec.ts";
import { eventsOf } from "../../src/core/stream/events.ts";

export const FIELDS: CallFields = {
  model: "claude",
  isStream: false,
  wantsUsage: true,
  maxOutput: 1000,
  choices: 1,
};

export const MINTED: Minted = { createdS: 1_700_000_000, seed: "seed1", model: "claude-opus-4-8", wantsUsage: true };

export const TARGET = { model: "claude-opus-4-8", maxOutput: 4096, isOpenAi: false };

/** A body as the surface has it. */
export function bodyOf(value: unknown): ObjectText {
  const body = locateMembers(typeof value === "string" ? value : JSON.stringify(value));
  if (body === undefined) throw new Error("no JSON object");
  return body;
}

/** The value of an outcome; fails the test for a refusal. */
export function valueOf<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) throw new Error(`${outcome.code}: ${outcome.detail}`);
  return outcome.value;
}

/** The paths that a refusal names, after its code. */
export function refusedPaths(outcome: Outcome<unknown>): readonly string[] {
  if (outcome.ok) return ["accepted"];
  return [outcome.code, ...(outcome.mistakes ?? []).map(({ path }) => path)];
}

const schemas = JSON.parse(
  readFileSync(new URL("../corpus/anthropic-schemas.json", import.meta.url), "utf8"),
) as JsonObject;
const ajv = new Ajv({ strict: false, logger: false }).addSchema(schemas, "anthropic");
const compiled = new Map<string, ValidateFunction>();

type Definition = "AMessage" | "AStreamEvent" | "AError" | "ACount" | "AModel";

/** What one of Anthropic's definitions has against a value. */
export function complaintsOf(definition: Definition, value: unknown): readonly string[] {
  const validate = compiled.get(definition) ?? ajv.compile({ $ref: `anthropic#/definitions/${definition}` });
  compiled.set(definition, validate);
  return validate(value) ? [] : (validate.errors ?? []).map((error) => JSON.stringify(error));
}

/** Holds a value against one of Anthropic's definitions. */
export function expectValid(definition: Definition, value: unknown): void {
  expect(complaintsOf(definition, value), JSON.stringify(value)).toEqual([]);
}

/** The name that an event is sent under. */
export function nameOf({ type }: JsonObject): string {
  return typeof type === "string" ? type : "";
}

/** Frames of a stream as Anthropic sends them. */
export function sse(...events: readonly JsonObject[]): string {
  return events.map((event) => `event: ${nameOf(event)}\ndata: ${JSON.stringify(event)}\n\n`).join("");
}

/** What a stream says in no dialect's words. */
export function replyEvents(text: string): readonly ReplyEvent[] {
  const reader = messagesCodec.streamReader();
  return [...eventsOf(text).flatMap(({ data, name }) => reader.push(data, name)), ...reader.end()];
}

/** What a stream of reply events reads as, parsed; every event is held against the schema. */
export function writtenEvents(events: readonly ReplyEvent[], minted: Minted = MINTED): readonly JsonObject[] {
  const writer = messagesCodec.streamWriter(minted);
  const text = events.map((event) => writer.write(event)).join("");
  return eventsOf(text).map(({ data, name }) => {
    const event = JSON.parse(data) as JsonObject;
    expect(name).toBe(event["type"]);
    expectValid(name === "error" ? "AError" : "AStreamEvent", event);
    return event;
  });
}

export const START = {
  type: "message_start",
  message: {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "claude-opus-4-8",
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: {
      input_tokens: 3,
      cache_creation_input_tokens: 12304,
      cache_read_input_tokens: 0,
      cache_creation: { ephemeral_5m_input_tokens: 12304, ephemeral_1h_input_tokens: 0 },
      output_tokens: 1,
    },
  },
} as const;

export const STOP = { type: "message_stop" } as const;

/** The last figures of a stream. */
export function ended(stop_reason: string, output_tokens = 550, more: JsonObject = {}): JsonObject {
  return { type: "message_delta", delta: { stop_reason, stop_sequence: null, ...more }, usage: { output_tokens } };
}

/** One block with its deltas. */
export function block(
  index: number,
  content_block: JsonObject,
  ...deltas: readonly JsonObject[]
): readonly JsonObject[] {
  return [
    { type: "content_block_start", index, content_block },
    ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
    { type: "content_block_stop", index },
  ];
}
