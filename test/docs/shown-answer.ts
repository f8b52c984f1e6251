// Decides whether an answer shown in the docs is a true part of what was really answered.

/**
 * Where the shown part departs from the real value, or `undefined` when it does not. A shown object may leave members
 * out; a text that ends in `…` stands for every text that begins so.
 */
export function departure(shown: unknown, real: unknown, at = "answer"): string | undefined {
  if (typeof shown === "string" && shown.endsWith("…")) {
    return typeof real === "string" && real.startsWith(shown.slice(0, -1)) ? undefined : `${at}: ${String(real)}`;
  }
  if (Array.isArray(shown)) {
    if (!Array.isArray(real) || real.length !== shown.length) return `${at}: expected ${shown.length} items`;
    return firstOf(shown.map((each: unknown, index) => departure(each, real[index], `${at}.${index}`)));
  }
  if (isObject(shown)) {
    if (!isObject(real)) return `${at}: expected an object`;
    return firstOf(Object.entries(shown).map(([name, value]) => departure(value, real[name], `${at}.${name}`)));
  }
  return shown === real ? undefined : `${at}: shown ${JSON.stringify(shown)}, answered ${JSON.stringify(real)}`;
}

function firstOf(found: readonly (string | undefined)[]): string | undefined {
  return found.find((each) => each !== undefined);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
