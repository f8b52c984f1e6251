// Asks MCP servers what they offer, and sends them requests that have no effect.
import { accept, type Outcome } from "../../core/errors.ts";
import type { Json, JsonObject } from "../../core/json/canonical.ts";
import { digestOf } from "../../core/json/digest.ts";
import { scrubValue } from "../../core/trace/scrub.ts";
import type { System } from "../../gateway/ports.ts";
import type { McpDiscovery, McpServers, McpTarget } from "../../gateway/ports/mcp.ts";
import type { Egress } from "../egress.ts";
import type { Credentials } from "../tools/credentials.ts";
import { readDefinitions } from "./definitions.ts";
import { refusalOf } from "./faults.ts";
import { MetServers } from "./met-servers.ts";
import { Anything, NOBODY, withUpstream, type Means, type Opening, type Upstream } from "./upstream.ts";
import { watchServer } from "./watch.ts";

/** How long one request to a server may take when its entry names no time, in milliseconds. */
const DEFAULT_TIMEOUT_MS = 30_000;
/** How long a listing that can do without waits for one server: the others are not to wait for it. */
const LISTING_TIMEOUT_MS = 3_000;
/** How long a server that did not answer is left alone by listings. */
const FAILED_MAX_AGE_MS = 10_000;
const MAX_DISCOVERIES = 200;

/** What connections to servers are made with; one for the isolate. */
export function mcpMeans(egress: Egress, credentials: Credentials, system: System): Means {
  return { egress, credentials, system, met: new MetServers() };
}

/** Servers over Streamable HTTP. */
export function mcpServers(means: Means): McpServers {
  const discoveries = new Map<string, { readonly found: Outcome<McpDiscovery>; readonly at: number }>();
  return {
    discover: async (target, maxAgeMs) => {
      // What an operator has just looked at is what is listed: settings of a server's tools make no other server.
      const { url, service, auth } = target.server;
      const place = digestOf([target.tenant, target.name, url, service ?? null, auth ?? null]);
      const known = discoveries.get(place);
      const now = means.system.now();
      const age = known === undefined ? Infinity : now - known.at;
      if (known !== undefined && age < (known.found.ok ? maxAgeMs : Math.min(maxAgeMs, FAILED_MAX_AGE_MS)))
        return known.found;
      const usual = target.server.timeout_ms ?? DEFAULT_TIMEOUT_MS;
      const timeoutMs = maxAgeMs > 0 ? Math.min(usual, LISTING_TIMEOUT_MS) : usual;
      const found = await over(means, target, { exchange: NOBODY, timeoutMs }, discoveryOf);
      if (discoveries.size >= MAX_DISCOVERIES) discoveries.clear();
      discoveries.set(place, { found, at: now });
      return found;
    },
    request: (target, { method, params }, exchange) =>
      over(means, target, { exchange }, async (upstream) => {
        const { inputResponses, requestState } = exchange;
        const round = {
          ...(inputResponses === undefined ? {} : { inputResponses }),
          ...(requestState === undefined ? {} : { requestState }),
        };
        const sent = await upstream.run((options) =>
          upstream.client.request({ method, params: { ...params, ...round } }, Anything, options),
        );
        return sent as Json;
      }),
    watch: (target, watch) => watchServer(means, target, watch),
  };
}

async function over<T>(
  means: Means,
  target: McpTarget,
  {
    exchange,
    timeoutMs = target.server.timeout_ms ?? DEFAULT_TIMEOUT_MS,
  }: Pick<Opening, "exchange"> & Partial<Opening>,
  use: (upstream: Upstream) => Promise<T>,
): Promise<Outcome<T>> {
  const used = await withUpstream(means, target, { exchange, timeoutMs }, use);
  // A server that echoes its credential must not hand it to anybody.
  return scrubValue(used.ok ? accept(used.value) : refusalOf(used.error), used.credentials);
}

async function discoveryOf(upstream: Upstream): Promise<McpDiscovery> {
  const { client } = upstream;
  const capabilities = client.getServerCapabilities() ?? {};
  return {
    protocolVersion: client.getNegotiatedProtocolVersion() ?? "unknown",
    serverInfo: client.getServerVersion() ?? { name: "unknown", version: "unknown" },
    capabilities: capabilities as JsonObject,
    instructions: client.getInstructions() ?? null,
    tools: capabilities.tools === undefined ? [] : await readDefinitions(upstream),
  };
}
