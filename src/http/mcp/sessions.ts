// Serves clients of the 2025 revisions: sessions, one stream per request, and streams that can be gone on with.
import { SUPPORTED_PROTOCOL_VERSIONS } from "@modelcontextprotocol/server";
import { refuse } from "../../core/errors.ts";
import { isJsonObject, textIn, type Json, type JsonObject } from "../../core/json/canonical.ts";
import { mayUse, type McpSession, type McpSessionOwner } from "../../core/state/mcp-session.ts";
import { deferOf, type HttpContext } from "../context.ts";
import { refusedResponse, rpcErrorResponse } from "./errors.ts";
import { EventStream } from "./event-stream.ts";
import { offerOf } from "./offer.ts";
import { gatewayServer, ALL_CAPABILITIES } from "./server.ts";
import { connectionContext, type Serving } from "./serving.ts";
import { SessionTransport } from "./session-transport.ts";
import { followStream, standingStream } from "./session-streams.ts";

/** Methods whose answer may take long or be preceded by others: they get a stream that can be gone on with. */
const STREAMED: ReadonlySet<unknown> = new Set(["tools/call", "prompts/get", "resources/read"]);
/** The first revision whose clients understand an event without a message. */
const PRIMED_SINCE = "2025-11-25";

/** A session that is being begun has nothing but its request. */
type Entering = Omit<Serving, "session">;

/** Answers one message of a client. */
export async function serveSessionPost(entering: Entering, body: Json): Promise<Response> {
  const { c } = entering;
  if (!isJsonObject(body))
    return rpcErrorResponse(400, { code: -32_600, message: "expected one JSON-RPC message: batches are not taken" });
  const mistaken = protocolVersionMistake(c) ?? idMistake(body);
  if (mistaken !== undefined) return mistaken;
  const owner = ownerOf(entering);
  if (owner instanceof Response) return owner;
  if (isRequest(body) && body["method"] === "initialize") return open(entering, owner, body);
  const id = c.req.header("mcp-session-id");
  if (id !== undefined) return inSession(entering, { owner, id, body });
  const message = "Mcp-Session-Id: expected the id that `initialize` answered with";
  return rpcErrorResponse(400, { code: -32_000, message }, body["id"] ?? null);
}

/** The longest id of a request: it is kept beside its stream. */
const MAX_ID_CHARS = 256;

function idMistake({ id }: JsonObject): Response | undefined {
  const isFit = id === undefined || typeof id === "number" || (typeof id === "string" && id.length <= MAX_ID_CHARS);
  const message = `id: expected a number, or a text of at most ${MAX_ID_CHARS} characters`;
  return isFit ? undefined : rpcErrorResponse(400, { code: -32_600, message });
}

function isRequest({ method, id }: JsonObject): boolean {
  return method !== undefined && id !== undefined;
}

async function inSession(
  entering: Entering,
  { owner, id, body }: { readonly owner: McpSessionOwner; readonly id: string; readonly body: JsonObject },
): Promise<Response> {
  const { c } = entering;
  const { mcpSessions, system } = c.var.runtime.ports;
  const { tenant } = c.var.principal;
  const stream = isRequest(body) && STREAMED.has(body["method"]) ? system.randomHex(12) : null;
  const begins = stream === null ? null : { stream, requests: [JSON.stringify(body["id"])] };
  const session = SESSION_ID.test(id) ? await mcpSessions.enter(tenant, id, { owner, begins }) : null;
  if (session === null) return unknownSession(body["id"]);
  if (!isRequest(body)) {
    await mcpSessions.deliver(tenant, id, body);
    return new Response(null, { status: 202 });
  }
  const serving = { ...entering, session };
  return stream === null ? answerAtOnce(serving, session, body) : answerAsStream(serving, session, { body, stream });
}

/** What a client may say of itself, in characters of JSON: it is kept. */
const MAX_INITIALIZE_CHARS = 65_536;
const SESSION_ID = /^[0-9a-f]{64}$/;

function unknownSession(id: unknown): Response {
  return rpcErrorResponse(404, { code: -32_001, message: "Session not found: initialize again" }, id ?? null);
}

function protocolVersionMistake(c: HttpContext): Response | undefined {
  const version = c.req.header("mcp-protocol-version");
  if (version === undefined || SUPPORTED_PROTOCOL_VERSIONS.includes(version)) return undefined;
  const message = `MCP-Protocol-Version: expected one of ${SUPPORTED_PROTOCOL_VERSIONS.join(", ")}`;
  return rpcErrorResponse(400, { code: -32_000, message });
}

/** Whose session it is or becomes; a caller that names no actor it may be gets the refusal. */
function ownerOf(entering: Entering): McpSessionOwner | Response {
  const { server } = entering;
  const context = connectionContext(entering, "mcp");
  if (!context.ok) return refusedResponse(context);
  return { keyId: context.value.principal.keyId, actor: context.value.actor, server };
}

async function open(entering: Entering, owner: McpSessionOwner, body: JsonObject): Promise<Response> {
  const { c, server } = entering;
  const { ports } = c.var.runtime;
  const context = connectionContext(entering, "initialize");
  if (!context.ok) return refusedResponse(context);
  const offer = await offerOf(ports, context.value, server);
  if (!offer.ok) return refusedResponse(offer);
  const params = isJsonObject(body["params"]) ? body["params"] : {};
  if (JSON.stringify(params).length > MAX_INITIALIZE_CHARS)
    return refusedResponse(
      refuse("body_too_large", `initialize: expected parameters of at most ${MAX_INITIALIZE_CHARS} characters`),
    );
  const answer = await firstAnswer({ ...entering, session: null }, body, offer.value);
  const result = isJsonObject(answer["result"]) ? answer["result"] : undefined;
  if (result === undefined) return Response.json(answer, { status: 400 });
  const now = ports.system.now();
  const protocolVersion = textIn(result, "protocolVersion") ?? PRIMED_SINCE;
  const session: McpSession = {
    ...owner,
    id: ports.system.randomHex(32),
    protocolVersion,
    initialize: { ...params, protocolVersion },
    logLevel: null,
    subscriptions: [],
    createdAt: now,
    lastAt: now,
  };
  await ports.mcpSessions.open(c.var.principal.tenant, session);
  return Response.json(answer, { headers: { "mcp-session-id": session.id } });
}

/** The answer to a request that nothing precedes. */
async function firstAnswer(serving: Serving, body: JsonObject, capabilities = ALL_CAPABILITIES): Promise<JsonObject> {
  const server = gatewayServer(serving, capabilities);
  const answered = Promise.withResolvers<JsonObject>();
  const transport = new SessionTransport("none", (message) => {
    if (message["method"] === undefined) answered.resolve(message);
    return Promise.resolve();
  });
  await server.connect(transport);
  if (serving.session !== null) await transport.rehearse(serving.session.initialize);
  transport.receive(body);
  const answer = await answered.promise;
  await server.close();
  return answer;
}

async function answerAtOnce(serving: Serving, session: McpSession, body: JsonObject): Promise<Response> {
  return Response.json(await firstAnswer(serving, body), { headers: { "mcp-session-id": session.id } });
}

/** Answers over a stream. What it carries is kept before it is sent; a client that leaves finds the rest later. */
async function answerAsStream(
  serving: Serving,
  session: McpSession,
  { body, stream }: { readonly body: JsonObject; readonly stream: string },
): Promise<Response> {
  const { c } = serving;
  const { mcpSessions } = c.var.runtime.ports;
  const { tenant } = c.var.principal;
  const events = new EventStream({ "mcp-session-id": session.id });
  if (session.protocolVersion >= PRIMED_SINCE) events.prime(`${stream}/0`);
  const over = Promise.withResolvers<void>();
  const sendOne = async (message: JsonObject): Promise<void> => {
    const isLast = message["method"] === undefined;
    const seq = await mcpSessions.append(tenant, session.id, { stream, messages: [message], isLast }).catch(() => 0);
    events.write(seq === 0 ? { message } : { id: `${stream}/${seq}`, message });
    if (isLast) over.resolve();
  };
  let line = Promise.resolve();
  const transport = new SessionTransport(stream, (message) => (line = afterwards(line, () => sendOne(message))));
  const server = gatewayServer(serving, ALL_CAPABILITIES);
  await server.connect(transport);
  await transport.rehearse(session.initialize);
  transport.receive(body);
  const receiving = receive(serving, session, { transport, stream });
  const ending = async (): Promise<void> => {
    await over.promise;
    events.close();
    await server.close();
    await receiving;
  };
  deferOf(c)(ending());
  return events.response;
}

async function afterwards(before: Promise<void>, next: () => Promise<void>): Promise<void> {
  await before;
  await next();
}

/** Hands on what the client sends to a running request, until its stream is over. */
async function receive(
  { c }: Serving,
  { id }: McpSession,
  { transport, stream }: { readonly transport: SessionTransport; readonly stream: string },
): Promise<void> {
  const { mcpSessions } = c.var.runtime.ports;
  const { tenant } = c.var.principal;
  for (;;) {
    const messages = await mcpSessions.inbound(tenant, id, stream).catch(() => null);
    if (messages === null) return;
    for (const message of messages) transport.receive(message);
  }
}

/** Opens a stream: the rest of one that broke off, or the one on which the server speaks unasked. */
export async function serveSessionGet(entering: Entering): Promise<Response> {
  const { c } = entering;
  const entered = await enter(entering);
  if (entered instanceof Response) return entered;
  const last = c.req.header("last-event-id");
  if (last === undefined) return standingStream({ ...entering, session: entered }, entered);
  const [, stream, seq] = /^([0-9a-f]{24})\/(\d{1,8})$/.exec(last) ?? [];
  if (stream === undefined || seq === undefined)
    return refusedResponse(refuse("invalid_request", "Last-Event-ID: expected the id of an event of this session"));
  return followStream(c, entered, { stream, after: Number(seq) });
}

/** Ends a session. */
export async function serveSessionDelete(entering: Entering): Promise<Response> {
  const entered = await enter(entering);
  if (entered instanceof Response) return entered;
  const { c } = entering;
  await c.var.runtime.ports.mcpSessions.end(c.var.principal.tenant, entered.id);
  return new Response(null, { status: 204 });
}

async function enter(entering: Entering): Promise<McpSession | Response> {
  const { c } = entering;
  const mistaken = protocolVersionMistake(c);
  if (mistaken !== undefined) return mistaken;
  const owner = ownerOf(entering);
  if (owner instanceof Response) return owner;
  const id = c.req.header("mcp-session-id") ?? "";
  if (id === "") return rpcErrorResponse(400, { code: -32_000, message: "Mcp-Session-Id: expected a session's id" });
  const { ports } = c.var.runtime;
  const session = SESSION_ID.test(id)
    ? await ports.mcpSessions.enter(c.var.principal.tenant, id, { owner, begins: null })
    : null;
  return session !== null && mayUse(session, owner, ports.system.now()) ? session : unknownSession(null);
}
