// Sequences the end of an undo window: the held call is decided and admitted once more, and sent, once; or taken back before.
import { decide, type Decision } from "../core/policy/decision.ts";
import { breakerState, probeKeys } from "../core/policy/upstream.ts";
import type { Controls } from "../core/state/tenant-ledger.ts";
import { accept, refuse, type Outcome } from "../core/errors.ts";
import type { ActiveConfig } from "../core/config/published.ts";
import type { ToolCallRecord } from "../core/state/tool-call-record.ts";
import { voteRefusal, withdrawApproval } from "./decide-approval.ts";
import type { LedgerAsk, Ports, Recorder } from "./ports.ts";
import { executeStored, recordStored } from "./stored-call.ts";
import { ledgerAsk, nothingAsked, prepareCall, storedRef } from "./tool-ask.ts";
import { approvalId } from "../core/state/approval.ts";

/** A call of a tenant. */
export interface NamedCall {
  readonly tenant: string;
  readonly id: string;
}

/**
 * Sends a held call whose time has come. It is decided anew on the config, switches and session of this instant: what
 * they no longer allow is denied, and costs nothing. While its session is paused it stays held; when it has been ended
 * the call is taken back. A repeat finds it sent.
 */
export async function releaseCall(ports: Ports, { tenant, id }: NamedCall, recorder: Recorder): Promise<void> {
  const record = await ports.toolCalls.read(tenant, id);
  if (record?.status !== "held") return;
  const config = await ports.configs.active(tenant);
  if (config === undefined) return;
  const spanId = ports.system.randomHex(8);
  const controls = await ports.controls.current(tenant);
  if (isLeftAlone(config, record, { ...controls, now: ports.system.now() })) return;
  const { decision, ask } = decideNow(ports, config, { record, spanId, controls });
  const reply = await ports.toolCalls.release(tenant, id, { decision, draft: config.draftTerms, ...ask });
  const around = { config, recorder, spanId };
  const startedAt = ports.system.now();
  if ("ledger" in reply) {
    const isOver = reply.ledger.type === "session_paused" && reply.ledger.pause.kind === "ended";
    if (isOver) await withdrawCall(ports, { tenant, id, by: "session" }, recorder);
  } else if (reply.call.type === "execute") {
    await executeStored(ports, { ...around, probes: probeKeys(ask.policy) }, reply.call.record);
  } else if (reply.call.type === "denied") {
    recordStored(ports, around, { record, end: { type: "changed", record: reply.call.record }, startedAt });
  }
}

/** Whether the call's tool keeps failing: a held call waits for it, as it waited for its time. */
function isLeftAlone(
  config: ActiveConfig,
  { request }: ToolCallRecord,
  around: Pick<Controls, "breakers"> & { readonly now: number },
): boolean {
  const tool = config.tool(request.ask.tool);
  return tool !== undefined && breakerState(tool.name, tool.entry, around).phase === "open";
}

/** What the policy of this instant says to a held call, as far as the edge can tell, and how to ask its session. */
function decideNow(
  ports: Ports,
  config: ActiveConfig,
  {
    record: { request },
    spanId,
    controls,
  }: { readonly record: ToolCallRecord; readonly spanId: string; readonly controls: Controls },
): { readonly decision: Decision; readonly ask: LedgerAsk } {
  const ref = storedRef(request, config.policyVersion, spanId);
  const prepared = prepareCall(config, request.ask, { ...controls, now: ports.system.now() });
  if (prepared.ok && prepared.value.tool.definitionDigest === request.definitionDigest)
    return { decision: prepared.value.decision, ask: ledgerAsk(config, prepared.value, ref) };
  const message = "the tool changed, or is gone, while the call was held";
  const reasons = [{ rule_id: "tool.known", effect: "deny", message } as const];
  const decision = decide({ reasons, standby: null }, config.policyVersion);
  return { decision, ask: nothingAsked(ref) };
}

/** Takes back a call that is held or waits for people; refuses `not_found` and `call_sent`. */
export async function withdrawCall(
  ports: Ports,
  { tenant, id, by }: NamedCall & { readonly by: string },
  recorder: Recorder,
): Promise<Outcome<ToolCallRecord>> {
  const record = await ports.toolCalls.read(tenant, id);
  if (record === undefined) return refuse("not_found", `tool call "${id}" is not here`);
  if (record.status === "pending_approval" || record.status === "drafted")
    return withdrawApproval(ports, { tenant, approval: approvalId(id), by }, recorder);
  if (record.status === "withdrawn") return accept(record);
  if (record.status !== "held")
    return refuse("call_sent", `the call is ${record.status}: only one that is held or waits can be withdrawn`);
  const reply = await ports.toolCalls.withdraw(tenant, id, null);
  if (reply.type === "vote_refused") return voteRefusal(reply.why, reply.record);
  if (reply.type !== "withdrawn") return refuse("call_sent", "the call was sent meanwhile");
  const config = await ports.configs.active(tenant);
  const startedAt = ports.system.now();
  const end = { type: "changed", record: reply.record, by } as const;
  if (config !== undefined)
    recordStored(ports, { config, recorder, spanId: ports.system.randomHex(8) }, { record, end, startedAt });
  return accept(reply.record);
}
