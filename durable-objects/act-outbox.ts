// Touches the acts that a tenant's ledger has yet to tell: kept with the change they are about, until the queue has them.
import { withholdRecord } from "../src/core/guard/mask.ts";
import { actRecord, unfinishedAct, type Act, type ToldAt } from "../src/core/trace/act.ts";
import type { TraceRecord } from "../src/core/trace/record.ts";
import type { RecordQueue, SqlStore } from "./sql-store.ts";

/** An act that was begun elsewhere. */
interface Begun {
  readonly record: TraceRecord;
  readonly since: number;
}

const BEGUN_ROWS = "act/";
/** The gateway's own record of an act, with its reason, comes first where it comes at all. */
const GRACE_MS = 2_000;
/** An act that nobody ended in this time is told as one whose outcome is unknown. */
const BEGUN_MS = 60_000;
/** What the queue did not take is tried again after this long. */
const RETRY_MS = 5_000;

/** Acts on their way, with what is ours alone: what people wrote is masked where the gateway records it. */
export class ActOutbox {
  readonly #store: SqlStore;
  readonly #wakeBy: (at: number) => Promise<void>;

  constructor(store: SqlStore, wakeBy: (at: number) => Promise<void>) {
    this.#store = store;
    this.#wakeBy = wakeBy;
  }

  /** Keeps an act of the ledger itself, in the turn in which it was done. */
  tell(act: Act, told: ToldAt): Promise<void> {
    this.#store.addToOutbox(withholdRecord(actRecord({ ...act, reason: null }, told)));
    return this.#wakeBy(Date.now() + GRACE_MS);
  }

  /** Keeps an act that is about to be done elsewhere. */
  begin(record: TraceRecord): Promise<void> {
    const now = Date.now();
    this.#store.writeRow(rowOf(record.index.span_id), { record: withholdRecord(record), since: now } satisfies Begun);
    return this.#wakeBy(now + BEGUN_MS);
  }

  /** What it came to; `null` where there was nothing to do. */
  async end(spanId: string, record: TraceRecord | null): Promise<void> {
    this.#store.deleteRow(rowOf(spanId));
    if (record === null) return;
    this.#store.addToOutbox(withholdRecord(record));
    await this.#wakeBy(Date.now());
  }

  /** Sends what waits; answers when to try again, `null` when nothing is left. */
  async drain(queue: RecordQueue): Promise<number | null> {
    const now = Date.now();
    const begun = this.#store.rowsUnder(BEGUN_ROWS).map(({ id, body }) => ({ id, ...(body as Begun) }));
    for (const { id, record, since } of begun) {
      if (since + BEGUN_MS > now) continue;
      this.#store.addToOutbox(unfinishedAct(record));
      this.#store.deleteRow(id);
    }
    const due = begun.map(({ since }) => since + BEGUN_MS).filter((at) => at > now);
    if ((await this.#store.drainOutbox(queue)) > 0) due.push(now + RETRY_MS);
    return due.length === 0 ? null : Math.min(...due);
  }
}

/** How an act of the ledger alone is told. */
export function toldNow(): ToldAt {
  return { spanId: crypto.randomUUID().replaceAll("-", "").slice(-16), now: Date.now() };
}

function rowOf(spanId: string): string {
  return `${BEGUN_ROWS}${spanId}`;
}
