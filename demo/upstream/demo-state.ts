// The one Durable Object of the demo: every effect and every count happens here in a single synchronous turn.
import { DurableObject } from "cloudflare:workers";
import { armFault, createArmedFaults, takeFault, type ArmedFault } from "./state/armed-faults.ts";
import { bump, createCounts } from "./state/counts.ts";
import { tallyEffects, type Effects } from "./state/effects.ts";
import { createNoteBook, deleteNote, listNotes, writeNote, type Note, type NoteDraft } from "./state/note-book.ts";
import {
  createRefundBook,
  findRefund,
  listRefunds,
  makeRefund,
  reverseRefund,
  type Refund,
  type RefundOrder,
  type RefundReply,
} from "./state/refund-book.ts";
import { closeTicket, createTicketBook, deleteTicket, findTicket, type Ticket } from "./state/ticket-book.ts";

/** How one model call ended and what it used. */
export interface EndedCall {
  readonly model: string;
  readonly ending: "completed" | "cut" | "failed" | "cancelled";
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** Remembers refunds, notes, tickets, armed faults and counters. No method awaits, so none can interleave. */
export class DemoState extends DurableObject {
  readonly #sql: SqlStorage;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    this.#createTables();
  }

  countArrival(model: string): void {
    bump(this.#sql, "model_calls", model);
  }

  /** Counts the end of a call and bills it, unless it failed before it put anything out. */
  countEnd({ model, ending, promptTokens, completionTokens }: EndedCall): void {
    bump(this.#sql, ending, model);
    if (ending === "failed" || (ending === "cancelled" && completionTokens === 0)) return;
    bump(this.#sql, "prompt_tokens", model, promptTokens);
    bump(this.#sql, "completion_tokens", model, completionTokens);
  }

  isFirstUse(key: string): boolean {
    return bump(this.#sql, "once", key) === 1;
  }

  makeRefund(order: RefundOrder): RefundReply {
    return makeRefund(this.#sql, order);
  }

  findRefund(id: string): Refund | undefined {
    return findRefund(this.#sql, id);
  }

  listRefunds(idempotencyKey: string | null): Refund[] {
    return listRefunds(this.#sql, idempotencyKey);
  }

  reverseRefund(id: string): RefundReply | undefined {
    return reverseRefund(this.#sql, id);
  }

  writeNote(draft: NoteDraft): Note {
    return writeNote(this.#sql, draft);
  }

  listNotes(customerId: string | null): Note[] {
    return listNotes(this.#sql, customerId);
  }

  deleteNote(id: string): boolean {
    return deleteNote(this.#sql, id);
  }

  findTicket(id: string): Ticket | undefined {
    return findTicket(this.#sql, id);
  }

  closeTicket(id: string, resolution: string): Ticket | undefined {
    return closeTicket(this.#sql, id, resolution);
  }

  deleteTicket(id: string): boolean {
    return deleteTicket(this.#sql, id);
  }

  armFault(fault: ArmedFault): void {
    armFault(this.#sql, fault);
  }

  takeFault(path: string): string | undefined {
    return takeFault(this.#sql, path);
  }

  tallyEffects(): Effects {
    return tallyEffects(this.#sql);
  }

  /** Forgets everything. */
  reset(): void {
    for (const table of ["refunds", "notes", "tickets", "counts", "armed_faults"])
      this.#sql.exec(`DROP TABLE IF EXISTS ${table}`);
    this.#createTables();
  }

  #createTables(): void {
    createRefundBook(this.#sql);
    createNoteBook(this.#sql);
    createTicketBook(this.#sql);
    createArmedFaults(this.#sql);
    createCounts(this.#sql);
  }
}
