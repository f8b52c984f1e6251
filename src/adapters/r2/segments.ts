// Touches trace segments in R2: gzipped NDJSON under the tenant's prefix, named by content, so that a redelivery writes the same object.
import { sha256Hex } from "../../core/json/digest.ts";
import { readRecord } from "../../core/trace/read-record.ts";
import type { System } from "../../gateway/ports.ts";
import type { Segments } from "../../gateway/ports/trace-store.ts";

/** Segments in an R2 bucket. */
export function r2Segments(bucket: R2Bucket, system: System): Segments {
  return {
    put: async (tenant, lines) => {
      const text = lines.join("\n");
      const day = new Date(system.now()).toISOString().slice(0, 10);
      const key = `segments/${tenant}/${day}/${sha256Hex(text).slice(0, 32)}.ndjson.gz`;
      const body = await new Response(
        new Response(text).body?.pipeThrough(new CompressionStream("gzip")),
      ).arrayBuffer();
      await bucket.put(key, body, { httpMetadata: { contentType: "application/x-ndjson", contentEncoding: "gzip" } });
      return key;
    },
    read: async (tenant, segment, lines) => {
      if (!segment.startsWith(`segments/${tenant}/`)) return [];
      const object = await bucket.get(segment);
      if (object === null) return [];
      const text = await new Response(object.body.pipeThrough(new DecompressionStream("gzip"))).text();
      const all = text.split("\n");
      return lines.flatMap((line) => readRecord(all[line] ?? "") ?? []);
    },
  };
}
