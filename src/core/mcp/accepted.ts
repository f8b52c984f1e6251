// Decides whether an MCP server still describes a tool as an operator accepted it.
import type { ToolEntry } from "../config/document.ts";
import type { JsonObject } from "../json/canonical.ts";
import { digestOf } from "../json/digest.ts";

/** Why a tool may not be called, given what its server lists now; `undefined` when it may. */
export function whyNotAccepted(
  { server, name, digest }: Pick<NonNullable<ToolEntry["mcp"]>, "server" | "name" | "digest">,
  current: readonly JsonObject[],
): string | undefined {
  const found = current.find((each) => each["name"] === name);
  if (found === undefined) return `"${server}" no longer offers "${name}"`;
  if (digestOf(found) === digest) return undefined;
  return `"${server}" describes "${name}" otherwise than it was accepted: an operator has to look at it`;
}
