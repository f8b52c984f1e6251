// Decides the life of one session of an MCP client of the 2025 revisions: whose it is, what it keeps, and which streams of it are forgotten first.
import type { Json, JsonObject } from "../json/canonical.ts";

/** Without a request for this long, a session is forgotten. */
export const MCP_SESSION_IDLE_MS = 3_600_000;
/** The most that a session keeps of what it sent, in characters of JSON; the oldest finished streams go first. */
export const MAX_KEPT_CHARS = 4_000_000;
/** Streams that a session keeps, at most; the oldest finished ones go first. */
const MAX_STREAMS = 200;
/** Messages that wait for one running request, at most: more are not taken. */
export const MAX_INBOUND = 64;
/** A stream whose Worker was not heard of for this long has been left: it asks every thirty seconds at least. */
export const LEFT_AFTER_MS = 75_000;
/** Resources that one listener subscribes to, at most. */
export const MAX_SUBSCRIPTIONS = 200;

/** Who may use a session: nobody else can, and to others it does not exist. */
export interface McpSessionOwner {
  readonly keyId: string;
  readonly actor: string;
  /** The one server that the session's endpoint shows, or `null` for all. */
  readonly server: string | null;
}

/** A session. Times are epoch milliseconds. */
export interface McpSession extends McpSessionOwner {
  readonly id: string;
  readonly protocolVersion: string;
  /** The client's own parameters of `initialize`: its capabilities and its name. */
  readonly initialize: JsonObject;
  readonly logLevel: string | null;
  readonly subscriptions: readonly string[];
  readonly createdAt: number;
  readonly lastAt: number;
}

/** One stream of a session: the answer to one request, as events that a client can ask for again. */
export interface McpStream {
  readonly id: string;
  /** The client's ids of the requests that the stream answers, as JSON texts. */
  readonly requests: readonly string[];
  readonly events: number;
  readonly chars: number;
  readonly isOver: boolean;
  readonly startedAt: number;
}

/** One event of a stream, from 1 on. */
export interface McpEvent {
  readonly seq: number;
  readonly message: Json;
}

/** What a session's client changes of it. */
export type McpSessionChange =
  | { readonly type: "log_level"; readonly level: string }
  | { readonly type: "subscribe" | "unsubscribe"; readonly uri: string };

/** Whether a session belongs to this caller at this endpoint, and is not over. */
export function mayUse(session: McpSession, owner: McpSessionOwner, now: number): boolean {
  const isOwn = session.keyId === owner.keyId && session.actor === owner.actor && session.server === owner.server;
  return isOwn && now - session.lastAt < MCP_SESSION_IDLE_MS;
}

/** The session after a change; what is beyond the most subscriptions is not taken. */
export function changedSession(session: McpSession, change: McpSessionChange): McpSession {
  switch (change.type) {
    case "log_level":
      return { ...session, logLevel: change.level };
    case "subscribe": {
      const uris = [...new Set([...session.subscriptions, change.uri])];
      return uris.length > MAX_SUBSCRIPTIONS ? session : { ...session, subscriptions: uris };
    }
    case "unsubscribe":
      return { ...session, subscriptions: session.subscriptions.filter((uri) => uri !== change.uri) };
    default:
      return change satisfies never;
  }
}

/** The finished streams to forget so that the session keeps no more than it may; running ones are kept. */
export function streamsToForget(streams: readonly McpStream[]): readonly string[] {
  let kept = streams.reduce((all, { chars }) => all + chars, 0);
  let count = streams.length;
  const forgotten: string[] = [];
  for (const stream of streams.toSorted((one, other) => one.startedAt - other.startedAt)) {
    if (kept <= MAX_KEPT_CHARS && count <= MAX_STREAMS) break;
    if (!stream.isOver) continue;
    kept -= stream.chars;
    count -= 1;
    forgotten.push(stream.id);
  }
  return forgotten;
}

/** The stream that a message of the client is for: the answer to one of its questions, or word of a request it answers. */
export function addressee(streams: readonly McpStream[], message: JsonObject): McpStream | undefined {
  const running = streams.filter(({ isOver }) => !isOver);
  const { id, method, params } = message;
  if (method === undefined && typeof id === "string") {
    const [stream] = id.split(":");
    return running.find((each) => each.id === stream);
  }
  if (method !== "notifications/cancelled" && method !== "notifications/progress") return undefined;
  const of = typeof params === "object" && params !== null && "requestId" in params ? params["requestId"] : undefined;
  return running.find(({ requests }) => requests.includes(JSON.stringify(of ?? null)));
}
