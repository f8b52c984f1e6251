// Names what the queue of calls carries: what the gateway has to do for which call; everything else is read when it is done.
import * as z from "zod/mini";

const Errand = z.object({
  v: z.literal(1),
  tenant: z.string().check(z.minLength(1)),
  tool_call: z.string().check(z.regex(/^tc_[0-9a-f]{32}$/)),
  work: z.enum(["send", "settle", "compensate", "unwind"]),
});

/** One thing to be done for one call. */
export type CallErrand = z.infer<typeof Errand>;

/** The errand of a queue message's body, or `undefined` for anything else. */
export function readErrand(body: unknown): CallErrand | undefined {
  if (typeof body !== "string") return undefined;
  try {
    return Errand.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined;
  }
}
