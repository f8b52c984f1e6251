// Names what serving MCP clients of the 2025 revisions needs: an object that remembers each session.
import type { Json, JsonObject } from "../../core/json/canonical.ts";
import type { McpEvent, McpSession, McpSessionChange, McpSessionOwner } from "../../core/state/mcp-session.ts";

/** Sessions of MCP clients. Every method is one hop. */
export interface McpSessions {
  open(tenant: string, session: McpSession): Promise<void>;
  /** The session, if it is this caller's; begins a stream for the requests that come with it. `null` for no such session. */
  enter(
    tenant: string,
    id: string,
    asked: {
      readonly owner: McpSessionOwner;
      readonly begins: { readonly stream: string; readonly requests: readonly string[] } | null;
    },
  ): Promise<McpSession | null>;
  change(tenant: string, id: string, change: McpSessionChange): Promise<void>;
  /** Keeps what a stream sends before it is sent; answers the number of its last event, 0 where the session is gone. */
  append(
    tenant: string,
    id: string,
    sent: { readonly stream: string; readonly messages: readonly Json[]; readonly isLast: boolean },
  ): Promise<number>;
  /** What a stream sent after an event; waits up to `waitMs` for more. `null` for a stream that is not known. */
  events(
    tenant: string,
    id: string,
    asked: { readonly stream: string; readonly after: number; readonly waitMs: number },
  ): Promise<{ readonly events: readonly McpEvent[]; readonly isOver: boolean } | null>;
  /** Takes a message of the client for a request that runs; whether one does. */
  deliver(tenant: string, id: string, message: JsonObject): Promise<boolean>;
  /** What has come for a running request; waits for something. `null` once its stream is over. */
  inbound(tenant: string, id: string, stream: string): Promise<readonly JsonObject[] | null>;
  end(tenant: string, id: string): Promise<void>;
}
