// Grades what an agent said at last: as JSON, as a text, as a number.
import { RE2JS } from "@bufbuild/re2";
import type { GraderOf } from "../../config/grader-document.ts";
import { canonicalJson, isJsonObject, type Json } from "../../json/canonical.ts";
import { callsOf, finalText } from "../episode.ts";
import type { Graded, Word } from "./graded.ts";
import { graderSchema } from "./schema.ts";

/** Whether the last answer, or every call's arguments, fit a schema; what it is no schema is an error. */
export function gradeSchema({ schema, target, tool }: GraderOf<"json_schema">, graded: Graded): Word {
  const read = graderSchema(schema);
  if (!read.ok) return { error: read.message };
  const fits = (value: unknown): boolean => value !== undefined && read.fits(value);
  if (target === "final") {
    if (!isLastAnswer(graded)) return NOT_LAST;
    const value = jsonIn(finalText(graded.episode));
    if (value === undefined) return { value: 0, why: "the answer is no JSON" };
    return fits(value) ? { value: 1, why: "it fits the schema" } : { value: 0, why: "it does not fit the schema" };
  }
  const calls = callsOf(graded.episode).filter(
    (call) => tool === undefined || call.tool === tool || call.name === tool,
  );
  if (calls.length === 0) return { value: null, why: "no such call" };
  const wrong = calls.filter(({ args }) => !fits(argsIn(args)));
  return wrong.length === 0
    ? { value: 1, why: "all arguments fit the schema" }
    : { value: 0, why: `${wrong.length} of ${calls.length} calls have arguments that do not fit` };
}

/** Whether the last answer, or a value of it, is a text; without one the case's reference, else its JSON answer. */
export function gradeExact(grader: GraderOf<"exact">, graded: Graded): Word {
  if (!isLastAnswer(graded)) return NOT_LAST;
  const { value, path, ignore_case: ignoresCase } = grader;
  const json = wantedJson(grader, graded);
  if (json !== undefined) {
    const said = saidJson(graded, path);
    return said === undefined ? noValue(path) : same(canonicalJson(said) === canonicalJson(json));
  }
  const wanted = value ?? graded.case.labels.reference;
  if (wanted === undefined) return { value: null, why: "the case has no reference" };
  const said = saidAt(graded, path);
  const fold = (each: string): string => (ignoresCase ? each.trim().toLowerCase() : each.trim());
  return said === undefined ? noValue(path) : same(fold(said) === fold(wanted));
}

/** The JSON that is wanted, where no text is: at a path the label's own value, else the label where there is no reference. */
function wantedJson({ value, path }: GraderOf<"exact">, { case: each }: Graded): Json | undefined {
  const { reference, json } = each.labels;
  if (value !== undefined || json === undefined) return undefined;
  if (path !== undefined) return valueAt(json, path);
  return reference === undefined ? json : undefined;
}

function same(is: boolean): Word {
  return is ? { value: 1, why: "it is the same" } : { value: 0, why: "it is another one" };
}

function noValue(path: string | undefined): Word {
  return { value: 0, why: path === undefined ? "the answer is no JSON" : `the answer has no ${path}` };
}

/** Whether the last answer, or a value of it, says all of some texts. */
export function gradeContains({ values, path, ignore_case: ignoresCase }: GraderOf<"contains">, graded: Graded): Word {
  if (!isLastAnswer(graded)) return NOT_LAST;
  const wanted = values ?? graded.case.labels.contains;
  if (wanted === undefined) return { value: null, why: "the case names no texts" };
  const said = saidAt(graded, path);
  if (said === undefined) return noValue(path);
  const fold = (text: string): string => (ignoresCase ? text.toLowerCase() : text);
  const missing = wanted.filter((text) => !fold(said).includes(fold(text)));
  return missing.length === 0
    ? { value: 1, why: "it says all of them" }
    : { value: 0, why: `it does not say ${missing.map((text) => `"${text.slice(0, 80)}"`).join(", ")}` };
}

/**
 * Whether the last answer, or a value of it, matches a pattern, in time linear in its length (RE2). A pattern that must
 * not match is looked for in every answer.
 */
export function gradeRegex(
  { pattern, path, ignore_case: ignoresCase, forbid }: GraderOf<"regex">,
  graded: Graded,
): Word {
  const matcher = RE2JS.compile(ignoresCase ? `(?i)${pattern}` : pattern);
  if (!forbid && !isLastAnswer(graded)) return NOT_LAST;
  const texts =
    path === undefined && forbid ? graded.episode.turns.map(({ text }) => text) : [saidAt(graded, path)].flatMap(kept);
  const found = texts.some((text) => matcher.test(text));
  if (found !== forbid) return { value: 1, why: forbid ? "it does not match what it must not" : "it matches" };
  if (texts.length === 0) return noValue(path);
  return { value: 0, why: forbid ? "it matches what it must not" : "it does not match" };
}

function kept<T>(each: T | undefined): readonly T[] {
  return each === undefined ? [] : [each];
}

/**
 * Whether a number of the answer is what it should be, or near it: by `abs`, or by `rel` of what is expected, whichever
 * lets more pass. Without a path it is the answer itself where that is a JSON number, else the first number in the text.
 */
export function gradeNumeric({ path, expected, abs, rel }: GraderOf<"numeric">, graded: Graded): Word {
  if (!isLastAnswer(graded)) return NOT_LAST;
  const wanted = expected ?? labelledNumber(graded, path);
  if (wanted === undefined) return { value: null, why: "the case names no number" };
  const said = path === undefined ? numberIn(finalText(graded.episode)) : saidJson(graded, path);
  if (typeof said !== "number" || !Number.isFinite(said)) return { value: 0, why: "the answer has no number there" };
  const isNear = Math.abs(said - wanted) <= Math.max(abs, rel * Math.abs(wanted));
  return { value: Number(isNear), why: isNear ? `${said} is near enough` : `${said} instead of ${wanted}` };
}

/** The number of a case's JSON answer: the answer itself, else what it has at the path. */
function labelledNumber({ case: each }: Graded, path: string | undefined): number | undefined {
  const { json } = each.labels;
  const label = path === undefined || typeof json === "number" ? json : valueAt(json ?? null, path);
  return typeof label === "number" ? label : undefined;
}

/** A number that is no part of a name (`cus_123`), and no minus sign that is a hyphen. */
const NUMBER = /(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?/;
const THOUSANDS = /(?<=\d),(?=\d{3}(?!\d))/g;

function numberIn(text: string): number | undefined {
  const value = jsonIn(text);
  if (typeof value === "number") return value;
  const found = NUMBER.exec(text.replaceAll(THOUSANDS, ""))?.[0];
  return found === undefined ? undefined : Number(found);
}

/** What graders of the last answer say of an answer that is not. */
const NOT_LAST: Word = { value: null, why: "not the last answer of the case" };

/** Whether an episode comes to the case's last answer: of recorded calls on their own only the last one does. */
export function isLastAnswer({ case: each, episode }: Pick<Graded, "case" | "episode">): boolean {
  return episode.call === null || episode.call === each.calls.length - 1;
}

/** The JSON of the last answer, or the value of it at a path. */
function saidJson({ episode }: Graded, path: string | undefined): Json | undefined {
  const value = jsonIn(finalText(episode));
  return path === undefined || value === undefined ? value : valueAt(value, path);
}

/** The last answer, or the value of it at a path, as a text. */
function saidAt(graded: Graded, path: string | undefined): string | undefined {
  if (path === undefined) return finalText(graded.episode);
  const value = saidJson(graded, path);
  return value === undefined ? undefined : textOf(value);
}

function textOf(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The JSON of a text; where it is none, that of its first fenced block. */
export function jsonIn(text: string): Json | undefined {
  const fenced = /```(?:json)?[^\S\n]*\n([^]*?)```/.exec(text)?.[1];
  for (const each of [text, fenced])
    try {
      if (each !== undefined) return JSON.parse(each) as Json;
    } catch {
      // The next way of reading it.
    }
  return undefined;
}

/** Arguments as a model wrote them; none at all stand for no arguments. */
export function argsIn(text: string): Json | undefined {
  try {
    return JSON.parse(text.trim() === "" ? "{}" : text) as Json;
  } catch {
    return undefined;
  }
}

/** The value at a dotted path; a whole number names an item of a list. */
export function valueAt(value: Json, path: string): Json | undefined {
  let at: Json | undefined = value;
  for (const step of path.split(".")) {
    if (Array.isArray(at)) at = /^\d{1,9}$/.test(step) ? (at as readonly Json[])[Number(step)] : undefined;
    else if (isJsonObject(at) && Object.hasOwn(at, step)) at = at[step];
    else return undefined;
  }
  return at;
}
