// Reads how long a `Retry-After` header asks to wait (RFC 9110 section 10.2.3).

/** Milliseconds from `now`; `null` for a header that is missing or says nothing that can be read. Never negative. */
export function readRetryAfter(text: string | null, now: number): number | null {
  if (text === null) return null;
  const trimmed = text.trim();
  if (/^\d{1,9}$/.test(trimmed)) return Number(trimmed) * 1000;
  const at = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(trimmed)
    ? Date.parse(trimmed)
    : Number.NaN;
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}
