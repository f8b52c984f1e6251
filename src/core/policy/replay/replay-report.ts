// Decides how a replay is told: changed decisions by transition, rule and tool, with examples; what must be reviewed comes first.
import { formatUsd } from "../../units/money.ts";
import { EFFECTS, type Effect, type Reason } from "../decision.ts";
import type { Replayed, ReplayedCall, Unreplayable } from "./recorded-call.ts";

/** Examples told of each kind of change. */
const MAX_EXAMPLES = 10;

/** A reason of an example: the rule and the values it saw. The arguments themselves are in the trace. */
interface ToldReason {
  readonly rule_id: string;
  readonly effect: Effect;
  readonly values?: Reason["values"];
}

/** One call whose decision changes. */
export interface ReplayExample {
  readonly tool_call_id: string | null;
  readonly trace_id: string;
  readonly at_ms: number;
  readonly tool: string;
  readonly actor: string;
  readonly amount_usd: string;
  readonly before: { readonly effect: Effect; readonly reasons: readonly ToldReason[] };
  readonly after: { readonly effect: Effect; readonly reasons: readonly ToldReason[] };
}

/** What a replay found. */
export interface ReplayReport {
  readonly evaluated: number;
  readonly changed: number;
  /** Writes that the candidate allows outright and the active policy does not: a person has to look at them. */
  readonly newly_allowed_writes: {
    readonly count: number;
    readonly amount_usd: string;
    readonly examples: readonly ReplayExample[];
  };
  readonly transitions: readonly {
    readonly from: Effect;
    readonly to: Effect;
    readonly count: number;
    readonly amount_usd: string;
    readonly examples: readonly ReplayExample[];
  }[];
  /** In changed calls: how often a rule speaks under one policy and not under the other. */
  readonly by_rule: readonly { readonly rule_id: string; readonly appears: number; readonly disappears: number }[];
  readonly by_tool: readonly { readonly tool: string; readonly evaluated: number; readonly changed: number }[];
  /** Money that changed calls would move. */
  readonly changed_amount_usd: string;
  readonly not_replayed: readonly { readonly why: Unreplayable; readonly count: number }[];
  /** Where the active policy, decided again, differs from the record: switches, leases, an older version. */
  readonly drift: {
    readonly count: number;
    readonly examples: readonly { readonly trace_id: string; readonly recorded: string; readonly now: Effect }[];
  };
}

/** Counts decided calls. */
export function summarise(
  decided: readonly ReplayedCall[],
  lost: Readonly<Partial<Record<Unreplayable, number>>>,
): ReplayReport {
  const changed = decided.filter(({ before, after }) => before.effect !== after.effect);
  const opened = changed.filter(({ isWrite, after }) => isWrite && after.effect === "allow");
  const drifted = decided.filter(({ call, before }) => call.effect !== before.effect);
  return {
    evaluated: decided.length,
    changed: changed.length,
    newly_allowed_writes: { count: opened.length, amount_usd: moved(opened), examples: examplesOf(opened) },
    transitions: transitionsOf(changed),
    by_rule: rulesOf(changed),
    by_tool: toolsOf(decided),
    changed_amount_usd: moved(changed),
    not_replayed: Object.entries(lost)
      .map(([why, count]) => ({ why: why as Unreplayable, count }))
      .toSorted((left, right) => left.why.localeCompare(right.why)),
    drift: {
      count: drifted.length,
      examples: drifted
        .slice(0, MAX_EXAMPLES)
        .map(({ call, before }) => ({ trace_id: call.traceId, recorded: call.effect, now: before.effect })),
    },
  };
}

function transitionsOf(changed: readonly ReplayedCall[]): ReplayReport["transitions"] {
  return EFFECTS.flatMap((from) =>
    EFFECTS.flatMap((to) => {
      const these = changed.filter(({ before, after }) => before.effect === from && after.effect === to);
      return these.length === 0
        ? []
        : [{ from, to, count: these.length, amount_usd: moved(these), examples: examplesOf(these) }];
    }),
  );
}

function rulesOf(changed: readonly ReplayedCall[]): ReplayReport["by_rule"] {
  const counts = new Map<string, { appears: number; disappears: number }>();
  const note = (id: string, what: "appears" | "disappears"): void => {
    const known = counts.get(id) ?? { appears: 0, disappears: 0 };
    counts.set(id, { ...known, [what]: known[what] + 1 });
  };
  for (const { before, after } of changed) {
    const [was, is] = [idsOf(before), idsOf(after)];
    for (const id of is) if (!was.has(id)) note(id, "appears");
    for (const id of was) if (!is.has(id)) note(id, "disappears");
  }
  return [...counts]
    .map(([rule_id, count]) => ({ rule_id, ...count }))
    .toSorted((a, b) => b.appears + b.disappears - a.appears - a.disappears || a.rule_id.localeCompare(b.rule_id));
}

/** Reasons by id and effect: a rule that speaks with another effect is another reason. */
function idsOf({ reasons }: Replayed): ReadonlySet<string> {
  return new Set(reasons.map(({ rule_id, effect }) => `${rule_id} (${effect})`));
}

function toolsOf(decided: readonly ReplayedCall[]): ReplayReport["by_tool"] {
  return [...Map.groupBy(decided, ({ call }) => call.ask.tool)]
    .map(([tool, calls]) => ({
      tool,
      evaluated: calls.length,
      changed: calls.filter(({ before, after }) => before.effect !== after.effect).length,
    }))
    .toSorted((left, right) => right.changed - left.changed || left.tool.localeCompare(right.tool));
}

function moved(calls: readonly ReplayedCall[]): string {
  return formatUsd(calls.reduce((sum, each) => sum + each.amount, 0));
}

function examplesOf(calls: readonly ReplayedCall[]): readonly ReplayExample[] {
  return calls.slice(0, MAX_EXAMPLES).map(({ call, amount, before, after }) => ({
    tool_call_id: call.callId,
    trace_id: call.traceId,
    at_ms: call.startedAt,
    tool: call.ask.tool,
    actor: call.ask.actor,
    amount_usd: formatUsd(amount),
    before: told(before),
    after: told(after),
  }));
}

function told({ effect, reasons }: Replayed): ReplayExample["before"] {
  return {
    effect,
    reasons: reasons.map(({ rule_id, effect: each, values }) =>
      values === undefined ? { rule_id, effect: each } : { rule_id, effect: each, values },
    ),
  };
}
