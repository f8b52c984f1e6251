// Sequences one MCP tool call: the same governed call as any other, and what its client is told while people decide.
import { plainToolCall, type ToolCall } from "../../core/call.ts";
import type { ResolvedTool } from "../../core/config/published.ts";
import { refuse, type Refusal } from "../../core/errors.ts";
import { isJsonObject, objectAt, textIn, type JsonObject } from "../../core/json/canonical.ts";
import { digestOf } from "../../core/json/digest.ts";
import { MAX_ROUNDS, ROUND_HOLD_MS, rungOf } from "../../core/mcp/ladder.ts";
import {
  callMeta,
  finishedResult,
  refusalResult,
  waitingResult,
  withMeta,
  type McpResult,
} from "../../core/mcp/results.ts";
import { explainTo, toldRefusal } from "../../core/policy/disclosure.ts";
import type { ToolCallRecord } from "../../core/state/tool-call-record.ts";
import type { Ports, Recorder } from "../ports.ts";
import type { McpExchange } from "../ports/mcp.ts";
import { callTool, type ToolCallAnswer } from "../tool-call.ts";
import type { McpCaller, Reach } from "./reach.ts";

/** What a call's client carries from one round to the next, signed: it can choose none of it. */
export interface CallState {
  readonly kind: "approval" | "upstream";
  /** The recorded call, and who made it. */
  readonly call: string;
  readonly actor: string;
  /** The tool's name in the config, and the digest of the arguments: the state fits this call alone. */
  readonly tool: string;
  readonly args: string;
  readonly round: number;
  /** What the server itself wants to have back; `null` for nothing. */
  readonly upstream: string | null;
}

/** One call as its surface understood it. */
export interface McpToolCall {
  readonly caller: McpCaller;
  readonly reach: Reach;
  /** The tool that is meant; `undefined` where the endpoint has none of that name. */
  readonly tool: ResolvedTool | undefined;
  /** The name as it was asked for. */
  readonly asked: string;
  readonly args: JsonObject;
  readonly capabilities: JsonObject;
  readonly isModern: boolean;
  readonly state: CallState | undefined;
  /** What the client answered to the questions of the round before. */
  readonly inputResponses: JsonObject | undefined;
  readonly exchange: McpExchange;
  readonly idempotencyKey: string | undefined;
  /** Whose identical calls are one while people decide. */
  readonly askedBy: string;
  /** The tool that tells how a call stands; `null` where the endpoint has none. */
  readonly statusTool: string | null;
  /** The page on which people decide. */
  readonly pageOf: (record: ToolCallRecord) => Promise<string | null>;
}

/** What the client is answered. */
export type McpAnswer =
  | { readonly type: "result"; readonly result: McpResult }
  | { readonly type: "input_required"; readonly inputRequests: JsonObject; readonly state: CallState }
  | { readonly type: "task"; readonly record: ToolCallRecord }
  /** An error of the protocol: the request itself makes no call. */
  | { readonly type: "refused"; readonly refusal: Refusal };

/** The question that opens the page. */
export const OPEN_PAGE = "interlock_approval";

/**
 * Makes one call. What the policy, a budget or a person refuses is a result with `isError`, which models read; what is no
 * call at all is refused. A call that waits for people answers by the best rung of the ladder that the client declared.
 */
export async function callMcpTool(ports: Ports, call: McpToolCall, recorder: Recorder): Promise<McpAnswer> {
  const { state } = call;
  if (state !== undefined && !isOf(state, call))
    return {
      type: "refused",
      refusal: refuse("invalid_request", "requestState: expected the state of this very call"),
    };
  if (state?.kind === "approval") await held(ports, call, state);
  const answer = await callTool(ports, governedCall(call), recorder, exchangeOf(call));
  if (await isRepeatWhileWaiting(ports, call, answer)) {
    const again = await callTool(ports, governedCall(call), recorder, exchangeOf(call));
    return answered(call, again);
  }
  return answered(call, answer);
}

/** Whether a state is of this very call: the tool, the arguments and the actor, and not one round too many. */
function isOf({ tool, args, actor, round }: CallState, call: McpToolCall): boolean {
  const isSame = tool === call.tool?.name && args === digestOf(call.args) && actor === call.caller.context.actor;
  return isSame && round <= MAX_STATE_ROUNDS;
}

/** Rounds in which a server may ask for input, at most. */
const MAX_STATE_ROUNDS = 16;

/** Holds a round until somebody decides, or its time is over. A client that declined to open the page is not held. */
async function held(ports: Ports, call: McpToolCall, state: CallState): Promise<void> {
  if (isDeclined(call)) return;
  await untilDecided(ports, call.caller.context.principal.tenant, state.call);
}

async function untilDecided(ports: Ports, tenant: string, id: string): Promise<void> {
  const until = ports.system.now() + ROUND_HOLD_MS;
  for (let left = ROUND_HOLD_MS; left > 0; left = until - ports.system.now()) {
    const record = await ports.toolCalls.read(tenant, id, left);
    if (record?.status !== "pending_approval" && record?.status !== "executing") return;
  }
}

/** A client that can do no better than call again is held as well, lest its model asks in a loop. */
async function isRepeatWhileWaiting(ports: Ports, call: McpToolCall, { outcome }: ToolCallAnswer): Promise<boolean> {
  if (!outcome.ok || !outcome.value.isReplay || outcome.value.record.status !== "pending_approval") return false;
  if (call.state !== undefined || rungOf(call.capabilities, call.isModern) !== "text") return false;
  const { tenant, id } = outcome.value.record.request;
  await untilDecided(ports, tenant, id);
  return true;
}

function isDeclined({ inputResponses }: McpToolCall): boolean {
  const page = inputResponses?.[OPEN_PAGE];
  return isJsonObject(page) && page["action"] !== "accept";
}

function governedCall(call: McpToolCall): ToolCall {
  const { caller, tool, asked, args, state, idempotencyKey, askedBy, inputResponses } = call;
  // What a client answers to a server's questions goes there as well: it stands in the record beside the arguments.
  const answers = state?.kind === "upstream" && inputResponses !== undefined ? { input_responses: inputResponses } : {};
  const { context, server } = caller;
  const name = tool?.name ?? (server === null ? asked : `${server}.${asked}`);
  const envelope = { actor: context.actor, intent: context.intent, tool_call: { name, args }, ...answers };
  return {
    ...plainToolCall({ context, toolName: name, args, envelope }),
    idempotencyKey,
    resumes: state?.call,
    askedBy,
  };
}

/** The server's own questions are answered by what came back with its own state; ours are not its business. */
function exchangeOf({ exchange, state, inputResponses }: McpToolCall): McpExchange {
  if (state?.kind !== "upstream") return exchange;
  return { ...exchange, inputResponses, requestState: state.upstream ?? undefined };
}

async function answered(call: McpToolCall, answer: ToolCallAnswer): Promise<McpAnswer> {
  const { outcome } = answer;
  const { config } = call.reach;
  const explain = explainTo(call.caller.context.principal, config);
  if (!outcome.ok) {
    if (NO_CALL.has(outcome.code)) return { type: "refused", refusal: outcome };
    return { type: "result", result: refusalResult(toldRefusal(outcome, explain)) };
  }
  const { record, isReplay } = outcome.value;
  const meta = callMeta(record, isReplay);
  if (WAITS.has(record.status)) return waiting(call, record, meta);
  const question = questionOf(record);
  if (question !== undefined) return ofServer(call, record, question);
  const passed = passedError(record);
  if (passed !== undefined) return { type: "refused", refusal: passed };
  const isMcp = call.tool?.entry.kind === "mcp";
  return { type: "result", result: withMeta(finishedResult(record, isMcp, explain), meta) };
}

/** What the server's own protocol asks of the client itself: a capability, a page to be opened. No model can do that. */
const FOR_THE_CLIENT: ReadonlySet<unknown> = new Set([-32_021, -32_042]);

function passedError({ outcome }: ToolCallRecord): Refusal | undefined {
  if (outcome?.status !== "failed" || !isJsonObject(outcome.result)) return undefined;
  const { json_rpc } = outcome.result;
  if (!isJsonObject(json_rpc) || !FOR_THE_CLIENT.has(json_rpc["code"])) return undefined;
  return refuse("tool_failed", outcome.message, { extensions: { json_rpc } });
}

/** What is no call: told as an error of the protocol. */
const NO_CALL: ReadonlySet<string> = new Set(["unknown_tool", "invalid_request", "not_configured", "internal"]);
const WAITS: ReadonlySet<string> = new Set(["pending_approval", "drafted", "held", "executing"]);

function questionOf({ outcome }: ToolCallRecord): JsonObject | undefined {
  const asks = outcome?.status === "failed" && outcome.code === "input_required" ? outcome.result : null;
  return isJsonObject(asks) ? asks : undefined;
}

function ofServer(call: McpToolCall, record: ToolCallRecord, asks: JsonObject): McpAnswer {
  return {
    type: "input_required",
    inputRequests: objectAt(asks, "inputRequests"),
    state: stateOf(call, record, { kind: "upstream", upstream: textIn(asks, "requestState") ?? null }),
  };
}

function stateOf(
  { state, args }: McpToolCall,
  { request }: ToolCallRecord,
  of: Pick<CallState, "kind" | "upstream">,
): CallState {
  const round = state?.kind === of.kind ? state.round + 1 : 1;
  const { tool, actor } = request.ask;
  return { ...of, call: request.id, actor, tool, args: digestOf(args), round };
}

async function waiting(call: McpToolCall, record: ToolCallRecord, meta: JsonObject): Promise<McpAnswer> {
  const rung = rungOf(call.capabilities, call.isModern);
  if (rung === "task" && record.status !== "drafted") return { type: "task", record };
  const url = record.status === "pending_approval" ? await call.pageOf(record) : null;
  const state = stateOf(call, record, { kind: "approval", upstream: null });
  const isDeclinedByClient = isDeclined(call);
  if (rung === "url" && url !== null && state.round <= MAX_ROUNDS && !isDeclinedByClient) {
    const message = `"${record.request.ask.actor}" asks to run "${record.request.ask.tool}". A person has to approve it on this page.`;
    const open = { method: "elicitation/create", params: { mode: "url", message, url } };
    return { type: "input_required", inputRequests: { [OPEN_PAGE]: open }, state };
  }
  const told = {
    url,
    expiresAt: record.approval === null ? null : new Date(record.approval.expiresAt).toISOString(),
    retryAfterMs: ROUND_HOLD_MS,
    argsDigest: digestOf(call.args),
    statusTool: call.statusTool,
    isDeclinedByClient,
  };
  return { type: "result", result: withMeta(waitingResult(record, told), meta) };
}
