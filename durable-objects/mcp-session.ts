// Remembers one session of an MCP client of the 2025 revisions; every rule is in src/core/state/mcp-session.ts.
import { DurableObject } from "cloudflare:workers";
import type { Json, JsonObject } from "../src/core/json/canonical.ts";
import * as sessions from "../src/core/state/mcp-session.ts";
import { SqlStore } from "./sql-store.ts";

/** The longest that anybody waits for what comes next. */
const MAX_WAIT_MS = 30_000;
/** The last use is written this much apart: not every request costs a row. */
const TOUCH_MS = 60_000;

/** One session, named `<tenant>/<session id>`. What it sent can be asked for again; what its client sends reaches the request it is for. */
export class McpSession extends DurableObject<object> {
  readonly #store: SqlStore;
  #session: sessions.McpSession | undefined;
  readonly #streams: Map<string, sessions.McpStream>;
  /** When whoever runs a stream was last heard of: it asks for what comes in all the time. */
  readonly #heard = new Map<string, number>();
  /** What has come for a running request and was not fetched yet. */
  readonly #inbound = new Map<string, JsonObject[]>();
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(ctx: DurableObjectState, env: object) {
    super(ctx, env);
    this.#store = new SqlStore(ctx.storage);
    this.#session = this.#store.readState() as sessions.McpSession | undefined;
    const streams = this.#store.allRows("s/") as readonly sessions.McpStream[];
    // Whoever ran them is gone with the instance that this one follows.
    this.#streams = new Map(streams.map((each) => [each.id, { ...each, isOver: true }]));
  }

  /** Begins the session. */
  async open(session: sessions.McpSession): Promise<void> {
    this.#session = session;
    this.#store.writeState(session);
    await this.ctx.storage.setAlarm(session.lastAt + sessions.MCP_SESSION_IDLE_MS);
  }

  /** The session, if it is this caller's; begins a stream for the requests that come with it. */
  enter(
    owner: sessions.McpSessionOwner,
    begins: { readonly stream: string; readonly requests: readonly string[] } | null,
  ): sessions.McpSession | null {
    const now = Date.now();
    const session = this.#session;
    if (session === undefined || !sessions.mayUse(session, owner, now)) return null;
    if (now - session.lastAt > TOUCH_MS) this.#write({ ...session, lastAt: now });
    if (begins !== null) {
      const { stream: id, requests } = begins;
      this.#heard.set(id, now);
      this.#put({ id, requests, events: 0, chars: 0, isOver: false, startedAt: now });
    }
    return session;
  }

  /** Changes what the session keeps. */
  change(change: sessions.McpSessionChange): void {
    if (this.#session !== undefined) this.#write(sessions.changedSession(this.#session, change));
  }

  /** Keeps what a stream sends, before it is sent; with `isLast` the stream is over. Answers the number of the last event. */
  append(stream: string, messages: readonly Json[], isLast: boolean): number {
    const known = this.#streams.get(stream);
    if (known === undefined) return 0;
    let { events, chars } = known;
    for (const message of messages) {
      events += 1;
      chars += JSON.stringify(message).length;
      this.#store.writeRow(`e/${stream}/${padded(events)}`, { seq: events, message });
    }
    this.#put({ ...known, events, chars, isOver: isLast });
    for (const id of sessions.streamsToForget([...this.#streams.values()])) this.#forget(id);
    this.#wake(`events/${stream}`);
    if (isLast) this.#wake(`inbound/${stream}`);
    return events;
  }

  /** What a stream sent after an event; waits for more while it runs. `null` for a stream that is not known, or no longer. */
  async events(
    stream: string,
    after: number,
    waitMs: number,
  ): Promise<{ readonly events: readonly sessions.McpEvent[]; readonly isOver: boolean } | null> {
    const known = this.#streams.get(stream);
    if (known === undefined) return null;
    this.#endIfLeft(known);
    if (known.events <= after && !known.isOver) await this.#next(`events/${stream}`, waitMs);
    const now = this.#streams.get(stream);
    if (now === undefined) return null;
    const events = this.#store.allRows(`e/${stream}/`) as readonly sessions.McpEvent[];
    return { events: events.filter(({ seq }) => seq > after), isOver: now.isOver };
  }

  /** Takes a message of the client for a request that runs; whether one does. */
  deliver(message: JsonObject): boolean {
    const stream = sessions.addressee([...this.#streams.values()], message);
    const waiting = stream === undefined ? [] : (this.#inbound.get(stream.id) ?? []);
    if (stream === undefined || waiting.length >= sessions.MAX_INBOUND) return false;
    this.#inbound.set(stream.id, [...waiting, message]);
    this.#wake(`inbound/${stream.id}`);
    return true;
  }

  /** What has come for a running request; waits for something. `null` once the stream is over. */
  async inbound(stream: string): Promise<readonly JsonObject[] | null> {
    const isRunning = (): boolean => this.#streams.get(stream)?.isOver === false;
    this.#heard.set(stream, Date.now());
    if (!this.#inbound.has(stream) && isRunning()) await this.#next(`inbound/${stream}`, MAX_WAIT_MS);
    const come = this.#inbound.get(stream) ?? [];
    this.#inbound.delete(stream);
    return isRunning() ? come : null;
  }

  /** Ends the session; whatever still runs runs to its end. */
  end(): void {
    this.#session = undefined;
    for (const key of this.#waiting.keys()) this.#wake(key);
    this.#streams.clear();
    this.#store.forget();
  }

  override async alarm(): Promise<void> {
    const session = this.#session;
    if (session === undefined) return;
    const dueAt = session.lastAt + sessions.MCP_SESSION_IDLE_MS;
    if (Date.now() < dueAt) return this.ctx.storage.setAlarm(dueAt);
    this.end();
  }

  /** A stream whose Worker has died says nothing more: whoever follows it is to know. */
  #endIfLeft(stream: sessions.McpStream): void {
    const isLeft = Date.now() - (this.#heard.get(stream.id) ?? 0) > sessions.LEFT_AFTER_MS;
    if (!stream.isOver && isLeft) this.#put({ ...stream, isOver: true });
  }

  #write(session: sessions.McpSession): void {
    this.#session = session;
    this.#store.writeState(session);
  }

  #put(stream: sessions.McpStream): void {
    this.#streams.set(stream.id, stream);
    this.#store.writeRow(`s/${stream.id}`, stream);
  }

  #forget(stream: string): void {
    this.#streams.delete(stream);
    this.#heard.delete(stream);
    this.#inbound.delete(stream);
    this.#store.deleteRow(`s/${stream}`);
    for (const { id } of this.#store.rowsUnder(`e/${stream}/`)) this.#store.deleteRow(id);
  }

  #next(key: string, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(key) ?? new Set();
      const done = (): void => {
        clearTimeout(timer);
        waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, Math.min(waitMs, MAX_WAIT_MS));
      this.#waiting.set(key, waiting.add(done));
    });
  }

  #wake(key: string): void {
    for (const done of this.#waiting.get(key) ?? []) done();
    this.#waiting.delete(key);
  }
}

function padded(seq: number): string {
  return String(seq).padStart(8, "0");
}
