// Adds up what the demo has done and what its model would bill.
import { formatDollars } from "../money.ts";
import { countsOf, totalOf } from "./counts.ts";
import { totalRefunds } from "./refund-book.ts";

/** Everything that happened since the last reset. Notes and refunds count what was ever made. */
export interface Effects {
  readonly refunds: number;
  readonly refunds_total_usd: string;
  readonly reversals: number;
  readonly notes: number;
  readonly notes_deleted: number;
  readonly tickets_closed: number;
  readonly tickets_deleted: number;
  readonly model_calls: Record<string, number>;
  readonly completed: Record<string, number>;
  readonly cancelled: Record<string, number>;
  readonly cut: Record<string, number>;
  readonly billed_usd_micros: number;
  readonly by_key: Record<string, number>;
}

/** $0.15 per million prompt tokens and $0.60 per million completion tokens, in pico-USD per token. */
const PROMPT_PRICE_PICO = 150_000n;
const COMPLETION_PRICE_PICO = 600_000n;

/** The tally of all counters. */
export function tallyEffects(sql: SqlStorage): Effects {
  const refunds = totalRefunds(sql);
  return {
    refunds: refunds.n,
    refunds_total_usd: formatDollars(refunds.cents),
    reversals: totalOf(sql, "reversals"),
    notes: totalOf(sql, "notes"),
    notes_deleted: totalOf(sql, "notes_deleted"),
    tickets_closed: totalOf(sql, "tickets_closed"),
    tickets_deleted: totalOf(sql, "tickets_deleted"),
    model_calls: countsOf(sql, "model_calls"),
    completed: countsOf(sql, "completed"),
    cancelled: countsOf(sql, "cancelled"),
    cut: countsOf(sql, "cut"),
    billed_usd_micros: billedMicros(sql),
    by_key: countsOf(sql, "by_key"),
  };
}

function billedMicros(sql: SqlStorage): number {
  const prompt = BigInt(totalOf(sql, "prompt_tokens")) * PROMPT_PRICE_PICO;
  const completion = BigInt(totalOf(sql, "completion_tokens")) * COMPLETION_PRICE_PICO;
  return Number((prompt + completion) / 1_000_000n);
}
