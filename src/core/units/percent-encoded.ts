// Decides what a percent-encoded header says: a text in UTF-8 of at most so many bytes, or why it is none.

/** A decoded text, or why it cannot be one: an escape that is none or an unescaped character, bytes that are no UTF-8, too many of them. */
export type PercentDecoded =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly why: "escape" | "utf8" | "length" };

/** Undoes percent-encoding (RFC 3986 s2.1) of printable ASCII. `maxBytes` bounds the decoded text. O(length). */
export function percentDecoded(encoded: string, maxBytes: number): PercentDecoded {
  const escapes = encoded.match(/%[0-9A-Fa-f]{2}/g)?.length ?? 0;
  if (encoded.length - 2 * escapes > maxBytes) return { ok: false, why: "length" };
  if (!/^[\x20-\x7e]*$/.test(encoded) || /%(?![0-9A-Fa-f]{2})/.test(encoded)) return { ok: false, why: "escape" };
  try {
    return { ok: true, text: decodeURIComponent(encoded) };
  } catch {
    return { ok: false, why: "utf8" };
  }
}
