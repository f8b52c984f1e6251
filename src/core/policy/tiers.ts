// Decides which capability tier a call runs in, and what the tier makes of a write.
import type { ActorEntry } from "../config/document.ts";
import type { Tier } from "../config/policy-document.ts";
import type { ToolCallAsk } from "./ask.ts";
import { matchesAny } from "./constraints.ts";
import type { ApprovalTerms, Reason } from "./decision.ts";

/**
 * The tier of a call: that of its flow where the actor lists it, else the actor's. A flow is named by the call's
 * intent. `autonomous` covers listed flows only; any other call of such an actor needs approvals.
 */
export function tierOf(actor: ActorEntry, { intent, tool }: Pick<ToolCallAsk, "intent" | "tool">): Tier {
  const base = actor.tier ?? "execute_with_limits";
  const unlisted = base === "autonomous" ? "execute_with_approvals" : base;
  const { flows } = actor;
  if (flows === undefined || intent === null) return unlisted;
  if (isList(flows)) return base === "autonomous" && flows.includes(intent) ? "autonomous" : unlisted;
  const flow = Object.hasOwn(flows, intent) ? flows[intent] : undefined;
  if (flow === undefined || (flow.tools !== undefined && !matchesAny(tool, flow.tools))) return unlisted;
  return flow.tier;
}

function isList(flows: NonNullable<ActorEntry["flows"]>): flows is string[] {
  return Array.isArray(flows);
}

/** What a tier says to a write, and what it says only while no rule allows the call outright. */
export interface TierReasons {
  readonly always: readonly Reason[];
  readonly standby: Reason | null;
}

const NOTHING_SAID: TierReasons = { always: [], standby: null };

/**
 * The reasons of a tier. Reads run in every tier. `draft_only` keeps every write as a draft, whatever the rules say;
 * `execute_with_approvals` asks a person unless a rule with effect `allow` matched.
 */
export function tierReasons(tier: Tier, isRead: boolean, terms: ApprovalTerms): TierReasons {
  if (isRead) return NOTHING_SAID;
  switch (tier) {
    case "draft_only":
      return {
        always: [
          {
            rule_id: "tier.draft_only",
            effect: "draft",
            message: "this actor drafts; a person executes",
            path: "actor",
          },
        ],
        standby: null,
      };
    case "execute_with_approvals":
      return {
        always: [],
        standby: {
          rule_id: "tier.execute_with_approvals",
          effect: "require_approval",
          message: "this actor's writes need a person's approval unless a rule allows them",
          path: "actor",
          approval: terms,
        },
      };
    case "execute_with_limits":
    case "autonomous":
      return NOTHING_SAID;
    default:
      return tier satisfies never;
  }
}
