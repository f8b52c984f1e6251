// Decides what is told of each decision: its effect, every rule with what it said and the values it saw, and what would have had to differ.
import type { Counterfactual } from "../../policy/analysis/counterfactual.ts";
import type { Reason } from "../../policy/decision.ts";
import { ATTR } from "../attributes.ts";
import type { Span, TraceRecord } from "../record.ts";
import { objectOf, parsed } from "./bodies.ts";
import type { Differing, ExplainFacts, Sentence } from "./explanation.ts";
import { quoted, quotedList } from "./quoted.ts";
import { iso, nameOf, tell } from "./tell.ts";
import { textAttr, type Step } from "./step.ts";

/** A decision as it is stored. */
export interface StoredDecision {
  readonly span: Span;
  readonly effect: string;
  readonly reasons: readonly Partial<Reason>[];
}

/** The decision that a record holds, or `undefined`. */
export function decisionIn(record: TraceRecord): StoredDecision | undefined {
  const span = record.spans.find(({ name }) => name === "policy.evaluate");
  const stored = span?.attributes[ATTR.decisionReasons];
  if (span === undefined || !Array.isArray(stored)) return undefined;
  const effect = span.attributes[ATTR.decisionEffect];
  return {
    span,
    effect: typeof effect === "string" ? effect : record.index.decision,
    // What stands there is of our own making, or masked since: a member that is no reason's is left out where it is told.
    reasons: (stored as readonly string[]).flatMap(
      (text) => (objectOf(parsed(text)) as Partial<Reason> | undefined) ?? [],
    ),
  };
}

/** What was decided on every call, first and again. */
export function tellDecided(steps: readonly Step[], facts: ExplainFacts): readonly Sentence[] {
  return steps.flatMap((step) => tellStep(step, facts));
}

function tellStep(step: Step, facts: ExplainFacts): readonly Sentence[] {
  let told: string | undefined;
  return [...step.runs, ...step.replays].flatMap((record) => {
    const refused = tellRefusal(step, record);
    const decision = decisionIn(record);
    const looks = JSON.stringify([decision?.effect, decision?.reasons]);
    if (decision === undefined || looks === told) return refused;
    const isAgain = told !== undefined;
    told = looks;
    return [...tellDecision({ step, record, decision, isAgain }), ...tellDiffering(step, record, facts), ...refused];
  });
}

const DECIDED: Readonly<Record<string, string>> = {
  allow: "allowed",
  draft: "kept as a draft",
  require_approval: "made to wait for approval",
  deny: "denied",
};

interface Told {
  readonly step: Step;
  readonly record: TraceRecord;
  readonly decision: StoredDecision;
  readonly isAgain: boolean;
}

function tellDecision({ step, record, decision, isAgain }: Told): readonly Sentence[] {
  const { effect, reasons, span } = decision;
  const spans = [span.span_id, record.index.span_id];
  const by = `by policy version ${quoted(record.index.policy_version)}`;
  const what = `${nameOf(step)} was ${DECIDED[effect] ?? `given the effect ${quoted(effect)}`} ${by}`;
  const head = isAgain
    ? `Decided once more at ${iso(span.start_ms)}, ${what.charAt(0).toLowerCase()}${what.slice(1)}`
    : what;
  return [
    tell(record, `${head}.`, { spans }),
    ...reasons.map((reason) => tell(record, reasonText(step, reason), { spans })),
  ];
}

function reasonText(step: Step, { rule_id, effect, message, values, path, approval, error }: Partial<Reason>): string {
  const seen = Object.entries(values ?? {}).map(([name, value]) => `${quoted(name, 60)} = ${quoted(value, 120)}`);
  const parts = [
    seen.length === 0 ? "" : `; it saw ${seen.join(", ")}`,
    path === undefined ? "" : `; it looked at ${quoted(path, 120)}`,
    approval === undefined ? "" : `; it asks for ${approval.count} of ${quotedList(approval.roles)}`,
    error === true ? "; the rule could not be evaluated and counted as its strictest effect" : "",
  ];
  return `For ${nameOf(step).toLowerCase()}, rule ${quoted(rule_id ?? "unnamed")} says ${quoted(effect ?? "nothing")}: ${quoted(message ?? "")}${parts.join("")}.`;
}

/** What refused a call that its policy did not deny: budgets, limits, rates, a pause, a key used before. */
function tellRefusal(step: Step, record: TraceRecord): readonly Sentence[] {
  const { error_code, status } = record.index;
  const detail = textAttr(record, ATTR.refusal);
  if (detail === undefined) return [];
  const refused = status === "denied" ? "The caller was told" : "It was refused";
  return [tell(record, `${nameOf(step)}: ${refused} ${quoted(error_code ?? status)}: ${quoted(detail, 500)}.`)];
}

function tellDiffering(step: Step, record: TraceRecord, { differing }: ExplainFacts): readonly Sentence[] {
  const found: Differing | undefined = differing.get(record.index.span_id);
  if (found === undefined) return [];
  const name = nameOf(step).toLowerCase();
  if (found.type === "untold")
    return [tell(record, `What would have had to differ for ${name} cannot be told: ${found.why}.`)];
  const assumed = found.assumed.length === 0 ? "" : `, if ${quotedList(found.assumed)} had said the same`;
  // That it needed approval as it was is what the decision says itself.
  const changes = found.counterfactuals.filter(({ change }) => change !== null);
  if (changes.length === 0)
    return [
      tell(record, `No change of an amount, a compared argument or a scope alone would have helped ${name}${assumed}.`),
    ];
  return changes.map((each) => tell(record, `Recomputed from what is stored, ${name} ${changeText(each)}${assumed}.`));
}

function changeText({ effect, change, message, approval }: Counterfactual): string {
  const outcome = WOULD[effect];
  const asks = (approval ?? []).map(({ roles, count }) => `${count} of ${quotedList(roles)}`);
  const people = asks.length === 0 ? "" : ` (by ${asks.join(" and ")})`;
  if (change === null) return `${outcome}${people}`;
  if ("add" in change) return `${outcome}${people} once key and actor both had ${quotedList(change.add)}`;
  const bound = BOUNDS.find(([key]) => key in change);
  const value = bound === undefined ? message : (change as Readonly<Record<string, string>>)[bound[0]];
  return `${outcome}${people} with ${quoted(change.path, 120)} ${bound?.[1] ?? "at"} ${quoted(value ?? message, 80)}`;
}

const WOULD = {
  allow: "would have been allowed",
  draft: "would have been kept as a draft",
  require_approval: "would have waited for approval",
} as const;

const BOUNDS = [
  ["at_most", "at most"],
  ["at_least", "at least"],
  ["exactly", "at exactly"],
] as const;
