// Decides the shape of a suite's graders.
import * as z from "zod/mini";
import { name } from "./policy-document.ts";

/** One grader of a suite. */
export const GraderDocument = z.discriminatedUnion("kind", [
  z.strictObject({
    id: name,
    kind: z.literal("completed"),
    gate: z.optional(z.boolean()),
    margin: z.optional(z.number()),
  }),
]);
/** A parsed grader. */
export type GraderEntry = z.infer<typeof GraderDocument>;
