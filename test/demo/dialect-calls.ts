// Asks the demo model the same in each dialect, and reads its streams.
import type { Upstream } from "./start-upstream.ts";

/** The dialects that generate; `list` is Gemini's stream that is one JSON array. */
export const DIALECTS = ["chat", "responses", "messages", "generate", "list"] as const;
/** One of them. */
export type Dialect = (typeof DIALECTS)[number];

type Body = Readonly<Record<string, unknown>>;

/** What an ask varies. */
export interface Ask {
  readonly stream?: boolean;
  readonly tools?: boolean;
  readonly limit?: number;
  readonly more?: Body;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

const parameters = {
  type: "object",
  properties: { customer_id: { type: "string", pattern: "^cus_[a-z0-9]+$" } },
  required: ["customer_id"],
};
const NAMES = ["crm_customer", "crm_note"];

const PATHS: Readonly<Record<Dialect, (model: string, isStream: boolean) => string>> = {
  chat: () => "/v1/chat/completions",
  responses: () => "/v1/responses",
  messages: () => "/v1/messages",
  generate: (model, isStream) =>
    `/v1beta/models/${encodeURIComponent(model)}:${isStream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
  list: (model, isStream) =>
    `/v1beta/models/${encodeURIComponent(model)}:${isStream ? "streamGenerateContent" : "generateContent"}`,
};

/** The path of a call. */
export function pathOf(dialect: Dialect, model: string, isStream: boolean): string {
  return PATHS[dialect](model, isStream);
}

/** The body of a call that says hello. */
export function bodyOf(dialect: Dialect, model: string, { stream = false, tools = false, limit, more }: Ask): Body {
  const gemini: Body = {
    contents: [{ role: "user", parts: [{ text: "hello" }] }],
    ...(tools ? { tools: [{ functionDeclarations: NAMES.map((name) => ({ name, parameters })) }] } : {}),
    ...(limit === undefined ? {} : { generationConfig: { maxOutputTokens: limit } }),
    ...more,
  };
  const messages = [{ role: "user", content: "hello" }];
  const bodies: Readonly<Record<Dialect, Body>> = {
    chat: {
      model,
      messages,
      ...(stream ? { stream, stream_options: { include_usage: true } } : {}),
      ...(tools ? { tools: NAMES.map((name) => ({ type: "function", function: { name, parameters } })) } : {}),
      ...(limit === undefined ? {} : { max_completion_tokens: limit }),
      ...more,
    },
    responses: {
      model,
      input: "hello",
      ...(stream ? { stream } : {}),
      ...(tools ? { tools: NAMES.map((name) => ({ type: "function", name, parameters, strict: false })) } : {}),
      ...(limit === undefined ? {} : { max_output_tokens: limit }),
      ...more,
    },
    messages: {
      model,
      messages,
      max_tokens: limit ?? 1000,
      ...(stream ? { stream } : {}),
      ...(tools ? { tools: NAMES.map((name) => ({ name, input_schema: parameters })) } : {}),
      ...more,
    },
    generate: gemini,
    list: gemini,
  };
  return bodies[dialect];
}

/** One call. */
export function ask(up: Upstream, dialect: Dialect, model: string, options: Ask = {}): Promise<Response> {
  const { headers = {}, signal, stream = false } = options;
  return up.call(pathOf(dialect, model, stream), {
    json: bodyOf(dialect, model, options),
    headers: { "x-demo-count": "strict", ...headers },
    ...(signal === undefined ? {} : { signal }),
  });
}

/** One event of a stream: its name, empty where it has none, and its data as JSON. */
export interface StreamEvent {
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The events of a stream that ended well; `[DONE]` is left out. */
export function eventsOf(dialect: Dialect, text: string): readonly StreamEvent[] {
  if (dialect === "list") return (JSON.parse(text) as StreamEvent["data"][]).map((data) => ({ name: "", data }));
  const frames = text.split("\n\n").filter((frame) => frame !== "" && !frame.startsWith(":"));
  return frames.flatMap((frame) => {
    const field = (name: string): string => new RegExp(`^${name}: (.*)$`, "m").exec(frame)?.[1] ?? "";
    const data = field("data");
    return data === "[DONE]" ? [] : [{ name: field("event"), data: JSON.parse(data) as StreamEvent["data"] }];
  });
}
