// Decides what a failed request to an MCP server says: how it went wrong on the wire, and what people are told.
import { ProtocolError, ProtocolErrorCode, SdkError, SdkErrorCode, SdkHttpError } from "@modelcontextprotocol/client";
import { refuse, type Refusal } from "../../core/errors.ts";
import type { Json, JsonObject } from "../../core/json/canonical.ts";
import type { HttpAnswer, ToolOutcome } from "../../core/policy/tool-outcome.ts";
import { CredentialFault } from "./upstream.ts";
import { UpstreamFault } from "./upstream-fetch.ts";

/** Longer texts of a server are cut when they are quoted. */
const MAX_QUOTE = 500;
/** More data of an error than so many characters is left out. */
const MAX_DATA = 16_384;

/** What went wrong with one request, as far as the wire tells. */
export function answerOf(error: unknown): HttpAnswer {
  if (error instanceof CredentialFault) return { type: "unsent", reason: error.message };
  if (error instanceof UpstreamFault) return ofFault(error);
  if (error instanceof SdkHttpError) return { type: "answered", status: error.status ?? 502, body: null };
  if (error instanceof ProtocolError) return { type: "answered", status: statusOf(error.code), body: null };
  if (error instanceof SdkError && error.code === SdkErrorCode.RequestTimeout) return { type: "timed_out" };
  if (error instanceof DOMException && error.name === "TimeoutError") return { type: "timed_out" };
  // The caller has left.
  if (isCancelled(error)) return { type: "lost" };
  // Garbage came back: something was sent, and nobody can tell what it did.
  return { type: "answered", status: 502, body: null };
}

function isCancelled(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

function ofFault({ kind, status, message }: UpstreamFault): HttpAnswer {
  switch (kind) {
    case "blocked":
      return { type: "blocked", reason: message };
    case "lost":
      return { type: "lost" };
    case "cut":
    case "too_large":
      return { type: "cut", status: status ?? 200 };
    default:
      return kind satisfies never;
  }
}

/** The HTTP status that says of an effect what a JSON-RPC error does: 4xx for "refused", 5xx for "nobody knows". */
function statusOf(code: number): number {
  return REFUSALS.has(code) ? 422 : 500;
}

const REFUSALS: ReadonlySet<number> = new Set([
  ProtocolErrorCode.InvalidParams,
  ProtocolErrorCode.InvalidRequest,
  ProtocolErrorCode.MethodNotFound,
  ProtocolErrorCode.ParseError,
  -32_002,
  -32_020,
  -32_021,
  -32_022,
]);

/** What is said of a failed request, without a byte of a credential. */
export function messageOf(error: unknown): string {
  if (error instanceof CredentialFault || error instanceof UpstreamFault) return error.message;
  if (error instanceof SdkHttpError) return `the MCP server answered ${error.status ?? "no status"}`;
  if (error instanceof ProtocolError) return `the MCP server answered error ${error.code}: ${quoted(error.message)}`;
  if (isCancelled(error)) return "the caller cancelled the request";
  if (answerOf(error).type === "timed_out") return "the MCP server did not answer in time";
  return "the MCP server answered what is no valid MCP result";
}

function quoted(text: string): string {
  return text.length > MAX_QUOTE ? `${text.slice(0, MAX_QUOTE)}…` : text;
}

/** A failed request without an effect, as a refusal. An error of the protocol itself is passed on as it is. */
export function refusalOf(error: unknown): Refusal {
  const answer = answerOf(error);
  const message = messageOf(error);
  if (error instanceof ProtocolError) {
    return refuse("tool_failed", message, { extensions: { json_rpc: rpcError(error) } });
  }
  if (answer.type === "timed_out") return refuse("tool_timeout", message);
  if (answer.type === "blocked") return refuse("egress_blocked", message);
  return refuse("tool_failed", message);
}

/** An outcome with what is known of the failure in its words. */
export function worded(outcome: ToolOutcome, error: unknown): ToolOutcome {
  if (outcome.status === "succeeded") return outcome;
  const message = messageOf(error);
  if (outcome.status === "unknown") return { status: "unknown", message: `${message}: the effect may have happened` };
  const own = error instanceof ProtocolError ? { json_rpc: rpcError(error) } : outcome.result;
  return { ...outcome, message, result: own };
}

/** An error of the server's own protocol, for whoever passes it on. */
function rpcError({ code, message, data }: ProtocolError): JsonObject {
  const text = data === undefined ? "" : JSON.stringify(data);
  const known = text === "" || text.length > MAX_DATA ? {} : { data: JSON.parse(text) as Json };
  return { code, message: quoted(message), ...known };
}
