// Speaks Gemini's generateContent, its streams as events and as a list, and token counting.
import { parseRecord, type JsonRecord } from "../../json-source.ts";
import type { Finish, Figures, Part } from "../answer.ts";
import { eventStream, type Frame, type Framing, type ModelDialect, type PlannedCall } from "../dialect.ts";
import { byteLength, isMalformed } from "../model-request.ts";
import { sign } from "../signatures.ts";
import { refuseAsGemini, UNAVAILABLE } from "./gemini-errors.ts";
import { readGenerateRequest, type PathWords } from "./generate-request.ts";

/** What the path and the query say. */
export interface GeneratePath extends PathWords {
  /** Whether a stream is one of events, not a list. */
  readonly isEvents: boolean;
}

const FINISH: Readonly<Record<Finish, string>> = {
  stop: "STOP",
  calls: "STOP",
  length: "MAX_TOKENS",
  refused: "SAFETY",
  filtered: "SAFETY",
  blocked: "SAFETY",
};

/** A stream that is a list: one JSON array, an item per event. */
const LIST: Framing = {
  contentType: "application/json; charset=utf-8",
  write: (json, _, at) => `${at === 0 ? "[" : ",\r\n"}${json}`,
  idle: "\n",
  close: "]",
};

/** `POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent`. */
export function generateDialect(path: GeneratePath): ModelDialect {
  const isList = path.isStream && !path.isEvents;
  return {
    read: (source) => readGenerateRequest(source, { model: path.model, isStream: path.isStream }),
    whole,
    frames: chunks,
    framing: isList ? LIST : eventStream(false, ": keep-alive\n\n", ""),
    inBand: () => ({ whole: UNAVAILABLE, first: UNAVAILABLE, late: () => UNAVAILABLE }),
    refuse: (trouble) => refuseAsGemini(trouble, isList),
    headers: () => ({}),
  };
}

/** `POST /v1beta/models/{model}:countTokens`; the request may be wrapped in `generateContentRequest`. */
export function countingDialect(model: string): ModelDialect {
  return {
    ...generateDialect({ model, isStream: false, isEvents: false }),
    read: (source) => {
      const inner = parseRecord(source)?.["generateContentRequest"];
      const read = readGenerateRequest(inner === undefined ? source : JSON.stringify(inner), {
        model,
        isStream: false,
      });
      return isMalformed(read) ? read : { ...read, maxTokens: 0 };
    },
    whole: ({ request, figures }) =>
      figures === undefined ? {} : { totalTokens: request.promptTokens, promptTokensDetails: modality(figures.prompt) },
    isFree: true,
  };
}

function whole(call: PlannedCall): JsonRecord {
  const { answer, figures, request } = call;
  const echo = { demo_echo: request.keys };
  if (answer.finish === "blocked") return { ...blocked(call), ...echo };
  const parts = answer.parts.flatMap((part) => partsOf(part, part.pieces));
  const candidates = Array.from({ length: request.choices }, (_, index) => ({
    ...candidate(signedFirst(parts), index),
    finishReason: FINISH[answer.finish],
  }));
  const usage = figures === undefined ? {} : { usageMetadata: usageOf(figures) };
  return { candidates, ...usage, ...envelope(call), ...echo };
}

/** A prompt that is filtered has no candidates. */
function blocked(call: PlannedCall): JsonRecord {
  const { figures } = call;
  const usage =
    figures === undefined
      ? {}
      : { usageMetadata: { promptTokenCount: figures.prompt, totalTokenCount: figures.prompt } };
  return { promptFeedback: { blockReason: "PROHIBITED_CONTENT" }, ...usage, ...envelope(call) };
}

function* chunks(call: PlannedCall): Generator<Frame> {
  const { answer, figures, request } = call;
  const shared = envelope(call);
  const early = figures === undefined ? {} : { usageMetadata: usageSoFar(figures) };
  const echo = { demo_echo: request.keys };
  if (answer.finish === "blocked") {
    yield { kind: "close", body: { ...blocked(call), ...echo }, outputBytes: 0 };
    return;
  }
  const indexes = Array.from({ length: request.choices }, (_, index) => index);
  yield {
    kind: "preamble",
    body: { candidates: indexes.map((index) => candidate([{ text: "" }], index)), ...early, ...shared, ...echo },
    outputBytes: 0,
  };
  let isSigned = false;
  for (const part of answer.parts) {
    const events = part.kind === "call" ? [part.pieces] : part.pieces.map((piece) => [piece]);
    for (const pieces of events) {
      const parts = partsOf(part, pieces);
      const sent = part.kind === "call" && !isSigned ? signedFirst(parts) : parts;
      isSigned ||= part.kind === "call";
      for (const index of indexes) {
        const outputBytes = byteLength(part.name) + byteLength(pieces.join(""));
        yield { kind: "output", body: { candidates: [candidate(sent, index)], ...early, ...shared }, outputBytes };
      }
    }
  }
  const usage = figures === undefined ? {} : { usageMetadata: usageOf(figures) };
  const last = indexes.map((index) => ({
    ...candidate([{ text: "" }], index),
    finishReason: FINISH[answer.finish],
  }));
  yield { kind: "close", body: { candidates: last, ...usage, ...shared }, outputBytes: 0 };
}

/** A call comes whole or, when its arguments were cut off, not at all. A refusal is a text like any other. */
function partsOf({ kind, name }: Part, pieces: readonly string[]): readonly JsonRecord[] {
  const text = pieces.join("");
  if (kind === "thought") return [{ text, thought: true }];
  if (kind !== "call") return [{ text }];
  const args = parseRecord(text);
  return args === undefined ? [] : [{ functionCall: { name, args } }];
}

/** The first call of a turn carries the signature for all of them. */
function signedFirst(parts: readonly JsonRecord[]): readonly JsonRecord[] {
  const first = parts.findIndex((part) => part["functionCall"] !== undefined);
  return parts.map((part, at) => (at === first ? { ...part, thoughtSignature: signatureOf(part) } : part));
}

function signatureOf(part: JsonRecord): string {
  // Parts with a call are made above, in this shape.
  const { name, args } = part["functionCall"] as { readonly name: string; readonly args: JsonRecord };
  return sign("gemini", name + JSON.stringify(args));
}

function candidate(parts: readonly JsonRecord[], index: number): JsonRecord {
  return { content: { parts, role: "model" }, index };
}

function envelope({ request, token }: PlannedCall): JsonRecord {
  return { modelVersion: request.model, responseId: token };
}

/** Thoughts are counted beside the candidates, not among them. */
function usageOf({ prompt, cacheRead, output, thoughts }: Figures): JsonRecord {
  return {
    promptTokenCount: prompt,
    ...(cacheRead > 0 ? { cachedContentTokenCount: cacheRead, cacheTokensDetails: modality(cacheRead) } : {}),
    candidatesTokenCount: output - thoughts,
    ...(thoughts > 0 ? { thoughtsTokenCount: thoughts } : {}),
    totalTokenCount: prompt + output,
    promptTokensDetails: modality(prompt),
  };
}

function usageSoFar({ prompt }: Figures): JsonRecord {
  return { promptTokenCount: prompt, totalTokenCount: prompt, promptTokensDetails: modality(prompt) };
}

function modality(tokenCount: number): readonly JsonRecord[] {
  return [{ modality: "TEXT", tokenCount }];
}
