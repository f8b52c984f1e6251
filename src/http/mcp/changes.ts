// Tells clients that listen what changes: the tools they may use, and what the servers behind say of their own lists and resources.
import type { InMemoryServerEventBus, ServerEvent } from "@modelcontextprotocol/server";
import type { CallContext } from "../../core/call.ts";
import { isJsonObject, type Json } from "../../core/json/canonical.ts";
import { digestOf } from "../../core/json/digest.ts";
import { meantUri, shownUri } from "../../core/mcp/names.ts";
import { listMcpTools } from "../../gateway/mcp/list-tools.ts";
import type { System } from "../../gateway/ports.ts";
import { readReach, reachedServers, serversWith, targetOf, type Reach } from "../../gateway/mcp/reach.ts";
import { MAX_SUBSCRIPTIONS } from "../../core/state/mcp-session.ts";
import type { McpWatch } from "../../gateway/ports/mcp.ts";
import type { Serving } from "./serving.ts";

/** How often the tools are looked at, in milliseconds: the bound within which a kill switch or a config is told. */
const LOOK_MS = 2_000;

/** How long a server whose watch ended is left alone, in milliseconds. */
const WATCH_AGAIN_MS = 5_000;
/** Servers that one listener hears of at most: a Worker holds six connections at once, and needs some for itself. */
const MAX_WATCHED = 4;

/** What a client listens to. */
export interface Listening {
  readonly bus: Pick<InMemoryServerEventBus, "publish">;
  readonly wanted: Wanted;
  readonly signal: AbortSignal;
}

/** Publishes changes until the client leaves. */
export async function publishChanges(
  serving: Serving,
  context: CallContext,
  { bus, wanted, signal }: Listening,
): Promise<void> {
  const { ports } = serving.c.var.runtime;
  const caller = { context, server: serving.server };
  const reach = await readReach(ports, caller);
  if (!reach.ok) return;
  const watching = watchServers(serving, reach.value, { wanted, bus, signal });
  let known = await fingerprintOf(serving, reach.value);
  while (!signal.aborted) {
    await ports.system.wait(LOOK_MS);
    // A key that was revoked, and a token whose time is over, hear nothing more.
    if (!(await serving.isStillIn())) return serving.leave.abort();
    const now = signal.aborted ? undefined : await readReach(ports, caller).catch(() => undefined);
    const fingerprint = now?.ok === true ? await fingerprintOf(serving, now.value) : known;
    if (fingerprint !== known) bus.publish({ kind: "tools_list_changed" });
    known = fingerprint;
  }
  await watching;
}

/** What the client would be listed now: also without what its server has changed, as old as listings may be. */
async function fingerprintOf({ c }: Serving, reach: Reach): Promise<string> {
  return digestOf(await listMcpTools(c.var.runtime.ports, reach));
}

/** Which changes a client wants to hear of; resources by the URIs that the endpoint shows. */
export interface Wanted {
  readonly resources: boolean;
  readonly prompts: boolean;
  readonly uris: readonly string[];
}

/** What a `subscriptions/listen` asks for. */
export function wantedOf(body: Json): Wanted {
  const params = isJsonObject(body) && isJsonObject(body["params"]) ? body["params"] : {};
  const filter = isJsonObject(params["notifications"]) ? params["notifications"] : {};
  const uris = filter["resourceSubscriptions"];
  return {
    resources: filter["resourcesListChanged"] === true,
    prompts: filter["promptsListChanged"] === true,
    uris: (Array.isArray(uris) ? uris : []).filter((each) => typeof each === "string").slice(0, MAX_SUBSCRIPTIONS),
  };
}

const KINDS: Readonly<Record<string, "prompts_list_changed" | "resources_list_changed">> = {
  "notifications/prompts/list_changed": "prompts_list_changed",
  "notifications/resources/list_changed": "resources_list_changed",
};

/** Listens to every server of which the client wants to hear. */
async function watchServers(
  serving: Serving,
  reach: Reach,
  { wanted, bus, signal }: { readonly wanted: Wanted; readonly bus: Listening["bus"]; readonly signal: AbortSignal },
): Promise<void> {
  const { mcpServers, system } = serving.c.var.runtime.ports;
  const readable = serversWith(reach, "resource");
  const watched = reachedServers(reach).flatMap((server) => {
    const uris = (readable.includes(server) ? wanted.uris : []).flatMap((uri) => {
      const meant = meantUri(reach.view, uri);
      return meant?.server === server ? [meant.uri] : [];
    });
    const target = targetOf(reach.config, server);
    if (target === undefined || (uris.length === 0 && !wanted.resources && !wanted.prompts)) return [];
    const watch: McpWatch = {
      resources: wanted.resources,
      prompts: wanted.prompts,
      uris,
      signal,
      notify: ({ method, params }) => {
        const kind = KINDS[method];
        const { uri } = params;
        const event: ServerEvent | undefined =
          kind !== undefined
            ? { kind }
            : method === "notifications/resources/updated" && typeof uri === "string"
              ? { kind: "resource_updated", uri: shownUri(reach.view, server, uri) }
              : undefined;
        if (event !== undefined) bus.publish(event);
      },
    };
    return [
      { isAsked: uris.length > 0, start: () => watchAgain(() => mcpServers.watch(target, watch), system, signal) },
    ];
  });
  const first = watched.toSorted((one, other) => Number(other.isAsked) - Number(one.isAsked)).slice(0, MAX_WATCHED);
  await Promise.all(first.map(({ start }) => start()));
}

/** A watch that ended, by its time or its server's doing, is begun anew while the client listens. */
async function watchAgain(watch: () => Promise<void>, system: System, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await watch();
    if (!signal.aborted) await system.wait(WATCH_AGAIN_MS);
  }
}
