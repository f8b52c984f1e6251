// Decides what Anthropic's usage objects mean, in disjoint buckets, merged over the events of a stream.
import { NO_USAGE, type Usage } from "../../budget/price.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { itemsOf } from "../findings.ts";

/** Token counts as Anthropic says them; each grows over a stream, so that merging takes the largest. */
export interface Figures {
  readonly input: number | undefined;
  readonly output: number | undefined;
  readonly cacheRead: number;
  readonly cacheCreation: number;
  readonly creation5m: number;
  readonly creation1h: number;
  readonly thinking: number;
}

/** No figure at all. */
export const NO_FIGURES: Figures = {
  input: undefined,
  output: undefined,
  cacheRead: 0,
  cacheCreation: 0,
  creation5m: 0,
  creation1h: 0,
  thinking: 0,
};

/**
 * The figures of one usage object. What a compaction or another model used on the way stands in `iterations` alone, and is
 * added: it is billed too.
 */
export function readFigures(value: Json | undefined): Figures {
  if (!isJsonObject(value)) return NO_FIGURES;
  const own = plainFigures(value);
  const beside = itemsOf(value["iterations"]).flatMap((each) =>
    isJsonObject(each) && each["type"] !== "message" ? [plainFigures(each)] : [],
  );
  return beside.reduce((sum, each) => combined(sum, each, plus), own);
}

function plainFigures(value: JsonObject): Figures {
  const creation = value["cache_creation"];
  const details = value["output_tokens_details"];
  return {
    input: count(value["input_tokens"]),
    output: count(value["output_tokens"]),
    cacheRead: count(value["cache_read_input_tokens"]) ?? 0,
    cacheCreation: count(value["cache_creation_input_tokens"]) ?? 0,
    creation5m: isJsonObject(creation) ? (count(creation["ephemeral_5m_input_tokens"]) ?? 0) : 0,
    creation1h: isJsonObject(creation) ? (count(creation["ephemeral_1h_input_tokens"]) ?? 0) : 0,
    thinking: isJsonObject(details) ? (count(details["thinking_tokens"]) ?? 0) : 0,
  };
}

/** The largest of each figure: what a stream said in all. */
export function mergeFigures(left: Figures, right: Figures): Figures {
  return combined(left, right, Math.max);
}

function combined(left: Figures, right: Figures, join: (one: number, other: number) => number): Figures {
  const known = (one: number | undefined, other: number | undefined): number | undefined =>
    one === undefined ? other : other === undefined ? one : join(one, other);
  return {
    input: known(left.input, right.input),
    output: known(left.output, right.output),
    cacheRead: join(left.cacheRead, right.cacheRead),
    cacheCreation: join(left.cacheCreation, right.cacheCreation),
    creation5m: join(left.creation5m, right.creation5m),
    creation1h: join(left.creation1h, right.creation1h),
    thinking: join(left.thinking, right.thinking),
  };
}

function plus(one: number, other: number): number {
  return one + other;
}

/**
 * The buckets of some figures: `input_tokens` has no cached tokens in it, `output_tokens` has the thinking. `undefined`
 * unless both counts are known.
 */
export function usageOf(figures: Figures): Usage | undefined {
  const { input, output } = figures;
  if (input === undefined || output === undefined) return undefined;
  const written = Math.max(figures.cacheCreation, figures.creation5m + figures.creation1h);
  const long = Math.min(figures.creation1h, written);
  return {
    ...NO_USAGE,
    input,
    cacheRead: figures.cacheRead,
    cacheWrite: written - long,
    cacheWriteLong: long,
    output,
    reasoning: Math.min(figures.thinking, output),
  };
}

/** One whole usage object as buckets. */
export function readMessagesUsage(value: Json | undefined): Usage | undefined {
  return usageOf(readFigures(value));
}

/** Buckets as the usage of a stream's `message_delta`. */
export function writeDeltaUsage(usage: Usage | undefined): JsonObject {
  if (usage === undefined)
    return {
      input_tokens: null,
      cache_creation_input_tokens: null,
      cache_read_input_tokens: null,
      output_tokens: 0,
      output_tokens_details: null,
      server_tool_use: null,
    };
  return {
    input_tokens: usage.input + usage.inputAudio,
    cache_creation_input_tokens: usage.cacheWrite + usage.cacheWriteLong,
    cache_read_input_tokens: usage.cacheRead,
    output_tokens: usage.output + usage.outputAudio,
    output_tokens_details: usage.reasoning === 0 ? null : { thinking_tokens: usage.reasoning },
    server_tool_use: null,
  };
}

/** Buckets as the usage of a message; zeros where nothing is known, since the field is not optional. */
export function writeUsage(usage: Usage = NO_USAGE): JsonObject {
  return {
    ...writeDeltaUsage(usage),
    cache_creation: {
      ephemeral_5m_input_tokens: usage.cacheWrite,
      ephemeral_1h_input_tokens: usage.cacheWriteLong,
    },
    inference_geo: null,
    service_tier: null,
    speed: null,
  };
}

function count(value: Json | undefined): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
