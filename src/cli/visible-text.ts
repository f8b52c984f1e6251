// Decides how text from elsewhere is shown on a terminal: on one line, without control or direction characters.

// The C0 and C1 controls, and the marks that reorder what is read (Unicode UAX #9).
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const SHORT = 160;

/** The text on one line: whatever a terminal would obey instead of show is written as `\uXXXX` (or `\n`, `\t`). */
export function visibleText(text: string): string {
  return text.replaceAll(UNSEEN, escaped);
}

/** At most 160 characters of a text, and how many more there are. */
export function shortText(text: string): string {
  if (text.length <= SHORT) return text;
  return `${text.slice(0, SHORT).toWellFormed()}… (${text.length - SHORT} more characters, see --full)`;
}

/** Rows as aligned columns, with the heads on top. */
export function tableLines(heads: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const shown = [heads, ...rows.map((row) => row.map(visibleText))];
  const widths = heads.map((_, column) => Math.max(...shown.map((row) => row[column]?.length ?? 0)));
  return shown.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

function escaped(character: string): string {
  if (character === "\n") return String.raw`\n`;
  if (character === "\t") return String.raw`\t`;
  return String.raw`\u` + character.charCodeAt(0).toString(16).padStart(4, "0");
}
