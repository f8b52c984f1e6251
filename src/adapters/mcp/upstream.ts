// Opens a connection to one MCP server on behalf of one caller, and sends one request at a time over it.
import {
  Client,
  SdkHttpError,
  StreamableHTTPClientTransport,
  type ClientCapabilities,
  type PriorDiscovery,
  type ProgressCallback,
} from "@modelcontextprotocol/client";
import * as z from "zod/mini";
import type { JsonObject } from "../../core/json/canonical.ts";
import { digestOf } from "../../core/json/digest.ts";
import { SERVICE_ORIGIN } from "../../core/tools/request.ts";
import type { System } from "../../gateway/ports.ts";
import type { McpExchange, McpTarget } from "../../gateway/ports/mcp.ts";
import type { Egress } from "../egress.ts";
import type { Credential, Credentials } from "../tools/credentials.ts";
import { LegacySessions } from "./legacy-sessions.ts";
import { upstreamFetch, UpstreamFault } from "./upstream-fetch.ts";

/** What connections are made with; `verdicts` and `sessions` are the isolate's memory of servers. */
export interface Means {
  readonly egress: Egress;
  readonly credentials: Credentials;
  readonly system: System;
  readonly verdicts: Map<string, { readonly prior: PriorDiscovery; readonly at: number }>;
  readonly sessions: LegacySessions;
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
  /** Runs one request of the client; rejects also where its answer broke off. */
  run<T>(request: (options: RunOptions) => Promise<T>): Promise<T>;
  /** Ends the connection; a session that is gone on with stays. */
  close(): Promise<void>;
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

/** How long what a server speaks is remembered, in milliseconds. */
const VERDICT_MAX_AGE_MS = 300_000;
const MAX_VERDICTS = 500;
/** How long after the end of an answer its last event may still be on its way through the parser. */
const PARSER_GRACE_MS = 50;
const ME = { name: "interlock", version: "1" } as const;

/** An exchange with nobody behind it: no client to ask, nothing passed on. */
export const NOBODY: McpExchange = { clientCapabilities: {}, notify: () => undefined };

/** What a server answers, whatever it is: its members are read where they are used. */
export const Anything = z.looseObject({});

/** Everything that opening and ending one connection works with, and the credential texts that took part. */
export interface Opened {
  readonly upstream: Upstream;
  readonly credentials: readonly string[];
}

/**
 * Connects. A server that was met lately needs no round trip, or at most its handshake. A credential that is refused is
 * renewed once. Throws what the client throws, `UpstreamFault` and `CredentialFault`.
 */
export async function openUpstream(means: Means, target: McpTarget, opening: Opening): Promise<Opened> {
  const signals = [AbortSignal.timeout(opening.timeoutMs), opening.exchange.signal].filter(isPresent);
  const signal = AbortSignal.any(signals);
  const { tenant, server, allowedHosts } = target;
  const found = await means.credentials({ tenant, auth: server.auth, allowedHosts }, signal);
  if (!found.ok) throw new CredentialFault(found.reason);
  const { credential } = found;
  try {
    return { upstream: await connect(means, target, { opening, signal, credential }), credentials: credential.texts };
  } catch (error) {
    if (!isRefused(error) || credential.renew === undefined) throw error;
    const renewed = await credential.renew();
    if (!renewed.ok) throw new CredentialFault(renewed.reason);
    const again = { opening, signal, credential: renewed.credential };
    return {
      upstream: await connect(means, target, again),
      credentials: [...credential.texts, ...renewed.credential.texts],
    };
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
}

async function connect(means: Means, target: McpTarget, connecting: Connecting): Promise<Upstream> {
  const { opening, signal, credential } = connecting;
  const { exchange } = opening;
  const now = means.system.now();
  const place = digestOf([
    target.tenant,
    target.name,
    target.server.url,
    target.server.service ?? "",
    credential.texts,
  ]);
  const verdict = fresh(means, place, now);
  const sessionKey =
    exchange.sessionKey === undefined
      ? undefined
      : digestOf([place, exchange.sessionKey, exchange.clientCapabilities, exchange.ask !== undefined]);
  const known = sessionKey === undefined ? undefined : means.sessions.find(sessionKey, now);
  const ending = new Ending();
  const transport = new StreamableHTTPClientTransport(serverUrl(target), {
    fetch: upstreamFetch({
      egress: means.egress,
      allowedHosts: target.allowedHosts,
      service: target.server.service,
      credential,
      headers: opening.headers ?? {},
      signal,
      onStart: () => ending.started(),
      onEnd: (fault) => ending.ended(fault),
      wantsStream: opening.wantsStream === true,
    }),
    redirectPolicy: "follow",
    onInsufficientScope: "throw",
    reconnectionOptions: {
      maxRetries: 2,
      initialReconnectionDelay: 200,
      maxReconnectionDelay: 2_000,
      reconnectionDelayGrowFactor: 2,
    },
    ...(known === undefined ? {} : { sessionId: known.id, protocolVersion: known.protocolVersion }),
  });
  const client = clientOf(exchange, known === undefined ? verdict?.kind : "legacy");
  const options = { timeout: opening.timeoutMs, signal };
  const prior = known === undefined ? verdict : ({ kind: "legacy" } as const);
  try {
    await ending.race(client.connect(transport, prior === undefined ? options : { ...options, prior }));
  } catch (error) {
    means.verdicts.delete(place);
    throw error;
  }
  const discover = client.getDiscoverResult();
  const era = discover === undefined ? "legacy" : "modern";
  if (verdict === undefined)
    remember(means, place, discover === undefined ? { kind: "legacy" } : { kind: "modern", discover }, now);
  const { sessionId, protocolVersion } = transport;
  const isKept =
    era === "legacy" && sessionKey !== undefined && sessionId !== undefined && protocolVersion !== undefined;
  if (isKept && known === undefined) means.sessions.keep(sessionKey, { id: sessionId, protocolVersion }, now);
  return {
    client,
    era,
    run: async (request) => {
      ending.begin();
      try {
        return await ending.race(
          request({
            signal,
            timeout: opening.timeoutMs,
            maxTotalTimeout: opening.timeoutMs,
            allowInputRequired: true,
            onprogress: (progress) =>
              exchange.notify({ method: "notifications/progress", params: { ...progress } as JsonObject }),
          }),
        );
      } catch (error) {
        // A session that the server has forgotten is begun anew by whoever comes next.
        if (isKept) means.sessions.forget(sessionKey);
        throw error;
      }
    },
    close: async () => {
      if (!isKept && sessionId !== undefined) await transport.terminateSession().catch(() => undefined);
      await client.close().catch(() => undefined);
    },
  };
}

function fresh({ verdicts }: Means, place: string, now: number): PriorDiscovery | undefined {
  const verdict = verdicts.get(place);
  return verdict === undefined || now - verdict.at > VERDICT_MAX_AGE_MS ? undefined : verdict.prior;
}

function remember({ verdicts }: Means, place: string, prior: PriorDiscovery, now: number): void {
  if (verdicts.size >= MAX_VERDICTS) verdicts.clear();
  verdicts.set(place, { prior, at: now });
}

/** A client that says it can do what the client behind the gateway can, as far as a question can reach it. */
function clientOf(exchange: McpExchange, era: PriorDiscovery["kind"] | undefined): Client {
  const { ask, notify } = exchange;
  // A server that asks by a request of its own must reach the client within this one; one that asks by its answer need not.
  const capabilities = ask === undefined && era !== "modern" ? {} : (exchange.clientCapabilities as ClientCapabilities);
  const client = new Client(ME, {
    capabilities,
    versionNegotiation: { mode: "auto" },
    inputRequired: { autoFulfill: false },
  });
  client.fallbackNotificationHandler = (notification) => {
    notify({ method: notification.method, params: (notification.params ?? {}) as JsonObject });
    return Promise.resolve();
  };
  if (ask !== undefined)
    client.fallbackRequestHandler = ({ method, params }) => ask({ method, params: (params ?? {}) as JsonObject });
  return client;
}

/** What becomes of the answer to the request that is running. */
class Ending {
  #reject: ((fault: UpstreamFault) => void) | undefined;
  #requests = 0;
  #broken: Promise<never> = new Promise(() => undefined);

  constructor() {
    this.begin();
  }

  begin(): void {
    this.#broken = new Promise((_, reject) => (this.#reject = reject));
    this.#broken.catch(() => undefined);
  }

  started(): void {
    this.#requests += 1;
  }

  /** An answer is over: with a fault at once, else once its last event must have come through and nothing else was sent. */
  ended(fault: UpstreamFault | null): void {
    const reject = this.#reject;
    if (fault !== null) return reject?.(fault);
    const silent = new UpstreamFault("cut", "the server ended its answer without a result");
    const requests = this.#requests;
    setTimeout(() => {
      if (requests === this.#requests) reject?.(silent);
    }, PARSER_GRACE_MS);
  }

  race<T>(request: Promise<T>): Promise<T> {
    return Promise.race([request, this.#broken]);
  }
}
