// Carries an MCP client's requests through egress: credentials filled in, answers bounded, and a broken answer told.
import type { FetchLike } from "@modelcontextprotocol/client";
import type { Egress } from "../egress.ts";
import type { Credential } from "../tools/credentials.ts";

/** The most that one answer of a server may hold, streamed or not. */
export const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** Why a request to a server came to nothing, before or below the protocol. */
export class UpstreamFault extends Error {
  readonly kind: "blocked" | "lost" | "cut" | "too_large";
  /** The HTTP status, where one came. */
  readonly status: number | null;

  constructor(kind: UpstreamFault["kind"], message: string, status: number | null = null) {
    super(message);
    this.name = "UpstreamFault";
    this.kind = kind;
    this.status = status;
  }
}

/** Where requests go, and what goes with each. */
export interface Wire {
  readonly egress: Egress;
  readonly allowedHosts: readonly string[];
  readonly service: string | undefined;
  readonly credential: Credential;
  /** Further headers. */
  readonly headers: Readonly<Record<string, string>>;
  /** Ends every request. */
  readonly signal: AbortSignal;
  /** Told that a request leaves. */
  readonly onStart: () => void;
  /** Told when an answer ended badly, or ended for good while a request may still wait for it. */
  readonly onEnd: (fault: UpstreamFault | null) => void;
  /** Whether the server's own stream of notifications is wanted; else it is answered here as not offered. */
  readonly wantsStream: boolean;
}

/** A fetch for the official client's transport. Redirects are answers: nothing is sent elsewhere. */
export function upstreamFetch(wire: Wire): FetchLike {
  return async (url, init = {}) => {
    const method = init.method ?? "GET";
    const headers = new Headers(init.headers);
    if (method === "GET" && !wire.wantsStream && !headers.has("last-event-id")) return NOT_OFFERED();
    const target = String(url);
    const body = typeof init.body === "string" ? init.body : null;
    for (const [name, value] of Object.entries(wire.headers)) headers.set(name, value);
    for (const [name, value] of Object.entries(await wire.credential.headersFor({ method, url: target, body })))
      headers.set(name, value);
    const signal = init.signal == null ? wire.signal : AbortSignal.any([wire.signal, init.signal]);
    const { egress, allowedHosts, service } = wire;
    wire.onStart();
    const answer = await egress({ url: target, method, headers, body, allowedHosts, service, signal }).catch(
      (error: unknown) => {
        throw signal.aborted ? error : new UpstreamFault("lost", "the connection to the server failed");
      },
    );
    if (!answer.sent) throw new UpstreamFault("blocked", answer.reason);
    return bounded(answer.response, wire.onEnd, signal);
  };
}

const EVENT_ID = /^id:/m;
const NOT_OFFERED = (): Response => new Response(null, { status: 405 });

function bounded(response: Response, onEnd: Wire["onEnd"], signal: AbortSignal): Response {
  if (response.body === null) return response;
  const { status, headers } = response;
  const reader = response.body.getReader();
  const events = headers.get("content-type")?.startsWith("text/event-stream") === true ? new TextDecoder() : undefined;
  let size = 0;
  // A stream with event ids that ends early is gone on with: the client asks for the rest.
  let isResumable = false;
  const end = (controller: ReadableStreamDefaultController<Uint8Array>, fault: UpstreamFault): void => {
    if (!signal.aborted) onEnd(fault);
    controller.error(fault);
  };
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) {
          if (!isResumable) onEnd(null);
          return controller.close();
        }
        size += value.byteLength;
        isResumable ||= events !== undefined && EVENT_ID.test(events.decode(value, { stream: true }));
        if (size <= MAX_ANSWER_BYTES) return controller.enqueue(value);
        await reader.cancel();
        end(controller, new UpstreamFault("too_large", "the server's answer is larger than 4 MiB", status));
      } catch {
        end(controller, new UpstreamFault("cut", "the server's answer broke off", status));
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
  return new Response(body, { status, headers });
}
