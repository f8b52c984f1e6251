// Decides what a ledger's statement of the calls it admitted looks like on its way to the trace store, and reads one back.
import * as z from "zod/mini";

/** An hour in milliseconds. */
export const HOUR_MS = 3_600_000;
/** Calls that one statement may name. */
export const MAX_STATED = 1_000;

/** One admitted call. `at`: when it was admitted, in epoch milliseconds; `call_id` for tool calls alone. */
const Call = z.object({
  seq: z.int().check(z.positive()),
  kind: z.enum(["chat", "execute_tool"]),
  span_id: z.string().check(z.regex(/^[0-9a-f]{16}$/)),
  trace_hex: z.string().check(z.regex(/^[0-9a-f]{32}$/)),
  call_id: z.nullable(z.string()),
  at: z.int(),
});

const Statement = z.object({
  tenant: z.string().check(z.minLength(1)),
  session: z.string().check(z.minLength(1)),
  hour: z.int(),
  from_seq: z.int(),
  to_seq: z.int(),
  is_uncertain: z.boolean(),
  calls: z.array(Call).check(z.maxLength(MAX_STATED)),
});

const Line = z.object({ v: z.literal(1), admissions: Statement });

/** One admitted call as its ledger tells it. */
export type AdmittedCall = z.infer<typeof Call>;

/**
 * What one ledger says of one hour (epoch milliseconds of its start): the calls it admitted, each told in one statement
 * only. `from_seq` is the lowest number it speaks of, which no other statement of the session begins with. One that is
 * uncertain names no call: a stop left the ledger unable to say which of the numbers, both ends included, were given.
 */
export type AdmissionStatement = z.infer<typeof Statement>;

/** The start of the hour that an instant lies in. */
export function hourOf(at: number): number {
  return Math.floor(at / HOUR_MS) * HOUR_MS;
}

/** A statement's line in the trace queue. */
export function statementLine(admissions: AdmissionStatement): string {
  return JSON.stringify({ v: 1, admissions });
}

/** The statement of a parsed line, or `undefined` when it is none. */
export function readStatement(line: string): AdmissionStatement | undefined {
  if (!line.startsWith('{"v":1,"admissions":')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const parsed = Line.safeParse(value);
  return parsed.success ? parsed.data.admissions : undefined;
}
