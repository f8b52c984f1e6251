// Decides how text of a stranger is shown to the person who judges it: what cannot be seen is written out, what is long is cut.

// Controls, format and private characters, separators that break lines, lone surrogates, and whatever fonts leave out.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\p{Cn}\p{Default_Ignorable_Code_Point}]/gu;

/** The text with every character that is not seen as `\n`, `\t` or `\u{…}`. */
export function shownText(text: string): string {
  return text.replaceAll(UNSEEN, (character) => {
    if (character === "\n") return String.raw`\n`;
    if (character === "\t") return String.raw`\t`;
    return String.raw`\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
}

/** At most so many characters of the shown text, and how many more there are. */
export function shownStart(text: string, most: number): string {
  const shown = shownText(text.slice(0, most).toWellFormed());
  return text.length <= most ? shown : `${shown}… (${text.length - most} more characters)`;
}

/** What stands around a place of a text, shown; `…` where there is more. */
export function shownAround(text: string, { from, to }: { readonly from: number; readonly to: number }): string {
  const [start, end] = [Math.max(0, from - AROUND), Math.min(text.length, Math.min(to, from + LONGEST) + AROUND)];
  const middle = shownText(text.slice(start, end).toWellFormed());
  return `${start > 0 ? "…" : ""}${middle}${end < text.length ? "…" : ""}`;
}

const AROUND = 30;
const LONGEST = 120;
