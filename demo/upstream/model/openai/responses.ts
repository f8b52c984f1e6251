// Speaks OpenAI's Responses: the response object, and the events of its stream in their order.
import { recordOf, type JsonRecord } from "../../json-source.ts";
import type { Figures, Part } from "../answer.ts";
import { eventStream, type Frame, type ModelDialect, type PlannedCall } from "../dialect.ts";
import { byteLength } from "../model-request.ts";
import { sign } from "../signatures.ts";
import { openAiHeaders, refuseAsOpenAi, SERVER_ERROR } from "./openai-errors.ts";
import { asksForEncryptedContent, readResponsesRequest } from "./responses-request.ts";

/** `POST /v1/responses`. */
export const responsesDialect: ModelDialect = {
  read: readResponsesRequest,
  whole: (call) => ({ ...finished(call), demo_echo: call.request.keys }),
  frames: events,
  framing: eventStream(true, ": keep-alive\n\n", ""),
  inBand: (call) => ({
    whole: failed(call),
    first: { type: "error", code: "server_error", message: SERVER_ERROR.message, param: null, sequence_number: 0 },
    late: (at) => ({ type: "response.failed", response: failed(call), sequence_number: at }),
  }),
  refuse: refuseAsOpenAi,
  headers: openAiHeaders,
};

function failed(call: PlannedCall): JsonRecord {
  const error = { code: "server_error", message: SERVER_ERROR.message };
  return { ...response(call, "failed"), error };
}

/** The response once it is over. */
function finished(call: PlannedCall): JsonRecord {
  const { answer, figures } = call;
  const cause = { length: "max_output_tokens", filtered: "content_filter", blocked: "content_filter" };
  const reason = new Map(Object.entries(cause)).get(answer.finish);
  const status = reason === undefined ? "completed" : "incomplete";
  return {
    ...response(call, status),
    ...(status === "completed" ? { completed_at: nowS() } : {}),
    incomplete_details: reason === undefined ? null : { reason },
    output: answer.parts.map((part, at) => item(call, part, at, isLast(call, at) ? status : "completed")),
    ...(figures === undefined ? {} : { usage: usageOf(figures) }),
  };
}

function isLast({ answer }: PlannedCall, at: number): boolean {
  return at === answer.parts.length - 1;
}

function usageOf({ prompt, cacheRead, cacheWrite, output, thoughts }: Figures): JsonRecord {
  return {
    input_tokens: prompt,
    input_tokens_details: { cached_tokens: cacheRead, cache_write_tokens: cacheWrite },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: thoughts },
    total_tokens: prompt + output,
  };
}

function response({ request, token }: PlannedCall, status: string): JsonRecord {
  const { body } = request;
  const reasoning = recordOf(body["reasoning"]);
  return {
    id: `resp_${token}`,
    object: "response",
    created_at: nowS(),
    status,
    background: false,
    completed_at: null,
    error: null,
    incomplete_details: null,
    model: request.model,
    output: [],
    previous_response_id: null,
    reasoning: { effort: reasoning["effort"] ?? null, summary: reasoning["summary"] ?? null },
    service_tier: "default",
    text: { format: { type: "text" }, verbosity: "medium", ...recordOf(body["text"]) },
    tools: request.tools.length === 0 ? [] : toolsOf(body["tools"]),
    ...Object.fromEntries(Object.entries(REPEATED).map(([name, otherwise]) => [name, body[name] ?? otherwise])),
  };
}

/** What an answer repeats of its request, and what it says of a member that was not sent. */
const REPEATED: JsonRecord = {
  instructions: null,
  max_output_tokens: null,
  max_tool_calls: null,
  parallel_tool_calls: true,
  store: true,
  temperature: 1,
  tool_choice: "auto",
  top_logprobs: 0,
  top_p: 1,
  truncation: "disabled",
  metadata: {},
};

/** Tools are repeated with the defaults that the vendor fills in. */
function toolsOf(tools: unknown): readonly JsonRecord[] {
  const listed = Array.isArray(tools) ? tools : [];
  return listed.map((tool) => ({ description: null, strict: true, parameters: null, ...recordOf(tool) }));
}

function item({ request, token }: PlannedCall, part: Part, at: number, status: string): JsonRecord {
  const text = part.pieces.join("");
  switch (part.kind) {
    case "thought":
      return {
        id: `rs_${token}${at}`,
        type: "reasoning",
        summary: text === "" ? [] : [{ type: "summary_text", text }],
        ...(asksForEncryptedContent(request) && text !== "" ? { encrypted_content: sign("openai", text) } : {}),
      };
    case "call":
      return {
        id: `fc_${token}${at}`,
        type: "function_call",
        status,
        arguments: text,
        call_id: `call_${token}${at}`,
        name: part.name,
      };
    case "text":
    case "refusal":
      return {
        id: `msg_${token}${at}`,
        type: "message",
        status,
        role: "assistant",
        content: text === "" && status === "in_progress" ? [] : [content(part.kind, text)],
      };
  }
}

function content(kind: "text" | "refusal", text: string): JsonRecord {
  return kind === "text"
    ? { type: "output_text", annotations: [], logprobs: [], text }
    : { type: "refusal", refusal: text };
}

interface Event {
  readonly kind: Frame["kind"];
  readonly body: JsonRecord;
  readonly outputBytes?: number;
}

function* events(call: PlannedCall): Generator<Frame> {
  let at = 0;
  for (const { kind, body, outputBytes = 0 } of unnumbered(call)) {
    yield { kind, body: { ...body, sequence_number: at }, outputBytes };
    at += 1;
  }
}

function* unnumbered(call: PlannedCall): Generator<Event> {
  const started = response(call, "in_progress");
  const echo = { demo_echo: call.request.keys };
  yield { kind: "preamble", body: { type: "response.created", response: { ...started, ...echo } } };
  yield { kind: "preamble", body: { type: "response.in_progress", response: started } };
  const done = finished(call);
  const over = String(done["status"]);
  for (const [at, part] of call.answer.parts.entries()) {
    const empty = item(call, { ...part, pieces: [] }, at, "in_progress");
    const full = item(call, part, at, isLast(call, at) ? over : "completed");
    yield {
      kind: "preamble",
      body: { type: "response.output_item.added", output_index: at, item: empty },
      outputBytes: byteLength(part.name),
    };
    yield* partEvents(part, { item_id: full["id"], output_index: at });
    yield { kind: "close", body: { type: "response.output_item.done", output_index: at, item: full } };
  }
  yield { kind: "close", body: { type: `response.${over}`, response: done } };
}

function partEvents(part: Part, where: JsonRecord): Iterable<Event> {
  const text = part.pieces.join("");
  const inContent = { ...where, content_index: 0 };
  const inSummary = { ...where, summary_index: 0 };
  const logprobs = { logprobs: [] };
  switch (part.kind) {
    case "thought":
      return told(part.pieces, {
        stem: "response.reasoning_summary_text",
        frame: ["response.reasoning_summary_part", { ...inSummary, part: { type: "summary_text", text: "" } }],
        framed: { ...inSummary, part: { type: "summary_text", text } },
        delta: inSummary,
        done: { ...inSummary, text },
      });
    case "call":
      return told(part.pieces, {
        stem: "response.function_call_arguments",
        delta: where,
        done: { ...where, name: part.name, arguments: text },
      });
    case "text":
      return told(part.pieces, {
        stem: "response.output_text",
        frame: ["response.content_part", { ...inContent, part: content("text", "") }],
        framed: { ...inContent, part: content("text", text) },
        delta: { ...inContent, ...logprobs },
        done: { ...inContent, text, ...logprobs },
      });
    case "refusal":
      return told(part.pieces, {
        stem: "response.refusal",
        frame: ["response.content_part", { ...inContent, part: content("refusal", "") }],
        framed: { ...inContent, part: content("refusal", text) },
        delta: inContent,
        done: { ...inContent, refusal: text },
      });
  }
}

/** The events of one item's content: a frame around it where it has one, its deltas, and the whole of it once more. */
interface Told {
  readonly stem: string;
  readonly frame?: readonly [stem: string, added: JsonRecord];
  readonly framed?: JsonRecord;
  readonly delta: JsonRecord;
  readonly done: JsonRecord;
}

function* told(pieces: readonly string[], { stem, frame, framed, delta, done }: Told): Generator<Event> {
  if (frame !== undefined) yield { kind: "preamble", body: { type: `${frame[0]}.added`, ...frame[1] } };
  for (const piece of pieces)
    yield { kind: "output", body: { type: `${stem}.delta`, ...delta, delta: piece }, outputBytes: byteLength(piece) };
  yield { kind: "close", body: { type: `${stem}.done`, ...done } };
  if (frame !== undefined) yield { kind: "close", body: { type: `${frame[0]}.done`, ...framed } };
}

function nowS(): number {
  return Math.floor(Date.now() / 1000);
}
