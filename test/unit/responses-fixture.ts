// Makes OpenAI Responses requests, answers and streams for tests, and holds what is written against OpenAI's own schemas.
import { readFileSync } from "node:fs";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { expect } from "vitest";
import type { CallFields, Minted } from "../../src/core/dialect/dialect.ts";
import type { ReplyEvent } from "../../src/core/dialect/reply.ts";
import { responsesCodec } from "../../src/core/dialect/responses/codec.ts";
import type { Outcome } from "../../src/core/errors.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import { locateMembers, type ObjectText } from "../../src/core/json/members.ts";
import { eventsOf } from "../../src/core/stream/events.ts";

export const FIELDS: CallFields = { model: "gpt", isStream: false, wantsUsage: true, maxOutput: 1000, choices: 1 };

export const MINTED: Minted = { createdS: 1_700_000_000, seed: "seed1", model: "gpt-5.4", wantsUsage: true };

export const TARGET = { model: "gpt-5.4", maxOutput: 4096, isOpenAi: true };

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
  readFileSync(new URL("../corpus/openai-schemas.json", import.meta.url), "utf8"),
) as JsonObject;
const ajv = new Ajv2020({ strict: false, logger: false, validateFormats: false }).addSchema(schemas, "openai");
const compiled = new Map<string, ValidateFunction>();

/** Holds a value against one of OpenAI's definitions. */
export function expectValid(
  definition: "Response" | "ResponseStreamEvent" | "InputItem" | "Tool" | "ErrorResponse",
  value: unknown,
): void {
  const validate = compiled.get(definition) ?? ajv.compile({ $ref: `openai#/$defs/${definition}` });
  compiled.set(definition, validate);
  // OpenAI's alternatives of input overlap: a message with a list of contents is both of its kinds.
  const errors = validate(value) ? [] : (validate.errors ?? []);
  const wrong = errors.filter(({ params }) => !Array.isArray(params["passingSchemas"]));
  expect(wrong, JSON.stringify(value)).toEqual([]);
}

/** Frames of a stream as OpenAI sends them. */
export function sse(...events: readonly JsonObject[]): string {
  return events
    .map(
      (event, at) => `event: ${String(event["type"])}\ndata: ${JSON.stringify({ sequence_number: at, ...event })}\n\n`,
    )
    .join("");
}

/** What a stream says in no dialect's words. */
export function replyEvents(text: string): readonly ReplyEvent[] {
  const reader = responsesCodec.streamReader();
  return [...eventsOf(text).flatMap(({ data, name }) => reader.push(data, name)), ...reader.end()];
}

/** What reply events read as, parsed; every event is held against the schema, its name and its number. */
export function writtenEvents(events: readonly ReplyEvent[], minted: Minted = MINTED): readonly JsonObject[] {
  const writer = responsesCodec.streamWriter(minted);
  return eventsOf(events.map((event) => writer.write(event)).join("")).map(({ data, name }, at) => {
    const event = JSON.parse(data) as JsonObject;
    expect(name).toBe(event["type"]);
    expect(event["sequence_number"]).toBe(at);
    expectValid("ResponseStreamEvent", event);
    return event;
  });
}

export const USAGE = {
  input_tokens: 40,
  input_tokens_details: { cached_tokens: 30, cache_write_tokens: 4 },
  output_tokens: 20,
  output_tokens_details: { reasoning_tokens: 8 },
  total_tokens: 60,
} as const;

/** A response as OpenAI gives it. */
export function response(more: JsonObject = {}): JsonObject {
  return {
    id: "resp_1",
    object: "response",
    created_at: 1_700_000_000,
    status: "completed",
    error: null,
    incomplete_details: null,
    instructions: null,
    metadata: {},
    model: "gpt-5.4",
    output: [],
    parallel_tool_calls: true,
    temperature: 1,
    tool_choice: "auto",
    tools: [],
    top_p: 1,
    usage: USAGE,
    ...more,
  };
}

export const REASONING = {
  id: "rs_1",
  type: "reasoning",
  summary: [
    { type: "summary_text", text: "first" },
    { type: "summary_text", text: "then" },
  ],
  encrypted_content: "gAAAAAB",
} as const;

export function message(text: string, id = "msg_1"): JsonObject {
  return {
    id,
    type: "message",
    status: "completed",
    role: "assistant",
    content: [{ type: "output_text", text, annotations: [], logprobs: [] }],
  };
}

export function call(n: number, args: string): JsonObject {
  return {
    id: `fc_${n}`,
    type: "function_call",
    status: "completed",
    call_id: `call_${n}`,
    name: "find",
    arguments: args,
  };
}

/** The events in which OpenAI sends an item, its text in pieces of this many letters. */
export function itemEvents(item: JsonObject, output_index: number, size = 3): readonly JsonObject[] {
  const item_id = item["id"] ?? "";
  const added = (shown: JsonObject): JsonObject => ({ type: "response.output_item.added", output_index, item: shown });
  const done: JsonObject = { type: "response.output_item.done", output_index, item };
  const place = { item_id, output_index };
  if (item["type"] === "function_call") {
    const text = String(item["arguments"]);
    return [
      added({ ...item, arguments: "", status: "in_progress" }),
      ...pieces(text, size).map((delta) => ({ type: "response.function_call_arguments.delta", ...place, delta })),
      { type: "response.function_call_arguments.done", ...place, name: item["name"] ?? "", arguments: text },
      done,
    ];
  }
  if (item["type"] === "reasoning") {
    const { encrypted_content: _hidden, ...shown } = item;
    const summary = item["summary"] as readonly JsonObject[];
    return [
      added({ ...shown, summary: [] }),
      ...summary.flatMap((part, summary_index) => [
        { type: "response.reasoning_summary_part.added", ...place, summary_index, part: { ...part, text: "" } },
        ...pieces(String(part["text"]), size).map((delta) => ({
          type: "response.reasoning_summary_text.delta",
          ...place,
          summary_index,
          delta,
        })),
        { type: "response.reasoning_summary_text.done", ...place, summary_index, text: part["text"] ?? "" },
        { type: "response.reasoning_summary_part.done", ...place, summary_index, part },
      ]),
      done,
    ];
  }
  const contents = item["content"] as readonly JsonObject[];
  return [
    added({ ...item, content: [], status: "in_progress" }),
    ...contents.flatMap((part, content_index) => contentEvents(part, { ...place, content_index }, size)),
    done,
  ];
}

function contentEvents(part: JsonObject, place: JsonObject, size: number): readonly JsonObject[] {
  const [key, type] = part["type"] === "refusal" ? ["refusal", "refusal"] : ["text", "output_text"];
  const text = String(part[key]);
  const more = key === "text" ? { logprobs: [] } : {};
  return [
    { type: "response.content_part.added", ...place, part: { ...part, [key]: "" } },
    ...pieces(text, size).map((delta) => ({ type: `response.${type}.delta`, ...place, delta, ...more })),
    { type: `response.${type}.done`, ...place, [key]: text, ...more },
    { type: "response.content_part.done", ...place, part },
  ];
}

function pieces(text: string, size: number): readonly string[] {
  return Array.from({ length: Math.ceil(text.length / size) }, (_, at) => text.slice(at * size, (at + 1) * size));
}

/** A whole stream of a response with these items. */
export function streamOf(output: readonly JsonObject[], more: JsonObject = {}): string {
  const whole = response({ output, ...more });
  const { usage: _later, ...begun } = response({ status: "in_progress" });
  return sse(
    { type: "response.created", response: begun },
    { type: "response.in_progress", response: begun },
    ...output.flatMap((item, at) => itemEvents(item, at)),
    { type: `response.${String(whole["status"])}`, response: whole },
  );
}
