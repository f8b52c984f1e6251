// Measures one policy decision in this process: 50 rules on one tool, and a tenant of 500 rules of which a tool meets five.
import { checkConfig } from "../src/core/config/check.ts";
import { NOWHERE } from "../src/core/config/preview.ts";
import { unpublished, type ActiveConfig } from "../src/core/config/published.ts";
import { amounts } from "../src/core/budget/amounts.ts";
import type { JsonObject } from "../src/core/json/canonical.ts";
import type { ToolCallAsk } from "../src/core/policy/ask.ts";
import { sessionOf } from "../src/core/policy/earlier-calls.ts";
import { decideAtEdge, decideWhole } from "../src/core/policy/evaluate.ts";

const NOW = 1_767_614_400_000;
const WARM_UP = 2_000;
const ROUNDS = 4_000;

/** What the issue asks of a decision, in milliseconds. */
const TARGETS = { manyRules: 0.7, indexed: 0.15 };

const SCHEMA = {
  type: "object",
  properties: {
    customer_id: { type: "string" },
    amount_usd: { type: "number" },
    reason: { enum: ["late", "damaged", "goodwill", "fraud"] },
    note: { type: "string", maxLength: 2000 },
    lines: {
      type: "array",
      maxItems: 20,
      items: {
        type: "object",
        properties: { sku: { type: "string" }, qty: { type: "integer" } },
        required: ["sku", "qty"],
      },
    },
  },
  required: ["customer_id", "amount_usd", "reason", "note", "lines"],
};

/** Conditions of the kinds that policies hold; `at` makes each its own expression. */
const CONDITIONS: readonly ((at: number) => string)[] = [
  (at) => `call.amount_minor > ${100_000 + at}`,
  (at) => `args.reason == "fraud" && call.amount_minor > ${at}`,
  (at) => `args.customer_id.startsWith("blocked_${at}_")`,
  (at) => `args.note.matches("(?i)password${at}\\\\s*[:=]")`,
  (at) => `args.lines.exists(l, l.qty > ${1_000 + at})`,
  (at) => `args.lines.all(l, l.sku.startsWith("never_${at}"))`,
  (at) => `local.hour >= 22 && local.weekday == ${(at % 7) + 1}`,
  (at) => `now > timestamp("2030-01-0${(at % 9) + 1}T00:00:00Z")`,
  (at) => `session.count_within("t0", "${at + 1}m") > 30`,
  (at) => `session.sum_within("t0", "24h") + call.amount_minor > ${10_000_000 + at}`,
];

function config(rules: readonly unknown[], tools: readonly string[]): ActiveConfig {
  const tool = {
    kind: "http",
    method: "POST",
    url: "https://api.example.com/x",
    effect: "write",
    amount: { field: "amount_usd", currency: "USD" },
    input_schema: SCHEMA,
  };
  const checked = checkConfig(
    {
      egress: { allow: ["api.example.com"] },
      tools: Object.fromEntries(tools.map((name) => [name, tool])),
      actors: { agent: { allowed_tools: ["*"], max_amount_usd: 500 } },
      policy: { time_zone: "Europe/Berlin", rules },
    },
    NOWHERE,
  );
  if (!checked.ok) throw new Error(JSON.stringify(checked.mistakes.slice(0, 3)));
  return unpublished(checked.document, checked.rules);
}

const conditionAt = (at: number): string => CONDITIONS[at % CONDITIONS.length]?.(at) ?? "false";

/** 50 rules, all on one tool. */
function manyRules(): ActiveConfig {
  const rules = Array.from({ length: 50 }, (_, at) => ({
    id: `r${at}`,
    tools: ["t0"],
    when: conditionAt(at),
    effect: "deny",
  }));
  return config(rules, ["t0"]);
}

/** 500 rules on 100 tools: each tool meets five, one of each kind in turn. */
function indexed(): ActiveConfig {
  const tools = Array.from({ length: 100 }, (_, at) => `t${at}`);
  const rules = Array.from({ length: 500 }, (_, at) => ({
    id: `r${at}`,
    tools: [`t${at % 100}`],
    when: conditionAt(Math.floor(at / 100) * 2 + (at % 2)),
    effect: "deny",
  }));
  return config(rules, tools);
}

function askOf(tool: string, at: number): ToolCallAsk {
  const args: JsonObject = {
    customer_id: `cus_${at}`,
    amount_usd: (at % 400) + 0.5,
    reason: "late",
    note: "the parcel came late and the customer would like to have the shipping fee back, please ".repeat(5),
    lines: Array.from({ length: 10 }, (_, line) => ({ sku: `sku_${line}`, qty: line + 1 })),
  };
  const principal = { key_id: "key_bench", roles: ["agent"], scopes: ["*"] } as const;
  return {
    actor: "agent",
    principal,
    tool,
    args,
    constraints: {},
    session: "bench",
    task: null,
    intent: "refund",
    confidence: 0.9,
    user: null,
    user_origin: "declared",
    user_prompt: null,
    release: null,
    confirmed: false,
  };
}

const session = sessionOf(
  {
    id: "bench",
    ageS: 3_600,
    limits: {},
    used: amounts({ tool_calls: 20 }),
    failures: 0,
    consecutiveFailures: 0,
    taint: [],
    facts: {},
  },
  Array.from({ length: 20 }, (_, at) => ({
    tool: "t0",
    at: NOW - (20 - at) * 60_000,
    status: "succeeded" as const,
    amount: 5_000_000,
  })),
);

interface Measured {
  readonly min: number;
  readonly median: number;
  readonly p99: number;
}

function measure(decide: (at: number) => void): Measured {
  for (let at = 0; at < WARM_UP; at += 1) decide(at);
  const times = Array.from({ length: ROUNDS }, (_, at) => {
    const began = performance.now();
    decide(at);
    return performance.now() - began;
  }).toSorted((left, right) => left - right);
  const part = (share: number): number => times[Math.floor(times.length * share)] ?? Number.NaN;
  return { min: times[0] ?? Number.NaN, median: part(0.5), p99: part(0.99) };
}

function decider(active: ActiveConfig, tools: number, isWhole: boolean): (at: number) => void {
  return (at) => {
    const name = `t${at % tools}`;
    const tool = active.tool(name);
    if (tool === undefined) throw new Error(`no tool ${name}`);
    const facts = active.facts(tool, askOf(name, at), { switches: [], now: NOW + at });
    if (isWhole) decideWhole(facts, session);
    else decideAtEdge(facts);
  };
}

/** Runs the benchmark and answers its report; one line per case. */
export function benchPolicy(): readonly string[] {
  const cases = [
    { name: "50 rules on one tool, at the edge", run: decider(manyRules(), 1, false), target: TARGETS.manyRules },
    { name: "50 rules on one tool, whole", run: decider(manyRules(), 1, true), target: TARGETS.manyRules },
    { name: "500 rules, 5 per tool, at the edge", run: decider(indexed(), 100, false), target: TARGETS.indexed },
    { name: "500 rules, 5 per tool, whole", run: decider(indexed(), 100, true), target: TARGETS.indexed },
  ];
  const ms = (value: number): string => value.toFixed(3).padStart(8);
  return [
    `|policy decision, Node ${process.version}|min ms|median ms|p99 ms|target|`,
    "|---|--:|--:|--:|--:|",
    ...cases.map(({ name, run, target }) => {
      const { min, median, p99 } = measure(run);
      return `|${name}|${ms(min)}|${ms(median)}|${ms(p99)}|${target}${median <= target ? "" : " MISSED"}|`;
    }),
  ];
}
