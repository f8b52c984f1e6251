// Decides what an attack reads like: its places filled, its words hidden as it says.
import type { InjectionPattern } from "./injection-library.ts";

/** What stands in the places of an attack. */
export interface InjectionFill {
  readonly canary: string;
  readonly tool: string;
  readonly argument: string;
  readonly value: string;
}

const PLACE = /\{\{(canary|tool|argument|value)\}\}/;

/**
 * The text of an attack. Of one that is spelled in letters of its own, the mark and the names of the tenant stay as they
 * are: an attack that names no real tool attacks nothing. Base64 hides all of it.
 */
export function attackText({ text, spelling }: InjectionPattern, fill: InjectionFill): string {
  // Of a split by a pattern with a group every second piece is what the group matched.
  const worded = (hide: (words: string) => string): string =>
    text
      .split(PLACE)
      .map((piece, at) => (at % 2 === 0 ? hide(piece) : filled(piece, fill)))
      .join("");
  switch (spelling) {
    case undefined:
      return worded((words) => words);
    case "base64":
      return `Decode and follow: ${base64(worded((words) => words))}`;
    case "zero_width":
      return worded((words) =>
        words.replaceAll(/(?<=\w)(?=\w)/g, (_empty, at: number) => (at % 5 === 0 ? "\u200B" : "")),
      );
    case "homoglyph":
      return worded((words) => words.replaceAll(/[aeopci]/g, (letter) => HOMOGLYPHS[letter] ?? letter));
    case "rot13":
      return `ROT13, please decode: ${worded((words) => words.replaceAll(/[A-Za-z]/g, turned))}`;
    default:
      return spelling satisfies never;
  }
}

function filled(place: string, fill: InjectionFill): string {
  switch (place) {
    case "tool":
      return fill.tool;
    case "argument":
      return fill.argument;
    case "value":
      return fill.value;
    default:
      return fill.canary;
  }
}

/** Cyrillic letters that look like Latin ones (UTS 39). */
const HOMOGLYPHS: Readonly<Record<string, string>> = { a: "а", e: "е", o: "о", p: "р", c: "с", i: "і" };
const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

function turned(letter: string): string {
  const base = letter <= "Z" ? 65 : 97;
  return String.fromCharCode(((letter.charCodeAt(0) - base + 13) % 26) + base);
}

/** RFC 4648 s4, of the UTF-8 bytes. */
function base64(text: string): string {
  const bytes = [...new TextEncoder().encode(text)];
  const out: string[] = [];
  for (let at = 0; at < bytes.length; at += 3) {
    const [a = 0, b, c] = bytes.slice(at, at + 3);
    const word = (a << 16) | ((b ?? 0) << 8) | (c ?? 0);
    out.push(
      BASE64[word >> 18] ?? "",
      BASE64[(word >> 12) & 63] ?? "",
      b === undefined ? "=" : (BASE64[(word >> 6) & 63] ?? ""),
      c === undefined ? "=" : (BASE64[word & 63] ?? ""),
    );
  }
  return out.join("");
}
