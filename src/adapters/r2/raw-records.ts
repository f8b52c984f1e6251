// Touches records as they were before masking: in R2, sealed under the tenant's key, under the day on which they go.
import { keyFrom, open, seal, utf8 } from "../kv/sealed.ts";
import { dayOf } from "../../core/units/utc-day.ts";
import type { MaskingKeys, RawRecord, RawStore } from "../../gateway/ports/masking.ts";

/** Days that a record can be kept, with the one on which it is stored. */
const MAX_DAYS = 31;
const DAY_MS = 86_400_000;
/** Objects deleted at once. */
const BATCH = 1_000;

/** Raw records in an R2 bucket, under a key derived from the tenant's masking keys: those are never replaced. */
export function r2RawStore(bucket: R2Bucket, masking: MaskingKeys): RawStore {
  const keysOf = async (tenant: string): Promise<readonly CryptoKey[]> =>
    Promise.all((await masking.keysOf(tenant)).map((key) => keyFrom(key, `interlock raw records v1\n${tenant}`)));
  return {
    put: async ({ index, spans, payloads }, expiresAt) => {
      const [key] = await keysOf(index.tenant);
      if (key === undefined) throw new TypeError("the tenant has no key");
      const at = addressOf(index.tenant, { day: dayOf(expiresAt), traceHex: index.trace_hex, spanId: index.span_id });
      const record: RawRecord = { span_id: index.span_id, spans, payloads, expires_at: expiresAt };
      await bucket.put(at, await seal(key, at, utf8(JSON.stringify(record))));
    },
    read: async (tenant, traceHex, now) => {
      const keys = await keysOf(tenant);
      const found = await Promise.all((await keysFor(bucket, { tenant, traceHex, now })).map((at) => bucket.get(at)));
      const opened = await Promise.all(
        found.map(async (object) => (object === null ? undefined : openedBy(keys, object))),
      );
      return opened.flatMap((record) => (record === undefined || record.expires_at <= now ? [] : [record]));
    },
    days: async (tenant) => (await daysOf(bucket, tenant)).map((day) => day.split("/")[2] ?? ""),
    remove: async (tenant, traceHex, days) => {
      const listed = await Promise.all(
        days.map((day) => namesUnder(bucket, addressOf(tenant, { day, traceHex, spanId: "" }))),
      );
      return removeAll(bucket, listed.flat());
    },
    purge: async (tenant, now, limit) => {
      const over = (await daysOf(bucket, tenant)).filter((day) => day < `raw/${tenant}/${dayOf(now)}/`);
      let removed = 0;
      for (const day of over) {
        if (removed >= limit) break;
        removed += await removeAll(bucket, (await namesUnder(bucket, day)).slice(0, limit - removed));
      }
      return removed;
    },
  };
}

/** The names of what is kept of a trace: its records may go on any of the coming days. */
async function keysFor(
  bucket: R2Bucket,
  { tenant, traceHex, now }: { readonly tenant: string; readonly traceHex: string; readonly now: number },
): Promise<readonly string[]> {
  const days = Array.from({ length: MAX_DAYS }, (_, at) => dayOf(now + at * DAY_MS));
  const listed = await Promise.all(
    days.map((day) => namesUnder(bucket, addressOf(tenant, { day, traceHex, spanId: "" }))),
  );
  return listed.flat();
}

async function daysOf(bucket: R2Bucket, tenant: string): Promise<readonly string[]> {
  const { delimitedPrefixes } = await bucket.list({ prefix: `raw/${tenant}/`, delimiter: "/" });
  return delimitedPrefixes;
}

async function namesUnder(bucket: R2Bucket, prefix: string): Promise<readonly string[]> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page: R2Objects = await bucket.list({ prefix, ...(cursor === undefined ? {} : { cursor }) });
    found.push(...page.objects.map(({ key }) => key));
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor !== undefined);
  return found;
}

async function removeAll(bucket: R2Bucket, names: readonly string[]): Promise<number> {
  for (let at = 0; at < names.length; at += BATCH) await bucket.delete(names.slice(at, at + BATCH));
  return names.length;
}

async function openedBy(keys: readonly CryptoKey[], object: R2ObjectBody): Promise<RawRecord | undefined> {
  const sealed = new Uint8Array(await object.arrayBuffer());
  for (const key of keys) {
    try {
      // Sealed by us in this shape, and authenticated.
      return JSON.parse(new TextDecoder().decode(await open(key, object.key, sealed))) as RawRecord;
    } catch {
      // Sealed under another of the tenant's keys.
    }
  }
  return undefined;
}

function addressOf(
  tenant: string,
  { day, traceHex, spanId }: { readonly day: string; readonly traceHex: string; readonly spanId: string },
): string {
  return `raw/${tenant}/${day}/${traceHex}/${spanId}`;
}
