// Speaks OpenAI's embeddings: the same text has the same vector each time, and texts that share words are near each other.
import { firstOutOfRange, parseRecord, topLevelKeys, type JsonRecord } from "../../json-source.ts";
import { eventStream, type ModelDialect, type PlannedCall } from "../dialect.ts";
import { byteLength, type Malformed, type ModelRequest } from "../model-request.ts";
import { foreignField } from "../vendor-fields.ts";
import { openAiHeaders, refuseAsOpenAi, SERVER_ERROR } from "./openai-errors.ts";
import { invalidValue, NO_JSON, unknownParameter } from "./openai-request.ts";

const DIMENSIONS = 64;

/** `POST /v1/embeddings`. */
export const embeddingsDialect: ModelDialect = {
  read: readEmbeddingsRequest,
  whole: embeddings,
  frames: () => [],
  framing: eventStream(false, "", ""),
  inBand: () => ({
    whole: { error: SERVER_ERROR },
    first: { error: SERVER_ERROR },
    late: () => ({ error: SERVER_ERROR }),
  }),
  refuse: refuseAsOpenAi,
  headers: openAiHeaders,
};

function readEmbeddingsRequest(source: string): ModelRequest | Malformed {
  const body = parseRecord(source);
  if (body === undefined) return NO_JSON;
  const foreign = foreignField(body, "embeddings");
  if (foreign !== undefined) return unknownParameter(foreign);
  const wrong = findWrongParam(body);
  if (wrong !== undefined) return invalidValue(wrong);
  const inputs = inputsOf(body["input"]);
  return {
    model: String(body["model"]),
    messages: [],
    tools: [],
    forced: [],
    schema: undefined,
    thinks: false,
    showsThoughts: false,
    isStream: false,
    choices: 1,
    maxTokens: 0,
    promptTokens: inputs.reduce((sum, input) => sum + tokensOf(input), 0),
    keys: topLevelKeys(source),
    body,
  };
}

/** A text, or a list of token ids. */
type Input = string | readonly number[];

function findWrongParam(body: JsonRecord): string | undefined {
  if (typeof body["model"] !== "string") return "model";
  const inputs = inputsOf(body["input"]);
  if (inputs.length === 0 || inputs.length > 2048 || !inputs.every(isInput)) return "input";
  if (firstOutOfRange(body, { dimensions: [1, 3072, true] }) !== undefined) return "dimensions";
  const format = body["encoding_format"] ?? "float";
  return format === "float" || format === "base64" ? undefined : "encoding_format";
}

function inputsOf(input: unknown): readonly Input[] {
  if (typeof input === "string") return [input];
  if (!Array.isArray(input) || input.length === 0) return [];
  // Checked by `isInput` before it is used.
  return typeof input[0] === "number" ? [input as readonly number[]] : (input as readonly Input[]);
}

function isInput(input: unknown): boolean {
  if (typeof input === "string") return input !== "";
  return Array.isArray(input) && input.length > 0 && input.every((id) => Number.isInteger(id));
}

function tokensOf(input: Input): number {
  return typeof input === "string" ? Math.ceil(byteLength(input) / 4) : input.length;
}

function embeddings({ request, figures }: PlannedCall): JsonRecord {
  const { body } = request;
  const dimensions = typeof body["dimensions"] === "number" ? body["dimensions"] : DIMENSIONS;
  const isBase64 = body["encoding_format"] === "base64";
  const data = inputsOf(body["input"]).map((input, index) => {
    const vector = vectorOf(input, dimensions);
    return { object: "embedding", index, embedding: isBase64 ? base64Of(vector) : [...vector] };
  });
  const usage = figures === undefined ? {} : { usage: { prompt_tokens: figures.prompt, total_tokens: figures.prompt } };
  return { object: "list", data, model: request.model, ...usage, demo_echo: request.keys };
}

/** Each word turns the vector its own way; the sum has length one. */
function vectorOf(input: Input, dimensions: number): Float32Array {
  const words = typeof input === "string" ? input.toLowerCase().split(/\W+/u).filter(Boolean) : input.map(String);
  const sum = new Float64Array(dimensions);
  for (const word of words.length === 0 ? [String(input)] : words) addWord(sum, word);
  const length = Math.hypot(...sum);
  return Float32Array.from(sum, (value) => value / length);
}

function addWord(sum: Float64Array, word: string): void {
  let state = 0x811c_9dc5;
  for (let at = 0; at < word.length; at += 1) state = Math.imul(state ^ word.charCodeAt(at), 0x0100_0193);
  for (let at = 0; at < sum.length; at += 1) {
    state = Math.imul(state ^ (state >>> 13), 0x5bd1_e995) + at + 1;
    sum[at] = (sum[at] ?? 0) + ((state >>> 0) / 0x1_0000_0000 - 0.5);
  }
}

/** Little-endian floats, as the official client reads them. */
function base64Of(vector: Float32Array): string {
  const bytes = new DataView(new ArrayBuffer(vector.length * 4));
  for (const [at, value] of vector.entries()) bytes.setFloat32(at * 4, value, true);
  return btoa(String.fromCharCode(...new Uint8Array(bytes.buffer)));
}
