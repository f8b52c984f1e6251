// Answers `POST /v1/messages` and `POST /v1/messages/count_tokens`.
import type { Dialect } from "../../core/dialect/dialect.ts";
import type { HttpContext } from "../context.ts";
import { readModelCall, renderModelAnswer, runModelCall, type RequestLine } from "../middleware/model-surface.ts";
import { anthropicError } from "./errors.ts";

const PASSED_ON = ["anthropic-version", "anthropic-beta", "accept"];

/** Answers a message. */
export function createMessage(c: HttpContext): Promise<Response> {
  return answer(c, "messages");
}

/** Counts the tokens of a request. */
export function countTokens(c: HttpContext): Promise<Response> {
  return answer(c, "count_tokens");
}

async function answer(c: HttpContext, dialect: Dialect): Promise<Response> {
  const call = await readModelCall(c, { dialect, passedOn: PASSED_ON, refused: anthropicError }, lineOf(c));
  if (!call.ok) return anthropicError(call);
  const answered = await runModelCall(c, call.value);
  const { traceId } = answered.meta;
  const response = renderModelAnswer({ refused: (refusal) => anthropicError(refusal, traceId) }, answered);
  // What Anthropic's clients show as the request's id finds the trace, unless Anthropic itself named the request.
  if (!response.headers.has("request-id")) response.headers.set("request-id", traceId);
  return response;
}

/** Betas are asked for by header, and by a query that some clients send along. */
function lineOf(c: HttpContext): RequestLine {
  return c.req.query("beta") === "true" ? { query: "beta=true" } : {};
}
