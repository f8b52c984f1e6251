// Route of routing: how a model call would be routed, and what would change that, without an effect.
import * as z from "zod/mini";
import { FeaturesDocument, RoutedSessionDocument } from "../../core/config/routing-document.ts";
import type { JsonObject } from "../../core/json/canonical.ts";
import { explainTo, isAgentOnly } from "../../core/policy/disclosure.ts";
import { explainRoute, type RoutedExplained, type RouteExplained } from "../../gateway/explain-route.ts";
import type { HttpContext } from "../context.ts";
import { readCallContext } from "../middleware/call-context.ts";
import { CALL_HEADERS } from "./call-headers.ts";
import { problem } from "./errors.ts";
import { readBody, type ApiRoute } from "./route.ts";

const Question = z.strictObject({
  actor: z.optional(z.string()),
  /** The name that would be asked for: `auto`, a route or a model. */
  model: z.string().check(z.minLength(1)),
  /** The body that a caller would send, in any dialect. */
  request: z.optional(z.record(z.string(), z.unknown())),
  /** Over what the body shows. */
  features: z.optional(FeaturesDocument),
  /** A session whose past counts. */
  session_id: z.optional(z.string()),
  task_id: z.optional(z.string()),
  intent: z.optional(z.string()),
  confidence: z.optional(z.number()),
  /** What the session is taken to have seen, over what it has. */
  session: z.optional(RoutedSessionDocument),
});

const Taken = { tier: z.string(), models: z.array(z.string()), reason: z.string() };
const RouteView = z.object({
  asked: z.string(),
  /** Whether the actor lists the name: if not, a live call is refused. */
  may_ask: z.boolean(),
  tier: z.nullable(z.string()),
  models: z.array(z.string()),
  /** What `Interlock-Route-Reason` would say. */
  reason: z.string(),
  tiers: z.optional(z.array(z.string())),
  rules: z.optional(
    z.array(
      z.object({
        id: z.string(),
        tier: z.string(),
        matched: z.boolean(),
        error: z.optional(z.string()),
        values: z.record(z.string(), z.unknown()),
      }),
    ),
  ),
  features: z.optional(z.record(z.string(), z.unknown())),
  complexity: z.optional(
    z.object({
      score: z.number(),
      signals: z.array(z.object({ name: z.string(), weight: z.number(), strength: z.number() })),
    }),
  ),
  session: z.optional(RoutedSessionDocument),
  /** What the session would have to have seen for another tier or reason. */
  changes: z.optional(z.array(z.object({ when: z.string(), ...Taken }))),
});

/** The route. */
export const routeRoutes: readonly ApiRoute[] = [
  {
    method: "POST",
    path: "/v1/routes/explain",
    operationId: "explainRoute",
    summary: "Ask how a model call would be routed, and what would change that: nothing is held, recorded or sent",
    tag: "models",
    permission: "call",
    parameters: CALL_HEADERS,
    body: Question,
    responses: {
      200: { description: "The tier, the models, and every rule with what it looked at", schema: RouteView },
      400: { description: "The question is not valid" },
      403: { description: "The key may not act as the actor, or the session belongs to another one" },
      404: { description: "No such model or route" },
      413: { description: "The body is larger than 1 MiB" },
      503: { description: "Nothing is published" },
    },
    answer: (c) => postExplain(c),
  },
];

async function postExplain(c: HttpContext): Promise<Response> {
  const read = await readBody(c, Question);
  if (!read.ok) return problem(read);
  const { model, request, features, session = {}, ...declared } = read.value;
  const context = readCallContext(c, { ...declared, surface: { kind: "chat", subject: model } });
  if (!context.ok) return problem(context);
  const { runtime, principal } = c.var;
  const explained = await explainRoute(runtime.ports, {
    context: context.value,
    model,
    // What JSON gave is JSON.
    body: request as JsonObject | undefined,
    features,
    isInSession: (declared.session_id ?? c.req.header("interlock-session")) !== undefined,
    session,
  });
  if (!explained.ok) return problem(explained);
  const config = isAgentOnly(principal) ? await runtime.ports.configs.active(principal.tenant) : undefined;
  return Response.json(shown(explained.value, explainTo(principal, config) === "full"));
}

/** The whole answer; or, for a caller who is told effects alone, one without rules and figures. */
function shown({ asked, mayAsk, tier, models, reason, routed }: RouteExplained, isFull: boolean): object {
  const told = { asked, may_ask: mayAsk, tier, models, reason };
  return routed === null || !isFull ? told : { ...told, ...routedView(routed) };
}

function routedView({ tiers, rules, features, complexity, session, changes }: RoutedExplained): object {
  return {
    tiers,
    rules: rules.map(({ mayDegrade: _may, ...rule }) => rule),
    features,
    complexity,
    session,
    changes,
  };
}
