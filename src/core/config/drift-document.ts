// Decides the shape of the config's `trace.drift`: from when on a change between two weeks is told of.
import * as z from "zod/mini";

const fraction = z.number().check(z.gte(0, "expected from 0 to 1"), z.lte(1, "expected from 0 to 1"));

/** From when on a change between weeks is told of. */
export const DriftDocument = z.strictObject({
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
