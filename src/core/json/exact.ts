// Decides whether a JSON text can be read without losing a digit, and reads it.
import type { Json } from "./canonical.ts";
import { CLOSE_BRACE, CLOSE_BRACKET, OPEN_BRACE, OPEN_BRACKET, QUOTE, stringEnd } from "./members.ts";

/** A reading of JSON text: the value, or why it was refused (`path` names the number that does not fit). */
export type ExactJson =
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly reason: "syntax" }
  | { readonly ok: false; readonly reason: "too_deep" }
  | {
      readonly ok: false;
      readonly reason: "inexact_number" | "lone_surrogate";
      readonly path: string;
      readonly source: string;
    };

/** Objects and lists within each other beyond which nothing is read: whoever goes through them one by one runs out of stack. */
export const MAX_DEPTH = 500;
/** What a caller is told of a body that is deeper. */
export const TOO_DEEP = `the body is nested more than ${MAX_DEPTH} levels deep`;

const NONE: ReadonlySet<string> = new Set();

interface SourceContext {
  readonly source?: string;
}

/**
 * Reads JSON and refuses any number that a double cannot carry exactly (9007199254740993, 1e400,
 * 0.1000000000000000055): what is validated, digested and sent is then the same number everywhere.
 * `42.00` and `1e2` are fine: their decimal value survives. Text with a lone surrogate is refused as well: it has no
 * UTF-8 form, so it could neither be digested nor sent. Numbers of the names in `unread` may be anything: nobody reads them.
 * Text that is nested more than `MAX_DEPTH` deep is refused as that.
 */
export function parseExactJson(text: string, unread: ReadonlySet<string> = NONE): ExactJson {
  if (isTooDeep(text)) return { ok: false, reason: "too_deep" };
  // A decimal of at most 15 digits is carried exactly: only what may be longer is looked at number by number.
  if (!MAY_BE_INEXACT.test(text) && text.isWellFormed()) return plain(text);
  let bad: { reason: "inexact_number" | "lone_surrogate"; path: string; source: string; holder: unknown } | undefined;
  const revive = function (this: unknown, key: string, value: unknown, context?: SourceContext): unknown {
    const source = context?.source;
    const fault = typeof value === "number" && unread.has(key) ? undefined : faultOf(key, value, source);
    if (bad === undefined && fault !== undefined) {
      bad = { reason: fault, path: key.toWellFormed(), source: source ?? "", holder: this };
    } else if (bad !== undefined && value === bad.holder && key !== "") {
      // A reviver visits children first: each ancestor, met on the way up, names one more step of the path.
      bad = { ...bad, path: `${key}.${bad.path}`, holder: this };
    }
    return value;
  };
  let value: Json;
  try {
    value = JSON.parse(text, revive) as Json;
  } catch {
    return { ok: false, reason: "syntax" };
  }
  return bad === undefined
    ? { ok: true, value }
    : { ok: false, reason: bad.reason, path: bad.path, source: bad.source };
}

/** Whether a JSON text is nested more than `MAX_DEPTH` deep. O(length). */
export function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      // What stands in a string nests nothing.
      const end = stringEnd(text, at);
      if (end < 0) return false;
      at = end - 1;
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      depth += 1;
      if (depth > MAX_DEPTH) return true;
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth -= 1;
  }
  return false;
}

/** Runs of 16 digits, exponents, and halves of a character, wherever they stand. */
const MAY_BE_INEXACT = /[\d.]{16}|[\d.][eE][+-]?\d|\\u[dD][89a-fA-F]/;

function plain(text: string): ExactJson {
  try {
    return { ok: true, value: JSON.parse(text) as Json };
  } catch {
    return { ok: false, reason: "syntax" };
  }
}

function faultOf(
  key: string,
  value: unknown,
  source: string | undefined,
): "inexact_number" | "lone_surrogate" | undefined {
  if (!key.isWellFormed() || (typeof value === "string" && !value.isWellFormed())) return "lone_surrogate";
  return typeof value === "number" && source !== undefined && !survives(value, source) ? "inexact_number" : undefined;
}

function survives(value: number, source: string): boolean {
  if (!Number.isFinite(value)) return false;
  return normalDecimal(source) === normalDecimal(String(value));
}

/** Significant digits and exponent of a decimal text, without leading or trailing zeros. */
function normalDecimal(text: string): string {
  const [mantissa = "", exponentText = "0"] = text.toLowerCase().split("e");
  const sign = mantissa.startsWith("-") ? "-" : "";
  const [whole = "", fraction = ""] = mantissa.replace("-", "").split(".");
  const digits = (whole + fraction).replace(/^0+/, "");
  const trimmed = digits.replace(/0+$/, "");
  if (trimmed === "") return "0";
  const exponent = Number(exponentText) - fraction.length + (digits.length - trimmed.length);
  return `${sign}${trimmed}e${exponent}`;
}
