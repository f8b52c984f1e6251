// Connects the official server to one request of a session: what it was initialized with is told again, its questions get ids of their own.
import type { JSONRPCMessage, Transport } from "@modelcontextprotocol/server";
import type { JsonObject } from "../../core/json/canonical.ts";

/** A transport for one request. Servers are made for each: what makes a session lies with its object. */
export class SessionTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: NonNullable<Transport["onmessage"]>;
  readonly #stream: string;
  readonly #sink: (message: JsonObject) => Promise<void>;
  /** The id under which a server is told of the session's own `initialize`: one that no client can know. */
  readonly #rehearsal = crypto.randomUUID();
  #rehearsed: () => void = () => undefined;

  /** `stream` is the name under which answers to questions come back; `sink` takes what the server sends, in order. */
  constructor(stream: string, sink: (message: JsonObject) => Promise<void>) {
    this.#stream = stream;
    this.#sink = sink;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  /** Tells the server what its client once initialized it with; resolves when it knows. */
  async rehearse(params: JsonObject): Promise<void> {
    const known = new Promise<void>((resolve) => (this.#rehearsed = resolve));
    this.receive({ jsonrpc: "2.0", id: this.#rehearsal, method: "initialize", params });
    await known;
    this.receive({ jsonrpc: "2.0", method: "notifications/initialized" });
  }

  /** Hands a message of the client to the server. */
  receive(message: JsonObject): void {
    const { id } = message;
    const isAnswer = message["method"] === undefined && typeof id === "string" && id.startsWith(`${this.#stream}:`);
    const own = isAnswer ? { ...message, id: Number(id.slice(this.#stream.length + 1)) } : message;
    // The server parses what it is handed, whatever the type says.
    this.onmessage?.(own as unknown as JSONRPCMessage);
  }

  send(message: JSONRPCMessage): Promise<void> {
    const sent = message as unknown as JsonObject;
    if (sent["id"] === this.#rehearsal) {
      this.#rehearsed();
      return Promise.resolve();
    }
    const isQuestion = sent["method"] !== undefined && sent["id"] !== undefined;
    return this.#sink(isQuestion ? { ...sent, id: `${this.#stream}:${JSON.stringify(sent["id"])}` } : sent);
  }

  close(): Promise<void> {
    this.onclose?.();
    return Promise.resolve();
  }
}
