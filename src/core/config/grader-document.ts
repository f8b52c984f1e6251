// Decides the shape of a suite's graders.
import * as z from "zod/mini";
import { name } from "./policy-document.ts";

const shared = { id: name, gate: z.optional(z.boolean()), margin: z.optional(z.number()) };

/** One grader of a suite. */
export const GraderDocument = z.discriminatedUnion("kind", [
  z.strictObject({ ...shared, kind: z.literal("completed") }),
  z.strictObject({ ...shared, kind: z.literal("judge"), judge: name }),
]);
/** A parsed grader. */
export type GraderEntry = z.infer<typeof GraderDocument>;
