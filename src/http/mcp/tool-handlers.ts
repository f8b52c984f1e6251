// Answers `tools/list` and `tools/call`: what the caller may use, and the governed call.
import { inputRequired, type InputRequests, type RequestMethod, type Result } from "@modelcontextprotocol/server";
import { isJsonObject, type JsonObject } from "../../core/json/canonical.ts";
import { META } from "../../core/mcp/meta.ts";
import { withMeta } from "../../core/mcp/results.ts";
import type { ResolvedTool } from "../../core/config/published.ts";
import type { ToolCallRecord } from "../../core/state/tool-call-record.ts";
import { readIdempotencyKey } from "../../core/units/idempotency-key.ts";
import { callMcpTool, type CallState, type McpAnswer } from "../../gateway/mcp/call-tool.ts";
import { listMcpTools } from "../../gateway/mcp/list-tools.ts";
import { toolMeant } from "../../gateway/mcp/reach.ts";
import { withShownUris } from "../../gateway/mcp/relay.ts";
import { taskOf } from "../../gateway/mcp/tasks.ts";
import { deferOf } from "../context.ts";
import { protocolError } from "./errors.ts";
import { answerOwnTool, ownToolList, ownToolName } from "./own-tools.ts";
import { signedSession, type Answering, type Asked } from "./serving.ts";

/** The handlers, by method. */
export const toolHandlers: readonly (readonly [RequestMethod, Answering])[] = [
  ["tools/list", listTools],
  ["tools/call", callOne],
];

/** Tools on one page. */
const PAGE = 200;

async function listTools({ serving, reach }: Asked, params: Readonly<Record<string, unknown>>): Promise<Result> {
  const { cursor } = params;
  const listed = [...(await listMcpTools(serving.c.var.runtime.ports, reach)), ...ownToolList(reach)];
  // A cursor is the last name of the page before: what was added or taken away since shifts nothing.
  const from = typeof cursor === "string" ? listed.findIndex((tool) => tool["name"] === cursor) + 1 : 0;
  const tools = listed.slice(from, from + PAGE);
  const last = tools.at(-1)?.["name"];
  const isMore = from + PAGE < listed.length && typeof last === "string";
  return { tools, ...(isMore ? { nextCursor: last } : {}) };
}

async function callOne(asked: Asked, params: Readonly<Record<string, unknown>>): Promise<Result> {
  const name = String(params["name"]);
  const args = isJsonObject(params["arguments"]) ? params["arguments"] : {};
  const tool = toolMeant(asked.reach, name);
  if (tool === undefined) {
    const own = await answerOwnTool(asked, name, args);
    if (own !== undefined) return own;
  }
  const answer = await governed(asked, { tool, name, args });
  return rendered(asked, tool, answer);
}

/** One governed call of a tool, or of what reads resources and prompts. */
export async function governed(
  asked: Asked,
  { tool, name, args }: { readonly tool: ResolvedTool | undefined; readonly name: string; readonly args: JsonObject },
): Promise<McpAnswer> {
  const { serving, caller, reach, capabilities, exchange, ctx, isSessionNamed } = asked;
  const { c } = serving;
  const { runtime } = c.var;
  const key = readIdempotencyKey(keyOf(asked));
  if (!key.ok) return { type: "refused", refusal: key };
  const defer = deferOf(c);
  const { context } = caller;
  const calling = callMcpTool(
    runtime.ports,
    {
      caller,
      reach,
      tool,
      asked: name,
      args,
      capabilities,
      isModern: serving.isModern,
      state: ctx.mcpReq.requestState<CallState>(),
      inputResponses: ctx.mcpReq.inputResponses as JsonObject | undefined,
      // Cancelling reaches the server: a write that was on its way then has an unknown outcome, which is what it has.
      exchange,
      idempotencyKey: key.value,
      askedBy: isSessionNamed ? context.session : `${context.principal.keyId}/${context.endUser ?? ""}`,
      statusTool: ownToolName(reach, "approval_status"),
      pageOf: (record) => pageOf(asked, record),
    },
    runtime.recorder(defer),
  );
  defer(calling.catch(() => undefined));
  return calling;
}

function keyOf({ serving, ctx }: Asked): string | undefined {
  const own = (ctx.mcpReq._meta as JsonObject | undefined)?.[META.idempotencyKey];
  return typeof own === "string" ? own : serving.c.req.header("idempotency-key");
}

/** What no config can name an approver: this link goes to who asks, and is enough for nobody. */
const NO_APPROVER = "@mcp";

/** The page on which people decide: it asks for an approver's key, and shows nothing of the call before. */
async function pageOf({ serving: { c } }: Asked, record: ToolCallRecord): Promise<string | null> {
  const { approval, request } = record;
  if (approval === null) return null;
  const { runtime } = c.var;
  const token = await runtime.ports.links.sign({
    tenant: request.tenant,
    approval: approval.id,
    approver: NO_APPROVER,
    digest: approval.digest,
    expiresAt: approval.expiresAt,
  });
  return `${(runtime.publicUrl ?? new URL(c.req.url).origin).replace(/\/$/, "")}/approve/${token}`;
}

/** An answer as its client reads it; throws what is an error of the protocol. */
export async function rendered(asked: Asked, tool: ResolvedTool | undefined, answer: McpAnswer): Promise<Result> {
  const { serving, caller, reach, ctx } = asked;
  switch (answer.type) {
    case "result": {
      const server = tool?.entry.mcp?.server;
      const result = server === undefined ? answer.result : withShownUris(reach.view, server, answer.result);
      return serving.session === null ? withMeta(result, { [META.session]: await signedSession(asked) }) : result;
    }
    case "input_required":
      return inputRequired({
        inputRequests: answer.inputRequests as unknown as InputRequests,
        requestState: await serving.states.mint(answer.state, ctx),
      });
    case "task":
      return { ...taskOf(answer.record, reach, caller), resultType: "task" };
    case "refused":
      throw protocolError(answer.refusal);
    default:
      return answer satisfies never;
  }
}
