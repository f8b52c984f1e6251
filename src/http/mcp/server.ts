// Builds the official MCP server for one request: what it offers, and who answers what.
import {
  Server,
  type RequestMethod,
  type Result,
  type ServerCapabilities,
  type ServerContext,
} from "@modelcontextprotocol/server";
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
  const declared = { ...ALL_CAPABILITIES, ...capabilities };
  for (const [method, answer] of [...toolHandlers, ...resourceHandlers, ...(serving.isModern ? [] : sessionHandlers)])
    if (isOffered(method, capabilities))
      server.setRequestHandler(method, (request, ctx) => answerOne(serving, answer, request, ctx) as never);
  if (serving.isModern && declared.extensions !== undefined)
    for (const { method, params, answer } of taskHandlers)
      server.setRequestHandler(method, { params }, (sent, ctx) => answerOne(serving, answer, { params: sent }, ctx));
  return server;
}

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
  { params = {} }: { readonly params?: Readonly<Record<string, unknown>> | undefined },
  ctx: ServerContext,
): Promise<Result> {
  const { name, uri } = params;
  const subject = [name, uri].find((each) => typeof each === "string") ?? ctx.mcpReq.method;
  return answer(await readAsked(serving, ctx, subject), params);
}
