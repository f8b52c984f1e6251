// Reads what a listing is asked for: known parameters, a status of its own, and how many lines a page has.
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
  const mistakes: Mistake[] = Object.keys(asked)
    .filter((name) => !known.includes(name))
    .map((name) => ({ path: name, message: `unknown parameter${didYouMean(name, known)}` }));
  if (asked["status"] !== undefined && status === undefined)
    mistakes.push({ path: "status", message: `expected one of ${statuses.join(", ")}` });
  if (limit < 1 || limit > 200) mistakes.push({ path: "limit", message: "expected 1 to 200" });
  if (mistakes.length > 0) return refusedFor(mistakes);
  return accept({ limit, ...(status === undefined ? {} : { status }) });
}
