// Answers how a model call would be routed and what would change that: nothing is held, recorded or sent.
import type { CallContext } from "../core/call.ts";
import type { ActiveConfig } from "../core/config/published.ts";
import type { FeaturesEntry, RoutedSessionEntry } from "../core/config/routing-document.ts";
import { accept, refuse, type Outcome } from "../core/errors.ts";
import type { JsonObject } from "../core/json/canonical.ts";
import { matchesAny } from "../core/policy/constraints.ts";
import { isRouted } from "../core/routing/choose-route.ts";
import { complexityOf, type Complexity } from "../core/routing/complexity.ts";
import type { RequestFeatures } from "../core/routing/figures.ts";
import { planRoute } from "../core/routing/plan.ts";
import { routeCall, type Routed } from "../core/routing/routed-call.ts";
import { outcomeIn } from "../core/routing/routing-tests.ts";
import type { RuleWord } from "../core/routing/rules.ts";
import { seenBy } from "../core/state/session-routed.ts";
import { ledgerRefusal } from "./enforce.ts";
import { readFacts } from "./facts.ts";
import type { Ports } from "./ports.ts";

/** What is asked about. */
export interface RouteQuestion {
  readonly context: CallContext;
  /** The name that would be asked for. */
  readonly model: string;
  readonly body: JsonObject | undefined;
  readonly features: FeaturesEntry | undefined;
  /** Whether the context's session is a real one, whose past counts. */
  readonly isInSession: boolean;
  /** What the session is taken to have seen, over what it has. */
  readonly session: RoutedSessionEntry;
}

/** A tier with why it is taken. */
interface Taken {
  readonly tier: string;
  readonly models: readonly string[];
  readonly reason: string;
}

/** How a call would be routed. */
export interface RouteExplained {
  readonly asked: string;
  /** Whether the actor lists the name: if not, a live call is refused. */
  readonly mayAsk: boolean;
  readonly tier: string | null;
  /** The models that may answer, in the order in which they are tried. */
  readonly models: readonly string[];
  readonly reason: string;
  /** What follows is there where routing chooses. */
  readonly routed: RoutedExplained | null;
}

/** What the choice rested on. */
export interface RoutedExplained {
  /** The tiers that the actor may reach, in ascending order. */
  readonly tiers: readonly string[];
  readonly rules: readonly RuleWord[];
  readonly features: RequestFeatures;
  readonly complexity: Complexity;
  readonly session: RoutedSessionEntry;
  /** What the session would have to have seen for another tier or reason. */
  readonly changes: readonly (Taken & { readonly when: string })[];
}

/** How a call would be routed at this instant. Refuses `unknown_model`, and a session of another actor. */
export async function explainRoute(ports: Ports, question: RouteQuestion): Promise<Outcome<RouteExplained>> {
  const { context, model } = question;
  const { config: found } = await readFacts(ports, context);
  if (!found.ok) return found;
  const config = found.value;
  const mayAsk = matchesAny(model, config.actor(context.actor)?.models ?? []);
  if (!isRouted(config, model)) {
    const plan = planRoute(config, model, context.session);
    if (!plan.ok) return plan;
    const { tier = null, candidates, reason } = plan.value;
    const models = candidates.map((each) => each.model.name);
    return accept({ asked: model, mayAsk, tier, models, reason, routed: null });
  }
  const session = await sessionOf(ports, question);
  if (!session.ok) return session;
  const { body, features } = question;
  const routed = routeCall(config, { caller: context, body, features, now: ports.system.now() });
  if (routed === undefined) return refuse("unknown_model", 'no "auto" without a `routing` section in the config');
  const outcome = outcomeIn(config, routed, session.value);
  const { tier, reason, word } = outcome;
  return accept({
    asked: model,
    mayAsk,
    tier,
    models: modelsOf(config, routed, { tier, session: context.session }),
    reason,
    routed: {
      tiers: routed.table.tiers,
      rules: word.words,
      features: routed.features,
      complexity: complexityOf(routed.features),
      session: session.value,
      changes: changesOf(config, routed, { seen: session.value, session: context.session, now: outcome }),
    },
  });
}

async function sessionOf(
  ports: Ports,
  { context, isInSession, session }: RouteQuestion,
): Promise<Outcome<RoutedSessionEntry>> {
  if (!isInSession) return accept(session);
  const { state } = await ports.sessions.read(context.principal.tenant, context.session);
  if (state.actor !== null && state.actor !== context.actor)
    return ledgerRefusal({ type: "other_actor" }) ?? refuse("session_forbidden", "the session is another actor's");
  if (state.session === null) return accept(session);
  const seen = seenBy(state, { session: state.session, tasks: state.tasks }, context.task);
  return accept({
    failures: seen.failures,
    tainted: seen.isTainted,
    budget_used: seen.used,
    ...(seen.tier === null ? {} : { tier: seen.tier }),
    ...session,
  });
}

function modelsOf(
  config: ActiveConfig,
  { routing }: Routed,
  { tier, session }: { readonly tier: string; readonly session: string },
): readonly string[] {
  const entry = routing.tiers.find(({ name }) => name === tier);
  const plan = planRoute(config, entry?.route ?? entry?.model ?? tier, session);
  return plan.ok ? plan.value.candidates.map(({ model }) => model.name) : [];
}

/** Each state of the session that would change something: further failures, taint, a budget used up, a task with a higher tier behind it. */
function changesOf(
  config: ActiveConfig,
  routed: Routed,
  {
    seen,
    session,
    now,
  }: { readonly seen: RoutedSessionEntry; readonly session: string; readonly now: Pick<Taken, "tier" | "reason"> },
): RoutedExplained["changes"] {
  const { table, routing } = routed;
  const failures = table.clean.slice((seen.failures ?? 0) + 1).map((_, index) => {
    const count = (seen.failures ?? 0) + 1 + index;
    return { when: `failures >= ${count}`, state: { ...seen, failures: count } };
  });
  const others = [
    { when: seen.tainted === true ? "not tainted" : "tainted", state: { ...seen, tainted: seen.tainted !== true } },
    ...routing.degrade
      .filter(({ budget_used }) => (seen.budget_used ?? 0) < budget_used)
      .map(({ budget_used }) => ({ when: `budget_used >= ${budget_used}`, state: { ...seen, budget_used } })),
    ...(routing.sticky === "task"
      ? table.tiers.map((tier) => ({ when: `the task had ${tier}`, state: { ...seen, tier } }))
      : []),
  ];
  let before = now;
  const changes: (Taken & { readonly when: string })[] = [];
  const add = (when: string, state: RoutedSessionEntry, against: Pick<Taken, "tier" | "reason">): void => {
    const { tier, reason } = outcomeIn(config, routed, state);
    before = { tier, reason };
    if (tier === against.tier && reason === against.reason) return;
    changes.push({ when, tier, reason, models: modelsOf(config, routed, { tier, session }) });
  };
  // More failures are told where they first change something, the rest against how things are.
  for (const { when, state } of failures) add(when, state, before);
  for (const { when, state } of others) add(when, state, now);
  return changes;
}
