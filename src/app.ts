// Assembles the surfaces into one app: which path is answered by whom, and what a fault looks like on each.
import { Hono } from "hono";
import { GatewayFault, refuse, type Refusal } from "./core/errors.ts";
import { errorPage } from "./http/approval-page/errors.ts";
import { approvalPageRoutes } from "./http/approval-page/routes.ts";
import { agentSpanRoutes } from "./http/api/agent-spans.ts";
import { anthropicError } from "./http/anthropic/errors.ts";
import { countTokens, createMessage } from "./http/anthropic/messages.ts";
import { isAnthropicClient, listAnthropicModels, retrieveAnthropicModel } from "./http/anthropic/models.ts";
import { approvalRoutes } from "./http/api/approvals.ts";
import { callChangeRoutes } from "./http/api/call-changes.ts";
import { canaryRoutes } from "./http/api/canaries.ts";
import { coverageRoutes } from "./http/api/coverage.ts";
import { erasureRoutes } from "./http/api/erasures.ts";
import { auditRoutes } from "./http/api/audit.ts";
import { configRoutes } from "./http/api/config.ts";
import { problem } from "./http/api/errors.ts";
import { explainRoutes } from "./http/api/explain.ts";
import { datasetRoutes } from "./http/api/evals/datasets.ts";
import { peopleRoutes } from "./http/api/evals/people.ts";
import { runRoutes } from "./http/api/evals/runs.ts";
import { exportRoutes } from "./http/api/exports.ts";
import { metricsRoutes } from "./http/api/metrics.ts";
import { outcomeRoutes } from "./http/api/outcomes.ts";
import { preflightRoutes } from "./http/api/preflight.ts";
import { referenceRoutes } from "./http/api/reference.ts";
import { routeRoutes } from "./http/api/routes.ts";
import { mcpServerRoutes } from "./http/api/mcp-servers.ts";
import { releaseRoutes } from "./http/api/releases.ts";
import { reportRoutes } from "./http/api/reports.ts";
import type { ApiRoute } from "./http/api/route.ts";
import { revealRoutes } from "./http/api/reveal.ts";
import { secretRoutes } from "./http/api/secrets.ts";
import { sessionRoutes } from "./http/api/sessions.ts";
import { switchRoutes } from "./http/api/switches.ts";
import { tenantRoutes } from "./http/api/tenants.ts";
import { toolCallRoutes } from "./http/api/tool-calls.ts";
import { traceStoreRoutes } from "./http/api/trace-stores.ts";
import { traceRoutes } from "./http/api/traces.ts";
import { geminiError } from "./http/gemini/errors.ts";
import { askModel } from "./http/gemini/generate-content.ts";
import { getGeminiModel, isGeminiClient, listGeminiModels } from "./http/gemini/models.ts";
import { refusedResponse } from "./http/mcp/errors.ts";
import { mcpRoutes } from "./http/mcp/routes.ts";
import type { Env } from "./env.ts";
import type { HttpContext, HttpEnv, Runtime } from "./http/context.ts";
import { mcpMetadataRoutes, openToPages, type MetadataRoute } from "./http/mcp/metadata.ts";
import { authenticate, authorize } from "./http/middleware/authenticate.ts";
import { chatCompletions } from "./http/openai/chat-completions.ts";
import { embeddings } from "./http/openai/embeddings.ts";
import { openAiError } from "./http/openai/errors.ts";
import { createResponse } from "./http/openai/responses.ts";
import { deleteResponse, listInputItems, retrieveResponse } from "./http/openai/kept-responses.ts";
import { listModels, retrieveModel } from "./http/openai/models.ts";

/** Every guarded route of the API. */
export const apiRoutes: readonly ApiRoute[] = [
  ...preflightRoutes,
  ...toolCallRoutes,
  ...callChangeRoutes,
  ...approvalRoutes,
  ...sessionRoutes,
  ...switchRoutes,
  ...traceStoreRoutes,
  ...traceRoutes,
  ...erasureRoutes,
  ...explainRoutes,
  ...revealRoutes,
  ...agentSpanRoutes,
  ...exportRoutes,
  ...outcomeRoutes,
  ...reportRoutes,
  ...metricsRoutes,
  ...coverageRoutes,
  ...auditRoutes,
  ...configRoutes,
  ...releaseRoutes,
  ...mcpServerRoutes,
  ...canaryRoutes,
  ...datasetRoutes,
  ...runRoutes,
  ...peopleRoutes,
  ...routeRoutes,
  ...secretRoutes,
  ...tenantRoutes,
];

/** Paths answered in OpenAI's shapes, faults included; those that do not exist here are missed in its shape too. */
const OPENAI_PATHS =
  /^\/v1\/(chat\/|completions|models|responses|embeddings|images|audio|files|batches|moderations|fine_tuning)/;
/** Paths answered in Anthropic's shapes; those of OpenAI's are too, when an Anthropic client asks. */
const ANTHROPIC_PATHS = /^\/v1\/(messages|complete)(\/|$)/;
const GEMINI_PATHS = /^\/v1beta\//;
const ANSWERED_MODEL_PATHS = [
  "/v1/chat/completions",
  "/v1/responses",
  "/v1/embeddings",
  "/v1/models",
  "/v1/messages",
  "/v1/messages/count_tokens",
  "/v1beta/models",
];

/** The app; `runtimeOf` answers the isolate's runtime for an environment. */
export function createApp(runtimeOf: (env: Env) => Runtime): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  // One handler per route and no middleware chain: the runtime is put in place by the handler itself.
  const answering = (answer: (c: HttpContext) => Promise<Response> | Response) => (c: HttpContext) => {
    c.set("runtime", runtimeOf(c.env));
    return answer(c);
  };
  app.post("/v1/chat/completions", answering(chatCompletions));
  app.post("/v1/responses", answering(createResponse));
  app.get("/v1/responses/:id", answering(retrieveResponse));
  app.delete("/v1/responses/:id", answering(deleteResponse));
  app.get("/v1/responses/:id/input_items", answering(listInputItems));
  app.post("/v1/embeddings", answering(embeddings));
  app.post("/v1/messages", answering(createMessage));
  app.post("/v1/messages/count_tokens", answering(countTokens));
  app.get("/v1/models", answering(byClient(listGeminiModels, listAnthropicModels, listModels)));
  app.get("/v1/models/:id", answering(byClient(getGeminiModel, retrieveAnthropicModel, retrieveModel)));
  app.post("/v1/models/*", answering(askModel));
  app.get("/v1beta/models", answering(listGeminiModels));
  app.get("/v1beta/models/*", answering(getGeminiModel));
  app.post("/v1beta/models/*", answering(askModel));
  app.get("/", (c) => c.redirect("/docs"));
  for (const route of apiRoutes)
    app.on(
      route.method,
      route.path,
      answering((c) => guarded(c, route)),
    );
  for (const route of mcpRoutes) app.all(route.path, answering(route.answer));
  for (const route of mcpMetadataRoutes)
    app.on(
      route.method,
      route.path,
      answering((c) => described(c, route)),
    );
  for (const route of approvalPageRoutes) app.on(route.method, route.path, answering(route.answer));
  for (const route of referenceRoutes(apiRoutes)) app.on(route.method, route.path, answering(route.answer));
  app.notFound((c) => {
    const isKnown =
      ANSWERED_MODEL_PATHS.includes(c.req.path) || apiRoutes.some((route) => patternOf(route.path).test(c.req.path));
    const refusal = isKnown
      ? refuse("method_not_allowed", `${c.req.path} does not answer ${c.req.method}`)
      : refuse("not_found", `no route ${c.req.method} ${c.req.path}${baseUrlHint(c.req.path)}`);
    return refused(c, refusal);
  });
  app.onError((error, c) => {
    const refusal = refusalOfFault(error);
    if (c.req.path.startsWith("/approve/")) return errorPage(refusal);
    if (/^\/mcp(\/|$)/.test(c.req.path)) return refusedResponse(refusal);
    const route = apiRoutes.find(({ method, path }) => method === c.req.method && path === c.req.path);
    if (route?.refused !== undefined) return route.refused(c, refusal);
    return refused(c, refusal);
  });
  return app;
}

type Answering = (c: HttpContext) => Promise<Response>;

/** Three vendors list models at one path: their clients tell themselves apart. */
function byClient(gemini: Answering, anthropic: Answering, openAi: Answering): Answering {
  return (c) => (isGeminiClient(c) ? gemini : isAnthropicClient(c) ? anthropic : openAi)(c);
}

/** A refusal in the shape that a path's clients read. */
function refused(c: HttpContext, refusal: Refusal): Response {
  if (GEMINI_PATHS.test(c.req.path) || (c.req.path.startsWith("/v1/models") && isGeminiClient(c)))
    return geminiError(refusal);
  const isOpenAi = OPENAI_PATHS.test(c.req.path);
  if (ANTHROPIC_PATHS.test(c.req.path) || (isOpenAi && isAnthropicClient(c))) return anthropicError(refusal);
  return isOpenAi ? openAiError(refusal) : problem(refusal);
}

/** The commonest mistake of a new client, told. */
function baseUrlHint(path: string): string {
  if (/^\/(chat|responses|embeddings|completions)(\/|$)/.test(path))
    return ": the base URL of OpenAI clients ends in /v1";
  if (path.startsWith("/v1/v1/")) return ": the base URL of Anthropic clients has no /v1";
  return path.startsWith("/v1beta/v1") ? ": the base URL of Google's clients has no /v1beta" : "";
}

/** The paths that a route pattern such as `/v1/keys/:id` stands for. */
function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(".", String.raw`\.`).replaceAll(/:\w+/g, "[^/]+")}$`);
}

async function guarded(c: HttpContext, route: ApiRoute): Promise<Response> {
  const refused = (refusal: Refusal): Response => route.refused?.(c, refusal) ?? problem(refusal);
  const authenticated = await authenticate(c);
  if (!authenticated.ok) return refused(authenticated);
  const { principal, credential } = authenticated.value;
  if (route.permission !== "public") {
    const authorized = authorize(principal, route.permission);
    if (!authorized.ok) return refused(authorized);
  }
  c.set("principal", principal);
  c.set("credential", credential);
  return route.answer(c);
}

/** Metadata, or why there is none, for pages too. */
async function described(c: HttpContext, route: MetadataRoute): Promise<Response> {
  const answer = await route.answer(c);
  return answer.ok ? answer.value : openToPages(problem(answer));
}

/** What a thrown fault answers: its code, never its cause. */
function refusalOfFault(error: unknown): Refusal {
  const id = crypto.randomUUID();
  const isFault = error instanceof GatewayFault;
  console.error(
    JSON.stringify({
      event: "fault",
      id,
      code: isFault ? error.code : "internal",
      name: error instanceof Error ? error.name : "unknown",
      stack: error instanceof Error ? error.stack?.split("\n").slice(1, 6) : undefined,
    }),
  );
  return refuse(
    isFault ? error.code : "internal",
    isFault ? error.message : `something failed inside the gateway; incident ${id}`,
  );
}
