// Decides what a governed tool call reads like as an MCP result: the tool's own words, or why there are none.
import { ERRORS, refuse, type Refusal } from "../errors.ts";
import { isJsonObject, type Json, type JsonObject } from "../json/canonical.ts";
import { toldRefusal, type Explain } from "../policy/disclosure.ts";
import { refusalOfRecord } from "../state/refusal-of-record.ts";
import type { ToolCallRecord } from "../state/tool-call-record.ts";
import { META } from "./meta.ts";

/** A `tools/call` result. */
export type McpResult = JsonObject;

/** What a succeeded call answered, as its server said it; other tools' answers become text, and structure where they have one. */
function resultOf(answer: Json, isMcp: boolean): McpResult {
  if (isMcp && isJsonObject(answer)) return answer;
  const text = typeof answer === "string" ? answer : JSON.stringify(answer);
  return {
    content: [{ type: "text", text }],
    ...(isJsonObject(answer) ? { structuredContent: answer } : {}),
  };
}

/** A result with what the gateway knows of the call. */
export function withMeta(result: McpResult, meta: JsonObject): McpResult {
  const known = isJsonObject(result["_meta"]) ? result["_meta"] : {};
  return { ...result, _meta: { ...known, ...meta } };
}

/** What the gateway says of a recorded call. */
export function callMeta({ request, status, decision, attempts }: ToolCallRecord, isReplay: boolean): JsonObject {
  return {
    [META.call]: {
      id: request.id,
      trace_id: request.traceId,
      session_id: request.ask.session,
      status,
      replayed: isReplay,
      attempts,
      policy_version: decision.policy_version,
    },
  };
}

/** What models are told to do about a refusal, beyond what was refused. */
const ADVICE: Partial<Record<Refusal["code"], string>> = {
  approval_denied: "A person said no. Do not try this again or in another way; tell the user.",
  approval_expired: "Nobody decided in time, which is no denial. Ask the user whether to ask again.",
  approval_withdrawn: "The request was taken back. Nothing was done.",
  policy_denied: "The policy does not allow this. Other arguments may be allowed; do not repeat it as it is.",
  halted: "A kill switch is set. Stop, and tell the user.",
  session_paused: "The session waits for a person. Stop, and tell the user.",
  outcome_unknown: "It may have happened. Do not repeat it; say that its outcome is not known.",
  tool_unavailable: "The tool is left alone for a while. Try again later.",
  definition_changed: "The tool has changed and waits to be accepted. Nothing was done.",
  invalid_arguments: "Correct the arguments and call again.",
  input_required: "The server asked for input that could not be got here. Nothing was done.",
};

/** A refusal as a result: an error that the model can read, with its code for machines. */
export function refusalResult(refusal: Refusal): McpResult {
  const { code, retryAfterS } = refusal;
  // Over MCP a call's arguments have no envelope around them.
  const shown = (text: string): string => text.replaceAll("tool_call.args", "arguments");
  const detail = shown(refusal.detail);
  const mistakes = refusal.mistakes?.map(({ path, message }) => ({ path: shown(path), message }));
  const advice = ADVICE[code];
  const text = `${ERRORS[code].title} (${code}): ${detail}.${advice === undefined ? "" : ` ${advice}`}`;
  return {
    content: [{ type: "text", text }],
    isError: true,
    _meta: {
      [META.error]: {
        code,
        should_retry: ERRORS[code].retry,
        ...(retryAfterS === undefined ? {} : { retry_after_ms: retryAfterS * 1_000 }),
        ...(mistakes === undefined ? {} : { mistakes }),
        ...plain(refusal.extensions),
      },
    },
  };
}

function plain(extensions: Refusal["extensions"]): JsonObject {
  return extensions === undefined ? {} : (JSON.parse(JSON.stringify(extensions)) as JsonObject);
}

/** What a call that is over says: the tool's own words also where it said no, else why there are none. */
export function finishedResult(record: ToolCallRecord, isMcp: boolean, explain: Explain): McpResult {
  const { outcome } = record;
  if (outcome?.status === "succeeded") return resultOf(outcome.result, isMcp);
  const own = outcome?.status === "failed" && isMcp ? outcome.result : null;
  if (isJsonObject(own) && own["isError"] === true) return own;
  const refusal = toldRefusal(refusalOfRecord(record) ?? refuse("internal", "the call has no outcome"), explain);
  const error = isJsonObject(own) ? own["json_rpc"] : undefined;
  // An error of the server's own protocol: whoever passes it on needs it as it was.
  return refusalResult(
    error === undefined ? refusal : { ...refusal, extensions: { ...refusal.extensions, json_rpc: error } },
  );
}

/** Where people can look at a waiting call. */
export interface Waiting {
  readonly url: string | null;
  readonly retryAfterMs: number;
  /** Until when people can decide, RFC 3339; `null` where nobody is asked. */
  readonly expiresAt: string | null;
  /** The digest of the arguments that are asked about. */
  readonly argsDigest: string;
  /** The tool that tells how it stands; `null` where this endpoint has none. */
  readonly statusTool: string | null;
  /** Whether the client has declined to open the page. */
  readonly isDeclinedByClient: boolean;
}

/** What a call that waits for people says: an error, for anything else would make the model believe that it happened. */
export function waitingResult(record: ToolCallRecord, waiting: Waiting): McpResult {
  const { approval, request, status } = record;
  const isDraft = status === "drafted";
  const ask = waiting.statusTool === null ? "" : `, or ask "${waiting.statusTool}" with id ${request.id}`;
  const text = isDraft
    ? `This call was kept as a draft for a person to execute (${request.id}). It was NOT executed. Do not conclude that it will be; tell the user.`
    : `This call waits for a person's approval (${request.id}${waiting.expiresAt === null ? "" : `, until ${waiting.expiresAt}`}). It was NOT executed, and not denied. ` +
      `Do not change the arguments and do not try another way. Wait, then call again with exactly the same arguments${ask}.` +
      (waiting.url === null ? "" : ` A person can decide at ${waiting.url}`);
  return {
    content: [{ type: "text", text }],
    isError: true,
    _meta: {
      [META.approval]: {
        id: request.id,
        approval_id: approval?.id ?? null,
        status: isDraft ? "drafted" : "pending",
        url: waiting.url,
        expires_at: waiting.expiresAt,
        retry_after_ms: waiting.retryAfterMs,
        args_digest: waiting.argsDigest,
        ...(waiting.isDeclinedByClient ? { declined_by_client: true } : {}),
      },
    },
  };
}
