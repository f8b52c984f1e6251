// Decides what a decision is: an effect, every reason for it, and the policy version it was made under.

/** What a policy may answer, weakest to strictest. */
export const EFFECTS = ["allow", "require_approval", "deny"] as const;

/** The effect of a decision or of one reason. */
export type Effect = (typeof EFFECTS)[number];

/** One rule that spoke: its id, its effect, what it says to people, and the values it saw. */
export interface Reason {
  readonly rule_id: string;
  readonly effect: Effect;
  readonly message: string;
  /** Where in the call the value stands that decided, such as `tool_call.args.amount_usd`. */
  readonly path?: string;
  readonly values?: Readonly<Record<string, unknown>>;
}

/** What must hold while the call runs, beyond the effect itself. */
export interface Obligation {
  readonly kind: "max_output_tokens";
  readonly value: number;
}

/** The answer of the policy decision point. The strictest reason's effect wins; no reason at all is a denial. */
export interface Decision {
  readonly effect: Effect;
  readonly reasons: readonly Reason[];
  readonly obligations: readonly Obligation[];
  readonly policy_version: string;
}

/** The stricter of two effects. */
export function stricter(left: Effect, right: Effect): Effect {
  return EFFECTS.indexOf(left) >= EFFECTS.indexOf(right) ? left : right;
}

/** Folds reasons into a decision: all are kept, the strictest wins, none means deny. */
export function decide(
  reasons: readonly Reason[],
  policyVersion: string,
  obligations: readonly Obligation[] = [],
): Decision {
  const nothingSpoke: Reason = { rule_id: "default", effect: "deny", message: "nothing allows this call" };
  const all = reasons.length === 0 ? [nothingSpoke] : reasons;
  const effect = all.reduce<Effect>((strictest, reason) => stricter(strictest, reason.effect), "allow");
  return { effect, reasons: all, obligations, policy_version: policyVersion };
}
