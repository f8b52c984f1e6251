// Translates OpenAI embeddings to Google's batchEmbedContents and back.
import { accept, refuse, type Mistake, type Outcome } from "../../errors.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { isCount } from "../body-fields.ts";
import { textsOf } from "./input.ts";

/** Fields that are read, and one that names an end user for bookkeeping alone. */
const KNOWN = ["model", "input", "dimensions", "encoding_format", "user"];

/** A request as Google gets it, and what was said that Google has no word for. */
export interface GeminiEmbeddings {
  readonly body: JsonObject;
  readonly hints: readonly string[];
  /** Whether the vectors are to come as base64. */
  readonly isBase64: boolean;
}

/** The request in Google's words; refuses `untranslatable`, naming each field that has no counterpart. */
export function writeGeminiEmbeddings(request: JsonObject, model: string): Outcome<GeminiEmbeddings> {
  const texts = textsOf(request["input"]);
  const mistakes: readonly Mistake[] = [
    ...Object.keys(request)
      .filter((key) => !KNOWN.includes(key))
      .map((path) => ({ path, message: "has no counterpart in Google's embeddings" })),
    ...(texts === undefined
      ? [{ path: "input", message: "expected texts: tokens mean something else to Google" }]
      : []),
  ];
  if (texts === undefined || mistakes.length > 0)
    return refuse("untranslatable", mistakes.map(({ path, message }) => `${path}: ${message}`).join("; "), {
      mistakes,
    });
  const { dimensions, encoding_format, user } = request;
  const name = /^(?:models|tunedModels)\//.test(model) ? model : `models/${model}`;
  const requests = texts.map((text) => ({
    model: name,
    content: { parts: [{ text }] },
    ...(isCount(dimensions) ? { outputDimensionality: dimensions } : {}),
  }));
  const hints = user === undefined || user === null ? [] : ["user"];
  return accept({ body: { requests }, hints, isBase64: encoding_format === "base64" });
}

/** Google's answer in OpenAI's words; refuses `upstream_failed` for what is none. Without a usage there, there is none here. */
export function readGeminiEmbeddings(
  answer: JsonObject,
  { model, isBase64 }: { readonly model: string; readonly isBase64: boolean },
): Outcome<JsonObject> {
  const { embeddings, usageMetadata } = answer;
  const vectors = Array.isArray(embeddings) ? embeddings.map(valuesOf) : undefined;
  if (vectors === undefined || !vectors.every((values) => values !== undefined))
    return refuse("upstream_failed", "the model provider's answer holds no embeddings");
  const tokens = isJsonObject(usageMetadata) ? usageMetadata["promptTokenCount"] : undefined;
  return accept({
    object: "list",
    data: vectors.map((values, index) => ({
      object: "embedding",
      index,
      embedding: isBase64 ? base64Of(values) : values,
    })),
    model,
    ...(isCount(tokens) ? { usage: { prompt_tokens: tokens, total_tokens: tokens } } : {}),
  });
}

function valuesOf(embedding: Json): readonly number[] | undefined {
  const values = isJsonObject(embedding) ? embedding["values"] : undefined;
  if (!Array.isArray(values)) return undefined;
  const numbers = values.filter((value) => typeof value === "number");
  return numbers.length === values.length ? numbers : undefined;
}

/** Little-endian floats of four bytes, as OpenAI writes them and its clients read them. */
function base64Of(values: readonly number[]): string {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  for (const [at, value] of values.entries()) view.setFloat32(at * 4, value, true);
  let binary = "";
  for (const byte of new Uint8Array(view.buffer)) binary += String.fromCharCode(byte);
  return btoa(binary);
}
