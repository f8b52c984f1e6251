// Decides where a text holds what a tenant's own pattern describes: linear-time matching, which tells whether, not where.
import { RE2JS } from "@bufbuild/re2";
import type { CustomDetector } from "./mask-rules.ts";

interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** What a pattern matches is looked for in windows of this length, each half over the next. */
const WINDOW = 1_024;
const LONGEST = WINDOW / 2;
/** A match grows by steps of at most so many characters. */
const REACH = 48;

/** Whether a text is a pattern that can be looked for: RE2's syntax, and not one that matches nothing at all. */
export function isPattern(text: string): boolean {
  try {
    return text !== "" && !RE2JS.compile(text).test("");
  } catch {
    return false;
  }
}

/**
 * A detector of what a pattern (RE2 syntax) matches, of at most 512 characters within one line. O(text): the engine
 * never goes back. It answers whether a text has a match; where it stands is found by halving. A match that hangs on
 * what stands around it (`\b`, `$`) may be found a little too often, never too rarely. Throws for what is no pattern.
 */
export function customDetector(kind: string, pattern: string): CustomDetector {
  const compiled = RE2JS.compile(pattern);
  return {
    kind,
    find: (text) => {
      const found: Stretch[] = [];
      for (const { start, end } of windowsOf(text)) {
        let from = Math.max(start, found.at(-1)?.end ?? 0);
        while (from < end) {
          const match = matchIn(compiled, text.slice(from, end));
          if (match === undefined) break;
          found.push({ start: from + match.start, end: from + match.end });
          from += match.end;
        }
      }
      return found;
    },
  };
}

/** Lines, and pieces of long ones: no match of the longest length is cut in every one of them. */
function windowsOf(text: string): readonly Stretch[] {
  const windows: Stretch[] = [];
  let start = 0;
  for (const line of text.split("\n")) {
    const end = start + line.length;
    for (let at = start; at < end; at += LONGEST) {
      windows.push({ start: at, end: Math.min(at + WINDOW, end) });
      if (at + WINDOW >= end) break;
    }
    start = end + 1;
  }
  return windows;
}

function matchIn(pattern: RE2JS, text: string): Stretch | undefined {
  if (!pattern.test(text)) return undefined;
  // The shortest beginning that has a match ends where it ends; the shortest end of that begins where it begins.
  const least = firstIn(1, text.length, (end) => pattern.test(text.slice(0, end)));
  const start = least - firstIn(1, least, (length) => pattern.test(text.slice(least - length, least)));
  let end = least;
  for (let longer = longerEnd(pattern, text, { start, end }); longer > end;) {
    end = longer;
    longer = longerEnd(pattern, text, { start, end });
  }
  return { start, end };
}

function longerEnd(pattern: RE2JS, text: string, { start, end }: Stretch): number {
  const furthest = Math.min(text.length, end + REACH, start + LONGEST);
  for (let at = furthest; at > end; at -= 1) if (pattern.testExact(text.slice(start, at))) return at;
  return end;
}

/** The least number from `low` to `high` that a test accepts; it accepts `high`. */
function firstIn(low: number, high: number, accepts: (number: number) => boolean): number {
  let [from, to] = [low, high];
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    if (accepts(middle)) to = middle;
    else from = middle + 1;
  }
  return to;
}
