// Turns a tool call away before it is handled: headers that say otherwise than the body, and a token that lacks scopes.
import { isJsonObject, objectAt, textIn, type Json, type JsonObject } from "../../core/json/canonical.ts";
import { paramMismatch } from "../../core/mcp/param-headers.ts";
import type { ResolvedTool } from "../../core/config/published.ts";
import { readReach, toolMeant } from "../../gateway/mcp/reach.ts";
import { stepUp } from "./challenge.ts";
import { connectionContext, type Serving } from "./serving.ts";

/** The JSON-RPC code of a header that disagrees with the body. */
const HEADER_MISMATCH = -32_020;

/** The answer to a tool call that goes no further; `undefined` for one that does, and for what is no tool call. */
export async function checkToolCall(
  serving: Pick<Serving, "c" | "server" | "tokenUser" | "isToken" | "isModern">,
  body: Json,
): Promise<Response | undefined> {
  if (!isJsonObject(body) || body["method"] !== "tools/call") return undefined;
  const params = objectAt(body, "params");
  const found = await toolOf(serving, textIn(params, "name") ?? "");
  if (found === undefined) return undefined;
  const mismatch = serving.isModern ? mismatchOf(serving, found.tool, params) : undefined;
  if (mismatch !== undefined) {
    const message = `Bad Request: the request headers and body disagree: ${mismatch.body}`;
    const error = { code: HEADER_MISMATCH, message, data: { mismatch } };
    return Response.json({ jsonrpc: "2.0", error, id: body["id"] ?? null }, { status: 400 });
  }
  const { c } = serving;
  const lacking = serving.isToken ? lackingScopes(found.tool, found.scopes, c.var.principal.scopes) : [];
  return lacking.length === 0 ? undefined : stepUp(c, lacking);
}

/** The tool that is called, and the scopes of the actor that calls it; `undefined` where the call is no call. */
async function toolOf(
  { c, server, tokenUser }: Pick<Serving, "c" | "server" | "tokenUser">,
  name: string,
): Promise<{ readonly tool: ResolvedTool; readonly scopes: readonly string[] } | undefined> {
  const context = connectionContext({ c, tokenUser }, "tools/call");
  if (!context.ok) return undefined;
  const reach = await readReach(c.var.runtime.ports, { context: context.value, server });
  const tool = reach.ok ? toolMeant(reach.value, name) : undefined;
  if (!reach.ok || tool === undefined) return undefined;
  return { tool, scopes: reach.value.config.actor(context.value.actor)?.scopes ?? [] };
}

function mismatchOf(
  { c }: Pick<Serving, "c">,
  tool: ResolvedTool,
  params: JsonObject,
): ReturnType<typeof paramMismatch> {
  return paramMismatch(tool.entry.input_schema, objectAt(params, "arguments"), (name) => c.req.header(name));
}

/** The scopes that a larger token would bring: those that the actor has too. Where it lacks them no token helps. */
function lackingScopes({ entry }: ResolvedTool, own: readonly string[], held: readonly string[]): readonly string[] {
  const has = (list: readonly string[], scope: string): boolean => list.includes("*") || list.includes(scope);
  return (entry.scopes ?? []).filter((scope) => has(own, scope) && !has(held, scope));
}
