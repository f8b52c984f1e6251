// Decides the shape of the config's `trace` section: what of a call is kept, masked, for how long, and where it is sent.
import * as z from "zod/mini";
import { name } from "./policy-document.ts";

const fraction = z.number().check(z.gte(0, "expected from 0 to 1"), z.lte(1, "expected from 0 to 1"));
const days = (least: number, most: number): z.ZodMiniNumber =>
  z.int().check(z.gte(least, `expected at least ${least} days`), z.lte(most, `expected at most ${most} days`));

/** Whose payloads are kept. Errors, denials, approvals, unknown outcomes and writes always are. */
const SamplingDocument = z.strictObject({
  /** The share of traces whose payloads are kept; all of them when left out. */
  payloads: z._default(fraction, 1),
});

/** How long each kind of stored thing lives. */
const RetentionDocument = z.strictObject({
  /** Records: index rows, segments and their bodies. 190 days when left out. */
  days: z._default(days(1, 3_650), 190),
  /** Audit events. Ten years when left out. */
  audit_days: z._default(days(190, 7_300), 3_650),
});

/** Terms on which unmasked payloads are kept; left out, none is. */
const RawDocument = z.strictObject({ days: days(1, 30) });

/** The tenant's terms of what is recorded. */
export const TraceDocument = z.strictObject({
  sampling: z.prefault(SamplingDocument, {}),
  retention: z.prefault(RetentionDocument, {}),
  raw: z.optional(RawDocument),
  /** Who is told of drift. */
  alerts: z.optional(z.strictObject({ webhook: z.url("expected an absolute URL"), secret: name })),
});

/** A parsed `trace` section. */
export type TraceDocument = z.infer<typeof TraceDocument>;
