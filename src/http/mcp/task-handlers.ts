// Answers the Tasks extension (SEP-2663): a task is a tool call of the caller's that waits for people.
import type { Result } from "@modelcontextprotocol/server";
import * as z from "zod/mini";
import { refuse } from "../../core/errors.ts";
import { isJsonObject } from "../../core/json/canonical.ts";
import { TASKS_EXTENSION } from "../../core/mcp/meta.ts";
import type { ToolCallRecord } from "../../core/state/tool-call-record.ts";
import { cancelTask, readTask, taskOf } from "../../gateway/mcp/tasks.ts";
import { MissingRequiredClientCapabilityError } from "@modelcontextprotocol/server";
import { deferOf } from "../context.ts";
import { protocolError } from "./errors.ts";
import type { Answering, Asked } from "./serving.ts";

const TaskParams = z.looseObject({ taskId: z.string() });

/** The handlers, with the shape of what they are sent. */
export const taskHandlers: readonly {
  readonly method: string;
  readonly params: typeof TaskParams;
  readonly answer: Answering;
}[] = [
  { method: "tasks/get", params: TaskParams, answer: getTask },
  { method: "tasks/update", params: TaskParams, answer: updateTask },
  { method: "tasks/cancel", params: TaskParams, answer: cancel },
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
