// Writes the index anew from the segments, some at a time: what it has already stays as it is.
import { accept, refuse, type Outcome } from "../core/errors.ts";
import type { Ports } from "./ports.ts";

/** Segments that one call reads. */
const PER_CALL = 20;
/**
 * A segment whose rows could not be stored comes again within this time, or its messages are parked: by then its rows
 * are there, with their events in the audit chain and their daily figures, which reindexing does not write.
 */
export const RETRY_WINDOW_MS = 15 * 60_000;

/** What one call did, and where the next goes on. */
export interface Reindexed {
  readonly segments: number;
  readonly records: number;
  /** Segments that were left alone, for their messages may still be on their way. */
  readonly skipped: number;
  /** `null` once the last segment is read. */
  readonly cursor: string | null;
}

/** What is asked for. `hasRecent`: segments of the retry window take part, for the queue is known to be empty. */
export interface ReindexAsk {
  readonly from: string;
  readonly to: string;
  readonly cursor: string | null;
  readonly hasRecent?: boolean;
}

/**
 * Reads the segments of some days (yyyy-mm-dd, both inclusive), the oldest first, and adds what the index lacks. What is
 * still to be stored by the queue must not be added here before: it would have no event in the audit chain and count in
 * no figure. So it refuses `precondition_failed` while the tenant's dead letters are parked, and skips young segments.
 */
export async function reindexTraces(
  { segments, rebuilt, deadLetters, system }: Pick<Ports, "segments" | "rebuilt" | "deadLetters" | "system">,
  tenant: string,
  { from, to, cursor, hasRecent = false }: ReindexAsk,
): Promise<Outcome<Reindexed>> {
  const parked = await deadLetters.list(tenant, { limit: 1 });
  if (parked.letters.length > 0)
    return refuse(
      "precondition_failed",
      "dead letters are parked: send them again first, or what they hold is missing in the audit chain and in figures",
    );
  const days = (await segments.days(tenant)).filter((day) => day >= from && day <= to);
  const [at, within] = placeOf(cursor);
  const day = days.find((each) => each >= at);
  if (day === undefined) return accept({ segments: 0, records: 0, skipped: 0, cursor: null });
  const page = await segments.list(tenant, day, {
    cursor: day === at ? within : null,
    limit: PER_CALL,
    ...(hasRecent ? {} : { storedBefore: system.now() - RETRY_WINDOW_MS }),
  });
  let records = 0;
  for (const segment of page.segments) {
    const stored = await segments.scan(tenant, segment);
    await rebuilt.insert(tenant, stored);
    records += stored.length;
  }
  const following = days.find((each) => each > day);
  const next = page.cursor !== null ? `${day}/${page.cursor}` : following === undefined ? null : `${following}/`;
  return accept({ segments: page.segments.length, records, skipped: page.skipped, cursor: next });
}

/** A cursor is a day and, after a slash, the last segment that was read of it. */
function placeOf(cursor: string | null): readonly [string, string | null] {
  const [day = "", segment = ""] = (cursor ?? "").split("/");
  return [day, segment === "" ? null : segment];
}
