// Touches objects in R2 that lie under a day, to delete those of days that are over.

/** Objects that one request to R2 deletes or lists. */
const AT_ONCE = 1_000;
const DAY = /^\d{4}-\d{2}-\d{2}$/;

/**
 * Deletes what lies under `<prefix><yyyy-mm-dd>/` for days before this one, the oldest first, at most so many objects;
 * and what lies under the prefix itself and was stored before that day. Answers how many.
 */
export async function removeDaysBefore(
  bucket: R2Bucket,
  { prefix, day, limit }: { readonly prefix: string; readonly day: string; readonly limit: number },
): Promise<number> {
  if (limit <= 0) return 0;
  const top = await bucket.list({ prefix, delimiter: "/", limit: AT_ONCE });
  const days = top.delimitedPrefixes.filter((each) => isBefore(each.slice(prefix.length, -1), day)).toSorted();
  // NOTE: bodies stored by earlier versions lie under no day.
  const loose = top.objects.filter(({ uploaded }) => uploaded.getTime() < Date.parse(day)).map(({ key }) => key);
  let removed = await remove(bucket, loose.slice(0, limit));
  for (const each of days) {
    while (removed < limit) {
      const { objects } = await bucket.list({ prefix: each, limit: Math.min(AT_ONCE, limit - removed) });
      if (objects.length === 0) break;
      removed += await remove(
        bucket,
        objects.map(({ key }) => key),
      );
    }
  }
  return removed;
}

function isBefore(name: string, day: string): boolean {
  return DAY.test(name) && name < day;
}

async function remove(bucket: R2Bucket, keys: readonly string[]): Promise<number> {
  if (keys.length > 0) await bucket.delete([...keys]);
  return keys.length;
}
