// Names what the queue of notices carries: ids alone, everything else is read when the notice is delivered.
import * as z from "zod/mini";

const Notice = z.object({
  v: z.literal(1),
  tenant: z.string().check(z.minLength(1)),
  tool_call: z.string().check(z.regex(/^tc_[0-9a-f]{32}$/)),
  approval: z.string().check(z.regex(/^ap_[0-9a-f]{32}$/)),
});

/** One approval whose approvers have yet to be told. */
export type ApprovalNotice = z.infer<typeof Notice>;

/** The notice of a queue message's body, or `undefined` for anything else. */
export function readNotice(body: unknown): ApprovalNotice | undefined {
  if (typeof body !== "string") return undefined;
  try {
    return Notice.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined;
  }
}
