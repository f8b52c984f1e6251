// Decides which characters of a text hide something from its reader, and which names pass for another.

/** A stretch of characters that nobody sees. */
export interface HiddenText {
  readonly severity: "warn" | "danger";
  readonly from: number;
  readonly to: number;
}

// Tag characters, zero width, direction overrides and isolates, controls that terminals obey, invisible operators, fillers.
const HIDING =
  // oxlint-disable-next-line no-control-regex, no-misleading-character-class -- characters that are not seen are what is looked for
  /[\u{e0000}-\u{e0fff}]+|[\u202a-\u202e\u2066-\u2069]+|[\u200b\u2060-\u2064\ufeff\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u3164\uffa0]+|[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]+|[\ufe00-\ufe0f]{2,}/gu;
// Joiners belong between letters of some scripts and between pictures; elsewhere they hide.
const STRAY_JOINER =
  /(?<![\p{Script=Arabic}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Tamil}\p{Script=Malayalam}\p{Script=Kannada}\p{Script=Telugu}\p{Script=Sinhala}\p{Script=Gujarati}\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f\p{M}])[\u200c\u200d]+/gu;
const MARKS = /[\u200e\u200f\u061c]+/gu;
/** Flags of a region are pictures made of tag characters. */
const FLAG = /\u{1f3f4}[\u{e0061}-\u{e007a}]{1,8}\u{e007f}/gu;
const MANY_BLANKS = /[ \t\u00a0\u2000-\u200a\u3000]{80,}|(?:\r?\n[ \t]*){12,}/gu;

/** The hidden stretches of a text, at most 10 of each kind. */
export function hiddenTextIn(text: string): readonly HiddenText[] {
  const shown = text.replaceAll(FLAG, (flag) => "_".repeat(flag.length));
  const found = (pattern: RegExp, severity: HiddenText["severity"]): readonly HiddenText[] =>
    [...shown.matchAll(pattern)]
      .slice(0, 10)
      .map((match) => ({ severity, from: match.index, to: match.index + match[0].length }));
  return [
    ...found(HIDING, "danger"),
    ...found(STRAY_JOINER, "danger"),
    ...found(MANY_BLANKS, "warn"),
    ...found(MARKS, "warn"),
  ];
}

/** Letters of other scripts that look like Latin ones, and Latin ones that look like each other. */
const LIKENESS: Readonly<Record<string, string>> = {
  а: "a",
  е: "e",
  о: "o",
  р: "p",
  с: "c",
  х: "x",
  у: "y",
  і: "i",
  ѕ: "s",
  ј: "j",
  ԁ: "d",
  һ: "h",
  ո: "n",
  к: "k",
  м: "m",
  т: "t",
  в: "b",
  н: "h",
  α: "a",
  ο: "o",
  ρ: "p",
  ν: "v",
  ι: "i",
  κ: "k",
  υ: "u",
  ɡ: "g",
  ɑ: "a",
  ı: "i",
  "0": "o",
  "1": "l",
  i: "l",
  "5": "s",
  "|": "l",
};

/** What a name looks like at a glance. */
function likenessOf(name: string): string {
  return Array.from(name.normalize("NFKD").replaceAll(/\p{M}/gu, "").toLowerCase())
    .map((letter) => LIKENESS[letter] ?? letter)
    .join("")
    .replaceAll("rn", "m")
    .replaceAll("vv", "w")
    .replaceAll("cl", "d")
    .replaceAll(/[.\-/\s]/g, "_");
}

const ASCII = /^[\u0020-\u007e]*$/;

/** Names that pass for another of the names: with the other one. A name with letters of another script passes for its Latin likeness. */
export function lookAlikes(names: readonly string[]): ReadonlyMap<string, string> {
  const groups = Map.groupBy(new Set(names), likenessOf);
  const found = new Map<string, string>();
  for (const [likeness, group] of groups) {
    for (const name of group) {
      const other = group.find((each) => each !== name);
      if (other !== undefined) found.set(name, other);
      else if (!ASCII.test(name)) found.set(name, likeness);
    }
  }
  return found;
}
