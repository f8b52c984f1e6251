// Opens a connection to one MCP server on behalf of one caller, and sends one request at a time over it.
import {
  Client,
  LOG_LEVEL_META_KEY,
  ProtocolError,
  ProtocolErrorCode,
  SdkHttpError,
  StreamableHTTPClientTransport,
  type ClientCapabilities,
  type LoggingLevel,
  type PriorDiscovery,
  type ProgressCallback,
} from "@modelcontextprotocol/client";
import * as z from "zod/mini";
import type { JsonObject } from "../../core/json/canonical.ts";
import { digestOf } from "../../core/json/digest.ts";
import { scrubValue } from "../../core/trace/scrub.ts";
import { SERVICE_ORIGIN } from "../../core/tools/request.ts";
import type { System } from "../../gateway/ports.ts";
import type { McpExchange, McpTarget } from "../../gateway/ports/mcp.ts";
import type { Egress } from "../egress.ts";
import type { Credential, Credentials } from "../tools/credentials.ts";
import { Ending } from "./ending.ts";
import type { KnownSession, MetServers } from "./met-servers.ts";
import { upstreamFetch } from "./upstream-fetch.ts";

/** What connections are made with; `met` is the isolate's memory of servers. */
export interface Means {
  readonly egress: Egress;
  readonly credentials: Credentials;
  readonly system: System;
  readonly met: MetServers;
}

/** How one connection is to be. */
export interface Opening {
  readonly exchange: McpExchange;
  readonly timeoutMs: number;
  /** Further headers of every request. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly wantsStream?: boolean;
}

/** A connection. */
export interface Upstream {
  readonly client: Client;
  readonly era: "legacy" | "modern";
  /** Texts of every credential that took part so far, for scrubbing. */
  readonly credentials: readonly string[];
  /** Runs one request of the client; rejects also where its answer broke off. */
  run<T>(request: (options: RunOptions) => Promise<T>): Promise<T>;
}

/** What every request of a connection is sent with. */
export interface RunOptions {
  readonly signal: AbortSignal;
  readonly timeout: number;
  readonly maxTotalTimeout: number;
  readonly allowInputRequired: true;
  readonly onprogress: ProgressCallback;
}

/** No credential could be had. */
export class CredentialFault extends Error {}

const ME = { name: "interlock", version: "1" } as const;

/** An exchange with nobody behind it: no client to ask, nothing passed on. */
export const NOBODY: McpExchange = { clientCapabilities: {}, notify: () => undefined };

/** How loud a server of the stateless revision is to be while a request runs: it says nothing that is not asked for. */
export function logLevelOf(
  { logLevel, sessionKey }: McpExchange,
  era: Upstream["era"],
): Readonly<Record<string, string>> {
  // Who keeps a session hears what is worth knowing until it says otherwise.
  const level = logLevel ?? (sessionKey === undefined ? undefined : "info");
  return era === "legacy" || level === undefined ? {} : { [LOG_LEVEL_META_KEY]: level };
}

/** What a server answers, whatever it is: its members are read where they are used. */
export const Anything = z.looseObject({});

/** What came of using a connection, and the texts of every credential that took part: nobody may see them. */
export type Used<T> = ({ readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown }) & {
  readonly credentials: readonly string[];
};

/**
 * Connects, uses the connection and ends it. A server that was met lately needs no round trip, or at most its handshake; a
 * credential that is refused is renewed once. Errors are what the client throws, `UpstreamFault` and `CredentialFault`.
 */
export async function withUpstream<T>(
  means: Means,
  target: McpTarget,
  opening: Opening,
  use: (upstream: Upstream) => Promise<T>,
): Promise<Used<T>> {
  const signals = [AbortSignal.timeout(opening.timeoutMs), opening.exchange.signal].filter(isPresent);
  const signal = AbortSignal.any(signals);
  const { tenant, server, allowedHosts } = target;
  const found = await means.credentials({ tenant, auth: server.auth, allowedHosts }, signal);
  if (!found.ok) return { ok: false, error: new CredentialFault(found.reason), credentials: found.texts };
  const connection = new Connection(means, target, { opening, signal, credential: found.credential });
  try {
    await connection.open();
    return { ok: true, value: await use(connection), credentials: connection.credentials };
  } catch (error) {
    return { ok: false, error, credentials: connection.credentials };
  } finally {
    await connection.close();
  }
}

function isPresent<T>(value: T | undefined): value is T {
  return value !== undefined;
}

/** Whether a server refused the credential: nothing was done. */
export function isRefused(error: unknown): boolean {
  return error instanceof SdkHttpError && error.status === 401;
}

/** The address of a server; one behind a service binding has a path alone. */
export function serverUrl({ server }: Pick<McpTarget, "server">): URL {
  return new URL(server.service !== undefined && server.url.startsWith("/") ? SERVICE_ORIGIN + server.url : server.url);
}

interface Connecting {
  readonly opening: Opening;
  readonly signal: AbortSignal;
  readonly credential: Credential;
  /** Whether the credential took the place of one that was refused. */
  readonly isRenewed?: boolean;
}

/** One connection; where its session is gone, or its credential is refused, it begins anew: nothing was done. */
class Connection implements Upstream {
  readonly #means: Means;
  readonly #target: McpTarget;
  #connecting: Connecting;
  readonly #credentials: string[] = [];
  /** Where the isolate remembers the server, and the session of this caller there; no session is kept for a caller without one. */
  readonly #place: string;
  readonly #sessionKey: string | undefined;
  /** What passes to the client behind the gateway, free of the credentials that the server was sent. */
  readonly #exchange: McpExchange;
  #live: Live | undefined;

  constructor(means: Means, target: McpTarget, connecting: Connecting) {
    this.#means = means;
    this.#target = target;
    this.#connecting = connecting;
    this.#credentials.push(...connecting.credential.texts);
    const { notify, ask: question, ...exchange } = connecting.opening.exchange;
    this.#exchange = {
      ...exchange,
      notify: (notification) => notify(scrubValue(notification, this.#credentials)),
      ...(question === undefined ? {} : { ask: (asked) => question(scrubValue(asked, this.#credentials)) }),
    };
    const { tenant, name, server } = target;
    const { sessionKey, clientCapabilities, ask } = connecting.opening.exchange;
    this.#place = digestOf([tenant, name, server.url, server.service ?? "", connecting.credential.texts]);
    this.#sessionKey =
      sessionKey === undefined ? undefined : digestOf([this.#place, sessionKey, clientCapabilities, ask !== undefined]);
  }

  get client(): Client {
    return this.#connected().client;
  }

  get era(): "legacy" | "modern" {
    return this.client.getDiscoverResult() === undefined ? "legacy" : "modern";
  }

  get credentials(): readonly string[] {
    return this.#credentials;
  }

  async open(): Promise<void> {
    try {
      await this.#dial();
    } catch (error) {
      if (!(await this.#hasRenewed(error))) throw error;
      await this.#dial();
    }
  }

  /** Whether the server refused the credential and there is another now. A second one is not renewed. */
  async #hasRenewed(error: unknown): Promise<boolean> {
    const { credential, isRenewed = false } = this.#connecting;
    if (!isRefused(error) || isRenewed || credential.renew === undefined) return false;
    const renewed = await credential.renew();
    if (!renewed.ok) throw new CredentialFault(renewed.reason);
    this.#credentials.push(...renewed.credential.texts);
    this.#connecting = { ...this.#connecting, credential: renewed.credential, isRenewed: true };
    return true;
  }

  async #dial(): Promise<void> {
    const { met, system } = this.#means;
    const now = system.now();
    const known = this.#sessionKey === undefined ? undefined : met.session(this.#sessionKey, now);
    const verdict = met.verdict(this.#place, now);
    const live = this.#liveFor(known, verdict);
    const { opening, signal } = this.#connecting;
    const options = { timeout: opening.timeoutMs, signal };
    const prior = known === undefined ? verdict : ({ kind: "legacy" } as const);
    try {
      await live.ending.race(
        live.client.connect(live.transport, prior === undefined ? options : { ...options, prior }),
      );
    } catch (error) {
      met.forgetVerdict(this.#place);
      throw error;
    }
    this.#live = live;
    const discover = live.client.getDiscoverResult();
    if (verdict === undefined)
      met.keepVerdict(this.#place, discover === undefined ? { kind: "legacy" } : { kind: "modern", discover }, now);
    await this.#keepSession(live, known, now);
  }

  /** A session that is gone on with has the log level that its caller set last. */
  async #keepSession({ client, transport }: Live, known: KnownSession | undefined, now: number): Promise<void> {
    const { sessionId: id, protocolVersion } = transport;
    const { logLevel } = this.#connecting.opening.exchange;
    if (this.#sessionKey === undefined || id === undefined || protocolVersion === undefined) return;
    const isHeard = known === undefined ? client.getServerCapabilities()?.logging !== undefined : true;
    if (logLevel !== undefined && logLevel !== known?.logLevel && isHeard)
      await client.setLoggingLevel(logLevel as LoggingLevel).catch(() => undefined);
    if (known === undefined || logLevel !== known.logLevel)
      this.#means.met.keepSession(this.#sessionKey, { id, protocolVersion, logLevel }, now);
  }

  async run<T>(request: (options: RunOptions) => Promise<T>): Promise<T> {
    const { isResumed } = this.#connected();
    try {
      return await this.#once(request);
    } catch (error) {
      if (this.#sessionKey !== undefined && isSessionGone(error)) this.#means.met.forgetSession(this.#sessionKey);
      // A server that does not know the session, or the credential, has done nothing: it is asked again under another.
      const mayAgain = (isResumed && isSessionGone(error)) || (await this.#hasRenewed(error));
      if (!mayAgain) throw error;
      await this.#connected().client.close();
      await this.#dial();
      return this.#once(request);
    }
  }

  #once<T>(request: (options: RunOptions) => Promise<T>): Promise<T> {
    const { ending } = this.#connected();
    const { opening, signal } = this.#connecting;
    const { timeoutMs: timeout } = opening;
    const onprogress: ProgressCallback = (progress) =>
      this.#exchange.notify({ method: "notifications/progress", params: { ...progress } as JsonObject });
    ending.begin();
    return ending.race(request({ signal, timeout, maxTotalTimeout: timeout, allowInputRequired: true, onprogress }));
  }

  /** Ends the connection; a session that is gone on with stays. */
  async close(): Promise<void> {
    if (this.#live === undefined) return;
    const { client, transport } = this.#live;
    const isKept = this.#sessionKey !== undefined;
    if (!isKept && transport.sessionId !== undefined) await transport.terminateSession().catch(() => undefined);
    await client.close().catch(() => undefined);
  }

  #connected(): Live {
    if (this.#live === undefined) throw new Error("not connected");
    return this.#live;
  }

  #liveFor(known: KnownSession | undefined, verdict: PriorDiscovery | undefined): Live {
    const { opening, signal, credential } = this.#connecting;
    const { egress } = this.#means;
    const { allowedHosts, server } = this.#target;
    const ending = new Ending();
    const fetch = upstreamFetch({
      egress,
      allowedHosts,
      service: server.service,
      credential,
      headers: opening.headers ?? {},
      signal,
      onStart: () => ending.started(),
      onEnd: (fault) => ending.ended(fault),
      wantsStream: opening.wantsStream === true,
    });
    const transport = new StreamableHTTPClientTransport(serverUrl(this.#target), {
      fetch,
      redirectPolicy: "follow",
      onInsufficientScope: "throw",
      reconnectionOptions: RECONNECTION,
      ...(known === undefined ? {} : { sessionId: known.id, protocolVersion: known.protocolVersion }),
    });
    const client = clientOf(this.#exchange, known === undefined ? verdict?.kind : "legacy");
    return { client, transport, ending, isResumed: known !== undefined };
  }
}

/** What one dialling came to. */
interface Live {
  readonly client: Client;
  readonly transport: StreamableHTTPClientTransport;
  readonly ending: Ending;
  /** Whether it goes on with a session that was begun before. */
  readonly isResumed: boolean;
}

/** A stream that broke off is asked for again twice, where the server has numbered its events. */
const RECONNECTION = {
  maxRetries: 2,
  initialReconnectionDelay: 200,
  maxReconnectionDelay: 2_000,
  reconnectionDelayGrowFactor: 2,
} as const;

function isSessionGone(error: unknown): boolean {
  return error instanceof SdkHttpError && error.status === 404;
}

/** What a server may ask of the client behind the gateway, by the capability that the client must have declared. */
const QUESTIONS: Readonly<Record<string, "elicitation" | "sampling" | "roots">> = {
  "elicitation/create": "elicitation",
  "sampling/createMessage": "sampling",
  "roots/list": "roots",
};
/** Questions of one request, at most. */
const MAX_QUESTIONS = 16;

/**
 * A client that says it can do what the client behind the gateway can, as far as a question can reach it: extensions stay
 * with the gateway, which could not go on with what they begin.
 */
function clientOf(exchange: McpExchange, era: PriorDiscovery["kind"] | undefined): Client {
  const { ask, notify, clientCapabilities } = exchange;
  const declared = Object.entries(clientCapabilities).filter(([name]) =>
    Object.values<string>(QUESTIONS).includes(name),
  );
  // A server that asks by a request of its own must reach the client within this one; one that asks by its answer need not.
  const capabilities =
    ask === undefined && era !== "modern" ? {} : (Object.fromEntries(declared) as ClientCapabilities);
  const client = new Client(ME, {
    capabilities,
    versionNegotiation: { mode: "auto" },
    inputRequired: { autoFulfill: false },
  });
  client.fallbackNotificationHandler = (notification) => {
    notify({ method: notification.method, params: (notification.params ?? {}) as JsonObject });
    return Promise.resolve();
  };
  let asked = 0;
  if (ask !== undefined)
    client.fallbackRequestHandler = ({ method, params }) => {
      const needed = QUESTIONS[method];
      asked += 1;
      if (needed === undefined || clientCapabilities[needed] === undefined || asked > MAX_QUESTIONS)
        throw new ProtocolError(ProtocolErrorCode.MethodNotFound, "the client cannot be asked this");
      return ask({ method, params: (params ?? {}) as JsonObject });
    };
  return client;
}
