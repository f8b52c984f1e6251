// Asks MCP servers what they offer, and sends them requests that have no effect.
import { accept, type Outcome } from "../../core/errors.ts";
import type { Json, JsonObject } from "../../core/json/canonical.ts";
import { digestOf } from "../../core/json/digest.ts";
import type { System } from "../../gateway/ports.ts";
import type { McpDiscovery, McpExchange, McpServers, McpTarget } from "../../gateway/ports/mcp.ts";
import type { Egress } from "../egress.ts";
import type { Credentials } from "../tools/credentials.ts";
import { readDefinitions } from "./definitions.ts";
import { refusalOf } from "./faults.ts";
import { MetServers } from "./met-servers.ts";
import { Anything, NOBODY, openUpstream, type Means, type Upstream } from "./upstream.ts";
import { watchServer } from "./watch.ts";

/** How long one request to a server may take when its entry names no time, in milliseconds. */
const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_DISCOVERIES = 200;

/** What connections to servers are made with; one for the isolate. */
export function mcpMeans(egress: Egress, credentials: Credentials, system: System): Means {
  return { egress, credentials, system, met: new MetServers() };
}

/** Servers over Streamable HTTP. */
export function mcpServers(means: Means): McpServers {
  const discoveries = new Map<string, { readonly discovery: McpDiscovery; readonly at: number }>();
  return {
    discover: async (target, maxAgeMs) => {
      const place = digestOf([target.tenant, target.name, target.server]);
      const known = discoveries.get(place);
      const now = means.system.now();
      if (known !== undefined && now - known.at < maxAgeMs) return accept(known.discovery);
      const found = await over(means, target, NOBODY, discoveryOf);
      if (!found.ok) return found;
      if (discoveries.size >= MAX_DISCOVERIES) discoveries.clear();
      discoveries.set(place, { discovery: found.value, at: now });
      return found;
    },
    request: (target, { method, params }, exchange) =>
      over(means, target, exchange, async (upstream) => {
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
  exchange: McpExchange,
  use: (upstream: Upstream) => Promise<T>,
): Promise<Outcome<T>> {
  try {
    const timeoutMs = target.server.timeout_ms ?? DEFAULT_TIMEOUT_MS;
    const upstream = await openUpstream(means, target, { exchange, timeoutMs });
    try {
      return accept(await use(upstream));
    } finally {
      await upstream.close();
    }
  } catch (error) {
    return refusalOf(error);
  }
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
