// Reads JSON bodies without losing what parsing hides: the order of keys and the digits of numbers.

/** A JSON object whose members have not been looked at yet. */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** Whether a parsed value is an object with members, not null and not a list. */
export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The parsed object, or undefined when the text is no JSON object. */
export function parseRecord(source: string): JsonRecord | undefined {
  return parseWith(source, undefined);
}

/** Like `parseRecord`, with each number replaced by the digits it was written with: 42.00 stays "42.00". */
export function parseRecordKeepingDigits(source: string): JsonRecord | undefined {
  return parseWith(source, (_key: string, value: unknown, context?: { readonly source?: string }) =>
    typeof value === "number" ? (context?.source ?? String(value)) : value,
  );
}

function parseWith(
  source: string,
  reviver: ((key: string, value: unknown) => unknown) | undefined,
): JsonRecord | undefined {
  try {
    const value: unknown = JSON.parse(source, reviver);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The top-level keys of a valid JSON object in the order they were written, repeats included.
 * `Object.keys` cannot answer this: it sorts integer-like keys first and drops repeats.
 */
export function topLevelKeys(source: string): string[] {
  const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]]/gs;
  const keys: string[] = [];
  let depth = 0;
  for (let token = tokens.exec(source); token !== null; token = tokens.exec(source)) {
    const text = token[0];
    if (text === "{" || text === "[") depth += 1;
    else if (text === "}" || text === "]") depth -= 1;
    else if (depth === 1 && isFollowedByColon(source, tokens.lastIndex)) keys.push(String(JSON.parse(text)));
  }
  return keys;
}

function isFollowedByColon(source: string, from: number): boolean {
  const colon = /\s*:/y;
  colon.lastIndex = from;
  return colon.test(source);
}

/** The items of a list; none of anything else. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The objects of a list. */
export function recordsOf(value: unknown): readonly JsonRecord[] {
  return listOf(value).filter(isRecord);
}

/** An object, or one without members. */
export function recordOf(value: unknown): JsonRecord {
  return isRecord(value) ? value : {};
}

/** A text, or undefined. */
export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Whether a member is missing or null. */
export function isAbsent(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}

/** Lowest and highest value of a number, and whether it has to be whole. */
export type Range = readonly [low: number, high: number, isWhole?: boolean];

/** The range of a limit of tokens. */
export const TOKEN_LIMIT: Range = [1, Number.MAX_SAFE_INTEGER, true];

/** The first member that is there and is no number in its range. */
export function firstOutOfRange(record: JsonRecord, ranges: Readonly<Record<string, Range>>): string | undefined {
  const named = Object.entries(ranges).find(([name, range]) => !isAbsent(record[name]) && !isIn(record[name], range));
  return named?.[0];
}

function isIn(value: unknown, [low, high, isWhole = false]: Range): boolean {
  return typeof value === "number" && value >= low && value <= high && (!isWhole || Number.isInteger(value));
}
