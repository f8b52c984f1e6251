// Touches bodies too large for a queue message: content-addressed in R2 under the tenant's prefix.
import { sha256Hex } from "../../core/json/digest.ts";
import type { Payload, TraceRecord } from "../../core/trace/record.ts";

/** Stores each body of a record by its digest and answers the record with references in their place. */
export async function offloadPayloads(bucket: R2Bucket, record: TraceRecord): Promise<TraceRecord> {
  const payloads = await Promise.all(record.payloads.map((payload) => offload(bucket, record.index.tenant, payload)));
  return { ...record, payloads };
}

async function offload(bucket: R2Bucket, tenant: string, payload: Payload): Promise<Payload> {
  if (payload.body === null) return payload;
  const digest = sha256Hex(payload.body);
  await bucket.put(payloadKey(tenant, digest), payload.body);
  return { ...payload, body: null, digest };
}

/** A record with its offloaded bodies put back. */
export async function restorePayloads(bucket: R2Bucket, record: TraceRecord): Promise<TraceRecord> {
  const payloads = await Promise.all(
    record.payloads.map(async (payload) => {
      if (payload.body !== null || payload.digest === "" || payload.omitted !== undefined) return payload;
      const object = await bucket.get(payloadKey(record.index.tenant, payload.digest));
      return object === null ? payload : { ...payload, body: await object.text() };
    }),
  );
  return { ...record, payloads };
}

function payloadKey(tenant: string, digest: string): string {
  return `payloads/${tenant}/${digest}`;
}
