// Names what the gateway needs of MCP servers: their definitions, requests to them, and what passes while one runs.
import type { McpServerEntry } from "../../core/config/mcp-document.ts";
import type { Outcome } from "../../core/errors.ts";
import type { Json, JsonObject } from "../../core/json/canonical.ts";

/** Which server is meant, on whose behalf, and where egress may go. */
export interface McpTarget {
  readonly tenant: string;
  /** Its name under `mcp.servers`. */
  readonly name: string;
  readonly server: Pick<McpServerEntry, "url" | "service" | "auth" | "timeout_ms">;
  readonly allowedHosts: readonly string[];
}

/** What a server says of itself. */
export interface McpDiscovery {
  /** The revision that was negotiated, such as `2026-07-28`. */
  readonly protocolVersion: string;
  readonly serverInfo: { readonly name: string; readonly version: string };
  readonly capabilities: JsonObject;
  readonly instructions: string | null;
  /** Every tool definition, as sent, in the server's order; at most 1,000 and 1 MiB together. */
  readonly tools: readonly JsonObject[];
}

/** A question of the server to the client behind the gateway: `elicitation/create`, `sampling/createMessage`, `roots/list`. */
export interface McpQuestion {
  readonly method: string;
  readonly params: JsonObject;
}

/** What passes between a caller and a server while one request runs, besides request and answer. */
export interface McpExchange {
  /** What the client behind the gateway says it can do: the server may ask for no more. */
  readonly clientCapabilities: JsonObject;
  /** Answers to what the server asked for in an earlier round, and its own state of that round. */
  readonly inputResponses?: JsonObject | undefined;
  readonly requestState?: string | undefined;
  /** Progress and log messages of the server, passed on as they come. */
  readonly notify: (notification: { readonly method: string; readonly params: JsonObject }) => void;
  /** Asks the client now; absent where that takes another round. */
  readonly ask?: ((question: McpQuestion) => Promise<JsonObject>) | undefined;
  readonly logLevel?: string | undefined;
  /** Whose session a server that keeps sessions goes on with; absent where each request stands alone. */
  readonly sessionKey?: string | undefined;
  /** Aborts when the caller cancels. */
  readonly signal?: AbortSignal | undefined;
}

/** What somebody wants to hear of a server, until the signal. */
export interface McpWatch {
  readonly resources: boolean;
  readonly prompts: boolean;
  /** Resources by the server's own URIs. */
  readonly uris: readonly string[];
  readonly signal: AbortSignal;
  readonly notify: McpExchange["notify"];
}

/** MCP servers behind the gateway. Never throws: what went wrong is a refusal. */
export interface McpServers {
  /** What the server offers now; `maxAgeMs` lets an answer of this isolate do that is no older. */
  discover(target: McpTarget, maxAgeMs: number): Promise<Outcome<McpDiscovery>>;
  /** One request that has no effect, such as `resources/list` or `completion/complete`. */
  request(
    target: McpTarget,
    request: { readonly method: string; readonly params: JsonObject },
    exchange: McpExchange,
  ): Promise<Outcome<Json>>;
  /** Passes on what the server says of changes until the signal, or until it says no more; what goes wrong ends it. */
  watch(target: McpTarget, watch: McpWatch): Promise<void>;
}
