// Decides the shape of the config's MCP section: which servers are behind the gateway, and what their tools are held to.
import * as z from "zod/mini";
import { name } from "./policy-document.ts";
import { ToolAuthDocument } from "./request-document.ts";
import { milliseconds } from "./reliability-document.ts";
import { EffectDocument, type McpOriginDocument, TOOL_SETTINGS } from "./tool-document.ts";

/** What the tools of a server are held to; by exact name, or `prefix*`. The most exact entry counts, field by field. */
export const McpToolSettings = z.strictObject({
  /** What it does, in the tenant's own words: the server's annotations are hints. `irreversible` where nothing says. */
  effect: z.optional(EffectDocument),
  /** `true` leaves it out: it is no tool here. */
  hidden: z.optional(z.boolean()),
  ...TOOL_SETTINGS,
});

/** One server under `mcp.servers`. Its tools are named `<server>.<tool>` everywhere but under `/mcp/<server>`. */
export const McpServerDocument = z.strictObject({
  /** Its Streamable HTTP endpoint; a path, where `service` is the binding of another Worker. */
  url: z.string().check(z.minLength(1), z.maxLength(2048)),
  service: z.optional(name),
  auth: z.optional(ToolAuthDocument),
  /** For one request to the server, discovery included. */
  timeout_ms: z.optional(milliseconds),
  /** Settings by tool name or `prefix*`; `*` for all. */
  tools: z._default(z.record(z.string().check(z.minLength(1), z.maxLength(128)), McpToolSettings), {}),
  /** Whether its resources can be read, and its prompts be got; `true` when left out. */
  resources: z.optional(z.boolean()),
  prompts: z.optional(z.boolean()),
  /** `tool`: a changed definition stops that tool. `server`: any change stops every tool of the server. */
  pin: z.optional(z.enum(["tool", "server"])),
  /** The accepted definitions, as the server sent them. Left out, those of the active version stay. */
  definitions: z.optional(z.array(z.record(z.string(), z.unknown())).check(z.maxLength(1_000))),
});

/** The `mcp` section. */
export const McpDocument = z.strictObject({
  servers: z._default(z.record(name, McpServerDocument), {}),
  /** What stands between server and tool in names on `/mcp`, for clients whose model takes no dot; `.` when left out. */
  separator: z.optional(z.enum([".", "_", "__", "-"])),
});

/** One server of a parsed document. */
export type McpServerEntry = z.infer<typeof McpServerDocument>;
/** Settings of one server's tools. */
export type McpToolSettings = z.infer<typeof McpToolSettings>;
/** Where a tool of an MCP server comes from. */
export type McpOrigin = z.infer<typeof McpOriginDocument>;
