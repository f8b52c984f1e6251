// Routes that explain the deployment: health, OpenAPI, schemas, the error catalogue, and a reference page without a CDN.
import { ERRORS, isErrorCode, type ErrorCode } from "../../core/errors.ts";
import { configJsonSchema } from "../../core/config/document.ts";
import { CALL_HEADERS } from "./call-headers.ts";
import { notFound, problemType } from "./errors.ts";
import { openApiDocument, type DescribedRoute } from "./openapi.ts";
import { referencePage } from "./reference-page.ts";
import { pathParameter, type ApiRoute } from "./route.ts";

/** The version of the API and the Worker. */
export const VERSION = "0.1.0";

/** What a call of a model may be refused for, on every surface in its vendor's own shape. */
const MODEL_REFUSALS: Readonly<Record<number, string>> = {
  400: "The body is not valid, or has no counterpart at the model's provider; the field is named",
  401: "No valid API key",
  403: "The policy, the actor or the session does not allow it",
  404: "No such model",
  413: "The body is larger than 16 MiB",
  429: "A budget is used up (not to be retried), or the provider's own limit",
  502: "The provider could not be used",
  503: "Records cannot be kept, nothing is published, or every provider is left alone",
  504: "The provider did not answer in time",
};

/** A call of a model: a path, its name, what it is, and the members that it must have. */
function modelRoute(path: string, operationId: string, summary: string, required: readonly string[]): DescribedRoute {
  return {
    method: "POST",
    path,
    operationId,
    parameters: CALL_HEADERS,
    refusals: MODEL_REFUSALS,
    summary,
    tag: "models",
    request: { type: "object", required, properties: { model: { type: "string" } }, additionalProperties: true },
  };
}

const described: readonly DescribedRoute[] = [
  modelRoute(
    "/v1/chat/completions",
    "createChatCompletion",
    "OpenAI chat completions, streaming and not; unknown fields pass through untouched where the provider speaks the dialect",
    ["model", "messages"],
  ),
  modelRoute("/v1/responses", "createResponse", "OpenAI Responses, streaming and not", ["model", "input"]),
  modelRoute("/v1/embeddings", "createEmbedding", "OpenAI embeddings", ["model", "input"]),
  modelRoute("/v1/messages", "createMessage", "Anthropic messages, streaming and not", [
    "model",
    "max_tokens",
    "messages",
  ]),
  modelRoute("/v1/messages/count_tokens", "countTokens", "Tokens of an Anthropic request; nothing is made or charged", [
    "model",
    "messages",
  ]),
  modelRoute("/v1beta/models/:model:generateContent", "generateContent", "Gemini, whole", ["contents"]),
  modelRoute("/v1beta/models/:model:streamGenerateContent", "streamGenerateContent", "Gemini, as a stream", [
    "contents",
  ]),
  modelRoute("/v1beta/models/:model:countTokens", "countGeminiTokens", "Tokens of a Gemini request", []),
  ...(
    [
      ["GET", "/v1/responses/:id", "retrieveResponse", "A kept response"],
      ["DELETE", "/v1/responses/:id", "deleteResponse", "Deletes a kept response"],
      ["GET", "/v1/responses/:id/input_items", "listResponseInput", "The input of a kept response"],
      ["GET", "/v1beta/models", "listGeminiModels", "The models that the key's actors may use, in Google's shape"],
    ] as const
  ).map(([method, path, operationId, summary]): DescribedRoute => ({
    method,
    path,
    operationId,
    summary,
    tag: "models",
  })),
  {
    method: "GET",
    path: "/v1/models",
    operationId: "listModels",
    summary:
      "The models, routes and agents that the key's actors may use: in OpenAI's shape, or in Anthropic's or Google's for their clients",
    tag: "models",
  },
  {
    method: "GET",
    path: "/v1/models/:id",
    operationId: "retrieveModel",
    summary: "One model, in OpenAI's shape",
    tag: "models",
  },
  {
    method: "GET",
    path: "/openapi.json",
    operationId: "getOpenApi",
    summary: "This document",
    tag: "reference",
    isPublic: true,
  },
  {
    method: "GET",
    path: "/docs",
    operationId: "getReference",
    summary: "This document as a page",
    tag: "reference",
    isPublic: true,
    contentType: "text/html",
  },
  {
    method: "GET",
    path: "/schemas/interlock.json",
    operationId: "getConfigSchema",
    summary: "JSON Schema of the tenant config",
    tag: "reference",
    isPublic: true,
    contentType: "application/schema+json",
  },
  {
    method: "GET",
    path: "/errors",
    operationId: "listErrors",
    summary: "The error catalogue",
    tag: "reference",
    isPublic: true,
  },
  {
    method: "GET",
    path: "/errors/:code",
    operationId: "getError",
    summary: "One entry of the error catalogue",
    tag: "reference",
    isPublic: true,
  },
  {
    method: "GET",
    path: "/healthz",
    operationId: "getHealth",
    summary: "Whether the Worker runs",
    tag: "reference",
    isPublic: true,
  },
];

/** The reference routes for a table of routes. */
export function referenceRoutes(table: readonly ApiRoute[]): readonly ApiRoute[] {
  const document = (): Readonly<Record<string, unknown>> => openApiDocument(table, described, VERSION);
  const open = (path: string, answer: ApiRoute["answer"]): ApiRoute => ({
    method: "GET",
    path,
    operationId: path,
    summary: "",
    tag: "reference",
    permission: "public",
    responses: {},
    answer,
  });
  return [
    open("/healthz", () => Response.json({ status: "ok", version: VERSION })),
    open("/openapi.json", () => Response.json(document())),
    open(
      "/schemas/interlock.json",
      () =>
        new Response(JSON.stringify(configJsonSchema()), { headers: { "content-type": "application/schema+json" } }),
    ),
    open(
      "/docs",
      async () =>
        new Response(await referencePage(document()), {
          headers: {
            "content-type": "text/html; charset=utf-8",
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
          },
        }),
    ),
    open("/errors", () => Response.json({ data: (Object.keys(ERRORS) as ErrorCode[]).map(entry) })),
    open("/errors/:code", (c) => {
      const code = pathParameter(c, "code").replaceAll("-", "_");
      return isErrorCode(code) ? Response.json(entry(code)) : notFound(`error "${code}"`);
    }),
  ];
}

function entry(code: ErrorCode): Readonly<Record<string, unknown>> {
  const { status, retry, title } = ERRORS[code];
  return { code, type: problemType(code), status, should_retry: retry, title };
}
