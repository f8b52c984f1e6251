// Decides which calls the surfaces are measured with: each dialect on its own kind of provider, and translated pairs.
import { streamFrames, surfaceModels } from "../load/loads.ts";
import { answerWords } from "../load/mock-dialects.ts";

export type Surface = keyof typeof surfaceModels;

const system = "You answer travellers in one short paragraph.";
const question = "What is the capital of France, and since when? Say it in a few plain words.";

/** One kind of call. Its caller speaks `from`, the provider `to`. */
export interface SurfaceCall {
  readonly name: string;
  readonly from: Surface;
  readonly to: Surface;
  readonly isStream: boolean;
  readonly path: string;
  readonly body: string;
  /** Whether both speak the same dialect; only these can be asked of a target that does not translate. */
  readonly isPassThrough: boolean;
}

export const surfaces = ["chat", "responses", "messages", "generate"] as const;

/** Pairs of the caller's dialect and the provider's. */
export const pairs: readonly (readonly [Surface, Surface])[] = [
  ["chat", "messages"],
  ["chat", "generate"],
  ["messages", "chat"],
  ["responses", "chat"],
  ["generate", "chat"],
];

/** The stream of which the gateway must take the usage frame out again. */
export const unaskedName = "chat stream, usage not asked";

/** Each pass-through stands beside the translations that are compared with it. */
export const surfaceCalls: readonly SurfaceCall[] = [true, false].flatMap((isStream) =>
  surfaces.flatMap((from) => [
    call(from, from, isStream, true),
    ...(from === "chat" && isStream ? [{ ...call(from, from, isStream, false), name: unaskedName }] : []),
    ...pairs.filter(([caller]) => caller === from).map(([, to]) => call(from, to, isStream, true)),
  ]),
);

function call(from: Surface, to: Surface, isStream: boolean, asksUsage: boolean): SurfaceCall {
  const words = from === to ? from : `${from}→${to}`;
  return {
    name: `${words} ${isStream ? "stream" : "whole"}`,
    from,
    to,
    isStream,
    path: pathOf(from, surfaceModels[to], isStream),
    body: JSON.stringify(bodyOf(from, surfaceModels[to], isStream, asksUsage)),
    isPassThrough: from === to,
  };
}

function pathOf(surface: Surface, model: string, isStream: boolean): string {
  if (surface === "chat") return "/v1/chat/completions";
  if (surface !== "generate") return `/v1/${surface}`;
  return `/v1beta/models/${model}:${isStream ? "streamGenerateContent?alt=sse" : "generateContent"}`;
}

function bodyOf(surface: Surface, model: string, isStream: boolean, asksUsage: boolean): unknown {
  const stream = isStream ? { stream: true } : {};
  const user = { role: "user", content: question };
  if (surface === "chat") {
    const usage = isStream && asksUsage ? { stream_options: { include_usage: true } } : {};
    return { model, messages: [{ role: "system", content: system }, user], max_tokens: 128, ...stream, ...usage };
  }
  if (surface === "messages") return { model, max_tokens: 128, system, messages: [user], ...stream };
  if (surface === "responses") {
    return { model, instructions: system, input: [user], max_output_tokens: 128, store: false, ...stream };
  }
  return {
    systemInstruction: { parts: [{ text: system }] },
    contents: [{ role: "user", parts: [{ text: question }] }],
    generationConfig: { maxOutputTokens: 128 },
  };
}

const ends: Readonly<Record<Surface, string>> = {
  chat: "data: [DONE]",
  responses: '"type":"response.completed"',
  messages: '"type":"message_stop"',
  generate: '"finishReason":"STOP"',
};

/** What is wrong with an answer: `undefined` when every word came once, in order, with the end that its dialect has. */
export function wrongWith({ isStream, from, to }: SurfaceCall, status: number, text: string): string | undefined {
  if (status !== 200) return `status ${status}: ${text.slice(0, 300)}`;
  // NOTE: the whole answer of chat is the one that the other modes read too.
  if (!isStream && to === "chat")
    return text.includes("Paris has been") ? undefined : `no answer: ${text.slice(0, 200)}`;
  let at = -1;
  for (const word of answerWords) {
    at = text.indexOf(word.trim(), at + 1);
    if (at === -1) return `no${word}: ${text.slice(0, 200)}`;
  }
  if (!isStream || text.includes(ends[from])) return undefined;
  return `the stream has no end: ${text.slice(-200)}`;
}

/** Output tokens that a stream carries: a word a frame. */
export const tokensPerStream = streamFrames - 2;
