// Mints the ids of refunds and notes.

/** A fresh id such as `re_0f3a…`, 24 hex digits after the prefix. */
export function newId(prefix: string): string {
  return `${prefix}_${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`;
}
