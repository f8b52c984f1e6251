// A trace queue, a database and a bucket that fail on demand, around the Worker's own: every message and fault is counted.
import { evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { vi } from "vitest";
import { compose } from "../../src/compose.ts";
import { storeDeadLetters } from "../../src/jobs/dead-letters.ts";
import { QUIET_MS } from "../../src/core/state/session-ledger.ts";
import type { IndexRow } from "../../src/core/trace/record.ts";
import { indexTraces } from "../../src/jobs/trace-index.ts";
import type { TraceMessage } from "../../src/jobs/trace-lines.ts";
import { bindings } from "./tenant.ts";

/** Answers whether the next use of a place fails. */
export type Fault = () => boolean;

/** What can fail; everything works when left out. */
export interface Faults {
  /** The queue refuses a message. */
  send?: Fault;
  /** The queue takes a message and its answer is lost: the sender sends it again. */
  sendUnanswered?: Fault;
  /** A message arrives once more. */
  twice?: Fault;
  /** R2 answers 5xx, before it has done anything. */
  bucket?: Fault;
  /** D1 is overloaded. */
  database?: Fault;
  /** D1 has done it, and its answer is lost. */
  databaseUnanswered?: Fault;
  /** The consumer is killed after all is stored, before it could acknowledge. */
  killed?: Fault;
}

interface Waiting {
  readonly body: string;
  readonly timestamp: Date;
  attempts: number;
}

const MAX_ATTEMPTS = 11;
const BATCH = 20;

/** Stands behind `TRACES` for one test: what is sent waits until the test delivers it. */
export class FaultyStore {
  faults: Faults = {};
  waiting: Waiting[] = [];
  dead: Waiting[] = [];
  readonly counts: Record<string, number> = {};
  /** Records of calls that the queue has taken, each once. */
  readonly taken = new Set<string>();
  readonly #ports = compose({
    ...bindings,
    DB: this.#faultyDatabase(),
    BLOBS: this.#faultyBucket(),
  }).ports;

  constructor() {
    vi.spyOn(bindings.TRACES, "send").mockImplementation(async (body) => {
      if (this.#fails("send")) throw new Error("queue refused");
      for (const line of String(body).split("\n")) this.#note(line);
      this.waiting.push({ body: String(body), timestamp: new Date(), attempts: 0 });
      if (this.#fails("sendUnanswered")) throw new Error("no answer from the queue");
      return { metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } } };
    });
  }

  /** Delivers one batch of what waits; answers how many messages still wait. */
  async deliver(): Promise<number> {
    const batch = this.waiting.splice(0, BATCH);
    const again = batch.filter(() => this.#fails("twice"));
    const left = await this.#consume([...batch, ...again], (messages) => indexTraces(this.#ports, messages));
    for (const each of left) (each.attempts >= MAX_ATTEMPTS ? this.dead : this.waiting).push(each);
    return this.waiting.length;
  }

  /** Delivers one batch of dead letters; answers how many still wait. */
  async deliverDead(): Promise<number> {
    const batch = this.dead.splice(0, BATCH);
    this.dead.push(...(await this.#consume(batch, (messages) => storeDeadLetters(this.#ports, messages))));
    return this.dead.length;
  }

  #note(line: string): void {
    const { index } = JSON.parse(line) as { readonly index?: IndexRow };
    if (index?.kind === "chat" || index?.kind === "execute_tool") this.taken.add(`${index.trace_hex}/${index.span_id}`);
  }

  async #consume(
    batch: readonly Waiting[],
    consumer: (messages: readonly TraceMessage[]) => Promise<void>,
  ): Promise<readonly Waiting[]> {
    const acked = new Set<Waiting>();
    const messages = batch.map((each) => ({
      body: each.body,
      timestamp: each.timestamp,
      attempts: each.attempts + 1,
      ack: () => void acked.add(each),
      retry: () => undefined,
    }));
    await consumer(messages);
    if (batch.length > 0 && this.#fails("killed")) acked.clear();
    const left = [...new Set(batch)].filter((each) => !acked.has(each));
    for (const each of left) each.attempts += 1;
    return left;
  }

  #fails(fault: keyof Faults): boolean {
    const fails = this.faults[fault]?.() ?? false;
    if (fails) this.counts[fault] = (this.counts[fault] ?? 0) + 1;
    return fails;
  }

  #faultyBucket(): R2Bucket {
    return new Proxy(bindings.BLOBS, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        return async (...args: unknown[]): Promise<unknown> => {
          if (this.#fails("bucket")) throw new Error("R2 internal error (10001)");
          return Reflect.apply(value, target, args) as unknown;
        };
      },
    });
  }

  #faultyDatabase(): D1Database {
    return new Proxy(bindings.DB, {
      get: (target, name) => {
        if (name !== "batch") {
          const value: unknown = Reflect.get(target, name);
          return typeof value === "function" ? (value.bind(target) as unknown) : value;
        }
        return async (statements: D1PreparedStatement[]): Promise<unknown> => {
          if (this.#fails("database")) throw new Error("D1_ERROR: D1 DB is overloaded");
          const done = await target.batch(statements);
          if (this.#fails("databaseUnanswered")) throw new Error("D1_ERROR: Network connection lost");
          return done;
        };
      },
    });
  }
}

/** The object of a session. */
export function ledgerOf(tenant: string, session: string): DurableObjectStub {
  return (bindings.SESSION_LEDGER as unknown as DurableObjectNamespace).getByName(`${tenant}/${session}`);
}

/** Stops a session's object without a warning: what it had in memory is gone. */
export async function stop(tenant: string, session: string): Promise<void> {
  await evictDurableObject(ledgerOf(tenant, session));
}

/** Waits until a quiet session has stated every call and its outbox is empty. */
export async function untilStated(tenant: string, session: string): Promise<void> {
  await untilSent({ tenant, sessions: [session] }, () => true);
}

/** Waits until quiet sessions have stated every call, their outboxes are empty, and something else holds. */
export async function untilSent(
  { tenant, sessions }: { readonly tenant: string; readonly sessions: readonly string[] },
  isMet: () => boolean,
): Promise<void> {
  await vi.waitFor(
    async () => {
      for (const session of sessions) {
        await afterQuiet(() => runDurableObjectAlarm(ledgerOf(tenant, session)));
        const { state, outboxDepth } = await bindings.SESSION_LEDGER.getByName(`${tenant}/${session}`).read();
        if (outboxDepth + state.unstated.length + state.uncertain.length > 0) throw new Error("not stated yet");
      }
      if (!isMet()) throw new Error("not sent yet");
    },
    { timeout: 30_000, interval: 50 },
  );
}

/** Runs something as if the session had been quiet for a while. */
async function afterQuiet(run: () => Promise<unknown>): Promise<void> {
  const { now } = Date;
  const later = vi.spyOn(Date, "now").mockImplementation(() => now() + QUIET_MS + 1_000);
  await run().finally(() => later.mockRestore());
}
