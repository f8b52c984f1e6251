// Sends records over the queue, many to a message, scrubbed, masked and sampled; what the queue refuses goes to the outbox of its session's ledger.
import type { ActiveConfig } from "../../core/config/published.ts";
import { maskRecord, withholdRecord, withoutBody } from "../../core/guard/mask.ts";
import { DEFAULT_MASKING } from "../../core/guard/mask-rules.ts";
import { sivTokens } from "../../core/guard/mask-tokens.ts";
import type { TraceRecord } from "../../core/trace/record.ts";
import { keepsPayloads, SAMPLED_OUT } from "../../core/trace/sampling.ts";
import { holdsCredential, scrubValue } from "../../core/trace/scrub.ts";
import { tracePolicyOf } from "../../core/trace/trace-policy.ts";
import type { Configs, Defer, Recorder, SessionLedgers, System } from "../../gateway/ports.ts";
import type { MaskingKeys, RawStore } from "../../gateway/ports/masking.ts";
import { LingeringSender } from "../lingering-sender.ts";

/** Records wait this long for company. */
const LINGER_MS = 25;
/** A message stays below the queue's 128 KB. */
const MAX_MESSAGE_BYTES = 100_000;

/** A queue as the recorder uses it. */
export interface TraceQueue {
  send(body: string, options: { readonly contentType: "text" }): Promise<unknown>;
}

/** Stores a record too large for a message and answers a copy that refers to it. */
export type Offload = (record: TraceRecord) => Promise<TraceRecord>;

interface Waiting {
  readonly record: TraceRecord;
  readonly credentials: readonly string[];
}

/** One isolate's recorder: the first call of a batch sends it, in work deferred behind its own answer. */
export class QueueRecorder {
  readonly #queue: TraceQueue;
  readonly #sessions: SessionLedgers;
  readonly #offload: Offload;
  readonly #configs: Pick<Configs, "recent">;
  readonly #masking: MaskingKeys;
  readonly #raw: Pick<RawStore, "put">;
  readonly #system: System;
  readonly #sender: LingeringSender;
  #waiting: Waiting[] = [];

  constructor(parts: {
    readonly queue: TraceQueue;
    readonly sessions: SessionLedgers;
    readonly offload: Offload;
    readonly configs: Pick<Configs, "recent">;
    readonly masking: MaskingKeys;
    readonly raw: Pick<RawStore, "put">;
    readonly system: System;
  }) {
    this.#queue = parts.queue;
    this.#sessions = parts.sessions;
    this.#offload = parts.offload;
    this.#configs = parts.configs;
    this.#masking = parts.masking;
    this.#raw = parts.raw;
    this.#system = parts.system;
    this.#sender = new LingeringSender(parts.system, LINGER_MS, () => this.#sendAll());
  }

  /** The recorder of one request. */
  for(defer: Defer): Recorder {
    return {
      write: (record, credentials) => {
        this.#waiting.push({ record, credentials });
        this.#sender.wake(defer);
      },
      writeNow: async (record, credentials) => this.#sendOne([await this.#line({ record, credentials })]),
    };
  }

  async #sendAll(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = [];
    // A message is of one tenant, so that what cannot be stored of one brings back nothing of another.
    for (const group of Map.groupBy(batch, ({ record }) => record.index.tenant).values()) {
      const lines = await Promise.all(group.map((each) => this.#line(each)));
      for (const message of messagesOf(lines)) await this.#sendOne(message);
    }
  }

  /** The record's line as it may leave: the one place where records are scrubbed, masked and sampled. */
  async #line({ record, credentials }: Waiting): Promise<string> {
    const whole = JSON.stringify(record);
    const scrubbed = holdsCredential(whole, credentials) ? scrubValue(record, credentials) : record;
    const masked = await this.#masked(scrubbed);
    const line = JSON.stringify(masked);
    if (fits(line)) return line;
    const smaller = JSON.stringify(await this.#offload(masked).catch(() => withoutBodies(masked)));
    return fits(smaller) ? smaller : JSON.stringify(withoutBodies(masked));
  }

  /** What cannot be masked as its tenant wants, for want of its rules or its key, leaves without what is not ours. */
  async #masked(record: TraceRecord): Promise<TraceRecord> {
    const { tenant } = record.index;
    let config: ActiveConfig | undefined;
    let keys: readonly Uint8Array[];
    try {
      [config, keys] = await Promise.all([this.#configs.recent(tenant), this.#masking.keysOf(tenant)]);
    } catch (error) {
      console.error(JSON.stringify({ event: "masking_unavailable", tenant, reason: nameOf(error) }));
      return withholdRecord(record);
    }
    const { masking, sampling, rawDays } = tracePolicyOf(config);
    const tokens = sivTokens(keys);
    if (rawDays > 0 && record.payloads.length > 0)
      await this.#keepRaw(maskRecord(record, NOTHING_BUT_SECRETS, tokens), rawDays);
    const masked = maskRecord(record, masking, tokens);
    if (keepsPayloads(masked, sampling)) return masked;
    return { ...masked, payloads: masked.payloads.map((payload) => withoutBody(payload, SAMPLED_OUT)) };
  }

  async #keepRaw(record: TraceRecord, days: number): Promise<void> {
    try {
      await this.#raw.put(record, this.#system.now() + days * DAY_MS);
    } catch (error) {
      console.error(JSON.stringify({ event: "raw_record_lost", tenant: record.index.tenant, reason: nameOf(error) }));
    }
  }

  /** Whether the message lies somewhere from where it will be taken: in the queue or in outboxes. */
  async #sendOne(message: readonly string[]): Promise<boolean> {
    try {
      await this.#queue.send(message.join("\n"), { contentType: "text" });
      return true;
    } catch {
      return this.#stash(message.map(recordIn));
    }
  }

  async #stash(records: readonly TraceRecord[]): Promise<boolean> {
    const bySession = Map.groupBy(records, (record) => `${record.index.tenant}/${record.index.session_id}`);
    let isStashed = true;
    for (const group of bySession.values()) {
      const first = group[0];
      if (first === undefined) continue;
      try {
        await this.#sessions.stash(first.index.tenant, first.index.session_id, group);
      } catch {
        // Both the queue and the ledger are away: the gap in the session's sequence numbers is what remains to tell.
        console.error(JSON.stringify({ event: "records_lost", tenant: first.index.tenant, count: group.length }));
        isStashed = false;
      }
    }
    return isStashed;
  }
}

const DAY_MS = 86_400_000;
/** What is kept unmasked is without credentials all the same. */
const NOTHING_BUT_SECRETS = { ...DEFAULT_MASKING, kinds: new Set<string>() };

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "unknown";
}

function withoutBodies(record: TraceRecord): TraceRecord {
  return {
    ...record,
    payloads: record.payloads.map((payload) => ({ ...payload, body: null, omitted: "could not be stored" })),
  };
}

/** Most UTF-8 bytes that one UTF-16 unit takes. */
const MAX_BYTES_PER_UNIT = 3;

/** A line's size in bytes: an upper bound where that is small, else measured. */
function sizeOf(line: string): number {
  const bound = line.length * MAX_BYTES_PER_UNIT + 1;
  return bound <= MAX_MESSAGE_BYTES ? bound : new TextEncoder().encode(line).byteLength + 1;
}

function fits(line: string): boolean {
  return sizeOf(line) <= MAX_MESSAGE_BYTES;
}

/** The record of a line: our own, scrubbed, so its shape has not changed. */
function recordIn(line: string): TraceRecord {
  return JSON.parse(line) as TraceRecord;
}

function messagesOf(lines: readonly string[]): readonly (readonly string[])[] {
  const messages: string[][] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const line of lines) {
    const bytes = sizeOf(line);
    if (size + bytes > MAX_MESSAGE_BYTES) {
      messages.push([]);
      size = 0;
    }
    messages.at(-1)?.push(line);
    size += bytes;
  }
  return messages;
}
