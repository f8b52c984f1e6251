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
