// Decides what would have had to differ for a recorded call, with the policy version that decided it and the functions that decide live calls.
import type { ActiveConfig } from "../../config/published.ts";
import type { ToolCallAsk } from "../../policy/ask.ts";
import { smallestChanges, variantsOf } from "../../policy/analysis/counterfactual.ts";
import { decide, type Decision, type Reason } from "../../policy/decision.ts";
import { decideAtEdge } from "../../policy/evaluate.ts";
import type { PolicyFacts } from "../../policy/policy-facts.ts";
import type { Differing } from "./explanation.ts";

/** A decision as it was recorded, and the ask it was made on. `at` is epoch milliseconds. */
export interface RecordedDecision {
  readonly ask: ToolCallAsk;
  readonly at: number;
  readonly effect: string;
  readonly reasons: readonly Reason[];
}

/**
 * The smallest changes that would have let the call through. What the session, switches and breakers said then is not
 * stored as such: their recorded reasons are held as they were, and named as assumed. Untold where the stored ask and
 * version do not give the recorded decision again, since then nothing computed from them tells about it.
 */
export function differingOf(config: ActiveConfig, { ask, at, effect, reasons }: RecordedDecision): Differing {
  const tool = config.tool(ask.tool);
  if (tool === undefined) return untold("the stored config version does not have its tool");
  if (tool.check(ask.args).length > 0)
    return untold("its arguments, as stored, do not fit the tool: they did not then, or they were masked");
  const facts = config.facts(tool, ask, { switches: [], now: at });
  const edge = decideAtEdge(facts);
  const said = new Set([...edge.reasons, ...(edge.standby === null ? [] : [edge.standby])].map(nameOf));
  const held = reasons.filter((reason) => !said.has(nameOf(reason)));
  const recorded = new Set(reasons.map(nameOf));
  const decideWith = (changed: PolicyFacts): Decision => {
    const { reasons: own, standby } = decideAtEdge(changed);
    return decide({ reasons: [...own, ...held], standby }, config.policyVersion);
  };
  const again = decideWith(facts);
  if (again.effect !== effect || edge.reasons.some((reason) => !recorded.has(nameOf(reason))))
    return untold("the stored facts, decided again, do not give the recorded decision");
  const judged = variantsOf(facts, [], tool.check).map((variant) => ({
    variant,
    decision: decideWith(variant.facts),
    isCovered: true,
  }));
  const counterfactuals = smallestChanges({ decision: again, isCovered: true }, judged, tool.entry.amount?.field);
  return { type: "told", counterfactuals, assumed: [...new Set(held.map(({ rule_id }) => rule_id))] };
}

/** Why it cannot be told. */
export function untold(why: string): Differing {
  return { type: "untold", why };
}

function nameOf({ rule_id, effect }: Reason): string {
  return `${rule_id} ${effect}`;
}
