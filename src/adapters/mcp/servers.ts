// Reaches MCP servers: not yet, every request is refused.
import { refuse, type Refusal } from "../../core/errors.ts";
import type { McpServers } from "../../gateway/ports/mcp.ts";

/** Servers that cannot be reached in this release. */
export function mcpServers(): McpServers {
  const refused = (): Promise<Refusal> =>
    Promise.resolve(refuse("unsupported", "MCP servers cannot be reached by this release"));
  return { discover: refused, request: refused };
}
