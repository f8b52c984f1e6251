// Decides what the CLI reads of an agent's releases; members it does not know are kept for `--json`.
import * as z from "zod/mini";

const Pinned = z.looseObject({ release: z.string(), digest: z.string() });
const Canary = z.looseObject({ ...Pinned.shape, weight: z.int() });

/** How an agent's releases stand after a move. */
export const ReleaseMoved = z.looseObject({
  agent: z.string(),
  generation: z.int(),
  live: Pinned,
  canary: z.nullable(Canary),
  status: z.string(),
});
/** A parsed move. */
export type ReleaseMoved = z.infer<typeof ReleaseMoved>;

/** An agent's releases. */
export const ReleaseListing = z.looseObject({
  agent: z.string(),
  generation: z.int(),
  live: z.looseObject({ ...Pinned.shape, drifted: z.boolean() }),
  canary: z.nullable(z.looseObject({ ...Canary.shape, drifted: z.boolean() })),
  policy_digest: z.string(),
  data: z.array(
    z.looseObject({
      ...Pinned.shape,
      status: z.string(),
      prompt: z.nullable(z.string()),
      model: z.nullable(z.string()),
      route: z.nullable(z.string()),
      tools: z.nullable(z.array(z.string())),
      evidence: z.optional(
        z.array(
          z.looseObject({
            suite: z.string(),
            met: z.boolean(),
            gap: z.nullable(z.string()),
            verdict: z.nullable(z.string()),
            run: z.nullable(z.string()),
            at: z.nullable(z.string()),
            cases: z.nullable(z.int()),
          }),
        ),
      ),
    }),
  ),
  differs: z.array(z.looseObject({ path: z.string(), live: z.unknown(), canary: z.unknown() })),
  history: z.array(
    z.looseObject({
      generation: z.int(),
      status: z.string(),
      live: Pinned,
      canary: z.nullable(Canary),
      by: z.string(),
      at: z.string(),
      reason: z.nullable(z.string()),
      break_glass: z.optional(z.boolean()),
    }),
  ),
});
/** A parsed list. */
export type ReleaseListing = z.infer<typeof ReleaseListing>;
