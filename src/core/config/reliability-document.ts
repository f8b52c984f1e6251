// Decides the shape of what a tool's entry says of failures: retries and breakers.
import * as z from "zod/mini";
import { RETRY_CAUSES } from "../policy/retry-causes.ts";

/** A time in milliseconds, from 1 ms to ten minutes. */
export const milliseconds = z
  .int()
  .check(z.gte(1, "expected at least 1 ms"), z.lte(600_000, "expected at most 600000 ms"));
const rate = z.number().check(z.gt(0, "expected more than 0"), z.lte(1, "expected at most 1"));
const few = z.int().check(z.gte(1), z.lte(1_000));

/** When a failed attempt is made again. */
export const RetryDocument = z.strictObject({
  /** Attempts in all, the first one included. */
  max_attempts: z.int().check(z.gte(1), z.lte(10)),
  backoff_ms: z.optional(milliseconds),
  max_backoff_ms: z.optional(milliseconds),
  on: z.optional(z.array(z.enum(RETRY_CAUSES))),
});

/** When a tool that keeps failing is left alone. */
export const BreakerDocument = z.strictObject({
  window_ms: z.optional(milliseconds),
  min_calls: z.optional(few),
  error_rate: z.optional(rate),
  consecutive_failures: z.optional(few),
  slow_call_ms: z.optional(milliseconds),
  slow_call_rate: z.optional(rate),
  cooldown_ms: z.optional(milliseconds),
  max_cooldown_ms: z.optional(milliseconds),
  probes: z.optional(z.int().check(z.gte(1), z.lte(100))),
});
