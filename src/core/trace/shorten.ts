// Decides how a text or a value too long to keep is shortened: on its structure, so that what is left can still be read.

/** Stands where something was cut, with how much. */
function cutMark(count: number): string {
  return `…[+${count}]`;
}

/** The most characters that a mark takes, quoted. */
const MARK = 16;

/** A text of at most `max` UTF-16 units (at least 32), cut between characters and marked with how many are missing. */
export function shortenText(text: string, max: number): string {
  if (text.length <= max) return text;
  const kept = text
    .slice(0, max - MARK)
    .toWellFormed()
    .replace(/\uFFFD$/, "");
  return `${kept}${cutMark(text.length - kept.length)}`;
}

/**
 * A text that may be JSON, of about `max` characters: an object or array loses members and text inside, and stays valid
 * JSON; anything else is cut at its end.
 */
export function shortenStructure(text: string, max: number): string {
  if (text.length <= max) return text;
  if (!/^\s*[[{]/.test(text)) return shortenText(text, max);
  try {
    return shortenJson(JSON.parse(text), max);
  } catch {
    return shortenText(text, max);
  }
}

/** A JSON value as text of about `max` characters: what comes last is left out first, and marked. Always valid JSON. */
export function shortenJson(value: unknown, max: number): string {
  const whole = JSON.stringify(value);
  return whole.length <= max ? whole : JSON.stringify(new Fitting(max).fit(value, 0));
}

/** The deepest structure that is kept. */
const MAX_DEPTH = 24;
/** The longest text inside a structure that is shortened. */
const LONGEST_TEXT = 1_024;

/** Spends characters on a value from its beginning until none are left. */
class Fitting {
  #left: number;

  constructor(max: number) {
    this.#left = max;
  }

  fit(value: unknown, depth: number): unknown {
    if (typeof value === "string") return this.#text(value);
    if (typeof value !== "object" || value === null) {
      this.#left -= String(value).length;
      return value;
    }
    this.#left -= 2;
    if (depth >= MAX_DEPTH) return cutMark(1);
    return Array.isArray(value) ? this.#list(value, depth) : this.#members(Object.entries(value), depth);
  }

  #text(text: string): string {
    const short = shortenText(text, Math.max(2 * MARK, Math.min(LONGEST_TEXT, this.#left - MARK)));
    this.#left -= JSON.stringify(short).length;
    return short;
  }

  #list(items: readonly unknown[], depth: number): readonly unknown[] {
    const kept: unknown[] = [];
    for (const item of items) {
      if (this.#left < 4 * MARK) return [...kept, cutMark(items.length - kept.length)];
      this.#left -= 1;
      kept.push(this.fit(item, depth + 1));
    }
    return kept;
  }

  #members(members: readonly (readonly [string, unknown])[], depth: number): Readonly<Record<string, unknown>> {
    const kept: (readonly [string, unknown])[] = [];
    for (const [key, value] of members) {
      const room = this.#left - 4 * MARK - key.length;
      if (room < 0) return Object.fromEntries([...kept, ["…", cutMark(members.length - kept.length)]]);
      this.#left -= key.length + 4;
      kept.push([key, this.fit(value, depth + 1)]);
    }
    return Object.fromEntries(kept);
  }
}
