// Answers what clients ask of resources, prompts and completions: lists are relayed, reads are governed calls.
import { ProtocolError, ProtocolErrorCode, type RequestMethod, type Result } from "@modelcontextprotocol/server";
import { isJsonObject, objectAt, textIn, type JsonObject } from "../../core/json/canonical.ts";
import { META } from "../../core/mcp/meta.ts";
import { meantPrompt, meantUri } from "../../core/mcp/names.ts";
import type { McpResult } from "../../core/mcp/results.ts";
import { complete } from "../../gateway/mcp/complete.ts";
import { readerOf, serversWith } from "../../gateway/mcp/reach.ts";
import { listPage, type ListMethod } from "../../gateway/mcp/relay.ts";
import { deferOf } from "../context.ts";
import { protocolError } from "./errors.ts";
import type { Answering, Asked } from "./serving.ts";
import { governed, rendered } from "./tool-handlers.ts";

/** The handlers, by method. */
export const resourceHandlers: readonly (readonly [RequestMethod, Answering])[] = [
  ["resources/list", listing("resources/list")],
  ["resources/templates/list", listing("resources/templates/list")],
  ["prompts/list", listing("prompts/list")],
  ["resources/read", readResource],
  ["prompts/get", getPrompt],
  ["completion/complete", completion],
];

function listing(method: ListMethod): Answering {
  return async ({ serving, reach, exchange }, { cursor }) => {
    const asked = { method, cursor: typeof cursor === "string" ? cursor : undefined };
    const page = await listPage(serving.c.var.runtime.ports, reach, asked, exchange);
    if (!page.ok) throw protocolError(page);
    // What one caller may see is nothing for another.
    return page.value["ttlMs"] === undefined ? page.value : { ...page.value, cacheScope: "private" };
  };
}

async function completion(asked: Asked, params: Readonly<Record<string, unknown>>): Promise<Result> {
  const { serving, caller, reach, exchange } = asked;
  const { runtime } = serving.c.var;
  const { _meta, ...given } = params as JsonObject;
  const recorder = runtime.recorder(deferOf(serving.c));
  const answer = await complete(runtime.ports, { caller, reach, params: given }, exchange, recorder);
  if (!answer.ok) throw protocolError(answer);
  return answer.value;
}

async function readResource(asked: Asked, { uri }: Readonly<Record<string, unknown>>): Promise<Result> {
  const meant = meantUri(asked.reach.view, String(uri));
  if (meant === undefined || !serversWith(asked.reach, "resource").includes(meant.server))
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, "Resource not found", { uri: String(uri) });
  return throughTool(asked, { server: meant.server, kind: "resource", args: { uri: meant.uri } });
}

async function getPrompt(asked: Asked, params: Readonly<Record<string, unknown>>): Promise<Result> {
  const { reach } = asked;
  const servers = serversWith(reach, "prompt");
  const meant = meantPrompt(reach.view, servers, String(params["name"]));
  if (meant === undefined || !servers.includes(meant.server))
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Prompt not found: ${String(params["name"])}`);
  const given = params["arguments"];
  const args = { name: meant.name, ...(isJsonObject(given) ? { arguments: given } : {}) };
  return throughTool(asked, { server: meant.server, kind: "prompt", args });
}

/** A read of a server's resources or prompts, as the governed call that it is; what refuses it is an error of the protocol. */
async function throughTool(
  asked: Asked,
  { server, kind, args }: { readonly server: string; readonly kind: "resource" | "prompt"; readonly args: JsonObject },
): Promise<Result> {
  const tool = readerOf(asked.reach, server, kind);
  const result = await rendered(asked, tool, await governed(asked, { tool, name: `${server}.${kind}s`, args }));
  if (result["isError"] !== true) return result;
  throw errorIn(result as McpResult);
}

/** The error that a refused read is: the server's own where it gave one. */
function errorIn({ content, _meta }: McpResult): ProtocolError {
  const data = objectAt(isJsonObject(_meta) ? _meta : {}, META.error);
  const own = objectAt(data, "json_rpc");
  if (typeof own["code"] === "number")
    return new ProtocolError(own["code"], textIn(own, "message") ?? "the server behind refused", own["data"]);
  const [block] = Array.isArray(content) ? content : [];
  const text = isJsonObject(block) ? textIn(block, "text") : undefined;
  return new ProtocolError(ProtocolErrorCode.InvalidRequest, text ?? "the request was refused", data);
}
