// Sequences `completion/complete`: what a caller types for a prompt or a template reaches a server only if the read itself might.
import { plainToolCall } from "../../core/call.ts";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import { isJsonObject, objectAt, textIn, type JsonObject } from "../../core/json/canonical.ts";
import { meantPrompt, meantUri } from "../../core/mcp/names.ts";
import { refusalOf } from "../enforce.ts";
import { decideTool } from "../preflight.ts";
import type { Ports, Recorder } from "../ports.ts";
import type { McpExchange } from "../ports/mcp.ts";
import { readerOf, serversWith, targetOf, type McpCaller, type Reach } from "./reach.ts";

/** What a completion is for: the server, the reference as that server knows it, and what reads it. */
interface Meant {
  readonly server: string;
  readonly kind: "resource" | "prompt";
  readonly ref: JsonObject;
}

function meantBy(reach: Reach, ref: JsonObject): Meant | undefined {
  const name = textIn(ref, "name");
  const kind = name === undefined ? "resource" : "prompt";
  const servers = serversWith(reach, kind);
  const meant =
    name === undefined ? meantUri(reach.view, textIn(ref, "uri") ?? "") : meantPrompt(reach.view, servers, name);
  if (meant === undefined || !servers.includes(meant.server)) return undefined;
  const { server, ...own } = meant;
  return { server, kind, ref: { ...ref, ...own } };
}

/**
 * Suggestions for an argument. It is decided and recorded as if the prompt were got, or the resource read, with what was
 * typed so far: what is typed leaves the house. Refuses `not_found` for a reference that the caller does not reach, and
 * what the policy or the session's pause says.
 */
export async function complete(
  ports: Ports,
  { caller, reach, params }: { readonly caller: McpCaller; readonly reach: Reach; readonly params: JsonObject },
  exchange: McpExchange,
  recorder: Recorder,
): Promise<Outcome<JsonObject>> {
  const meant = meantBy(reach, objectAt(params, "ref"));
  const target = meant === undefined ? undefined : targetOf(reach.config, meant.server);
  const reader = meant === undefined ? undefined : readerOf(reach, meant.server, meant.kind);
  if (meant === undefined || target === undefined || reader === undefined)
    return refuse("not_found", "ref: expected a prompt or a resource template that is listed here");
  const { context } = caller;
  const args = readArguments(meant, objectAt(params, "argument"));
  const envelope = { actor: context.actor, intent: context.intent, completion: params };
  const call = plainToolCall({ context, toolName: reader.name, args, envelope });
  const decided = await decideTool(ports, call, recorder);
  if (!decided.ok) return decided;
  if (decided.value.decision.effect !== "allow") return refusalOf(decided.value.decision);
  const asked = { method: "completion/complete", params: { ...params, ref: meant.ref } };
  const sent = await ports.mcpServers.request(target, asked, exchange);
  return sent.ok ? accept(isJsonObject(sent.value) ? sent.value : {}) : sent;
}

function readArguments({ kind, ref }: Meant, argument: JsonObject): JsonObject {
  if (kind === "resource") return { uri: textIn(ref, "uri") ?? "" };
  const name = textIn(argument, "name");
  const typed = name === undefined ? {} : { [name]: textIn(argument, "value") ?? "" };
  return { name: textIn(ref, "name") ?? "", arguments: typed };
}
