// Remembers what one session has spent and holds; every rule is in src/core/state/session-ledger.ts.
import { DurableObject } from "cloudflare:workers";
import type { Amounts } from "../src/core/budget/amounts.ts";
import type { Want } from "../src/core/state/account.ts";
import * as ledger from "../src/core/state/session-ledger.ts";
import type {
  CallRef,
  Charge,
  Scopes,
  SessionCommand,
  SessionLedgerState,
  SessionReply,
} from "../src/core/state/session-messages.ts";
import { expiredHoldRecord } from "../src/core/trace/orphan.ts";
import type { TraceRecord } from "../src/core/trace/record.ts";
import { SqlStore, type RecordQueue } from "./sql-store.ts";

/** What the object needs of its Worker. */
interface LedgerEnv {
  readonly TRACES: RecordQueue;
}

/** What one hold turned out to have used. */
interface Settled {
  readonly holdId: string;
  readonly actual: Amounts;
}

/** The outbox is tried again after this long. */
const OUTBOX_RETRY_MS = 5_000;

/** One session's ledger, named `<tenant>/<session>`. Each method is one turn: read, transition, write, reply. */
export class SessionLedger extends DurableObject<LedgerEnv> {
  readonly #store: SqlStore;
  #state: SessionLedgerState;
  #alarmAt: number | null = null;

  constructor(ctx: DurableObjectState, env: LedgerEnv) {
    super(ctx, env);
    this.#store = new SqlStore(ctx.storage);
    const stored = (this.#store.readState() as SessionLedgerState | undefined) ?? ledger.EMPTY_LEDGER;
    this.#state = ledger.reload(stored);
    if (this.#state !== stored) this.#store.writeState(this.#state);
    // What an earlier instance was to be woken for must not be put off.
    void ctx.blockConcurrencyWhile(async () => {
      this.#alarmAt = await ctx.storage.getAlarm();
    });
  }

  /** Settles the holds that ride along, then holds a model call's worst case, or says why not. */
  admit(
    call: {
      readonly holdId: string;
      readonly scopes: Scopes;
      readonly want: Want;
      readonly expiresAt: number;
      readonly ref: CallRef;
    },
    settlements: readonly Settled[],
  ): SessionReply {
    this.settle(settlements);
    return this.#apply({ type: "admit", ...call, outboxDepth: this.#store.outboxDepth() });
  }

  /** Turns holds into what was used, each once. */
  settle(settlements: readonly Settled[]): void {
    for (const { holdId, actual } of settlements) this.#apply({ type: "settle", holdId, actual });
  }

  /** Charges a tool call and records its intent durably before the reply. */
  charge(call: {
    readonly callId: string;
    readonly scopes: Scopes;
    readonly amounts: Amounts;
    readonly ref: CallRef;
  }): SessionReply {
    const priorCharge = (this.#store.readRow(call.callId) as Charge | undefined) ?? null;
    return this.#apply({ type: "charge", ...call, priorCharge, outboxDepth: this.#store.outboxDepth() });
  }

  /** Gives back the charge of a tool call that surely did not happen, once. */
  giveBack(callId: string): SessionReply {
    return this.#apply({
      type: "give_back",
      callId,
      priorCharge: (this.#store.readRow(callId) as Charge | undefined) ?? null,
    });
  }

  /** The ledger as it stands. */
  read(): { readonly state: SessionLedgerState; readonly outboxDepth: number } {
    return { state: this.#state, outboxDepth: this.#store.outboxDepth() };
  }

  /** Keeps records that the queue refused. */
  async stash(records: readonly TraceRecord[]): Promise<void> {
    for (const record of records) this.#store.addToOutbox(record);
    await this.#wakeBy(Date.now() + OUTBOX_RETRY_MS);
  }

  override async alarm(): Promise<void> {
    this.#alarmAt = null;
    this.#apply({ type: "tick", outboxDepth: this.#store.outboxDepth() });
    const waiting = await this.#store.drainOutbox(this.env.TRACES);
    await this.#wakeBy(waiting > 0 ? Date.now() + OUTBOX_RETRY_MS : ledger.nextWake(this.#state));
  }

  #apply(command: SessionCommand): SessionReply {
    const now = Date.now();
    const { next, reply, effects } = ledger.transition(this.#state, command, now);
    this.#state = next;
    for (const effect of effects) {
      switch (effect.type) {
        case "persist":
          this.#store.writeState(next);
          break;
        case "write_charge":
          this.#store.writeRow(effect.charge.callId, effect.charge);
          break;
        case "report_expired":
          this.#store.addToOutbox(expiredHoldRecord(effect.hold, effect.hold.amounts, now));
          break;
        case "forget":
          this.#store.forget();
          break;
        default:
          effect satisfies never;
      }
    }
    if (command.type !== "tick") void this.#wakeBy(ledger.nextWake(next));
    return reply;
  }

  /** Sets the alarm unless it already rings early enough. */
  async #wakeBy(at: number | null): Promise<void> {
    if (at === null || (this.#alarmAt !== null && this.#alarmAt <= at)) return;
    this.#alarmAt = at;
    await this.ctx.storage.setAlarm(at);
  }
}
