// Decides what a full-text query asks for: words and "phrases", all of which must occur.

/** Words and phrases of one query. */
const MAX_TERMS = 10;

/**
 * The terms of a query: words, `"phrases"` and `prefixes*`; every one must occur. `undefined` where there is no term, or
 * more than ten. O(n).
 */
export function readTerms(query: string): readonly string[] | undefined {
  // FTS5 ends its text at a NUL.
  const found = [...query.replaceAll("\0", " ").matchAll(/"([^"]*)"|([^\s"]+)/g)].map(([, phrase, word]) =>
    termOf(phrase, word),
  );
  const terms = found.filter((term) => term !== undefined);
  return terms.length === 0 || terms.length > MAX_TERMS ? undefined : terms;
}

/** A term as an FTS5 string: whatever it holds, it is text (SQLite FTS5, "FTS5 Strings"). */
function termOf(phrase: string | undefined, word = ""): string | undefined {
  if (phrase !== undefined) return hasWord(phrase) ? `"${phrase}"` : undefined;
  const isPrefix = word.endsWith("*");
  const text = isPrefix ? word.slice(0, -1) : word;
  return hasWord(text) ? `"${text}"${isPrefix ? "*" : ""}` : undefined;
}

function hasWord(text: string): boolean {
  return /[\p{L}\p{N}]/u.test(text);
}
