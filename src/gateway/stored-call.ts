// Performs a call as it was stored, after people have approved it or its undo window is over: what its agent sends meanwhile does not matter.
import type { ToolCall } from "../core/call.ts";
import type { ActiveConfig } from "../core/config/published.ts";
import type { JsonObject } from "../core/json/canonical.ts";
import type { ToolCallRecord } from "../core/state/tool-call-record.ts";
import type { Ports, Recorder } from "./ports.ts";
import { recordToolCall, type ToolCallEnd } from "./record-tool-call.ts";
import { execute } from "./tool-execution.ts";

interface Executing {
  readonly config: ActiveConfig;
  readonly recorder: Recorder;
  readonly spanId: string;
}

/** The stored call, executed with the arguments that were stored; `probes` are the breakers that let it through as one. */
export async function executeStored(
  ports: Ports,
  { config, recorder, spanId, probes }: Executing & { readonly probes: readonly string[] },
  record: ToolCallRecord,
): Promise<ToolCallRecord> {
  const tool = config.tool(record.request.ask.tool);
  // It was let go under this same config, where the tool is.
  if (tool === undefined) return record;
  const startedAt = ports.system.now();
  const flags = { isSampled: true, isRandom: false };
  const executed = await execute(ports, { config, tool, record, notAfter: null, probes, flags });
  recordStored(ports, { config, recorder, spanId }, { record, end: { type: "executed", ...executed }, startedAt });
  return executed.record;
}

/** Records what became of a stored call, under a span of its own. */
export function recordStored(
  ports: Ports,
  { config, recorder, spanId }: Executing,
  happened: { readonly record: ToolCallRecord; readonly end: ToolCallEnd; readonly startedAt: number },
): void {
  const { record, end, startedAt } = happened;
  const { ask, id } = record.request;
  const tool = config.tool(ask.tool);
  const call = callOf(record);
  const { decision } = record;
  recordToolCall(ports, recorder, { call, ask, tool, decision, spanId, callId: id, startedAt }, end);
}

/** The stored call as its surface once understood it. */
export function callOf({ request }: ToolCallRecord): ToolCall {
  const { ask, tenant, traceHex, traceId, spanId, compensates } = request;
  const { key_id: keyId, roles, scopes } = ask.principal;
  const envelope: JsonObject = {
    actor: ask.actor,
    intent: ask.intent,
    tool_call: { name: ask.tool, args: ask.args },
  };
  return {
    context: {
      principal: { tenant, keyId, roles, scopes, actors: [ask.actor], isRoot: false },
      actor: ask.actor,
      trace: { shown: traceId, hex: traceHex },
      parent: { traceHex, parentId: spanId, isSampled: true, isRandom: false },
      session: ask.session,
      task: ask.task,
      intent: ask.intent,
      confidence: ask.confidence,
      endUser: ask.user,
      endUserOrigin: ask.user_origin,
      userPrompt: ask.user_prompt,
      release: ask.release,
      isConfirmed: ask.confirmed,
      allowedTools: undefined,
      credentials: [],
    },
    toolName: ask.tool,
    args: ask.args,
    constraints: ask.constraints,
    idempotencyKey: undefined,
    deadlineMs: null,
    isInSaga: request.isInSaga,
    compensates: compensates === null ? null : { callId: compensates, id: request.id },
    envelope,
  };
}
