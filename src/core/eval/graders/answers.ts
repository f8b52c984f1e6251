// Grades what an agent said at last: as JSON, as a text, as a number.
import { RE2JS } from "@bufbuild/re2";
import ZSchema from "z-schema";
import type { GraderOf } from "../../config/grader-document.ts";
import { isJsonObject, type Json } from "../../json/canonical.ts";
import { callsOf, finalText } from "../episode.ts";
import type { Graded, Word } from "./grade.ts";

/** Whether the last answer, or every call's arguments, fit a schema. Draft 2020-12, remote references never fetched. */
export function gradeSchema({ schema, target, tool }: GraderOf<"json_schema">, { episode }: Graded): Word {
  const check = ZSchema.create({ version: "draft2020-12", safe: true });
  const fits = (value: unknown): boolean => check.validate(value, { ...schema }).valid;
  if (target === "final") {
    const value = jsonIn(finalText(episode));
    if (value === undefined) return { value: 0, why: "the answer is no JSON" };
    return fits(value) ? { value: 1, why: "it fits the schema" } : { value: 0, why: "it does not fit the schema" };
  }
  const calls = callsOf(episode).filter((call) => tool === undefined || call.tool === tool || call.name === tool);
  if (calls.length === 0) return { value: null, why: "no such call" };
  const wrong = calls.filter(({ args }) => !fits(jsonIn(args)));
  return wrong.length === 0
    ? { value: 1, why: "all arguments fit the schema" }
    : { value: 0, why: `${wrong.length} of ${calls.length} calls have arguments that do not fit` };
}

/** Whether the last answer, or a value of it, is a text. */
export function gradeExact(
  { value, path, ignore_case: ignoresCase }: GraderOf<"exact">,
  { case: each, episode }: Graded,
): Word {
  const wanted = value ?? each.labels.reference;
  if (wanted === undefined) return { value: null, why: "the case has no reference" };
  const said = path === undefined ? finalText(episode).trim() : textAt(jsonIn(finalText(episode)), path);
  if (said === undefined) return { value: 0, why: `the answer has no ${path ?? "text"}` };
  const fold = (text: string): string => (ignoresCase ? text.toLowerCase() : text);
  return fold(said) === fold(wanted.trim())
    ? { value: 1, why: "it is the same" }
    : { value: 0, why: "it is another text" };
}

/** Whether the last answer says all of some texts. */
export function gradeContains(
  { values, ignore_case: ignoresCase }: GraderOf<"contains">,
  { case: each, episode }: Graded,
): Word {
  const wanted = values ?? each.labels.contains;
  if (wanted === undefined) return { value: null, why: "the case names no texts" };
  const fold = (text: string): string => (ignoresCase ? text.toLowerCase() : text);
  const said = fold(finalText(episode));
  const missing = wanted.filter((text) => !said.includes(fold(text)));
  return missing.length === 0
    ? { value: 1, why: "it says all of them" }
    : { value: 0, why: `it does not say ${missing.map((text) => `"${text.slice(0, 80)}"`).join(", ")}` };
}

/** Whether a text matches a pattern, in time linear in its length (RE2). */
export function gradeRegex({ pattern, forbid }: GraderOf<"regex">, text: string): Word {
  const found = RE2JS.compile(pattern).test(text);
  return found === forbid
    ? { value: 0, why: forbid ? "it matches what it must not" : "it does not match" }
    : { value: 1, why: forbid ? "it does not match what it must not" : "it matches" };
}

/** Whether a number of the answer is what it should be; a plain number for an answer without a path. */
export function gradeNumeric({ path, expected, abs, rel }: GraderOf<"numeric">, { case: each, episode }: Graded): Word {
  const label = path === undefined ? each.labels.json : valueAt(each.labels.json ?? null, path);
  const wanted = expected ?? (typeof label === "number" ? label : undefined);
  if (wanted === undefined) return { value: null, why: "the case names no number" };
  const text = finalText(episode);
  const said =
    path === undefined
      ? Number(/-?\d+(?:\.\d+)?/.exec(text.replaceAll(",", ""))?.[0] ?? Number.NaN)
      : valueAt(jsonIn(text) ?? null, path);
  if (typeof said !== "number" || Number.isNaN(said)) return { value: 0, why: "the answer has no number there" };
  const isNear = Math.abs(said - wanted) <= Math.max(abs, rel * Math.abs(wanted));
  return { value: Number(isNear), why: isNear ? `${said} is near enough` : `${said} instead of ${wanted}` };
}

/** The JSON of a text; fenced blocks are looked into. */
export function jsonIn(text: string): Json | undefined {
  const fenced = /```(?:json)?\s*\n([^]*?)```/.exec(text)?.[1];
  for (const each of [text, fenced])
    try {
      if (each !== undefined) return JSON.parse(each) as Json;
    } catch {
      // The next way of reading it.
    }
  return undefined;
}

function textAt(value: Json | undefined, path: string): string | undefined {
  const found = valueAt(value ?? null, path);
  return typeof found === "string" ? found.trim() : found === undefined ? undefined : JSON.stringify(found);
}

/** The value at a dotted path. */
export function valueAt(value: Json, path: string): Json | undefined {
  let at: Json | undefined = value;
  for (const step of path.split(".")) {
    if (Array.isArray(at)) at = (at as readonly Json[])[Number(step)];
    else if (isJsonObject(at) && Object.hasOwn(at, step)) at = at[step];
    else return undefined;
  }
  return at;
}
