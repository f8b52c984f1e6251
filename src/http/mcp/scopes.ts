// Decides whether a token lacks scopes that its actor has and that the tool asks for: then its client can ask for more.
import { isJsonObject, type Json } from "../../core/json/canonical.ts";
import { meantTool } from "../../core/mcp/names.ts";
import { readReach } from "../../gateway/mcp/reach.ts";
import { readCallContext } from "../middleware/call-context.ts";
import type { Serving } from "./serving.ts";

/**
 * The scopes that a larger token would bring; none for a key, for a call that is none, and where the actor itself lacks
 * them: no token helps there, and the policy says so in the answer.
 */
export async function lackingScopes(
  { c, server, isToken }: Pick<Serving, "c" | "server" | "isToken">,
  body: Json,
): Promise<readonly string[]> {
  if (!isToken || !isJsonObject(body) || body["method"] !== "tools/call" || !isJsonObject(body["params"])) return [];
  const { name } = body["params"];
  const context = readCallContext(c, { surface: { kind: "execute_tool", subject: "tools/call" } });
  if (!context.ok || typeof name !== "string") return [];
  const reach = await readReach(c.var.runtime.ports, { context: context.value, server });
  if (!reach.ok) return [];
  const { config, view, all } = reach.value;
  const needed = meantTool(view, all, name)?.entry.scopes ?? [];
  const own = config.actor(context.value.actor)?.scopes ?? [];
  const { scopes } = c.var.principal;
  const has = (list: readonly string[], scope: string): boolean => list.includes("*") || list.includes(scope);
  return needed.filter((scope) => has(own, scope) && !has(scopes, scope));
}
