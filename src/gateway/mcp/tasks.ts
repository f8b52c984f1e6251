// Tells a tool call that waits for people as an MCP task: its status, its result once it has one, its withdrawal.
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json/canonical.ts";
import { TASK_POLL_MS } from "../../core/mcp/ladder.ts";
import { shownName } from "../../core/mcp/names.ts";
import { callMeta, finishedResult, withMeta } from "../../core/mcp/results.ts";
import { explainTo } from "../../core/policy/disclosure.ts";
import type { ToolCallRecord } from "../../core/state/tool-call-record.ts";
import { isToolCallId } from "../../core/units/identifier.ts";
import { withdrawApproval } from "../decide-approval.ts";
import type { Ports, Recorder } from "../ports.ts";
import { withdrawCall } from "../release-call.ts";
import type { McpCaller, Reach } from "./reach.ts";

/** The call behind a task of this caller at this endpoint; refuses `not_found` for any other, whoever's it is. */
export async function readTask(
  ports: Pick<Ports, "toolCalls">,
  { context }: McpCaller,
  { view, config }: Reach,
  id: string,
): Promise<Outcome<ToolCallRecord>> {
  const { tenant, keyId } = context.principal;
  const record = isToolCallId(id) ? await ports.toolCalls.read(tenant, id) : undefined;
  const isOwn = record?.request.ask.actor === context.actor && record.request.ask.principal.key_id === keyId;
  const tool = isOwn ? config.tool(record.request.ask.tool) : undefined;
  const isShown = tool !== undefined && shownName(view, tool) !== undefined;
  return record !== undefined && isShown ? accept(record) : refuse("not_found", `no task "${id}" of this caller`);
}

/** A task as the Tasks extension spells it (SEP-2663), its result included once there is one. */
export function taskOf(record: ToolCallRecord, { config }: Reach, { context }: McpCaller): JsonObject {
  const { approval, createdAt, changedAt, status } = record;
  const expiry = approval?.expiresAt ?? null;
  const base = {
    taskId: record.request.id,
    createdAt: new Date(createdAt).toISOString(),
    lastUpdatedAt: new Date(changedAt).toISOString(),
    ttlMs: expiry === null ? null : Math.max(0, expiry - createdAt),
    pollIntervalMs: TASK_POLL_MS,
  };
  if (status === "approval_withdrawn" || status === "withdrawn")
    return { ...base, status: "cancelled", statusMessage: "the call was taken back before it was executed" };
  const working = WORKING[status];
  if (working !== undefined) return { ...base, status: "working", statusMessage: messageOf(record, working) };
  const isMcp = config.tool(record.request.ask.tool)?.entry.kind === "mcp";
  // Denied and expired are answers to the task, not failures of it.
  const result = finishedResult(record, isMcp, explainTo(context.principal, config));
  const complete = { resultType: "complete", ...withMeta(result, callMeta(record, true)) };
  return { ...base, status: "completed", result: complete };
}

const WORKING: Partial<Record<ToolCallRecord["status"], string>> = {
  pending_approval: "waits for a person's approval; it was not executed",
  drafted: "was kept as a draft for a person to execute; it was not executed",
  held: "is held for its undo window; it was not sent",
  executing: "is being executed",
};

function messageOf({ approval, status }: ToolCallRecord, working: string): string {
  if (status !== "pending_approval" || approval === null) return working;
  const who = approval.requirements.map(({ count, roles }) => `${count} of ${roles.join(" or ")}`);
  return `${working}: ${who.join(", and ")}, until ${new Date(approval.expiresAt).toISOString()}`;
}

/** Takes back a call that still waits; one that is past that goes on. */
export async function cancelTask(
  ports: Ports,
  { context }: McpCaller,
  record: ToolCallRecord,
  recorder: Recorder,
): Promise<void> {
  const { tenant, keyId } = context.principal;
  const { approval, status, request } = record;
  if (status === "held") await withdrawCall(ports, { tenant, id: request.id, by: keyId }, recorder);
  if (approval === null || status !== "pending_approval") return;
  await withdrawApproval(ports, { tenant, approval: approval.id, by: keyId }, recorder);
}
