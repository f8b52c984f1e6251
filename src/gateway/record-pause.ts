// Builds the record of a session that the gateway itself has paused: its policy stops and asks, and a call has brought that about.
import { sha256Hex } from "../core/json/digest.ts";
import type { SessionPause, SessionReply } from "../core/state/session-messages.ts";
import { ACT_ATTR, actTrace } from "../core/trace/act.ts";
import type { CallContext } from "../core/call.ts";
import type { ModelPorts, Recorder } from "./ports.ts";
import { recordAct } from "./record-act.ts";

/**
 * Records the pause that a ledger's refusal tells of, where the call itself has brought it about: one that stood before
 * the call began is recorded already. Calls that meet the same pause at once tell the same record, which is stored once.
 */
export function recordPause(
  ports: Pick<ModelPorts, "system">,
  recorder: Recorder,
  {
    context,
    startedAt,
    spanId,
  }: { readonly context: CallContext; readonly startedAt: number; readonly spanId: string },
  reply: SessionReply,
): void {
  if (reply.type !== "session_paused" || !isOwn(reply.pause) || reply.pause.at < startedAt) return;
  const { rule_id, message, at } = reply.pause;
  const { principal, session, actor, trace } = context;
  const { tenant } = principal;
  const name = sha256Hex(`pause\n${tenant}\n${session}\n${at}\n${rule_id}`).slice(0, 16);
  recordAct(
    ports,
    recorder,
    {
      tenant,
      kind: "session",
      traceHex: actTrace("session", tenant, session),
      session,
      actor,
      subject: "session",
      status: "paused",
      by: "gateway",
      reason: message,
      attributes: {
        [ACT_ATTR.pauseRule]: rule_id,
        [ACT_ATTR.pausedBy]: `${trace.shown}#${spanId}`,
      },
    },
    { spanId: name, now: at },
  );
}

/** Whether the gateway paused it; a person's pause is recorded as that person's act. */
function isOwn({ kind, rule_id }: SessionPause): boolean {
  return kind === "paused" && rule_id !== "person";
}
