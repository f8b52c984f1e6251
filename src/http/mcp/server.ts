// Builds the official MCP server for one request: what it offers, and who answers what.
import {
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type RequestMethod,
  type Result,
  type ServerCapabilities,
  type ServerContext,
} from "@modelcontextprotocol/server";
import * as z from "zod/mini";
import { textIn } from "../../core/json/canonical.ts";
import { TASKS_EXTENSION } from "../../core/mcp/meta.ts";
import { resourceHandlers } from "./resource-handlers.ts";
import { readAsked, type Answering, type Serving } from "./serving.ts";
import { sessionHandlers } from "./session-handlers.ts";
import { taskHandlers } from "./task-handlers.ts";
import { toolHandlers } from "./tool-handlers.ts";

/** Everything that the gateway may offer; what an endpoint really has is told when a client connects. */
export const ALL_CAPABILITIES: ServerCapabilities = {
  tools: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  prompts: { listChanged: true },
  completions: {},
  logging: {},
  extensions: { [TASKS_EXTENSION]: {} },
};

const ME = { name: "interlock", title: "Interlock", version: "0.1.0" };
/** How long clients may keep a list, in milliseconds: publishing a config or a kill switch changes it. */
const LIST_TTL_MS = 5_000;
const LIST_HINT = { ttlMs: LIST_TTL_MS, cacheScope: "private" } as const;

/** The official server, with results of the Tasks extension let through as they are. */
class GatewayServer extends Server {
  protected override _wrapHandler(
    ...[method, handler]: Parameters<Server["_wrapHandler"]>
  ): ReturnType<Server["_wrapHandler"]> {
    const wrapped = super._wrapHandler(method, handler);
    return async (request, ctx) => {
      const result = await wrapped(request, ctx);
      if (result["resultType"] !== "task") return result;
      // The official server takes a task for a tool's result and adds an empty content.
      const { content: _, ...task } = result;
      return task;
    };
  }
}

/** A server for one request, or one session's request, of a client. */
export function gatewayServer(serving: Serving, capabilities: ServerCapabilities): Server {
  const server = new GatewayServer(ME, {
    capabilities,
    cacheHints: {
      "tools/list": LIST_HINT,
      "prompts/list": LIST_HINT,
      "resources/list": LIST_HINT,
      "resources/templates/list": LIST_HINT,
      "server/discover": LIST_HINT,
    },
    requestState: { verify: (state, ctx) => serving.states.verify(state, ctx) },
  });
  const methods = [...toolHandlers, ...resourceHandlers, ...(serving.isModern ? [] : sessionHandlers)];
  for (const [method, answer] of methods)
    if (isOffered(method, capabilities))
      server.setRequestHandler(method, { params: Params }, (params, ctx) => answerOne(serving, answer, params, ctx));
  if (serving.isModern && capabilities.extensions !== undefined)
    for (const [method, answer] of taskHandlers)
      server.setRequestHandler(method, { params: Params }, (params, ctx) => answerOne(serving, answer, params, ctx));
  return server;
}

/** Parameters are read where they are used: what is missing is named then. */
const Params = z.looseObject({});
/** The text that a method cannot do without. */
const NEEDED: Readonly<Record<string, string>> = {
  "tools/call": "name",
  "prompts/get": "name",
  "resources/read": "uri",
  "resources/subscribe": "uri",
  "resources/unsubscribe": "uri",
  "logging/setLevel": "level",
  "tasks/get": "taskId",
  "tasks/update": "taskId",
  "tasks/cancel": "taskId",
};

const NEEDS: readonly (readonly [string, keyof ServerCapabilities])[] = [
  ["tools/", "tools"],
  ["resources/", "resources"],
  ["prompts/", "prompts"],
  ["completion/", "completions"],
  ["logging/", "logging"],
];

function isOffered(method: RequestMethod, capabilities: ServerCapabilities): boolean {
  const needed = NEEDS.find(([prefix]) => method.startsWith(prefix));
  return needed === undefined || capabilities[needed[1]] !== undefined;
}

async function answerOne(
  serving: Serving,
  answer: Answering,
  params: Readonly<Record<string, unknown>>,
  ctx: ServerContext,
): Promise<Result> {
  const { method } = ctx.mcpReq;
  const needed = NEEDED[method];
  if (needed !== undefined && textIn(params, needed) === undefined)
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, `params.${needed}: expected a text`);
  const subject = textIn(params, "name") ?? textIn(params, "uri") ?? method;
  return answer(await readAsked(serving, ctx, subject), params);
}
