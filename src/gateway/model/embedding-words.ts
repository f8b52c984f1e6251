// Puts a request for embeddings into Google's words, and its answer back.
import type { ResolvedModel } from "../../core/config/published.ts";
import { readJson } from "../../core/dialect/body-fields.ts";
import { readGeminiEmbeddings, writeGeminiEmbeddings } from "../../core/dialect/embeddings/gemini.ts";
import { codecOf } from "../../core/dialect/registry.ts";
import { accept, GatewayFault, refuse, type Outcome } from "../../core/errors.ts";
import { isJsonObject, type JsonObject } from "../../core/json/canonical.ts";

/** A request in Google's words, and the way back of what is answered. */
export interface EmbeddingWords {
  readonly body: string;
  readonly hints: readonly string[];
  readonly translation: {
    readonly whole: (text: string) => Outcome<string>;
    readonly error: (text: string, status: number) => string;
    readonly stream: () => never;
  };
}

/** Whether a provider embeds, though not in OpenAI's words: Google's own API does. */
export function embedsAsGoogle({ kind, vertex }: ResolvedModel["provider"]): boolean {
  return kind === "gemini" && vertex === undefined;
}

/** The request worded; refuses `untranslatable`, naming each field that has no counterpart. */
export function wordEmbeddings(request: JsonObject, model: string): Outcome<EmbeddingWords> {
  const written = writeGeminiEmbeddings(request, model);
  if (!written.ok) return written;
  const { body, hints, isBase64 } = written.value;
  return accept({
    body: JSON.stringify(body),
    hints,
    translation: {
      whole: (text) => {
        const answer = readJson(text);
        if (!isJsonObject(answer)) return refuse("upstream_failed", "the model provider's answer is no JSON object");
        const read = readGeminiEmbeddings(answer, { model, isBase64 });
        return read.ok ? accept(JSON.stringify(read.value)) : read;
      },
      error: (text, status) => JSON.stringify(codecOf("chat").writeError(codecOf("generate").readError(text, status))),
      stream: () => {
        throw new GatewayFault("internal", "embeddings do not stream");
      },
    },
  });
}
