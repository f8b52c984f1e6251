// Passes on lists of resources and prompts, from the one server or from all in turn, under the names that the endpoint shows.
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import { isJsonObject, textIn, type JsonObject } from "../../core/json/canonical.ts";
import { shownPrompt, shownUri, type McpView } from "../../core/mcp/names.ts";
import type { Ports } from "../ports.ts";
import type { McpExchange } from "../ports/mcp.ts";
import { serversWith, targetOf, type Reach } from "./reach.ts";

/** What can be listed page by page. */
export type ListMethod = "resources/list" | "resources/templates/list" | "prompts/list";

interface Listed {
  readonly kind: "resource" | "prompt";
  /** The member of the result that holds the list, and the one of each entry that is shown under another name. */
  readonly member: string;
  readonly shown: (view: McpView, server: string, entry: JsonObject) => JsonObject;
}

const LISTS: Readonly<Record<ListMethod, Listed>> = {
  "resources/list": { kind: "resource", member: "resources", shown: withUri("uri") },
  "resources/templates/list": { kind: "resource", member: "resourceTemplates", shown: withUri("uriTemplate") },
  "prompts/list": {
    kind: "prompt",
    member: "prompts",
    shown: (view, server, entry) => ({ ...entry, name: shownPrompt(view, server, textIn(entry, "name") ?? "") }),
  },
};

function withUri(field: string): Listed["shown"] {
  return (view, server, entry) => ({ ...entry, [field]: shownUri(view, server, textIn(entry, field) ?? "") });
}

type RelayPorts = Pick<Ports, "mcpServers">;

/** Where a listing of several servers goes on: at a server, and there at a cursor of its own. */
interface Place {
  readonly server: string;
  readonly cursor: string | undefined;
}

/** What is asked for page by page. */
export interface ListAsk {
  readonly method: ListMethod;
  readonly cursor: string | undefined;
}

/**
 * One page. With several servers a page is a page of one of them, and the cursor leads on to the next; a server that does
 * not answer is passed over, so that the others stay usable. Refuses `invalid_request` for a cursor that is none.
 */
export async function listPage(
  ports: RelayPorts,
  reach: Reach,
  asked: ListAsk,
  exchange: McpExchange,
): Promise<Outcome<JsonObject>> {
  const { method, cursor } = asked;
  const { kind, member } = LISTS[method];
  const servers = serversWith(reach, kind);
  const isOne = reach.view.server !== null;
  const place = isOne ? oneServer(servers, cursor) : readPlace(servers, cursor);
  if (place !== undefined)
    return isOne
      ? onlyPage(ports, reach, { method, place }, exchange)
      : nextPage(ports, reach, { method, place, servers }, exchange);
  return cursor === undefined
    ? accept({ [member]: [] })
    : refuse("invalid_request", "cursor: expected one that a list has given");
}

/** A page of the one server, as it sent it. */
async function onlyPage(
  ports: RelayPorts,
  reach: Reach,
  { method, place }: { readonly method: ListMethod; readonly place: Place },
  exchange: McpExchange,
): Promise<Outcome<JsonObject>> {
  const page = await pageOf(ports, reach, { method, place }, exchange);
  if (page.ok) return page;
  return page.code === "unsupported" ? accept({ [LISTS[method].member]: [] }) : page;
}

/** Pages with nothing on them that one request goes through; then the client has to ask for more itself. */
const MAX_EMPTY_PAGES = 16;

/** The first page that holds anything, from a place on. */
async function nextPage(
  ports: RelayPorts,
  reach: Reach,
  {
    method,
    servers,
    ...from
  }: { readonly method: ListMethod; readonly place: Place; readonly servers: readonly string[] },
  exchange: McpExchange,
): Promise<Outcome<JsonObject>> {
  const { member, shown } = LISTS[method];
  let place: Place | undefined = from.place;
  for (let pages = 0; place !== undefined && pages < MAX_EMPTY_PAGES; pages += 1) {
    const { server }: Place = place;
    const page = await pageOf(ports, reach, { method, place }, exchange);
    const sent = page.ok ? page.value : {};
    const entries = (Array.isArray(sent[member]) ? sent[member] : []).filter((each) => isJsonObject(each));
    const own = textIn(sent, "nextCursor");
    place = own === undefined ? following(servers, server) : { server, cursor: own };
    if (entries.length === 0) continue;
    const list = entries.map((entry) => shown(reach.view, server, entry));
    return accept({ [member]: list, ...(place === undefined ? {} : { nextCursor: writePlace(place) }) });
  }
  return accept({ [member]: [], ...(place === undefined ? {} : { nextCursor: writePlace(place) }) });
}

function oneServer(servers: readonly string[], cursor: string | undefined): Place | undefined {
  const [server] = servers;
  return server === undefined ? undefined : { server, cursor };
}

function following(servers: readonly string[], server: string): Place | undefined {
  const next = servers[servers.indexOf(server) + 1];
  return next === undefined ? undefined : { server: next, cursor: undefined };
}

function readPlace(servers: readonly string[], cursor: string | undefined): Place | undefined {
  if (cursor === undefined) return oneServer(servers, undefined);
  try {
    const [server, own] = JSON.parse(cursor) as readonly unknown[];
    if (typeof server !== "string" || !servers.includes(server)) return undefined;
    return { server, cursor: typeof own === "string" ? own : undefined };
  } catch {
    return undefined;
  }
}

function writePlace({ server, cursor }: Place): string {
  return JSON.stringify(cursor === undefined ? [server] : [server, cursor]);
}

/** A page of one server; refuses `unsupported` where it says that it has no such lists. */
async function pageOf(
  ports: RelayPorts,
  { config }: Reach,
  { method, place }: { readonly method: ListMethod; readonly place: Place },
  exchange: McpExchange,
): Promise<Outcome<JsonObject>> {
  const target = targetOf(config, place.server);
  if (target === undefined) return refuse("not_found", `no MCP server "${place.server}"`);
  const found = await ports.mcpServers.discover(target, CAPABILITIES_MAX_AGE_MS);
  if (!found.ok) return found;
  if (found.value.capabilities[LISTS[method].kind === "prompt" ? "prompts" : "resources"] === undefined)
    return refuse("unsupported", `"${place.server}" has no ${LISTS[method].member}`);
  const params = place.cursor === undefined ? {} : { cursor: place.cursor };
  const sent = await ports.mcpServers.request(target, { method, params }, exchange);
  return sent.ok ? accept(isJsonObject(sent.value) ? sent.value : {}) : sent;
}

/** How old what a server says that it can do may be, in milliseconds. */
const CAPABILITIES_MAX_AGE_MS = 300_000;

/** A result with the resources in it named as the endpoint shows them. */
export function withShownUris(view: McpView, server: string, result: JsonObject): JsonObject {
  if (view.server !== null) return result;
  const named = (entry: JsonObject): JsonObject =>
    typeof entry["uri"] === "string" ? { ...entry, uri: shownUri(view, server, entry["uri"]) } : entry;
  const block = (each: unknown): unknown => {
    if (!isJsonObject(each)) return each;
    if (each["type"] === "resource_link") return named(each);
    return each["type"] === "resource" && isJsonObject(each["resource"])
      ? { ...each, resource: named(each["resource"]) }
      : each;
  };
  const { content, contents, messages } = result;
  return {
    ...result,
    ...(Array.isArray(content) ? { content: content.map(block) } : {}),
    ...(Array.isArray(contents) ? { contents: contents.map((each) => (isJsonObject(each) ? named(each) : each)) } : {}),
    ...(Array.isArray(messages)
      ? { messages: messages.map((each) => (isJsonObject(each) ? { ...each, content: block(each["content"]) } : each)) }
      : {}),
  } as JsonObject;
}
