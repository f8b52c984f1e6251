// Decides how a schema's complaints read to people: the path, what was expected, and the name they probably meant.
import type * as z from "zod/mini";
import type { Mistake } from "../errors.ts";

type Issue = z.core.$ZodIssue;

/** Every complaint of a schema as a mistake with its dotted path; unknown fields get the nearest known name. */
export function mistakesOf(issues: readonly Issue[], known: readonly string[] = []): readonly Mistake[] {
  return issues.flatMap((issue) => mistakesOfIssue(issue, known));
}

function mistakesOfIssue(issue: Issue, known: readonly string[]): readonly Mistake[] {
  const path = dotted(issue.path);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ path: join(path, key), message: `unknown field${didYouMean(key, known)}` }));
  }
  if (issue.code === "invalid_key") return issue.issues.map((inner) => ({ path, message: inner.message }));
  const isUnion = issue.code === "invalid_union" && issue.errors.length > 0;
  return [{ path, message: isUnion ? unionMessage(issue.errors) : plainMessage(issue) }];
}

/** The library's own words for a value of another type, in ours: what was expected, and whether anything was there. */
function plainMessage({ code, message }: Issue): string {
  const [, expected, received] = /^Invalid input: expected (\w+)(?:, received (\w+))?/.exec(message) ?? [];
  if (code !== "invalid_type" || expected === undefined) return message;
  const article = /^[aeiou]/.test(expected) ? "an" : "a";
  return received === "undefined" ? `is missing: expected ${article} ${expected}` : `expected ${article} ${expected}`;
}

function unionMessage(branches: readonly (readonly Issue[])[]): string {
  const messages = branches.flatMap((issues) => issues.map(plainMessage));
  return [...new Set(messages)].join("; or ");
}

function dotted(path: readonly PropertyKey[]): string {
  return path.map(String).join(".");
}

function join(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

/** ` (did you mean "x"?)` for the nearest of some names within two edits, else nothing. */
export function didYouMean(name: string, known: readonly string[]): string {
  let best: string | undefined;
  let bestDistance = 3;
  for (const candidate of known) {
    const distance = editDistance(name, candidate);
    // A name that is known elsewhere is not what was meant here.
    if (distance > 0 && distance < bestDistance && distance < candidate.length) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best === undefined ? "" : ` (did you mean "${best}"?)`;
}

function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let row = 1; row <= left.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= right.length; column += 1) {
      const substitution = (previous[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1);
      current.push(Math.min(substitution, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[right.length] ?? 0;
}
