// Routes of MCP servers: which are configured, what one offers now beside what was accepted, and taking that over.
import * as z from "zod/mini";
import { accept, type Outcome } from "../../core/errors.ts";
import { FLAG_KINDS } from "../../core/mcp/instruction-patterns.ts";
import type { Principal } from "../../core/principal.ts";
import {
  acceptDefinitions,
  listServers,
  reviewServer,
  type ConfiguredServer,
  type ReviewedServer,
  type ReviewedTool,
} from "../../gateway/review-definitions.ts";
import type { HttpContext } from "../context.ts";
import { problem } from "./errors.ts";
import { pathParameter, readBody, type ApiRoute, type Parameter } from "./route.ts";
import { tenantOf } from "./tenant.ts";

const ServerView = z.object({
  server: z.string(),
  url: z.string(),
  service: z.nullable(z.string()),
  pin: z.enum(["tool", "server"]),
  /** Digest of the accepted set of definitions. */
  pinned_digest: z.string(),
  accepted: z.int(),
});
const FlagView = z.object({
  tool: z.string(),
  path: z.string(),
  kind: z.enum(FLAG_KINDS),
  severity: z.enum(["warn", "danger"]),
  /** What stands there; characters that are not seen are written out. */
  excerpt: z.string(),
});
const ChangeView = z.object({
  path: z.string(),
  kind: z.enum(["added", "removed", "changed"]),
  before: z.optional(z.unknown()),
  after: z.optional(z.unknown()),
  says: z.string(),
});
const ToolView = z.object({
  name: z.string(),
  state: z.enum(["accepted", "changed", "new", "removed", "unusable"]),
  /** What its calls would count as. */
  effect: z.enum(["read", "write", "irreversible"]),
  /** Whether the config leaves it out. */
  hidden: z.boolean(),
  /** Why it can be no tool. */
  unusable: z.nullable(z.string()),
  accepted_digest: z.nullable(z.string()),
  current_digest: z.nullable(z.string()),
  /** As the server sends it now. */
  definition: z.nullable(z.record(z.string(), z.unknown())),
  diff: z.array(ChangeView),
  flags: z.array(FlagView),
});
const ReviewView = z.object({
  ...ServerView.shape,
  protocol_version: z.string(),
  server_info: z.object({ name: z.string(), version: z.string() }),
  instructions: z.nullable(z.string()),
  current_digest: z.string(),
  tools: z.array(ToolView),
});
const Acceptance = z.strictObject({
  /** `current_digest` of what was read: if the server offers something else by now, nothing is taken over. */
  digest: z.string().check(z.regex(/^[0-9a-f]{64}$/, "expected the `current_digest` that you have seen")),
  /** Only these; every one when left out. */
  tools: z.optional(
    z.array(z.string().check(z.minLength(1), z.maxLength(128))).check(z.minLength(1), z.maxLength(1_000)),
  ),
  /** Takes definitions over although they read like orders to the model. */
  flags: z.optional(z.literal("accepted")),
  reason: z.optional(z.string().check(z.maxLength(500))),
});
const AcceptedView = z.object({
  server: z.string(),
  status: z.enum(["accepted", "unchanged"]),
  /** The active config version. */
  version: z.int(),
  pinned_digest: z.string(),
  /** The tools whose definition came, changed or went. */
  tools: z.array(z.string()),
});

const SERVER: Parameter = { name: "server", in: "path", description: "A server under `mcp.servers`", required: true };
const UNREACHABLE = {
  404: { description: "No such server in the active config" },
  502: { description: "The server could not be used" },
  504: { description: "The server did not answer in time" },
} as const;

/** The routes. */
export const mcpServerRoutes: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/mcp/servers",
    operationId: "listMcpServers",
    summary: "List the MCP servers of the active config, each with what was accepted of it",
    tag: "mcp",
    permission: "mcp.read",
    responses: { 200: { description: "The servers", schema: z.object({ data: z.array(ServerView) }) } },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      return Response.json({ data: (await listServers(c.var.runtime.ports, tenant.value)).map(serverView) });
    },
  },
  {
    method: "GET",
    path: "/v1/mcp/servers/:server",
    operationId: "readMcpServer",
    summary: "Ask an MCP server what it offers now, and compare it with what was accepted",
    tag: "mcp",
    permission: "mcp.read",
    parameters: [SERVER],
    responses: {
      200: { description: "Every tool with its state, diff and flags", schema: ReviewView },
      ...UNREACHABLE,
    },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const found = await reviewServer(c.var.runtime.ports, tenant.value, pathParameter(c, "server"));
      return found.ok ? Response.json(reviewView(found.value)) : problem(found);
    },
  },
  {
    method: "POST",
    path: "/v1/mcp/servers/:server/accept",
    operationId: "acceptMcpDefinitions",
    summary: "Publish a config version that pins what an MCP server offers now",
    tag: "mcp",
    permission: "mcp.write",
    parameters: [SERVER],
    body: Acceptance,
    responses: {
      200: { description: "What was taken over", schema: AcceptedView },
      409: { description: "A definition reads like orders to the model, and `flags` does not accept that" },
      412: { description: "The server offers something else than was seen, or the config changed meanwhile" },
      422: { description: "Rules that do not fit the new schemas, each with its mistakes" },
      ...UNREACHABLE,
    },
    answer: postAccept,
  },
];

async function postAccept(c: HttpContext): Promise<Response> {
  const asked = await readAcceptance(c);
  if (!asked.ok) return problem(asked);
  const { principal, body } = asked.value;
  const { ports, deployment } = c.var.runtime;
  const reason = body.reason?.trim() ?? "";
  const done = await acceptDefinitions(ports, deployment, principal, {
    server: pathParameter(c, "server"),
    digest: body.digest,
    tools: body.tools,
    mayHaveFlags: body.flags === "accepted",
    reason: reason === "" ? null : reason,
  });
  if (!done.ok) return problem(done);
  const { published, version, set, tools } = done.value;
  const view: z.infer<typeof AcceptedView> = {
    server: pathParameter(c, "server"),
    status: published === null ? "unchanged" : "accepted",
    version,
    pinned_digest: set,
    tools: [...tools],
  };
  return Response.json(view);
}

async function readAcceptance(
  c: HttpContext,
): Promise<Outcome<{ readonly principal: Principal; readonly body: z.infer<typeof Acceptance> }>> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return tenant;
  const body = await readBody(c, Acceptance);
  if (!body.ok) return body;
  return accept({ principal: { ...c.var.principal, tenant: tenant.value }, body: body.value });
}

function serverView({ name, server, pinned, accepted }: ConfiguredServer): z.infer<typeof ServerView> {
  const { url, service = null, pin = "tool" } = server;
  return { server: name, url, service, pin, pinned_digest: pinned, accepted };
}

function reviewView(review: ReviewedServer): z.infer<typeof ReviewView> {
  const { protocolVersion, serverInfo, instructions } = review.discovery;
  return {
    ...serverView(review),
    protocol_version: protocolVersion,
    server_info: serverInfo,
    instructions,
    current_digest: review.current,
    tools: review.tools.map(toolView),
  };
}

function toolView(tool: ReviewedTool): z.infer<typeof ToolView> {
  const { name, state, effect, isHidden, unusable, accepted, current, changes, flags } = tool;
  return {
    name,
    state,
    effect,
    hidden: isHidden,
    unusable,
    accepted_digest: accepted?.digest ?? null,
    current_digest: current?.digest ?? null,
    definition: current?.sent ?? null,
    diff: [...changes],
    flags: [...flags],
  };
}
