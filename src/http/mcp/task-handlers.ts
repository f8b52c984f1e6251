// Answers the Tasks extension (SEP-2663): a task is a tool call of the caller's that waits for people.
import type { Result } from "@modelcontextprotocol/server";
import { refuse } from "../../core/errors.ts";
import { isJsonObject } from "../../core/json/canonical.ts";
import { TASKS_EXTENSION } from "../../core/mcp/meta.ts";
import type { ToolCallRecord } from "../../core/state/tool-call-record.ts";
import { cancelTask, readTask, taskOf } from "../../gateway/mcp/tasks.ts";
import { MissingRequiredClientCapabilityError } from "@modelcontextprotocol/server";
import { deferOf } from "../context.ts";
import { protocolError } from "./errors.ts";
import type { Answering, Asked } from "./serving.ts";

/** The handlers, by method. */
export const taskHandlers: readonly (readonly [string, Answering])[] = [
  ["tasks/get", getTask],
  ["tasks/update", updateTask],
  ["tasks/cancel", cancel],
];

async function ownTask({ serving, caller, capabilities }: Asked, taskId: unknown): Promise<ToolCallRecord> {
  const { extensions } = capabilities;
  if (!isJsonObject(extensions) || !isJsonObject(extensions[TASKS_EXTENSION]))
    throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } } });
  const found = await readTask(serving.c.var.runtime.ports, caller, String(taskId));
  if (!found.ok) throw protocolError(found);
  return found.value;
}

async function getTask(asked: Asked, { taskId }: Readonly<Record<string, unknown>>): Promise<Result> {
  return taskOf(await ownTask(asked, taskId), asked.reach, asked.caller);
}

/** No task of ours asks its requester for anything: who asked for a call cannot approve it. */
async function updateTask(asked: Asked, { taskId }: Readonly<Record<string, unknown>>): Promise<Result> {
  await ownTask(asked, taskId);
  throw protocolError(
    refuse("invalid_request", "taskId: expected a task that asks for input; this one waits for an approver"),
  );
}

async function cancel(asked: Asked, { taskId }: Readonly<Record<string, unknown>>): Promise<Result> {
  const { c } = asked.serving;
  const record = await ownTask(asked, taskId);
  const { runtime } = c.var;
  await cancelTask(runtime.ports, asked.caller, record, runtime.recorder(deferOf(c)));
  return {};
}
