// Touches trace segments in R2: gzipped NDJSON under the tenant's prefix, named by content, so that a redelivery writes the same object.
import { sha256Hex } from "../../core/json/digest.ts";
import { dayOf } from "../../core/units/utc-day.ts";
import { readRecord } from "../../core/trace/read-record.ts";
import type { System } from "../../gateway/ports.ts";
import type { Segments, StoredRecord } from "../../gateway/ports/trace-store.ts";
import { gzipped, unzipped } from "./gzip.ts";
import { removePayloads, restorePayloads } from "./payloads.ts";
import { removeDaysBefore } from "./remove-days.ts";

const METADATA = { contentType: "application/x-ndjson", contentEncoding: "gzip" };

/** Segments in an R2 bucket; the bodies that their records refer to lie in the same. */
export function r2Segments(bucket: R2Bucket, system: System): Segments {
  return {
    put: async (tenant, lines) => {
      const text = lines.join("\n");
      const key = `segments/${tenant}/${dayOf(system.now())}/${sha256Hex(text).slice(0, 32)}.ndjson.gz`;
      // One that is there stays: lines of it may have been blanked since.
      const onlyIf = { etagDoesNotMatch: "*" };
      await bucket.put(key, await gzipped(text), { httpMetadata: METADATA, onlyIf });
      return key;
    },
    read: async (tenant, segment, lines) => {
      const found = await linesOf(bucket, tenant, segment);
      const records = lines.flatMap((line) => readRecord(found?.lines[line] ?? "") ?? []);
      return Promise.all(records.map((record) => restorePayloads(bucket, record)));
    },
    days: async (tenant) => {
      const prefix = `segments/${tenant}/`;
      const { delimitedPrefixes } = await bucket.list({ prefix, delimiter: "/" });
      return delimitedPrefixes.map((day) => day.slice(prefix.length, -1)).toSorted();
    },
    list: async (tenant, day, { cursor, limit, storedBefore = Number.POSITIVE_INFINITY }) => {
      const prefix = `segments/${tenant}/${day}/`;
      const found = await bucket.list({
        prefix,
        limit,
        ...(cursor === null ? {} : { startAfter: `${prefix}${cursor}` }),
      });
      const segments = found.objects.filter(({ uploaded }) => uploaded.getTime() < storedBefore).map(({ key }) => key);
      const last = found.truncated ? found.objects.at(-1)?.key : undefined;
      return {
        segments,
        skipped: found.objects.length - segments.length,
        cursor: last?.slice(prefix.length) ?? null,
      };
    },
    scan: async (tenant, segment) => {
      const found = await linesOf(bucket, tenant, segment);
      return (found?.lines ?? []).flatMap((text, line) => {
        const record = readRecord(text);
        return record === undefined ? [] : [{ record, segment, line }];
      });
    },
    blank: (tenant, segment, records) => blank(bucket, tenant, { segment, records }),
    removeBefore: async (tenant, day, limit) => {
      const removed = await removeDaysBefore(bucket, { prefix: `segments/${tenant}/`, day, limit });
      return removed + (await removeDaysBefore(bucket, { prefix: `payloads/${tenant}/`, day, limit: limit - removed }));
    },
  };
}

async function blank(
  bucket: R2Bucket,
  tenant: string,
  { segment, records }: { readonly segment: string; readonly records: readonly StoredRecord[] },
): ReturnType<Segments["blank"]> {
  const found = await linesOf(bucket, tenant, segment);
  if (found === undefined) return { lines: 0, payloads: 0, segments: 0 };
  let payloads = 0;
  for (const { record } of records) payloads += await removePayloads(bucket, record);
  const blanked = new Set(records.map(({ line }) => line).filter((line) => (found.lines[line] ?? "") !== ""));
  const lines = found.lines.map((text, line) => (blanked.has(line) ? "" : text));
  if (lines.every((text) => text === "")) {
    await bucket.delete(segment);
    return { lines: blanked.size, payloads, segments: 1 };
  }
  const onlyIf = { etagMatches: found.etag };
  const stored = await bucket.put(segment, await gzipped(lines.join("\n")), { httpMetadata: METADATA, onlyIf });
  if (stored === null) throw new Error("the segment was changed meanwhile");
  return { lines: blanked.size, payloads, segments: 0 };
}

async function linesOf(
  bucket: R2Bucket,
  tenant: string,
  segment: string,
): Promise<{ readonly lines: readonly string[]; readonly etag: string } | undefined> {
  if (!segment.startsWith(`segments/${tenant}/`)) return undefined;
  const object = await bucket.get(segment);
  if (object === null) return undefined;
  const text = await unzipped(object.body);
  return { lines: text.split("\n"), etag: object.etag };
}
