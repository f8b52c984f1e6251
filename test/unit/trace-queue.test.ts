// Proves that what one tenant's records cannot do, or one job, takes nothing of another with it.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { checkConfig } from "../../src/core/config/check.ts";
import { unpublished } from "../../src/core/config/published.ts";
import type { ExportOrder } from "../../src/core/trace/export-order.ts";
import { recordKey } from "../../src/core/trace/record.ts";
import type { DeadLetter } from "../../src/gateway/ports/coverage.ts";
import { storeDeadLetters } from "../../src/jobs/dead-letters.ts";
import { indexTraces, type StorePorts } from "../../src/jobs/trace-index.ts";
import type { TraceMessage } from "../../src/jobs/trace-lines.ts";
import { callRow } from "../call-row.ts";

beforeEach(() => {
  vi.spyOn(console, "error").mockReturnValue();
});
afterEach(() => {
  vi.restoreAllMocks();
});

const CONFIG = checkConfig(
  {
    trace: { exports: { backend: { url: "https://otlp.example.com/v1/traces" } } },
    egress: { allow: ["otlp.example.com"] },
  },
  { priceBook: null, secrets: null, services: null, allowPrivateEgress: false },
);

/** A store that refuses the records of some tenants, and the orders of others. */
class Store {
  readonly stored = new Set<string>();
  readonly orders: ExportOrder[] = [];
  readonly parked: DeadLetter[] = [];
  attempts = 0;
  down: (tenant: string) => boolean = () => false;
  noOrders: (tenant: string) => boolean = () => false;

  get ports(): StorePorts {
    if (!CONFIG.ok) throw new Error("config");
    const config = unpublished(CONFIG.document, CONFIG.rules);
    const parts = {
      segments: { put: async () => "segment" },
      index: {
        insert: async (tenant: string, lines: Parameters<StorePorts["index"]["insert"]>[1]) => {
          this.attempts += 1;
          if (this.down(tenant)) throw new Error("D1 is overloaded");
          const added = lines.filter(({ record }) => !this.stored.has(recordKey(record)));
          for (const { record } of added) this.stored.add(recordKey(record));
          return added;
        },
      },
      admissions: { insert: async () => undefined },
      deadLetters: { park: async (letter: DeadLetter) => void this.parked.push(letter) },
      configs: { active: async () => config },
      exportQueue: {
        send: async (orders: readonly ExportOrder[]) => {
          if (orders.some(({ tenant }) => this.noOrders(tenant))) throw new Error("no queue");
          this.orders.push(...orders);
        },
      },
    };
    return parts as unknown as StorePorts;
  }
}

interface Fate extends TraceMessage {
  fate: "acked" | "again" | undefined;
}

function message(tenants: readonly string[], attempts = 1): Fate {
  const lines = tenants.map((tenant) => JSON.stringify({ v: 1, index: callRow({ tenant }), spans: [], payloads: [] }));
  const made: Fate = {
    body: lines.join("\n"),
    timestamp: new Date(0),
    attempts,
    fate: undefined,
    ack: () => {
      made.fate = "acked";
    },
    retry: () => {
      made.fate = "again";
    },
  };
  return made;
}

const fates = (messages: readonly Fate[]): readonly (string | undefined)[] => messages.map(({ fate }) => fate);

describe("a batch of the trace queue", () => {
  it("brings back only the messages of the tenant whose records cannot be stored", async () => {
    const store = new Store();
    store.down = (tenant) => tenant === "bad";
    const messages = [message(["bad"]), message(["good"]), message(["bad", "good"])];
    await indexTraces(store.ports, messages);
    expect(fates(messages)).toEqual(["again", "acked", "again"]);
    expect(store.stored.size).toBe(2);
  });

  it("orders an export once, though another tenant's order fails, or its records", async () => {
    const store = new Store();
    store.noOrders = (tenant) => tenant === "bad";
    const messages = [message(["good"]), message(["bad"])];
    await indexTraces(store.ports, messages);
    expect(fates(messages)).toEqual(["acked", "again"]);
    expect(store.orders.map(({ tenant }) => tenant)).toEqual(["good"]);

    const other = new Store();
    other.down = (tenant) => tenant === "bad";
    const mixed = message(["good", "bad"]);
    await indexTraces(other.ports, [mixed]);
    expect([mixed.fate, other.orders]).toEqual(["again", []]);
    other.down = () => false;
    await indexTraces(other.ports, [{ ...mixed, attempts: 2 }]);
    expect(other.orders.map(({ tenant }) => tenant).toSorted()).toEqual(["bad", "good"]);
  });
});

describe("dead letters", () => {
  it("are parked only where they were tried alone: what is left of a batch comes again", async () => {
    const store = new Store();
    store.down = (tenant) => tenant === "bad";
    const good = [message(["good"]), message(["good"])];
    const bad = Array.from({ length: 6 }, () => message(["bad"]));
    await storeDeadLetters(store.ports, [...bad, ...good]);
    expect(fates(bad)).toEqual(["acked", "acked", "acked", "again", "again", "again"]);
    expect(store.parked.map(({ tenant }) => tenant)).toEqual(["bad", "bad", "bad"]);
    expect(fates(good)).toEqual(["acked", "acked"]);

    const old = Array.from({ length: 4 }, () => message(["bad"], 95));
    await storeDeadLetters(store.ports, old);
    expect([fates(old), store.parked.length]).toEqual([["acked", "acked", "acked", "acked"], 7]);
  });

  it("are exported though an earlier delivery had stored them", async () => {
    const store = new Store();
    const stored = message(["good"]);
    store.noOrders = () => true;
    await indexTraces(store.ports, [stored]);
    store.noOrders = () => false;
    await storeDeadLetters(store.ports, [stored]);
    expect([stored.fate, store.orders.length]).toEqual(["acked", 1]);
  });
});
