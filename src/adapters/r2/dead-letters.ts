// Touches parked letters: lines that could not be stored lie in R2 until the trace queue takes them again.
import { sha256Hex } from "../../core/json/digest.ts";
import type { DeadLetters, ParkedLetter } from "../../gateway/ports/coverage.ts";

/** A queue as letters are sent back to it. */
interface LetterQueue {
  send(body: string, options: { readonly contentType: "text" }): Promise<unknown>;
}

const ROOT = "dead-letters/";
/** Stands for no tenant: no tenant's id begins like this. */
const NOBODY = "_unknown";

/** Letters parked in a bucket. */
export function r2DeadLetters(bucket: R2Bucket, queue: LetterQueue): DeadLetters {
  return {
    park: async ({ tenant, text, reason, sentAt }) => {
      const at = new Date(sentAt).toISOString().replaceAll(/[:.]/g, "-");
      const id = `${tenant ?? NOBODY}/${at}-${sha256Hex(text).slice(0, 32)}`;
      const customMetadata = { reason, lines: String(text.split("\n").length), sentAt: String(sentAt) };
      await bucket.put(`${ROOT}${id}`, text, { customMetadata, httpMetadata: { contentType: "application/x-ndjson" } });
    },
    list: async (tenant, { cursor, limit }) => {
      const prefix = tenant === undefined ? ROOT : `${ROOT}${tenant}/`;
      const startAfter = cursor === undefined ? {} : { startAfter: `${ROOT}${cursor}` };
      const found = await bucket.list({ prefix, limit, include: ["customMetadata"], ...startAfter });
      const letters = found.objects.map(parkedLetter);
      return { letters, nextCursor: found.truncated ? (letters.at(-1)?.id ?? null) : null };
    },
    redrive: async (id) => {
      const object = await bucket.get(`${ROOT}${id}`);
      if (object === null) return false;
      await queue.send(await object.text(), { contentType: "text" });
      // Only now: a stop in between sends it twice, and what is stored twice is stored once.
      await bucket.delete(`${ROOT}${id}`);
      return true;
    },
    drop: (tenant, isDropped) => dropLines(bucket, tenant, isDropped),
  };
}

async function dropLines(bucket: R2Bucket, tenant: string, isDropped: (line: string) => boolean): Promise<number> {
  let dropped = 0;
  let startAfter = `${ROOT}${tenant}/`;
  for (;;) {
    const found = await bucket.list({ prefix: `${ROOT}${tenant}/`, include: ["customMetadata"], startAfter });
    for (const { key, customMetadata = {} } of found.objects) {
      const lines = ((await (await bucket.get(key))?.text()) ?? "").split("\n");
      const kept = lines.filter((line) => !isDropped(line));
      dropped += lines.length - kept.length;
      if (kept.length === 0) await bucket.delete(key);
      else if (kept.length < lines.length)
        await bucket.put(key, kept.join("\n"), { customMetadata: { ...customMetadata, lines: String(kept.length) } });
      startAfter = key;
    }
    if (!found.truncated) return dropped;
  }
}

function parkedLetter(object: R2Object): ParkedLetter {
  const id = object.key.slice(ROOT.length);
  const tenant = id.split("/")[0] ?? NOBODY;
  const { reason = "store_failed", lines, sentAt } = object.customMetadata ?? {};
  return {
    id,
    tenant: tenant === NOBODY ? null : tenant,
    reason,
    lines: Number(lines ?? 1),
    bytes: object.size,
    sentAt: Number(sentAt ?? object.uploaded.getTime()),
    parkedAt: object.uploaded.getTime(),
  };
}
