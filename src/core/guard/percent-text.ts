// Reads a text as it is once percent-encoding is undone, and tells where what stands there stands in the text itself.

/** A text without percent-encoding, and the offset in the encoded text of each of its characters, and of its end. */
export interface DecodedText {
  readonly text: string;
  readonly offsets: readonly number[];
}

const ENCODED = /%([2-7][0-9A-Fa-f])/g;

/**
 * The text with every percent-encoded ASCII character undone (RFC 3986 §2.1), others left; `undefined` where it has
 * none. O(length).
 */
export function decodedText(text: string): DecodedText | undefined {
  if (!text.includes("%")) return undefined;
  const offsets: number[] = [];
  let out = "";
  let from = 0;
  for (const match of text.matchAll(ENCODED)) {
    for (let at = from; at < match.index; at += 1) offsets.push(at);
    out += text.slice(from, match.index) + String.fromCharCode(Number.parseInt(match[1] ?? "20", 16));
    offsets.push(match.index);
    from = match.index + match[0].length;
  }
  if (from === 0) return undefined;
  for (let at = from; at <= text.length; at += 1) offsets.push(at);
  return { text: out + text.slice(from), offsets };
}
