// Decides what an API route is: one entry answers requests, guards them, and describes itself in /openapi.json.
import type * as z from "zod/mini";
import { mistakesOf } from "../../core/config/mistakes.ts";
import { accept, refuse, type Mistake, type Outcome, type Refusal } from "../../core/errors.ts";
import type { Permission } from "../../core/principal.ts";
import type { HttpContext } from "../context.ts";
import { readBodyJson } from "../middleware/body.ts";

/** An HTTP method of the API. */
export type Method = "GET" | "POST" | "PUT" | "DELETE";

/** A parameter of a route, for its description. */
export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly description: string;
  readonly required?: boolean;
}

/** One route of the API. */
export interface ApiRoute {
  readonly method: Method;
  /** Hono path, such as `/v1/traces/:id`. */
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly tag: string;
  /** What the caller needs; `public` for none. */
  readonly permission: Permission | "public";
  readonly parameters?: readonly Parameter[];
  readonly body?: z.ZodMiniType;
  readonly responses: Readonly<Record<number, { readonly description: string; readonly schema?: z.ZodMiniType }>>;
  readonly answer: (c: HttpContext) => Promise<Response> | Response;
  /** How refusals and faults of the route read, where not as problem documents. */
  readonly refused?: (c: HttpContext, refusal: Refusal) => Response;
}

/** The request's body as the schema has it; refuses `invalid_request` with every mistake named. */
export async function readBody<T extends z.ZodMiniType>(c: HttpContext, schema: T): Promise<Outcome<z.output<T>>> {
  const body = await readBodyJson(c);
  if (!body.ok) return body;
  const parsed = schema.safeParse(body.value);
  if (parsed.success) return accept(parsed.data);
  return refusedFor(mistakesOf(parsed.error.issues));
}

/** The body as the schema has it; none at all is an empty one. */
export async function readOptionalBody<T extends z.ZodMiniType>(
  c: HttpContext,
  schema: T,
): Promise<Outcome<z.output<T>>> {
  if (c.req.raw.body !== null && c.req.header("content-length") !== "0") return readBody(c, schema);
  const parsed = schema.safeParse({});
  return parsed.success ? accept(parsed.data) : refusedFor(mistakesOf(parsed.error.issues));
}

/** A request that is refused for these mistakes. */
export function refusedFor(mistakes: readonly Mistake[]): Refusal {
  return refuse("invalid_request", mistakes.map((each) => `${each.path || "body"}: ${each.message}`).join("; "), {
    mistakes,
  });
}

/** A non-empty path parameter. */
export function pathParameter(c: HttpContext, name: string): string {
  return c.req.param(name) ?? "";
}

/** How long a reader waits for a change: `?wait=` in seconds. */
export const WAIT: Parameter = {
  name: "wait",
  in: "query",
  description: "Seconds to wait for a call that is on its way to another status, at most 60",
};

/** The milliseconds of `?wait=`; refuses what is not a number from 0 to 60. */
export function readWait(c: HttpContext): Outcome<number> {
  const text = c.req.query("wait");
  if (text === undefined) return accept(0);
  const seconds = text.trim() === "" ? Number.NaN : Number(text);
  if (seconds >= 0 && seconds <= 60) return accept(Math.round(seconds * 1000));
  return refuse("invalid_request", "wait: expected seconds from 0 to 60", {
    mistakes: [{ path: "wait", message: "expected seconds from 0 to 60" }],
  });
}
