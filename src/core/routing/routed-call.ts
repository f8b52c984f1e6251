// Decides what the routing policy says to one call, from its body and its context: the table that its session chooses from.
import type { CallContext } from "../call.ts";
import type { ActiveConfig } from "../config/published.ts";
import type { FeaturesEntry, RoutingEntry } from "../config/routing-document.ts";
import type { JsonObject } from "../json/canonical.ts";
import { tierOf } from "../policy/tiers.ts";
import { localTime } from "../units/local-time.ts";
import { tierTable, type TierTable } from "./choose-tier.ts";
import { featuresOf, withFeatures } from "./features.ts";
import type { RequestFeatures } from "./figures.ts";
import { viewOf } from "./request-view.ts";

/** Who calls, as far as routing asks. */
export type RoutedCaller = Pick<CallContext, "actor" | "intent" | "confidence" | "isConfirmed" | "task">;

/** A call that is to be routed. */
export interface RoutedRequest {
  readonly caller: RoutedCaller;
  /** Its body; `undefined` where only figures are stated. */
  readonly body: JsonObject | undefined;
  /** Figures stated over those of the body. */
  readonly features?: FeaturesEntry | undefined;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** What the policy says to it. */
export interface Routed {
  readonly routing: RoutingEntry;
  readonly features: RequestFeatures;
  readonly table: TierTable;
}

/** What the routing policy says to a call; `undefined` where the config has none. */
export function routeCall(config: ActiveConfig, request: RoutedRequest): Routed | undefined {
  const { routing, tools, policy } = config.published.document;
  if (routing === undefined) return undefined;
  const { caller, body, now } = request;
  const known = body === undefined ? undefined : featuresOf(viewOf(body), tools);
  const features =
    known !== undefined && request.features === undefined ? known : withFeatures(known, request.features ?? {});
  const actor = config.actor(caller.actor);
  const world = {
    request: features,
    call: {
      confirmed: caller.isConfirmed,
      ...(caller.intent === null ? {} : { intent: caller.intent }),
      ...(caller.confidence === null ? {} : { confidence: caller.confidence }),
      ...(caller.task === null ? {} : { task: caller.task }),
    },
    actor: {
      name: caller.actor,
      tier: actor === undefined ? "draft_only" : tierOf(actor, { intent: caller.intent, tool: "" }),
    },
    now,
    local: { ...localTime(now, policy.time_zone ?? "UTC") },
  };
  const terms = { routing, rules: config.routingRules, allowed: actor?.model_tiers, cache: config.expressions };
  return { routing, features, table: tierTable(terms, world) };
}
