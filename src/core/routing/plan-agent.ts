// Decides how a call of an agent is answered: its release, that release's model or route, and its prompt filled in.
import type { ModelCall } from "../call.ts";
import type { ActiveConfig } from "../config/published.ts";
import { accept, refuse, type Outcome } from "../errors.ts";
import { isJsonObject, type JsonObject } from "../json/canonical.ts";
import type { Reason } from "../policy/decision.ts";
import { hasPermission } from "../principal.ts";
import { offerReasons } from "../release/narrowing.ts";
import { offeredTools } from "../release/offered-tools.ts";
import { renderPrompt } from "../release/prompt.ts";
import type { ResolvedRelease } from "../release/release.ts";
import { resolveRelease, type ChosenRelease } from "../release/resolve.ts";
import type { Pointers } from "../release/sealed.ts";
import { localTime } from "../units/local-time.ts";
import { isRouted, planRouted } from "./choose-route.ts";
import { planRoute, type RoutePlan } from "./plan.ts";

/** A call with the release that answers it as its release, its plan, and what the release holds against it. */
export interface PlannedRequest {
  readonly call: ModelCall;
  readonly plan: Outcome<RoutePlan>;
  readonly reasons: readonly Reason[];
}

/** What a plan rests on besides config and call. */
export interface PlanFacts {
  readonly releases: Pointers;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** Plans a call, whatever its name stands for: an agent's release, a route, a model, or what routing chooses. */
export function planCall(config: ActiveConfig, call: ModelCall, facts: PlanFacts): PlannedRequest {
  const { fields, context } = call;
  if (isRouted(config, fields.model)) return { call, plan: planRouted(config, call, facts.now), reasons: [] };
  if (!config.isAgent(fields.model))
    return { call, plan: planRoute(config, fields.model, context.session), reasons: [] };
  const chosen = chooseRelease(config, call, facts.releases);
  if (!chosen.ok) return { call, plan: chosen, reasons: [] };
  const { release } = chosen.value;
  const answered = { ...call, context: { ...context, release: release.id, isReleaseChosen: true } };
  const body = release.tools === null && release.prompt === null ? {} : bodyOf(call);
  if (body === undefined)
    return { call: answered, plan: refuse("invalid_request", "the body is not valid JSON"), reasons: [] };
  const reasons = release.tools === null ? [] : offerReasons(release, offeredTools(body));
  return { call: answered, plan: planRelease(config, call, { chosen: chosen.value, body, now: facts.now }), reasons };
}

function chooseRelease(
  config: ActiveConfig,
  { fields, context }: ModelCall,
  pointers: Pointers,
): Outcome<ChosenRelease> {
  const agent = fields.model;
  const ask = {
    agent,
    named: context.release,
    session: context.session,
    mayTryAny: hasPermission(context.principal, "releases.write"),
  };
  const pointer = Object.hasOwn(pointers, agent) ? pointers[agent] : undefined;
  return resolveRelease(ask, pointer, (id) => config.release(agent, id));
}

function planRelease(
  config: ActiveConfig,
  call: ModelCall,
  { chosen, body, now }: { readonly chosen: ChosenRelease; readonly body: JsonObject; readonly now: number },
): Outcome<RoutePlan> {
  const { context } = call;
  const { release, how } = chosen;
  const { name } = release.target;
  const plan = isRouted(config, name) ? planRouted(config, call, now) : planRoute(config, name, context.session);
  const prompt = promptOf(config, call, { release, body, now });
  if (!plan.ok) return plan;
  if (!prompt.ok) return prompt;
  const { agent, id, digest } = release;
  const dressed = (each: RoutePlan): RoutePlan => ({
    ...each,
    ...prompt.value,
    asked: call.fields.model,
    release: { agent, id, digest, how },
  });
  const { routing } = plan.value;
  const whole = dressed(plan.value);
  // Whichever tier its session chooses, it is this release's.
  return accept(
    routing === undefined ? whole : { ...whole, routing: { ...routing, plans: routing.plans.map(dressed) } },
  );
}

/** The release's prompt as a plan has it: filled in, with what it took of the request. */
function promptOf(
  config: ActiveConfig,
  { context }: ModelCall,
  { release, body, now }: { readonly release: ResolvedRelease; readonly body: JsonObject; readonly now: number },
): Outcome<Pick<RoutePlan, "system" | "takenIn">> {
  if (release.prompt === null) return accept({});
  const { agent, id } = release;
  const zone = config.published.document.policy.time_zone ?? "UTC";
  const { date } = localTime(now, zone);
  const builtIn = { agent, release: id, actor: context.actor, date, time_zone: zone };
  const system = renderPrompt(release.prompt, body["metadata"], builtIn);
  if (!system.ok) return system;
  const takenIn = Object.keys(release.prompt.variables);
  return accept({ ...(system.value === "" ? {} : { system: system.value }), takenIn });
}

function bodyOf({ body }: ModelCall): JsonObject | undefined {
  try {
    const read: unknown = JSON.parse(body.text);
    return isJsonObject(read) ? read : undefined;
  } catch {
    return undefined;
  }
}
