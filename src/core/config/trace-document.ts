// Decides the shape of the config's `trace` section: what of a call is kept, masked, for how long, and where it is sent.
import * as z from "zod/mini";
import { ExportsDocument } from "./export-document.ts";

/** The tenant's terms of what is recorded. */
export const TraceDocument = z.strictObject({
  /** Where records go as OpenTelemetry. */
  exports: z._default(ExportsDocument, {}),
});
