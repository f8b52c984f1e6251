// Reads one MCP request's caller, trace and session, and what it can be asked meanwhile.
import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  createRequestStateCodec,
  LOG_LEVEL_META_KEY,
  TRACEPARENT_META_KEY,
  TRACESTATE_META_KEY,
  type RequestStateCodec,
  type Result,
  type ServerContext,
} from "@modelcontextprotocol/server";
import * as z from "zod/mini";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import type { CallContext, McpRequest } from "../../core/call.ts";
import { isJsonObject, textIn, type JsonObject } from "../../core/json/canonical.ts";
import { sha256Hex } from "../../core/json/digest.ts";
import { META } from "../../core/mcp/meta.ts";
import type { McpSession } from "../../core/state/mcp-session.ts";
import type { CallState } from "../../gateway/mcp/call-tool.ts";
import { readReach, type McpCaller, type Reach } from "../../gateway/mcp/reach.ts";
import type { McpExchange } from "../../gateway/ports/mcp.ts";
import type { HttpContext } from "../context.ts";
import { readCallContext } from "../middleware/call-context.ts";
import { protocolError } from "./errors.ts";

/** One HTTP request of an MCP client. */
export interface Serving {
  readonly c: HttpContext;
  /** The one server that the endpoint shows, or `null` for all. */
  readonly server: string | null;
  readonly isModern: boolean;
  /** The session, for clients of revisions that have one. */
  readonly session: McpSession | null;
  /** The end user that a token of the tenant's issuer speaks for. */
  readonly tokenUser: string | null;
  /** Whether the caller came with a token, whose scopes can grow. */
  readonly isToken: boolean;
  readonly states: RequestStateCodec<CallState>;
  /** Whether the caller's credential still counts. */
  readonly isStillIn: () => Promise<boolean>;
  /** Ends what listens for this caller, once it no longer does. */
  readonly leave: AbortController;
}

/** How long a round may take until its state is void, in seconds: as long as an approval usually stands. */
const STATE_TTL_S = 86_400;
/** How long a session that a client carries itself is gone on with, in seconds. */
const SESSION_TTL_S = 86_400;
/** What a server answers to a question of ours, whatever it is. */
const Anything = z.looseObject({});

/** The codec of states that belong to this caller at this endpoint and to nobody else. */
export function stateCodec(c: HttpContext, server: string | null): RequestStateCodec<CallState> {
  const { principal, runtime } = c.var;
  const bind = (): string => ["state", principal.tenant, principal.keyId, server ?? ""].join("\0");
  return createRequestStateCodec<CallState>({ key: runtime.mcpStateKey, ttlSeconds: STATE_TTL_S, bind });
}

function sessionCodec(c: HttpContext): RequestStateCodec<string> {
  const { principal, runtime } = c.var;
  const bind = (): string => ["session", principal.tenant, principal.keyId].join("\0");
  return createRequestStateCodec<string>({ key: runtime.mcpStateKey, ttlSeconds: SESSION_TTL_S, bind });
}

/** A request, with everything that its handling rests on. */
export interface Asked {
  readonly serving: Serving;
  readonly ctx: ServerContext;
  readonly caller: McpCaller;
  readonly reach: Reach;
  /** What the client says that it can do. */
  readonly capabilities: JsonObject;
  readonly exchange: McpExchange;
  /** Whether caller or client named the session; else it is this trace alone. */
  readonly isSessionNamed: boolean;
}

/** Answers one request of a method. */
export type Answering = (asked: Asked, params: Readonly<Record<string, unknown>>) => Promise<Result>;

/** Who connects or listens, outside of any one request: the user that a token speaks for included. */
export function connectionContext(
  { c, tokenUser }: Pick<Serving, "c" | "tokenUser">,
  subject: string,
): Outcome<CallContext> {
  const context = readCallContext(c, { surface: { kind: "execute_tool", subject } });
  return context.ok ? withTokenUser(context.value, tokenUser) : context;
}

/** Whoever comes with a token is the user that it speaks for, and may name no other. */
function withTokenUser(context: CallContext, tokenUser: string | null): Outcome<CallContext> {
  if (tokenUser === null) return accept(context);
  if (context.endUser !== null && context.endUser !== tokenUser)
    return refuse("invalid_request", "Interlock-User: expected none, or the user that the token speaks for");
  return accept({ ...context, endUser: tokenUser, endUserOrigin: "token" });
}

/** Reads a request; throws the protocol's error for what is malformed, and for an endpoint that is not there. */
export async function readAsked(serving: Serving, ctx: ServerContext, subject: string): Promise<Asked> {
  const context = await contextOf(serving, ctx, subject);
  if (!context.ok) throw protocolError(context);
  const caller = { context: context.value.context, server: serving.server };
  const reach = await readReach(serving.c.var.runtime.ports, caller);
  if (!reach.ok) throw protocolError(reach);
  const capabilities = capabilitiesOf(serving, ctx);
  return {
    serving,
    ctx,
    caller,
    reach: reach.value,
    capabilities,
    exchange: exchangeOf(serving, ctx, capabilities),
    isSessionNamed: context.value.isSessionNamed,
  };
}

async function contextOf(
  serving: Serving,
  ctx: ServerContext,
  subject: string,
): Promise<Outcome<Pick<McpCaller, "context"> & Pick<Asked, "isSessionNamed">>> {
  const { c, session, tokenUser } = serving;
  const meta: Readonly<Record<string, unknown>> = ctx.mcpReq._meta ?? {};
  const own = session === null ? await carriedSession(c, meta[META.session], ctx) : sessionName(session);
  const named = c.req.header("interlock-session") ?? own;
  const context = readCallContext(c, {
    session_id: named,
    traceparent: textIn(meta, TRACEPARENT_META_KEY),
    tracestate: textIn(meta, TRACESTATE_META_KEY),
    surface: { kind: "execute_tool", subject },
  });
  const known = context.ok ? withTokenUser(context.value, tokenUser) : context;
  if (!known.ok) return known;
  const { allowedTools } = known.value;
  const narrowed = allowedTools === undefined ? {} : { allowedTools: narrowedTools(allowedTools, serving.server) };
  const mcp = mcpRequest(serving, ctx);
  return accept({ context: { ...known.value, ...narrowed, mcp }, isSessionNamed: named !== undefined });
}

/** The longest name of a client that is recorded. */
const MAX_CLIENT_NAME = 128;

function mcpRequest({ session }: Serving, ctx: ServerContext): McpRequest {
  const info = session === null ? envelopeOf(ctx)[CLIENT_INFO_META_KEY] : session.initialize["clientInfo"];
  const name = isJsonObject(info) ? textIn(info, "name") : undefined;
  return {
    method: ctx.mcpReq.method,
    protocolVersion: session?.protocolVersion ?? MODERN,
    requestId: String(ctx.mcpReq.id),
    sessionId: session === null ? null : sessionName(session),
    clientName: name?.slice(0, MAX_CLIENT_NAME) ?? null,
  };
}

/** Where one server is shown, its tools may be listed by the names that they have there. */
function narrowedTools(names: readonly string[], server: string | null): readonly string[] {
  return server === null ? names : names.flatMap((name) => [name, `${server}.${name}`]);
}

/** What a session is called in records: its id is what its client shows to come in, and stands in none. */
function sessionName({ id }: McpSession): string {
  return `mcp-${sha256Hex(id).slice(0, 32)}`;
}

const MODERN = "2026-07-28";

/** What a request of the stateless revision says of its client. */
function envelopeOf({ mcpReq }: ServerContext): Readonly<Record<string, unknown>> {
  return mcpReq.envelope ?? {};
}

/** The session that a client carries itself: one that was not signed here, or for another caller, is none. */
async function carriedSession(c: HttpContext, state: unknown, ctx: ServerContext): Promise<string | undefined> {
  if (typeof state !== "string") return undefined;
  return sessionCodec(c)
    .verify(state, ctx)
    .catch(() => undefined);
}

/** The session's name, signed, for a client to carry. */
export function signedSession({ serving, caller, ctx }: Asked): Promise<string> {
  return sessionCodec(serving.c).mint(caller.context.session, ctx);
}

function capabilitiesOf({ isModern, session }: Serving, ctx: ServerContext): JsonObject {
  const declared = isModern ? envelopeOf(ctx)[CLIENT_CAPABILITIES_META_KEY] : session?.initialize["capabilities"];
  return isJsonObject(declared) ? declared : {};
}

const LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/** What passes between this client and a server behind the gateway while the request runs. */
function exchangeOf({ isModern, session }: Serving, ctx: ServerContext, clientCapabilities: JsonObject): McpExchange {
  const { mcpReq } = ctx;
  const token = mcpReq._meta?.progressToken;
  const level = isModern ? textIn(envelopeOf(ctx), LOG_LEVEL_META_KEY) : (session?.logLevel ?? undefined);
  const tell = (method: string, params: JsonObject): void => {
    // Whoever left is told nothing.
    void mcpReq.notify({ method, params }).catch(() => undefined);
  };
  return {
    clientCapabilities,
    signal: mcpReq.signal,
    logLevel: level,
    notify: ({ method, params }) => {
      if (method === "notifications/progress" && token !== undefined) tell(method, { ...params, progressToken: token });
      if (method === "notifications/message" && isLoud(params["level"], level, isModern)) tell(method, params);
    },
    ...(session === null ? {} : { sessionKey: `${session.keyId}/${session.id}` }),
    ...(isModern
      ? {}
      : {
          ask: async ({ method, params }) =>
            (await mcpReq.send({ method, params }, Anything, { timeout: ASK_TIMEOUT_MS })) as JsonObject,
        }),
  };
}

/** How long a person may take to answer a question of a server, in milliseconds. */
const ASK_TIMEOUT_MS = 600_000;

/** Clients of the stateless revision ask for messages request by request; others hear all until they set a level. */
function isLoud(level: unknown, least: string | undefined, isModern: boolean): boolean {
  if (least === undefined) return !isModern;
  return LEVELS.indexOf(String(level)) >= LEVELS.indexOf(least);
}
