// Decides what is said of a tool whose MCP server no longer describes it as an operator accepted it.
import type { JsonObject } from "../json/canonical.ts";
import type { McpOrigin } from "../config/mcp-document.ts";
import { isAccepted } from "./definitions.ts";

/** Why a tool may not be called, given what its server lists now; `undefined` when it may. */
export function whyNotAccepted(origin: McpOrigin, current: readonly JsonObject[]): string | undefined {
  if (isAccepted(origin, current)) return undefined;
  const { server, name } = origin;
  return current.some((each) => each["name"] === name)
    ? `"${server}" describes "${name}", or what it is pinned with, otherwise than it was accepted: an operator has to look at it`
    : `"${server}" no longer offers "${name}"`;
}
