// Decides what a decision is: an effect, every reason for it, and the policy version it was made under.

/** What a policy may answer, weakest to strictest. `draft` keeps a write as a proposal that a person can execute. */
export const EFFECTS = ["allow", "draft", "require_approval", "deny"] as const;

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
  /** Who has to approve, where the reason asks for approval. */
  readonly approval?: ApprovalTerms;
  /** Whether the rule behind it could not be evaluated. */
  readonly error?: true;
  /** Whether the reason pauses the session. */
  readonly stop_and_ask?: true;
}

/** Who has to approve: so many distinct people, each with one of these roles or groups, in this time. */
export interface ApprovalTerms {
  readonly roles: readonly string[];
  readonly count: number;
  readonly expires_in_ms: number;
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

/** What is known before the session has been asked: reasons, and one that counts only while no rule allows the call. */
export interface EdgeReasons {
  readonly reasons: readonly Reason[];
  readonly standby: Reason | null;
}

const BUILT_IN = /^(actor|tool|tier|switch|breaker|envelope|limit)\.|^(scopes|default|draft)$/;

/** Whether a reason's id is one of the gateway's own: no rule of a tenant may have such an id. */
export function isBuiltIn(ruleId: string): boolean {
  return BUILT_IN.test(ruleId);
}

/**
 * Folds reasons into a decision: all are kept, the strictest wins, none means deny. A reason on standby counts unless
 * one of the tenant's own rules allows the call; adding a reason that denies never makes the effect weaker.
 */
export function decide(
  { reasons, standby }: EdgeReasons,
  policyVersion: string,
  obligations: readonly Obligation[] = [],
): Decision {
  const isAllowedByRule = reasons.some((reason) => reason.effect === "allow" && !isBuiltIn(reason.rule_id));
  const spoken = standby === null || isAllowedByRule ? reasons : [...reasons, standby];
  const nothingSpoke: Reason = { rule_id: "default", effect: "deny", message: "nothing allows this call" };
  const all = spoken.length === 0 ? [nothingSpoke] : spoken;
  const effect = all.reduce<Effect>((strictest, reason) => stricter(strictest, reason.effect), "allow");
  return { effect, reasons: all, obligations, policy_version: policyVersion };
}

/** The first reason that pauses the session, or `undefined`. */
export function stopOf(reasons: readonly Reason[]): Reason | undefined {
  return reasons.find((reason) => reason.stop_and_ask === true);
}

/** What approval a decision asks for: one requirement per reason that asks, none when it does not come to that. */
export function approvalTermsOf(decision: Decision): readonly (ApprovalTerms & { readonly rule_id: string })[] {
  return decision.reasons.flatMap(({ rule_id, approval }) =>
    approval === undefined ? [] : [{ rule_id, ...approval }],
  );
}
