// Says what the fields of MCP servers mean, for docs/config-reference.md.
import { TOOL_SETTINGS } from "../../src/core/config/tool-document.ts";

/** Descriptions by path. */
export const MCP_FIELDS: Readonly<Record<string, string>> = {
  mcp: "MCP servers behind the gateway. What was accepted of them are tools here, named `<server>.<tool>`.",
  "mcp.servers": "The servers by name.",
  "mcp.servers.*.url": "Its Streamable HTTP endpoint; a path, where `service` names a binding.",
  "mcp.servers.*.service":
    "A service binding of the deployment, without its `SERVICE_` prefix, used instead of the network.",
  "mcp.servers.*.timeout_ms": "How long one request to the server may take, discovery included.",
  "mcp.servers.*.tools":
    "What its tools are held to, by exact name, `prefix*` or `*`; the most exact entry counts, field by field. `resources.read` and `prompts.get` are names too.",
  "mcp.servers.*.tools.*.effect":
    "What it does, as `tools.*.effect`; the server's own annotations are hints. `irreversible` where nothing says; `read` for resources and prompts.",
  "mcp.servers.*.tools.*.hidden": "`true` leaves it out: it is no tool here.",
  "mcp.servers.*.resources": "`false` leaves out `<server>.resources.read`.",
  "mcp.servers.*.prompts": "`false` leaves out `<server>.prompts.get`.",
  "mcp.servers.*.pin":
    "`tool` (when left out): a definition that is no longer the accepted one stops that tool. `server`: any change, a new tool included, stops every tool of the server.",
  "mcp.servers.*.definitions":
    "The accepted definitions, as the server sent them; `interlock mcp accept` writes them. Left out, those of the active version stay while `url` and `service` do; `[]` accepts none.",
  "mcp.separator":
    "What stands between server and tool in names on `/mcp`, for clients whose model takes no dot. `.` when left out.",
  "tools.*.mcp":
    "Where a tool of kind `mcp` comes from. Made from `mcp.servers` whenever a config is published, and never written by hand.",
  "tools.*.mcp.server": "Its server under `mcp.servers`.",
  "tools.*.mcp.kind": "`resource` reads resources, `prompt` gets prompts.",
  "tools.*.mcp.name": "What the server calls it.",
  "tools.*.mcp.digest": "SHA-256 of the accepted definition; null for resources and prompts.",
  "tools.*.mcp.set": "SHA-256 of the whole accepted set, with `pin: server`.",
  "tools.*.mcp.title": "Its title, as accepted.",
  "tools.*.mcp.output_schema": "The JSON Schema of its result, as accepted.",
  "tools.*.mcp.annotations": "Hints of the server, passed on and never trusted.",
};

/** Descriptions of the settings of a server's tools: those of any tool. */
export function mcpSettings(described: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const settings = new Set(Object.keys(TOOL_SETTINGS));
  return Object.fromEntries(
    Object.keys(described).flatMap((path) => {
      const [, field = ""] = /^tools\.\*\.(.+)$/.exec(path) ?? [];
      return settings.has(field.split(".")[0] ?? "") ? [[`mcp.servers.*.${path}`, `As \`${path}\`.`]] : [];
    }),
  );
}
