// Decides the shape of the config's `trace` section: what of a call is kept, masked, for how long, and where it is sent.
import * as z from "zod/mini";
import { MaskingDocument, RawDocument, SamplingDocument } from "./masking-document.ts";
import { ExportsDocument } from "./export-document.ts";
import { name } from "./policy-document.ts";

const days = (least: number, most: number): z.ZodMiniNumber =>
  z.int().check(z.gte(least, `expected at least ${least} days`), z.lte(most, `expected at most ${most} days`));

/** How long each kind of stored thing lives. */
const RetentionDocument = z.strictObject({
  /** Records: index rows, segments and their bodies. 190 days when left out. */
  days: z._default(days(1, 3_650), 190),
  /** Audit events. Ten years when left out. */
  audit_days: z._default(days(190, 7_300), 3_650),
});

/** The tenant's terms of what is recorded. */
export const TraceDocument = z.strictObject({
  sampling: z.prefault(SamplingDocument, {}),
  masking: z.prefault(MaskingDocument, {}),
  retention: z.prefault(RetentionDocument, {}),
  raw: z.optional(RawDocument),
  /** Where records go as OpenTelemetry. */
  exports: z._default(ExportsDocument, {}),
  /** Who is told of drift. */
  alerts: z.optional(z.strictObject({ webhook: z.url("expected an absolute URL"), secret: name })),
});

/** A parsed `trace` section. */
export type TraceDocument = z.infer<typeof TraceDocument>;
