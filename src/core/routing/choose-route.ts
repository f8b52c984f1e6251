// Decides how a call is to be answered by the name that it asked for: a model, a route, or the tiers that routing chooses from.
import type { ModelCall } from "../call.ts";
import type { ActiveConfig } from "../config/published.ts";
import { AUTO } from "../config/routing-document.ts";
import { accept, refuse, type Outcome } from "../errors.ts";
import { isJsonObject, type JsonObject } from "../json/canonical.ts";
import { planRoute, type RoutePlan, type Routing } from "./plan.ts";
import { routeCall, type Routed } from "./routed-call.ts";

/** Whether routing chooses for a name: a model or a route of that name has it for itself. */
export function isRouted(config: ActiveConfig, asked: string): boolean {
  return asked === AUTO && config.model(AUTO) === undefined && config.route(AUTO) === undefined;
}

/** The plan of an `auto` call: that of the tier it gets in a session without a past, and with it every other that its session may choose. */
export function planRouted(config: ActiveConfig, call: ModelCall, now: number): Outcome<RoutePlan> {
  const { context, dialect } = call;
  if (dialect === "embeddings")
    return refuse("unknown_model", 'no tier embeds: name the embedding model instead of "auto"');
  const body = bodyOf(call);
  const routed = routeCall(config, { caller: context, body, now });
  if (routed === undefined)
    return refuse("unknown_model", 'no "auto" without a `routing` section in the tenant\'s config', {
      mistakes: [{ path: "model", message: "expected a configured model, or a route" }],
    });
  const { routing, table } = routed;
  const [first] = table.clean;
  if (table.tiers.length === 0 || first === undefined)
    return refuse(
      "policy_denied",
      `actor "${context.actor}" may reach no tier: see actors.${context.actor}.model_tiers`,
    );
  const plans: RoutePlan[] = [];
  for (const tier of table.tiers) {
    const plan = planOfTier(config, { routed, tier, session: context.session });
    if (!plan.ok) return plan;
    plans.push(plan.value);
  }
  const chosen = plans[first.pick.choice] ?? plans[0];
  if (chosen === undefined) return refuse("unknown_model", "routing has no tiers");
  const choices: Routing = {
    plans,
    isSticky: routing.sticky === "task",
    clean: table.clean.map(({ pick }) => pick),
    tainted: table.tainted.map(({ pick }) => pick),
    degrade: table.degrade,
    routed,
  };
  return accept({ ...chosen, reason: first.why, routing: choices });
}

/** The plan of the tier that a session has chosen. */
export function planChosen(
  plan: RoutePlan,
  { choice, why }: { readonly choice: number; readonly why: string },
): RoutePlan {
  const { routing } = plan;
  const chosen = routing?.plans[choice];
  return routing === undefined || chosen === undefined ? plan : { ...chosen, reason: why, routing };
}

/** The rules that matched a call in a session without a past, and the one that its own session made count; with the figures and signs that they looked at. */
export function whatMattered(
  { routed }: Routing,
  reason: string,
): {
  readonly matched: readonly string[];
  readonly errors: readonly string[];
  readonly looked: readonly string[];
} {
  const { clean, tainted } = routed.table;
  const decided = [...clean, ...tainted]
    .flatMap(({ words }) => words)
    .find(({ id, matched }) => matched && reason === `rule:${id}`);
  const first = (clean[0]?.words ?? []).filter(({ matched }) => matched);
  const words = decided === undefined || first.some(({ id }) => id === decided.id) ? first : [...first, decided];
  const looked = words.flatMap(({ values }) =>
    Object.entries(values).flatMap(([name, value]) =>
      typeof value === "number" || typeof value === "boolean" ? [`${name}=${value}`] : [],
    ),
  );
  return {
    matched: words.map(({ id }) => id),
    errors: words.filter(({ error }) => error !== undefined).map(({ id }) => id),
    looked: [...new Set(looked)],
  };
}

function planOfTier(
  config: ActiveConfig,
  { routed, tier, session }: { readonly routed: Routed; readonly tier: string; readonly session: string },
): Outcome<RoutePlan> {
  const entry = routed.routing.tiers.find(({ name }) => name === tier);
  const plan = planRoute(config, entry?.route ?? entry?.model ?? tier, session);
  // An answer that was kept for one tier says nothing of another, and which it is to be is known only once the call is admitted.
  return plan.ok ? accept({ ...plan.value, asked: AUTO, tier, cacheTtlS: undefined }) : plan;
}

/** A body that cannot be read shows nothing: its provider will say what is wrong with it. */
function bodyOf({ body }: ModelCall): JsonObject {
  try {
    const read: unknown = JSON.parse(body.text);
    return isJsonObject(read) ? read : {};
  } catch {
    return {};
  }
}
