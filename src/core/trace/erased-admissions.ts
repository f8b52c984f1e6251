// Decides how a ledger's statement of admitted calls stands once calls of it are erased: each still counts, none can be named.
import * as z from "zod/mini";
import { sha256Hex } from "../json/digest.ts";

const Entries = z.array(
  z.looseObject({ trace_hex: z.optional(z.string()), span_id: z.optional(z.string()), at: z.optional(z.number()) }),
);

/** An admitted call of a statement, as far as an erasure looks at it. */
export interface AdmittedEntry {
  readonly trace_hex?: string | undefined;
  readonly span_id?: string | undefined;
  readonly at?: number | undefined;
}

/**
 * The list with each call that is erased replaced by `{"seq", "erased": true}`: it was admitted and stored, so it counts
 * as both. `undefined` where nothing of it is erased.
 */
export function withoutErased(
  calls: string,
  isErased: (entry: AdmittedEntry) => boolean,
): { readonly calls: string; readonly erased: number } | undefined {
  const entries = Entries.parse(JSON.parse(calls));
  let erased = 0;
  const kept = entries.map((entry) => {
    if (entry["erased"] === true || !isErased(entry)) return entry;
    erased += 1;
    return { seq: entry["seq"], erased: true };
  });
  return erased === 0 ? undefined : { calls: JSON.stringify(kept), erased };
}

/** What stands in statements for an erased session. */
export function erasedSession(tenant: string, session: string): string {
  return session.startsWith("erased_") ? session : `erased_${sha256Hex(`${tenant}\n${session}`).slice(0, 32)}`;
}
