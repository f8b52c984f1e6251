// Decides how text from outside stands in a sentence: between quotation marks, on one line, shortened, with nothing that acts.

// Controls, marks that reorder what is read (Unicode UAX #9), and characters that are not seen.
const UNSEEN =
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff]/g;
const MARKS = /[“”]/g;
const MOST = 280;

/**
 * The text between “ and ”: on one line, at most `most` characters, what is unseen written as `\uXXXX`, quotation marks
 * of this kind inside it made straight. So whatever stands between the two marks is from outside, and nothing else is.
 */
export function quoted(value: unknown, most = MOST): string {
  const text = textOf(value);
  const cut = text.length > most ? text.slice(0, most).toWellFormed() : text.toWellFormed();
  const shown = cut.replaceAll(UNSEEN, escaped).replaceAll(MARKS, '"');
  return text.length > most ? `“${shown}” (and ${text.length - most} more characters)` : `“${shown}”`;
}

/** Several texts, quoted, at most `most` of them. */
export function quotedList(values: readonly unknown[], most = 12): string {
  const shown = values.slice(0, most).map((value) => quoted(value, 80));
  const more = values.length - shown.length;
  return [...shown, ...(more > 0 ? [`${more} more`] : [])].join(", ");
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  return JSON.stringify(value) ?? "nothing";
}

function escaped(character: string): string {
  if (character === "\n") return String.raw`\n`;
  if (character === "\t") return String.raw`\t`;
  return String.raw`\u` + character.charCodeAt(0).toString(16).padStart(4, "0");
}
