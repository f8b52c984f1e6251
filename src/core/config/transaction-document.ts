// Decides the shape of what a tool's entry says of its calls as transactions: idempotency, undo window, probe, compensation.
import * as z from "zod/mini";
import { readMappingPath } from "../policy/argument-mapping.ts";
import { readDuration } from "../units/window.ts";
import { toolName } from "./policy-document.ts";

const mapping = z.record(z.string().check(z.minLength(1)), z.unknown());
const condition = z.string().check(z.minLength(1), z.maxLength(4096));

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Fields of a tool. */
export const TransactionFields = {
  idempotency: z.optional(
    z
      .strictObject({
        /** The header in which the upstream takes a key of ours, and by which it has one effect per key. */
        header: z.optional(z.string().check(z.regex(/^[A-Za-z0-9-]{1,64}$/))),
        /** Whether a call without the caller's own key is refused. */
        required: z.optional(z.boolean()),
      })
      .check(z.refine((entry) => Object.keys(entry).length > 0, "expected `header`, `required` or both")),
  ),
  /** Seconds for which a call is held, and can be withdrawn, before it is sent; twelve hours at most. */
  hold_s: z.optional(z.int().check(z.gte(1), z.lte(43_200))),
  /** Who settles an unknown outcome; `probe` where one is declared, else `person`. */
  settle: z.optional(z.enum(["probe", "repeat", "person"])),
  /** A read tool that answers whether a call of unknown outcome had its effect. */
  probe: z.optional(
    z.strictObject({
      tool: toolName,
      args: z._default(mapping, {}),
      succeeded_when: condition,
      failed_when: z.optional(condition),
      /** Which part of the probe's result is the call's own. */
      result: z.optional(
        z.string().check(
          z.regex(/^result[A-Za-z0-9_.-]{0,200}$/, "expected a path such as `result.data.0`"),
          z.refine((text) => readMappingPath(text)?.of === "result", "expected a path such as `result.data.0`"),
        ),
      ),
    }),
  ),
  /** The tool that undoes a call, and its arguments. */
  compensation: z.optional(z.strictObject({ tool: toolName, args: z._default(mapping, {}) })),
} as const;

/** The tenant's own terms of idempotency. */
export const IdempotencyDocument = z.strictObject({
  /** How long a finished call answers repeats of its key. */
  retention: z.optional(
    z.string().check(
      z.refine((text) => {
        const ms = readDuration(text);
        return ms !== undefined && ms >= HOUR_MS && ms <= 30 * DAY_MS;
      }, "expected from 1h to 30d, such as `24h`"),
    ),
  ),
});

/** How long a finished call answers repeats under these terms, in milliseconds. */
export function retentionMs({ retention }: z.infer<typeof IdempotencyDocument>): number {
  return readDuration(retention) ?? DAY_MS;
}
