// Decides the shape of the config's `trace` section: what of a call is kept, masked, for how long, and where it is sent.
import * as z from "zod/mini";
import { MaskingDocument, RawDocument, SamplingDocument } from "./masking-document.ts";
import { ExportsDocument } from "./export-document.ts";
import { name } from "./policy-document.ts";

const fraction = z.number().check(z.gte(0, "expected from 0 to 1"), z.lte(1, "expected from 0 to 1"));
const days = (least: number, most: number): z.ZodMiniNumber =>
  z.int().check(z.gte(least, `expected at least ${least} days`), z.lte(most, `expected at most ${most} days`));

/** How long each kind of stored thing lives. */
const RetentionDocument = z.strictObject({
  /** Records: index rows, segments and their bodies. 190 days when left out. */
  days: z._default(days(1, 3_650), 190),
});

/** From when on a change between weeks is told of. */
const DriftDocument = z.strictObject({
  /** Population stability index; by convention more than 0.25 is a major change. */
  psi: z._default(
    z.number().check(z.gte(0.01, "expected from 0.01 to 10"), z.lte(10, "expected from 0.01 to 10")),
    0.25,
  ),
  /** Kolmogorov–Smirnov distance. */
  ks: z._default(fraction, 0.2),
  /** Change of a share, such as of refusals. */
  rate: z._default(fraction, 0.05),
  /** Fewer calls in a week are not compared. */
  min_calls: z._default(z.int().check(z.gte(20, "expected at least 20 calls")), 100),
  /** A release that every other one is compared with too. */
  baseline: z.optional(z.string().check(z.minLength(1), z.maxLength(128))),
});

/** The tenant's terms of what is recorded. */
export const TraceDocument = z.strictObject({
  sampling: z.prefault(SamplingDocument, {}),
  masking: z.prefault(MaskingDocument, {}),
  retention: z.prefault(RetentionDocument, {}),
  raw: z.optional(RawDocument),
  /** Where records go as OpenTelemetry. */
  exports: z._default(ExportsDocument, {}),
  drift: z.prefault(DriftDocument, {}),
  /** Who is told of drift. */
  alerts: z.optional(z.strictObject({ webhook: z.url("expected an absolute URL"), secret: name })),
});

/** A parsed `trace` section. */
export type TraceDocument = z.infer<typeof TraceDocument>;
