// Decides what an API route is: one entry answers requests, guards them, and describes itself in /openapi.json.
import type * as z from "zod/mini";
import { mistakesOf } from "../../core/config/mistakes.ts";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
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
}

/** The request's body as the schema has it; refuses `invalid_request` with every mistake named. */
export async function readBody<T extends z.ZodMiniType>(c: HttpContext, schema: T): Promise<Outcome<z.output<T>>> {
  const body = await readBodyJson(c);
  if (!body.ok) return body;
  const parsed = schema.safeParse(body.value);
  if (parsed.success) return accept(parsed.data);
  const mistakes = mistakesOf(parsed.error.issues);
  return refuse(
    "invalid_request",
    mistakes.map((mistake) => `${mistake.path || "body"}: ${mistake.message}`).join("; "),
    { mistakes },
  );
}

/** A non-empty path parameter. */
export function pathParameter(c: HttpContext, name: string): string {
  return c.req.param(name) ?? "";
}
