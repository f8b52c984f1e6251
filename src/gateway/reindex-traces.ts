// Writes the index anew from the segments, some at a time: what it has already stays as it is.
import type { Ports } from "./ports.ts";

/** Segments that one call reads. */
const PER_CALL = 20;

/** What one call did, and where the next goes on. */
export interface Reindexed {
  readonly segments: number;
  readonly records: number;
  /** `null` once the last segment is read. */
  readonly cursor: string | null;
}

/** Reads the segments of some days (yyyy-mm-dd, both inclusive), the oldest first, and adds what the index lacks. */
export async function reindexTraces(
  { segments, rebuilt }: Pick<Ports, "segments" | "rebuilt">,
  tenant: string,
  { from, to, cursor }: { readonly from: string; readonly to: string; readonly cursor: string | null },
): Promise<Reindexed> {
  const days = (await segments.days(tenant)).filter((day) => day >= from && day <= to);
  const [at, within] = placeOf(cursor);
  const day = days.find((each) => each >= at);
  if (day === undefined) return { segments: 0, records: 0, cursor: null };
  const page = await segments.list(tenant, day, { cursor: day === at ? within : null, limit: PER_CALL });
  let records = 0;
  for (const segment of page.segments) {
    const stored = await segments.scan(tenant, segment);
    await rebuilt.insert(tenant, stored);
    records += stored.length;
  }
  const following = days.find((each) => each > day);
  const next = page.cursor !== null ? `${day}/${page.cursor}` : following === undefined ? null : `${following}/`;
  return { segments: page.segments.length, records, cursor: next };
}

/** A cursor is a day and, after a slash, the last segment that was read of it. */
function placeOf(cursor: string | null): readonly [string, string | null] {
  const [day = "", segment = ""] = (cursor ?? "").split("/");
  return [day, segment === "" ? null : segment];
}
