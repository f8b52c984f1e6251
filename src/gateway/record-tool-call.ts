// Builds the record of one tool call from what happened to it: executed, replayed or refused.
import type { ToolCall } from "../core/call.ts";
import type { ResolvedTool } from "../core/config/published.ts";
import type { Refusal } from "../core/errors.ts";
import type { Decision } from "../core/policy/decision.ts";
import type { ToolCallAsk } from "../core/policy/ask.ts";
import type { ToolOutcome } from "../core/policy/tool-outcome.ts";
import type { ToolCallRecord } from "../core/state/tool-call-record.ts";
import { ATTR } from "../core/trace/attributes.ts";
import type { Attributes, IndexRow, Span } from "../core/trace/record.ts";
import { usdFromJson } from "../core/units/money.ts";
import { isDenial } from "./enforce.ts";
import type { Ports, Recorder } from "./ports.ts";
import type { Attempt } from "./tool-attempts.ts";
import type { Executed } from "./tool-execution.ts";
import { buildRecord, callAttributes, callerColumns, decisionSpan, type RecordedBody } from "./record.ts";

/** What is known of a tool call whatever became of it. */
export interface ToolCallHappened {
  readonly call: ToolCall;
  readonly ask: ToolCallAsk;
  readonly tool: ResolvedTool | undefined;
  readonly decision: Decision;
  readonly spanId: string;
  /** The call's id, once it has one. */
  readonly callId: string | null;
  /** The call whose outcome this one, a probe, is to find out. */
  readonly probeOf?: string;
  readonly startedAt: number;
  /** The state of the tool's breakers when the call came; `undefined` for a tool without. */
  readonly breaker?: string | undefined;
}

/** What became of it. */
export type ToolCallEnd =
  | ({ readonly type: "executed" } & Executed)
  | { readonly type: "replayed"; readonly record: ToolCallRecord }
  /** Its record was lost, and its own object tells it again. */
  | { readonly type: "retold"; readonly record: ToolCallRecord }
  /** Recorded without an effect: a draft, or a call that waits for people. */
  | { readonly type: "waiting"; readonly record: ToolCallRecord }
  /** It came to another status after its answer: settled, taken back, undone. `by` is the key of the person, if one did it. */
  | {
      readonly type: "changed";
      readonly record: ToolCallRecord;
      readonly by?: string;
      readonly credentials?: readonly string[];
    }
  | { readonly type: "refused"; readonly refusal: Refusal }
  /** It was only asked about: what would have become of it, and what a live call would have been refused for. */
  | { readonly type: "foreseen"; readonly would: string; readonly refusal: Refusal | null };

/** Records one tool call: its span, its decision, its arguments and its result, free of credentials. */
export function recordToolCall(ports: Ports, recorder: Recorder, happened: ToolCallHappened, end: ToolCallEnd): void {
  const { call, decision, spanId } = happened;
  const endedAt = end.type === "retold" ? end.record.changedAt : ports.system.now();
  const used = "credentials" in end ? (end.credentials ?? []) : [];
  const credentials = [...call.context.credentials, ...used];
  const decided = decisionSpan({ spanId: ports.system.randomHex(8), parentId: spanId }, decision, happened.startedAt);
  recorder.write(
    buildRecord(
      indexRow(happened, end, endedAt),
      [callSpan(happened, end, endedAt), decided, ...attemptSpans(happened, end)],
      bodies(happened, end),
    ),
    credentials,
  );
}

/** One span per attempt, below the call's own. */
function attemptSpans(happened: ToolCallHappened, end: ToolCallEnd): readonly Span[] {
  return end.type === "executed" ? end.attempts.map((attempt) => attemptSpan(attempt, happened)) : [];
}

function attemptSpan(attempt: Attempt, { call, tool, spanId: parentId }: ToolCallHappened): Span {
  const { toolName } = call;
  const { number, outcome, cause, httpStatus, retryAfterMs } = attempt;
  const method = methodOf(tool);
  return {
    span_id: attempt.spanId,
    parent_span_id: parentId,
    name: `${method ?? "attempt"} ${toolName}`,
    kind: "client",
    start_ms: attempt.startedAt,
    end_ms: attempt.endedAt,
    status: outcome.status === "succeeded" ? "ok" : "error",
    attributes: {
      [ATTR.toolName]: toolName,
      [ATTR.mcpMethod]: method,
      [ATTR.serverAddress]: (tool === undefined ? null : hostOf(tool.entry)) ?? undefined,
      [ATTR.attempt]: number,
      [ATTR.resendCount]: number === 1 ? undefined : number - 1,
      [ATTR.httpStatus]: httpStatus ?? undefined,
      [ATTR.outcome]: outcome.status,
      [ATTR.errorType]: outcome.status === "succeeded" ? undefined : (cause ?? codeOf(outcome)),
      [ATTR.retryAfterMs]: retryAfterMs ?? undefined,
    },
  };
}

function statusOf(end: ToolCallEnd): string {
  if (end.type === "foreseen") return `would_${end.would}`;
  if (end.type !== "refused") return end.record.status;
  return isDenial(end.refusal) ? "denied" : "refused";
}

function errorOf(end: ToolCallEnd): string | undefined {
  if (end.type === "refused" || end.type === "foreseen") return end.refusal?.code;
  const { outcome } = end.record;
  if (outcome === null || outcome.status === "succeeded") return undefined;
  return codeOf(outcome);
}

function codeOf(outcome: ToolOutcome): string | undefined {
  if (outcome.status === "succeeded") return undefined;
  return outcome.status === "failed" ? outcome.code : "outcome_unknown";
}

function bodies({ call, ask }: ToolCallHappened, end: ToolCallEnd): readonly RecordedBody[] {
  const contentType = "application/json";
  const sent: readonly RecordedBody[] = [
    { name: "arguments", contentType, text: JSON.stringify(call.envelope) },
    // What the decision rested on: the same ask is decided again when a candidate policy is replayed.
    { name: "ask", contentType, text: JSON.stringify(ask) },
  ];
  if (!("record" in end) || end.record.outcome === null) return sent;
  return [...sent, { name: "result", contentType: "application/json", text: JSON.stringify(end.record.outcome) }];
}

function callSpan(happened: ToolCallHappened, end: ToolCallEnd, endedAt: number): Span {
  const { call, tool, decision, spanId, callId, startedAt } = happened;
  return {
    span_id: spanId,
    parent_span_id: call.context.parent?.parentId ?? null,
    ...nameOf(call),
    start_ms: startedAt,
    end_ms: endedAt,
    status: IS_WELL.has(statusOf(end)) || NO_FAILURE.has(end.type) ? "ok" : "error",
    attributes: {
      ...callAttributes(call.context, decision),
      [ATTR.operation]: "execute_tool",
      [ATTR.toolName]: call.toolName,
      [ATTR.toolCallId]: callId ?? undefined,
      [ATTR.toolType]: "function",
      ...toolAttributes(tool),
      ...mcpAttributes(call),
      [ATTR.breakerState]: happened.breaker,
      [ATTR.attempts]: attemptsOf(end) ?? undefined,
      [ATTR.idempotencyReplayed]: end.type === "replayed",
      [ATTR.outcome]: statusOf(end),
      [ATTR.errorType]: errorOf(end),
      [ATTR.costMicroUsd]: costOf(tool, end),
      [ATTR.probeOf]: happened.probeOf,
      [ATTR.retold]: end.type === "retold" ? true : undefined,
      ...endAttributes(end),
    },
  };
}

/** What the gateway itself asks an MCP server for, by what the tool is there. */
const MCP_METHODS = { tool: "tools/call", resource: "resources/read", prompt: "prompts/get" } as const;

function methodOf(tool: ResolvedTool | undefined): string | undefined {
  return tool?.entry.mcp === undefined ? undefined : MCP_METHODS[tool.entry.mcp.kind];
}

/** A call over MCP is a server span named by its method and target, as the MCP conventions have it; a resource is too particular for a name. */
function nameOf({ context: { mcp }, toolName, args }: ToolCall): Pick<Span, "name" | "kind"> {
  if (mcp === undefined) return { name: `execute_tool ${toolName}`, kind: "internal" };
  if (mcp.method === "tools/call") return { name: `${mcp.method} ${toolName}`, kind: "server" };
  const prompt = mcp.method === "prompts/get" && typeof args["name"] === "string" ? ` ${args["name"]}` : "";
  return { name: `${mcp.method}${prompt}`, kind: "server" };
}

function mcpAttributes({ context: { mcp }, args }: ToolCall): Attributes {
  if (mcp === undefined) return {};
  const { uri, name } = args;
  return {
    [ATTR.mcpMethod]: mcp.method,
    [ATTR.mcpProtocolVersion]: mcp.protocolVersion,
    [ATTR.mcpSession]: mcp.sessionId ?? undefined,
    [ATTR.rpcRequestId]: mcp.requestId,
    [ATTR.mcpClient]: mcp.clientName ?? undefined,
    [ATTR.mcpResource]: mcp.method === "resources/read" && typeof uri === "string" ? uri : undefined,
    [ATTR.promptName]: mcp.method === "prompts/get" && typeof name === "string" ? name : undefined,
  };
}

const NO_FAILURE: ReadonlySet<ToolCallEnd["type"]> = new Set(["waiting", "foreseen"]);
const IS_WELL: ReadonlySet<string> = new Set(["succeeded", "compensating", "compensated", "withdrawn"]);

function endAttributes(end: ToolCallEnd): Attributes {
  if (!("record" in end)) return { [ATTR.refusal]: end.refusal?.detail };
  const { outcome, seq, approval } = end.record;
  const httpStatus = outcome === null || outcome.status === "unknown" ? null : outcome.httpStatus;
  return {
    [ATTR.httpStatus]: httpStatus ?? undefined,
    [ATTR.seq]: seq ?? undefined,
    [ATTR.approvalId]: approval?.id,
    ...aftermath(end),
  };
}

/** How it was settled or undone. */
function aftermath(end: Extract<ToolCallEnd, { readonly record: ToolCallRecord }>): Attributes {
  const { resolution, compensation, saga, request } = end.record;
  return {
    [ATTR.compensates]: request.compensates ?? undefined,
    [ATTR.compensation]: compensation?.id,
    [ATTR.resolutionBy]: resolution?.by,
    [ATTR.resolutionEvidence]: resolution?.evidence,
    [ATTR.resolutionKey]: (end.type === "changed" ? end.by : undefined) ?? resolution?.keyId ?? undefined,
    [ATTR.sagaStatus]: saga?.status,
    [ATTR.sagaNotUndone]: saga?.not_undone,
  };
}

function toolAttributes(tool: ResolvedTool | undefined): Attributes {
  return tool === undefined
    ? {}
    : {
        [ATTR.toolEffect]: tool.entry.effect,
        [ATTR.definitionDigest]: tool.definitionDigest,
        [ATTR.outputTrust]: tool.entry.output_trust,
        [ATTR.mcpServer]: tool.entry.mcp?.server,
      };
}

function costOf(tool: ResolvedTool | undefined, end: ToolCallEnd): number {
  const wasMade = end.type === "executed" || (end.type === "retold" && end.record.outcome !== null);
  const wasCharged = wasMade && end.record.status !== "failed";
  return wasCharged ? (usdFromJson(tool?.entry.cost_usd) ?? 0) : 0;
}

function indexRow(happened: ToolCallHappened, end: ToolCallEnd, endedAt: number): IndexRow {
  const { call, tool, decision, spanId, callId, startedAt } = happened;
  const { context } = call;
  return {
    tenant: context.principal.tenant,
    trace_hex: context.trace.hex,
    span_id: spanId,
    trace_id: context.trace.shown,
    started_at: startedAt,
    duration_ms: endedAt - startedAt,
    kind: end.type === "foreseen" ? "preflight" : "execute_tool",
    session_id: context.session,
    task_id: context.task,
    actor: context.actor,
    subject: call.toolName,
    // A repeat is no further success: whoever counts effects counts the first answer alone.
    status: end.type === "replayed" ? "replayed" : statusOf(end),
    decision: decision.effect,
    error_code: errorOf(end) ?? null,
    policy_version: decision.policy_version,
    cost_micro_usd: costOf(tool, end),
    input_tokens: 0,
    output_tokens: 0,
    seq: "record" in end ? end.record.seq : null,
    call_id: callId,
    ...callerColumns(context, decision),
    upstream: tool === undefined ? null : hostOf(tool.entry),
    attempts: attemptsOf(end),
  };
}

function attemptsOf(end: ToolCallEnd): number | null {
  if (end.type === "retold") return end.record.attempts;
  return end.type === "executed" ? end.attempts.length : null;
}

/** The host of a tool's address; the service binding's name where it has none. */
function hostOf({ service, url }: ResolvedTool["entry"]): string | null {
  if (service !== undefined) return service;
  const host = /^https?:\/\/([^/?#]+)/.exec(url)?.[1];
  return host ?? null;
}
