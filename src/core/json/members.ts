// Decides where the top-level members of a JSON object stand in its text, so that owned fields change and no other byte does.

/** One top-level member: its decoded key and the offsets of its value in the text. */
export interface Member {
  readonly key: string;
  /** Offset of the key's opening quote. */
  readonly start: number;
  readonly valueStart: number;
  readonly valueEnd: number;
}

/** A JSON object's text with its members located. */
export interface ObjectText {
  readonly text: string;
  readonly members: readonly Member[];
  /** Offset just behind the opening brace. */
  readonly bodyStart: number;
}

/** Character codes of what JSON is made of. */
export const QUOTE = 34;
const BACKSLASH = 92;

/**
 * Locates the top-level members of an object in one pass, without building its values. O(length).
 * Answers `undefined` when the text is not one JSON object at its top level; nested values are matched by
 * bracket and string only, and whoever reads them parses them.
 */
export function locateMembers(text: string): ObjectText | undefined {
  let at = skipSpace(text, text.charCodeAt(0) === 0xfeff ? 1 : 0);
  if (text[at] !== "{") return undefined;
  at = skipSpace(text, at + 1);
  const bodyStart = at;
  const members: Member[] = [];
  if (text[at] === "}") return endsAfter(text, at + 1) ? { text, members, bodyStart } : undefined;
  for (;;) {
    const member = readMember(text, at);
    if (member === undefined) return undefined;
    members.push(member);
    at = skipSpace(text, member.valueEnd);
    if (text[at] === "}") return endsAfter(text, at + 1) ? { text, members, bodyStart } : undefined;
    if (text[at] !== ",") return undefined;
    at = skipSpace(text, at + 1);
  }
}

function readMember(text: string, start: number): Member | undefined {
  if (text.charCodeAt(start) !== QUOTE) return undefined;
  const keyEnd = stringEnd(text, start);
  if (keyEnd < 0) return undefined;
  const colon = skipSpace(text, keyEnd);
  if (text[colon] !== ":") return undefined;
  const valueStart = skipSpace(text, colon + 1);
  const valueEnd = endOfValue(text, valueStart);
  if (valueEnd <= valueStart) return undefined;
  const key = decodeKey(text.slice(start, keyEnd));
  return key === undefined ? undefined : { key, start, valueStart, valueEnd };
}

function decodeKey(quoted: string): string | undefined {
  if (!quoted.includes("\\")) return quoted.slice(1, -1);
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return undefined;
  }
}

function skipSpace(text: string, from: number): number {
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return at;
    at += 1;
  }
}

function endsAfter(text: string, at: number): boolean {
  return skipSpace(text, at) === text.length;
}

/** Offset behind the closing quote of the string that opens at `start`, or -1. */
export function stringEnd(text: string, start: number): number {
  let at = start + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return -1;
    let slashes = 0;
    while (text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}

function endOfValue(text: string, start: number): number {
  const first = text[start];
  if (first === '"') return stringEnd(text, start);
  if (first === "{" || first === "[") return endOfNested(text, start);
  let at = start;
  while (at < text.length && !",}] \n\r\t".includes(text.charAt(at))) at += 1;
  return at;
}

/** Character codes of brackets. */
export const OPEN_BRACE = 123;
export const CLOSE_BRACE = 125;
export const OPEN_BRACKET = 91;
export const CLOSE_BRACKET = 93;

function endOfNested(text: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = stringEnd(text, at);
      if (at < 0) return -1;
      continue;
    }
    at += 1;
    if (code === OPEN_BRACE || code === OPEN_BRACKET) depth += 1;
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth -= 1;
    if (depth === 0) return at;
  }
  return -1;
}

/** The value text of a member, or `undefined` when the object does not have it. */
export function memberText(object: ObjectText, key: string): string | undefined {
  const member = object.members.find((each) => each.key === key);
  return member === undefined ? undefined : object.text.slice(member.valueStart, member.valueEnd);
}

/** The first key that stands twice, or `undefined`: readers disagree on duplicates, so a governed body has none. */
export function duplicateKey(object: ObjectText): string | undefined {
  const seen = new Set<string>();
  for (const { key } of object.members) {
    if (seen.has(key)) return key;
    seen.add(key);
  }
  return undefined;
}

/**
 * The object's text with some members set to new value texts: present ones are replaced in place, absent ones
 * put in front. Every other byte stays as it was.
 */
export function withMembers(object: ObjectText, changes: ReadonlyMap<string, string>): string {
  if (changes.size === 0) return object.text;
  let out = object.text.slice(0, object.bodyStart);
  const present = new Set(object.members.map((member) => member.key));
  const added = [...changes].filter(([key]) => !present.has(key));
  out += added.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(",");
  if (added.length > 0 && object.members.length > 0) out += ",";
  let from = object.bodyStart;
  for (const member of object.members) {
    const value = changes.get(member.key);
    if (value === undefined) continue;
    out += object.text.slice(from, member.valueStart) + value;
    from = member.valueEnd;
  }
  return out + object.text.slice(from);
}
