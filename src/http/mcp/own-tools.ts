// The gateway's own tools on the endpoint that shows all: how a waiting call stands, and what would become of a call.
import type { Result } from "@modelcontextprotocol/server";
import { plainToolCall } from "../../core/call.ts";
import { refuse } from "../../core/errors.ts";
import { isJsonObject, type JsonObject } from "../../core/json/canonical.ts";
import { callMeta, finishedResult, refusalResult, withMeta } from "../../core/mcp/results.ts";
import { explainTo, toldDecision, toldRefusal } from "../../core/policy/disclosure.ts";
import { readTask, taskOf } from "../../gateway/mcp/tasks.ts";
import { toolMeant, type Reach } from "../../gateway/mcp/reach.ts";
import { preflight } from "../../gateway/preflight.ts";
import { deferOf } from "../context.ts";
import type { Asked } from "./serving.ts";

interface OwnTool {
  readonly description: string;
  readonly inputSchema: JsonObject;
  readonly answer: (asked: Asked, args: JsonObject) => Promise<Result>;
}

const READS = { readOnlyHint: true, openWorldHint: false };

const OWN_TOOLS: Readonly<Record<"approval_status" | "preflight", OwnTool>> = {
  approval_status: {
    description:
      "Tells how a tool call stands that waits for a person's approval, and its result once it was executed. Use the id that the waiting call's answer named.",
    inputSchema: {
      type: "object",
      properties: { id: { type: "string", description: "The id of the call, beginning with tc_" } },
      required: ["id"],
      additionalProperties: false,
    },
    answer: approvalStatus,
  },
  preflight: {
    description:
      "Tells what would become of a tool call without making it: whether it would be executed, wait for approval or be refused, and why.",
    inputSchema: {
      type: "object",
      properties: {
        tool: { type: "string", description: "The tool's name as it is listed here" },
        arguments: { type: "object", description: "The arguments of the call" },
      },
      required: ["tool"],
      additionalProperties: false,
    },
    answer: foretell,
  },
};

type OwnName = keyof typeof OWN_TOOLS;
const NAMES = Object.keys(OWN_TOOLS) as readonly OwnName[];

/** The name of an own tool; `null` at an endpoint of one server, whose names stay as they are. */
export function ownToolName({ view, config }: Reach, name: OwnName): string | null {
  const shown = `gateway${view.separator}${name}`;
  return view.server !== null || config.tool(`gateway.${name}`) !== undefined ? null : shown;
}

/** The own tools, as they are listed. */
export function ownToolList(reach: Reach): readonly JsonObject[] {
  return NAMES.flatMap((name) => {
    const shown = ownToolName(reach, name);
    const { description, inputSchema } = OWN_TOOLS[name];
    return shown === null ? [] : [{ name: shown, description, inputSchema, annotations: READS }];
  });
}

/** The answer of an own tool; `undefined` for a name that is none. */
export async function answerOwnTool(asked: Asked, shown: string, args: JsonObject): Promise<Result | undefined> {
  const name = NAMES.find(
    (each) =>
      ownToolName(asked.reach, each) === shown || (asked.reach.view.server === null && shown === `gateway.${each}`),
  );
  return name === undefined ? undefined : OWN_TOOLS[name].answer(asked, args);
}

async function approvalStatus(asked: Asked, { id }: JsonObject): Promise<Result> {
  const { serving, caller, reach } = asked;
  const { ports } = serving.c.var.runtime;
  if (typeof id !== "string") return refusalResult(refuse("invalid_arguments", "id: expected the id of a call"));
  const record = await readTask(ports, caller, reach, id);
  if (!record.ok) return refusalResult(record);
  const task = taskOf(record.value, reach, caller);
  if (task["status"] === "completed") {
    const isMcp = reach.config.tool(record.value.request.ask.tool)?.entry.kind === "mcp";
    const explain = explainTo(caller.context.principal, reach.config);
    return withMeta(finishedResult(record.value, isMcp, explain), callMeta(record.value, true));
  }
  return structured({ status: record.value.status, message: task["statusMessage"] ?? "", id });
}

async function foretell(asked: Asked, { tool: shown, arguments: given }: JsonObject): Promise<Result> {
  const { serving, caller, reach } = asked;
  const { runtime } = serving.c.var;
  if (typeof shown !== "string") return refusalResult(refuse("invalid_arguments", "tool: expected the name of a tool"));
  const tool = toolMeant(reach, shown);
  const args = isJsonObject(given) ? given : {};
  const { context } = caller;
  const name = tool?.name ?? shown;
  const envelope = { actor: context.actor, intent: context.intent, tool_call: { name, args } };
  const call = plainToolCall({ context, toolName: name, args, envelope });
  const explain = explainTo(context.principal, reach.config);
  const foreseen = await preflight(runtime.ports, call, runtime.recorder(deferOf(serving.c)));
  if (!foreseen.ok) return refusalResult(toldRefusal(foreseen, explain));
  const { would, decision, refusal } = foreseen.value;
  const told = toldDecision(decision, explain);
  return structured({
    would,
    effect: told.effect,
    reasons: told.reasons.map(({ rule_id, effect, message }) => ({ rule_id, effect, message })),
    policy_version: told.policy_version,
    ...(refusal === null ? {} : { refusal: { code: refusal.code, detail: toldRefusal(refusal, explain).detail } }),
  });
}

function structured(value: JsonObject): Result {
  return { content: [{ type: "text", text: JSON.stringify(value) }], structuredContent: value };
}
