// Builds the OpenAPI 3.1 document from the same table that answers requests.
import * as z from "zod/mini";
import { ERRORS } from "../../core/errors.ts";
import { configJsonSchema } from "../../core/config/document.ts";
import { ANSWER_HEADERS, CALL_HEADERS } from "./call-headers.ts";
import type { ApiRoute, Parameter } from "./route.ts";

type JsonSchema = Readonly<Record<string, unknown>>;

/** A route outside the table that only needs describing. */
export interface DescribedRoute {
  readonly method: string;
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly tag: string;
  readonly isPublic?: boolean;
  readonly request?: JsonSchema;
  readonly contentType?: string;
  readonly parameters?: readonly Parameter[];
  /** Statuses other than 200 and what they mean. */
  readonly refusals?: Readonly<Record<number, string>>;
}

/** The OpenAPI document of the API and the surfaces beside it. */
export function openApiDocument(
  routes: readonly ApiRoute[],
  described: readonly DescribedRoute[],
  version: string,
): Readonly<Record<string, unknown>> {
  const paths: Record<string, Record<string, unknown>> = {};
  const add = (path: string, method: string, operation: unknown): void => {
    const shown = path.replaceAll(/\/:(\w+)/g, "/{$1}");
    paths[shown] = { ...paths[shown], [method.toLowerCase()]: operation };
  };
  for (const route of routes) add(route.path, route.method, operationOf(route));
  for (const route of described) add(route.path, route.method, describedOperation(route));
  return {
    openapi: "3.1.0",
    info: {
      title: "Interlock",
      version,
      description: "One Worker between AI agents and everything they touch.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    security: [{ bearer: [] }, { apiKey: [] }],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer" },
        apiKey: { type: "apiKey", in: "header", name: "x-api-key" },
      },
      schemas: { Problem: PROBLEM, Config: withoutDialect(configJsonSchema()) },
    },
  };
}

const PROBLEM = {
  type: "object",
  description: "RFC 9457 problem details. `code` is one of the catalogue at /errors.",
  required: ["type", "title", "status", "detail", "code"],
  properties: {
    type: { type: "string" },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string" },
    code: { type: "string", enum: Object.keys(ERRORS) },
    errors: {
      type: "array",
      items: {
        type: "object",
        required: ["path", "message"],
        properties: { path: { type: "string" }, message: { type: "string" } },
      },
    },
  },
};

const PROBLEM_CONTENT = { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } };

function operationOf(route: ApiRoute): Readonly<Record<string, unknown>> {
  const guarded =
    route.permission === "public"
      ? {}
      : {
          401: { description: "No valid API key", content: PROBLEM_CONTENT },
          403: { description: "The key may not do this", content: PROBLEM_CONTENT },
        };
  const responses = Object.fromEntries(
    Object.entries(route.responses).map(([status, response]) => [
      status,
      { ...responseOf(Number(status), response), ...(Number(status) < 300 ? headersOf(route.parameters) : {}) },
    ]),
  );
  return {
    operationId: route.operationId,
    summary: route.summary,
    tags: [route.tag],
    ...(route.permission === "public" ? { security: [] } : {}),
    ...(route.parameters === undefined ? {} : { parameters: route.parameters.map(parameterOf) }),
    ...(route.body === undefined
      ? {}
      : {
          requestBody: { required: true, content: { "application/json": { schema: schemaOf(route.body, "input") } } },
        }),
    responses: { ...guarded, ...responses, default: { description: "A problem", content: PROBLEM_CONTENT } },
  };
}

function responseOf(
  status: number,
  { description, schema }: ApiRoute["responses"][number],
): Readonly<Record<string, unknown>> {
  if (schema !== undefined)
    return { description, content: { "application/json": { schema: schemaOf(schema, "output") } } };
  return status >= 400 ? { description, content: PROBLEM_CONTENT } : { description };
}

function parameterOf({ name, in: place, description, required }: Parameter): Readonly<Record<string, unknown>> {
  return { name, in: place, description, required: place === "path" || required === true, schema: { type: "string" } };
}

function describedOperation(route: DescribedRoute): Readonly<Record<string, unknown>> {
  return {
    operationId: route.operationId,
    summary: route.summary,
    tags: [route.tag],
    ...(route.isPublic === true ? { security: [] } : {}),
    ...parametersOf(route),
    ...(route.request === undefined
      ? {}
      : { requestBody: { required: true, content: { "application/json": { schema: route.request } } } }),
    responses: {
      200: {
        description: "OK",
        content: { [route.contentType ?? "application/json"]: { schema: {} } },
        ...headersOf(route.parameters),
      },
      ...Object.fromEntries(
        Object.entries(route.refusals ?? {}).map(([status, description]) => [status, { description }]),
      ),
    },
  };
}

function parametersOf(route: DescribedRoute): { readonly parameters?: readonly unknown[] } {
  const inPath = [...route.path.matchAll(/\/:(\w+)/g)].map((match): Parameter => ({
    name: match[1] ?? "",
    in: "path",
    description: "",
  }));
  const all = [...inPath, ...(route.parameters ?? [])];
  return all.length === 0 ? {} : { parameters: all.map(parameterOf) };
}

/** The answer's own headers, for routes that read those of a call. */
function headersOf(parameters: readonly Parameter[] | undefined): { readonly headers?: unknown } {
  if (parameters === undefined || !parameters.some((each) => CALL_HEADERS.includes(each))) return {};
  const headers = Object.entries(ANSWER_HEADERS).map(([name, description]) => [
    name,
    { description, schema: { type: "string" } },
  ]);
  return { headers: Object.fromEntries(headers) };
}

function schemaOf(schema: z.ZodMiniType, io: "input" | "output"): JsonSchema {
  return withoutDialect(z.toJSONSchema(schema, { io, unrepresentable: "any" }));
}

function withoutDialect(schema: JsonSchema): JsonSchema {
  const { $schema: _, ...rest } = schema;
  return rest;
}
