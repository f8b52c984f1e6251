// Touches bodies too large for a queue message: in R2 under tenant, day and record, so that each goes with its record.
import { sha256Hex } from "../../core/json/digest.ts";
import { dayOf } from "../../core/units/utc-day.ts";
import type { IndexRow, Payload, TraceRecord } from "../../core/trace/record.ts";

/** Stores each body of a record and answers the record with their digests in their place. */
export async function offloadPayloads(bucket: R2Bucket, record: TraceRecord): Promise<TraceRecord> {
  const payloads = await Promise.all(record.payloads.map((payload) => offload(bucket, record.index, payload)));
  return { ...record, payloads };
}

async function offload(bucket: R2Bucket, index: IndexRow, payload: Payload): Promise<Payload> {
  if (payload.body === null) return payload;
  const stored = { ...payload, body: null, digest: sha256Hex(payload.body) };
  await bucket.put(payloadKey(index, stored), payload.body);
  return stored;
}

/** A record with its offloaded bodies put back. */
export async function restorePayloads(bucket: R2Bucket, record: TraceRecord): Promise<TraceRecord> {
  const payloads = await Promise.all(
    record.payloads.map(async (payload) => {
      if (!isOffloaded(payload)) return payload;
      const object =
        (await bucket.get(payloadKey(record.index, payload))) ?? (await bucket.get(sharedKey(record.index, payload)));
      return object === null ? payload : { ...payload, body: await object.text() };
    }),
  );
  return { ...record, payloads };
}

/** Deletes a record's offloaded bodies, one that earlier versions let several records share included; answers how many. */
export async function removePayloads(bucket: R2Bucket, record: TraceRecord): Promise<number> {
  const offloaded = record.payloads.filter(isOffloaded);
  const keys = offloaded.flatMap((payload) => [payloadKey(record.index, payload), sharedKey(record.index, payload)]);
  const found = await Promise.all(keys.map((key) => bucket.head(key)));
  const there = keys.filter((_, at) => found[at] !== null);
  if (there.length > 0) await bucket.delete(there);
  return there.length;
}

function isOffloaded({ body, digest, omitted }: Payload): boolean {
  return body === null && digest !== "" && omitted === undefined;
}

function payloadKey({ tenant, started_at, trace_hex }: IndexRow, { span_id, name, digest }: Payload): string {
  return `payloads/${tenant}/${dayOf(started_at)}/${trace_hex}/${span_id}-${name}-${digest.slice(0, 16)}`;
}

/** Where earlier versions stored a body: by its digest alone. */
function sharedKey({ tenant }: IndexRow, { digest }: Payload): string {
  return `payloads/${tenant}/${digest}`;
}
