// Route of preflight: what would become of a tool call, and what would change it, without an effect.
import * as z from "zod/mini";
import { formatUsd } from "../../core/units/money.ts";
import { preflight, type BudgetCheck, type LimitCheck, type Preflight } from "../../gateway/preflight.ts";
import { deferOf, type HttpContext } from "../context.ts";
import { CALL_HEADERS } from "./call-headers.ts";
import { explainTo, isAgentOnly, type Explain } from "../../core/policy/disclosure.ts";
import { problem } from "./errors.ts";
import { Envelope, readToolCall } from "./read-tool-call.ts";
import type { ApiRoute } from "./route.ts";
import { Decision, decisionView, refusalFor } from "./tool-call-view.ts";

const figure = z.union([z.string(), z.int()]);
const Counterfactual = z.object({
  effect: z.string(),
  change: z.nullable(
    z.object({
      path: z.string(),
      at_most: z.optional(z.string()),
      at_least: z.optional(z.string()),
      exactly: z.optional(z.string()),
      add: z.optional(z.array(z.string())),
    }),
  ),
  approval: z.optional(z.array(z.object({ roles: z.array(z.string()), count: z.int() }))),
  message: z.string(),
});
const PreflightView = z.object({
  tool: z.object({ name: z.string(), definition_digest: z.string() }),
  /** What a live call would do: `execute`, `draft`, `wait_for_approval` or `refuse`. */
  would: z.string(),
  decision: Decision,
  refusal: z.nullable(z.looseObject({ code: z.string(), detail: z.string() })),
  budgets: z.optional(
    z.array(
      z.object({ scope: z.string(), dimension: z.string(), remaining: figure, needed: figure, fits: z.boolean() }),
    ),
  ),
  limits: z.optional(
    z.array(z.object({ limit: z.string(), max: figure, used: figure, needed: figure, fits: z.boolean() })),
  ),
  rates: z.optional(z.array(z.object({ limit: z.string(), requests: z.int(), per_ms: z.int(), burst: z.int() }))),
  counterfactuals: z.optional(z.array(Counterfactual)),
});

/** The route. */
export const preflightRoutes: readonly ApiRoute[] = [
  {
    method: "POST",
    path: "/v1/tool-calls/preflight",
    operationId: "preflightToolCall",
    summary: "Ask what would become of a tool call, and what would change it: nothing is recorded, reserved or sent",
    tag: "tools",
    permission: "call",
    parameters: CALL_HEADERS,
    body: Envelope,
    responses: {
      200: { description: "What a live call would do at this instant", schema: PreflightView },
      400: { description: "The envelope or the arguments are not valid" },
      403: { description: "The session belongs to another actor" },
      404: { description: "No such tool" },
      413: { description: "The body is larger than 1 MiB" },
      503: { description: "Nothing is published" },
    },
    answer: (c) => postPreflight(c),
  },
];

async function postPreflight(c: HttpContext): Promise<Response> {
  const call = await readToolCall(c);
  if (!call.ok) return problem(call);
  const { runtime, principal } = c.var;
  const config = isAgentOnly(principal) ? await runtime.ports.configs.active(principal.tenant) : undefined;
  const answer = await preflight(runtime.ports, call.value.call, runtime.recorder(deferOf(c)));
  if (!answer.ok) return problem(answer);
  return Response.json(shown(answer.value, explainTo(principal, config)));
}

/** The whole answer; or, for a caller who is told effects alone, one without figures and counterfactuals. */
function shown(found: Preflight, explain: Explain): z.infer<typeof PreflightView> {
  const refusal = found.refusal === null ? null : refusalFor(found.refusal, explain);
  const { decision: _, ...extensions } = refusal?.extensions ?? {};
  const told = {
    tool: found.tool,
    would: found.would,
    decision: decisionView(found.decision, explain),
    refusal: refusal === null ? null : { code: refusal.code, detail: refusal.detail, ...extensions },
  };
  if (explain !== "full") return told;
  return {
    ...told,
    budgets: found.budgets.map(budgetView),
    limits: found.limits.map(limitView),
    rates: found.rates.map((rate) => ({ ...rate })),
    counterfactuals: found.counterfactuals.map(({ effect, change, approval, message }) => ({
      effect,
      change: change === null || !("add" in change) ? change : { path: change.path, add: [...change.add] },
      ...(approval === undefined
        ? {}
        : { approval: approval.map(({ roles, count }) => ({ roles: [...roles], count })) }),
      message,
    })),
  };
}

function budgetView({ scope, dimension, remaining, needed, fits }: BudgetCheck): {
  scope: string;
  dimension: string;
  remaining: string | number;
  needed: string | number;
  fits: boolean;
} {
  const isMoney = dimension === "usd" || dimension === "tool_usd";
  const show = (value: number): string | number => (isMoney ? formatUsd(value) : value);
  return { scope, dimension, remaining: show(remaining), needed: show(needed), fits };
}

function limitView({ limit, max, used, needed, unit, fits }: LimitCheck): {
  limit: string;
  max: string | number;
  used: string | number;
  needed: string | number;
  fits: boolean;
} {
  const show = (value: number): string | number => (unit === "amount" ? formatUsd(value) : value);
  return { limit, max: show(max), used: show(used), needed: show(needed), fits };
}
