// Decides a call once more right before it is sent, where the tenant has published another config since it was decided.
import type { ActiveConfig } from "../core/config/published.ts";
import { decide, type Decision } from "../core/policy/decision.ts";
import type { Switch } from "../core/policy/switches.ts";
import type { ToolOutcome } from "../core/policy/tool-outcome.ts";
import { unasked } from "../core/state/approval.ts";
import type { Controls } from "../core/state/tenant-ledger.ts";
import type { ToolCallRecord } from "../core/state/tool-call-record.ts";
import type { Ports } from "./ports.ts";
import { prepareCall, storedRef } from "./tool-ask.ts";

/**
 * What a config that became active since the decision makes of a call whose intent is on disk: `undefined` where it
 * lets it run as it is. A tool whose definition changed is another tool. Nothing that cannot be decided is sent.
 */
export async function changedPolicy(
  ports: Ports,
  { config, record }: { readonly config: ActiveConfig; readonly record: ToolCallRecord },
  { activeVersion, switches }: Controls,
): Promise<ToolOutcome | undefined> {
  if (activeVersion === config.published.version) return undefined;
  const { tenant, ask, definitionDigest } = record.request;
  const active = await ports.configs.active(tenant);
  if (active === undefined || active.published.version === config.published.version) return undefined;
  const changed = "the policy changed before the call was sent";
  if (active.tool(ask.tool)?.definitionDigest !== definitionDigest)
    return refused("policy_denied", `${changed}: its tool is gone, or is another one`);
  const decision = await decideAgain(ports, { config: active, record, switches });
  if (decision === undefined) return refused("policy_denied", `${changed}: its arguments no longer fit`);
  const said = decision.reasons.filter((each) => each.effect === decision.effect).map((each) => each.message);
  if (decision.effect === "deny") return refused("policy_denied", `${changed}: ${said.join("; ")}`);
  return isCovered(record, decision, active)
    ? undefined
    : refused("approval_required", `${changed}: ${said.join("; ")}`);
}

function refused(code: "policy_denied" | "approval_required", message: string): ToolOutcome {
  return { status: "failed", code, message: `${message}; nothing was sent`, httpStatus: null, result: null };
}

function isCovered({ approval }: ToolCallRecord, decision: Decision, config: ActiveConfig): boolean {
  if (decision.effect === "allow") return true;
  return approval !== null && unasked({ ...approval, draft: config.draftTerms }, decision).length === 0;
}

/** Whether the policy, the switches and the session of this instant let a recorded call be sent once more. */
export async function isStillAllowed(
  ports: Ports,
  { config, record }: { readonly config: ActiveConfig; readonly record: ToolCallRecord },
): Promise<boolean> {
  const { switches } = await ports.controls.current(record.request.tenant);
  const again = await decideAgain(ports, { config, record, switches, isPauseAsked: true });
  return again !== undefined && !again.isPaused && again.effect !== "deny" && isCovered(record, again, config);
}

/** The whole decision of this instant, its session's rules included; the call itself is not one before it. */
async function decideAgain(
  ports: Ports,
  {
    config,
    record,
    switches,
    isPauseAsked = false,
  }: {
    readonly config: ActiveConfig;
    readonly record: ToolCallRecord;
    readonly switches: readonly Switch[];
    readonly isPauseAsked?: boolean;
  },
): Promise<(Decision & { readonly isPaused: boolean }) | undefined> {
  const { tenant, ask, id, spanId } = record.request;
  // What breakers say was asked when the call was let through.
  const prepared = prepareCall(config, ask, { switches, breakers: [], now: ports.system.now() });
  if (!prepared.ok) return undefined;
  const { policy, decision: atEdge } = prepared.value;
  if (policy.rules.length === 0 && !isPauseAsked) return { ...atEdge, isPaused: false };
  const ref = storedRef(record.request, config.policyVersion, spanId);
  const { reasons, pause } = await ports.sessions.consult(tenant, ask.session, { policy, ref, callId: id });
  const decision = decide({ reasons: [...policy.reasons, ...reasons], standby: policy.standby }, policy.version);
  return { ...decision, isPaused: pause !== null };
}
