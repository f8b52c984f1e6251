// Sequences the undoing of a call: its compensation is a governed call of its own, made once however often it is asked for.
import { accept, refuse, type ErrorCode, type Outcome, type Refusal } from "../core/errors.ts";
import { mapArguments } from "../core/policy/argument-mapping.ts";
import type { ActiveConfig } from "../core/config/published.ts";
import { plainToolCall, type ToolCall } from "../core/call.ts";
import type { CompensationOrder } from "../core/state/tool-call-after.ts";
import type { ToolCallRecord } from "../core/state/tool-call-record.ts";
import { upstreamKey } from "../core/units/identifier.ts";
import type { Ports, Recorder } from "./ports.ts";
import type { NamedCall } from "./release-call.ts";
import { callOf, recordStored } from "./stored-call.ts";
import { callTool } from "./tool-call.ts";

/** Whose rights undo a call: those of who asks; the call's own where the gateway undoes its saga. */
export interface Undoing extends NamedCall {
  readonly principal: CompensationOrder["principal"] | null;
  /** Whether a compensation that has failed is tried again. */
  readonly isRetry: boolean;
}

/**
 * Undoes a call that has succeeded, or answers how that stands. The order is on disk before the compensating call is
 * made; that call has its own decision and approval, and an id that follows from the call it undoes. Refuses
 * `not_found` and `not_compensable`.
 */
export async function compensateCall(
  ports: Ports,
  { tenant, id, principal, isRetry }: Undoing,
  recorder: Recorder,
): Promise<Outcome<ToolCallRecord>> {
  const record = await ports.toolCalls.read(tenant, id);
  if (record === undefined) return refuse("not_found", `tool call "${id}" is not here`);
  const config = await ports.configs.active(tenant);
  if (config === undefined) return refuse("not_configured", "the tenant has no published config");
  const order = orderOf(config, record, principal);
  if ("code" in order) return order;
  const reply = await ports.toolCalls.compensate(tenant, id, order, isRetry);
  if (reply.type === "not_compensable")
    return refuse("not_compensable", `the call is ${reply.record.status}: only one that has succeeded can be undone`);
  if (reply.type !== "compensating") return refuse("internal", `the call's object answered "${reply.type}"`);
  if (!reply.isNew) return accept(reply.record);
  await makeCompensation(ports, reply.record, recorder);
  const undone = (await ports.toolCalls.read(tenant, id)) ?? reply.record;
  const end = { type: "changed", record: undone, ...(principal === null ? {} : { by: principal.key_id }) } as const;
  const startedAt = ports.system.now();
  recordStored(ports, { config, recorder, spanId: ports.system.randomHex(8) }, { record, end, startedAt });
  return accept(undone);
}

/** Goes on with an order whose gateway may have died: the call is made, or found made. */
export async function continueCompensation(ports: Ports, { tenant, id }: NamedCall, recorder: Recorder): Promise<void> {
  const record = await ports.toolCalls.read(tenant, id);
  if (record?.status === "compensating") await makeCompensation(ports, record, recorder);
}

/** What is to be called to undo a call: as it was ordered before, or as the config says now. */
function orderOf(
  config: ActiveConfig,
  { request, outcome, status, compensation }: ToolCallRecord,
  principal: CompensationOrder["principal"] | null,
): CompensationOrder | Refusal {
  const entry = config.tool(request.ask.tool)?.entry.compensation;
  if (compensation !== null) return { ...compensation, principal: principal ?? compensation.principal };
  if (entry === undefined)
    return refuse("not_compensable", `tool "${request.ask.tool}" declares no compensation: a person has to undo it`);
  if (outcome?.status !== "succeeded")
    return refuse("not_compensable", `the call is ${status}: only one that has succeeded can be undone`);
  const { args } = request.ask;
  const call = { id: request.id, idempotency_key: upstreamKey(request.tenant, request.id) };
  const mapped = mapArguments(entry.args, { args, result: outcome.result, call });
  if (!mapped.ok)
    return refuse("not_compensable", `the call has nothing at ${mapped.missing.join(", ")}: a person has to undo it`);
  return { tool: entry.tool, args: mapped.args, principal: principal ?? request.ask.principal };
}

async function makeCompensation(ports: Ports, record: ToolCallRecord, recorder: Recorder): Promise<void> {
  const { compensation, request } = record;
  if (compensation === null) return;
  const { id } = compensation;
  const { outcome } = await callTool(ports, compensating(record, compensation), recorder);
  // Somebody else is making it, or it cannot be made at this instant: the call's object asks for it again.
  if (!outcome.ok && ASKED_AGAIN.has(outcome.code)) return;
  // What was answered now may be less than what is known: only the call's own record says what it did.
  const made = await ports.toolCalls.read(request.tenant, id);
  const status = made?.status ?? (outcome.ok ? "executing" : "refused");
  const message = outcome.ok ? messageOf(made) : outcome.detail;
  await ports.toolCalls.compensationStands(request.tenant, request.id, { id, status, message });
}

const ASKED_AGAIN: ReadonlySet<ErrorCode> = new Set([
  "call_in_flight",
  "tool_unavailable",
  "concurrency_limited",
  "rate_limited",
  "session_paused",
  "trace_store_down",
  "not_configured",
]);

function messageOf(record: ToolCallRecord | undefined): string | null {
  const outcome = record?.outcome ?? null;
  return outcome === null || outcome.status === "succeeded" ? null : outcome.message;
}

/** The compensating call: in the session, task and trace of the one it undoes, under no constraint but the policy. */
function compensating(
  record: ToolCallRecord,
  { id, tool, args, principal }: CompensationOrder & { readonly id: string },
): ToolCall {
  const call = callOf(record);
  const { key_id: keyId, roles, scopes } = principal;
  const { actor } = call.context;
  const intent = "compensation";
  const context = {
    ...call.context,
    principal: { ...call.context.principal, keyId, roles, scopes },
    intent,
    confidence: null,
    userPrompt: null,
    isConfirmed: false,
  };
  const envelope = { actor, intent, tool_call: { name: tool, args } };
  return {
    ...plainToolCall({ context, toolName: tool, args, envelope }),
    compensates: { callId: record.request.id, id },
  };
}
