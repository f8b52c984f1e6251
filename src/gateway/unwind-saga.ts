// Sequences the undoing of a saga: its members in reverse order, past those that cannot be undone, and an exact report.
import type { ToolCall } from "../core/call.ts";
import { accept, refuse, type Outcome } from "../core/errors.ts";
import { sagaReport, type SagaMember, type SagaReport } from "../core/state/tool-call-after.ts";
import type { ToolCallRecord } from "../core/state/tool-call-record.ts";
import { compensateCall, type Undoing } from "./compensate-call.ts";
import type { Ports, Recorder } from "./ports.ts";
import { withdrawCall, type NamedCall } from "./release-call.ts";
import { recordStored } from "./stored-call.ts";
import { callTool, type ToolCallAnswer } from "./tool-call.ts";

/** A member that runs is waited for this long before it is reported as running. */
const WAIT_MS = 30_000;

/**
 * Makes one governed tool call; when it fails as a member of a saga, the saga's other members are undone before the
 * answer leaves. Should the gateway die meanwhile, the call's object asks for the rest.
 */
export async function callToolInSaga(ports: Ports, call: ToolCall, recorder: Recorder): Promise<ToolCallAnswer> {
  const answer = await callTool(ports, call, recorder);
  const { outcome } = answer;
  const hasFailed = outcome.ok && !outcome.value.isReplay && outcome.value.record.status === "failed";
  if (!call.isInSaga || !hasFailed) return answer;
  const { request } = outcome.value.record;
  const undone = await unwindSaga(ports, { tenant: request.tenant, id: request.id, principal: null }, recorder);
  if (!undone.ok) return answer;
  return { ...answer, outcome: accept({ record: undone.value, isReplay: false }), record: undone.value };
}

/**
 * Undoes the saga that a call is a member of, on request or because that call has failed: closes it, so that nothing
 * joins it any more, takes back what is held, and undoes what has succeeded, last first. What cannot be undone is
 * passed over and reported with the call. Refuses `not_found`, and `not_compensable` for a call outside any saga.
 */
export async function unwindSaga(
  ports: Ports,
  { tenant, id, principal }: Omit<Undoing, "isRetry">,
  recorder: Recorder,
): Promise<Outcome<ToolCallRecord>> {
  const record = await ports.toolCalls.read(tenant, id);
  if (record === undefined) return refuse("not_found", `tool call "${id}" is not here`);
  const { session, task } = record.request.ask;
  if (!record.request.isInSaga || task === null)
    return refuse("not_compensable", "the call is no member of a saga: it was not sent with `saga: true`");
  const { members } = await ports.sessions.saga(tenant, session, { task, isClosing: true });
  const undone: SagaMember[] = [];
  for (const { callId } of members.toReversed())
    undone.push(...(await undo(ports, { tenant, id: callId, principal }, recorder)));
  const report = sagaReport(task, undone);
  await ports.toolCalls.unwound(tenant, id, report);
  return accept(await recordReport(ports, { record, report, recorder }));
}

/** Goes on with what a member's object asks for: a saga that is to be undone, or one that was undone without it. */
export async function continueUnwinding(ports: Ports, { tenant, id }: NamedCall, recorder: Recorder): Promise<void> {
  const record = await ports.toolCalls.read(tenant, id);
  if (record === undefined) return;
  const { session, task } = record.request.ask;
  if (task === null) return;
  const { isClosed } = await ports.sessions.saga(tenant, session, { task, isClosing: false });
  if (record.status === "succeeded" && !isClosed) {
    await ports.toolCalls.unwound(tenant, id, null);
    return;
  }
  await unwindSaga(ports, { tenant, id, principal: null }, recorder);
}

async function undo(
  ports: Ports,
  undoing: Omit<Undoing, "isRetry">,
  recorder: Recorder,
): Promise<readonly SagaMember[]> {
  const { tenant, id } = undoing;
  const held = await ports.toolCalls.read(tenant, id);
  if (held?.status === "held") await withdrawCall(ports, { tenant, id, by: "saga" }, recorder);
  const record = await ports.toolCalls.read(tenant, id, WAIT_MS);
  if (record === undefined) return [{ tool_call_id: id, tool: "", status: "forgotten" }];
  const tool = record.request.ask.tool;
  const member = (status: string, message?: string | null): readonly SagaMember[] => [
    { tool_call_id: id, tool, status, ...(message == null ? {} : { message }) },
  ];
  if (record.status !== "succeeded") return member(record.status, record.compensation?.message);
  if (record.request.effect === "read") return member("no_effect");
  const undone = await compensateCall(ports, { ...undoing, isRetry: false }, recorder);
  if (!undone.ok) return member("not_compensable", undone.detail);
  const { status, compensation } = undone.value;
  return member(status, compensation?.message ?? waitingFor(compensation?.status));
}

function waitingFor(status: string | undefined): string | null {
  return status === "pending_approval" ? "its compensation waits for people" : null;
}

async function recordReport(
  ports: Ports,
  around: { readonly record: ToolCallRecord; readonly report: SagaReport; readonly recorder: Recorder },
): Promise<ToolCallRecord> {
  const { record, report, recorder } = around;
  const { tenant, id } = record.request;
  const told = (await ports.toolCalls.read(tenant, id)) ?? { ...record, saga: report };
  const config = await ports.configs.active(tenant);
  if (config === undefined) return told;
  const end = { type: "changed", record: told } as const;
  const startedAt = ports.system.now();
  recordStored(ports, { config, recorder, spanId: ports.system.randomHex(8) }, { record, end, startedAt });
  return told;
}
