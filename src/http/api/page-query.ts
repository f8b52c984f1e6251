// Reads what the query of a request asks for: known parameters, instants, and of a listing its status and length.
import { didYouMean } from "../../core/config/mistakes.ts";
import { accept, type Mistake, type Outcome } from "../../core/errors.ts";
import type { HttpContext } from "../context.ts";
import { refusedFor } from "./route.ts";

/** The status and the page length that a listing is asked for, 50 lines when it says none; refuses `invalid_request` with each parameter that is unknown or out of range. */
export function readPageQuery<S extends string>(
  c: HttpContext,
  { known, statuses }: { readonly known: readonly string[]; readonly statuses: readonly S[] },
): Outcome<{ readonly limit: number; readonly status?: S }> {
  const asked = c.req.query();
  const status = statuses.find((each) => each === asked["status"]);
  const limit = /^\d{1,3}$/.test(asked["limit"] ?? "50") ? Number(asked["limit"] ?? "50") : 0;
  const mistakes = unknownParameters(c, known);
  if (asked["status"] !== undefined && status === undefined)
    mistakes.push({ path: "status", message: `expected one of ${statuses.join(", ")}` });
  if (limit < 1 || limit > 200) mistakes.push({ path: "limit", message: "expected 1 to 200" });
  if (mistakes.length > 0) return refusedFor(mistakes);
  return accept({ limit, ...(status === undefined ? {} : { status }) });
}

/** A mistake for each parameter of the query that is not known. */
export function unknownParameters(c: HttpContext, known: readonly string[]): Mistake[] {
  return Object.keys(c.req.query())
    .filter((name) => !known.includes(name))
    .map((name) => ({ path: name, message: `unknown parameter${didYouMean(name, known)}` }));
}

/** A parameter as epoch milliseconds, or what stands in its place; adds a mistake, and is `NaN`, where it is no time. */
export function readInstant(
  c: HttpContext,
  name: string,
  { fallback, mistakes }: { readonly fallback: number; readonly mistakes: Mistake[] },
): number {
  const text = c.req.query(name);
  if (text === undefined) return fallback;
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) mistakes.push({ path: name, message: "expected an RFC 3339 time or a date" });
  return at;
}
