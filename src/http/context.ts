// Names what every route handler finds on its request; nothing outside http/ and app.ts imports it.
import type { Context } from "hono";
import type { Env } from "../env.ts";
import type { McpAccess } from "../core/identity/access.ts";
import type { Principal } from "../core/principal.ts";
import type { Deployment } from "../gateway/publish-config.ts";
import type { Defer, Ports, Recorder } from "../gateway/ports.ts";

/** What the isolate was composed with. */
export interface Runtime {
  readonly ports: Ports;
  readonly deployment: Deployment;
  /** Root key settings: the tenant it acts on when a request names none. */
  readonly rootTenant: string | undefined;
  /** The gateway's own address, where links to it are given out. */
  readonly publicUrl: string | undefined;
  /** Signs what MCP clients carry from one round to the next. */
  readonly mcpStateKey: string;
  /** Which hosts and origins the MCP surface takes requests for. */
  readonly mcpAccess: McpAccess;
  recorder(defer: Defer): Recorder;
}

/** Hono's environment type for our app. */
export interface HttpEnv {
  readonly Bindings: Env;
  readonly Variables: { runtime: Runtime; principal: Principal; credential: string };
}

/** A request's context. */
export type HttpContext = Context<HttpEnv>;

/** Work that outlives the answer. */
export function deferOf(c: HttpContext): Defer {
  return (work) => c.executionCtx.waitUntil(work);
}
