// Runs a policy's own tests: calls with the effect and the reasons their author expects, decided as live calls are.
import { fromJson } from "@bufbuild/protobuf";
import { timestampMs, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { amounts, DIMENSIONS, plus, type Amounts } from "../budget/amounts.ts";
import type { ActiveConfig, ResolvedTool } from "../config/published.ts";
import type { TestEntry } from "../config/policy-document.ts";
import type { Mistake } from "../errors.ts";
import type { JsonObject } from "../json/canonical.ts";
import { digestOf } from "../json/digest.ts";
import { failurePause } from "../state/session-pause.ts";
import { usdFromJson } from "../units/money.ts";
import { readDuration } from "../units/window.ts";
import type { ToolCallAsk } from "./ask.ts";
import { amountOf } from "./built-in.ts";
import type { SessionInput } from "./cel/world.ts";
import { stopOf, type Decision } from "./decision.ts";
import { historyEntry, sessionOf, type EarlierCall } from "./earlier-calls.ts";
import { decideWhole } from "./evaluate.ts";
import type { Switch } from "./switches.ts";

/** What came of one test. `decision` is missing where the call would have been refused before any decision. */
export interface PolicyTestResult {
  readonly index: number;
  readonly name: string;
  readonly ok: boolean;
  readonly expected: TestEntry["expect"];
  readonly decision?: Decision;
  /** Whether the call pauses its session. */
  readonly stops: boolean;
  /** Expected reasons that did not speak. */
  readonly missing: readonly string[];
  /** What is wrong with the arguments, where they do not fit the tool's schema. */
  readonly invalid: readonly Mistake[];
}

/** A Monday at noon, UTC. */
const DEFAULT_NOW = 1_767_614_400_000;
/** Age of a session whose history does not tell. */
const NEW_SESSION_S = 0;

/** Runs every test against a config; nothing is stored, no limit is drawn on, no tool is called. */
export function runPolicyTests(config: ActiveConfig, tests: readonly TestEntry[]): readonly PolicyTestResult[] {
  return tests.map((test, index) => runTest(config, test, index));
}

function runTest(config: ActiveConfig, test: TestEntry, index: number): PolicyTestResult {
  const outcome = decideTest(config, test);
  const { name, expect: expected } = test;
  if ("invalid" in outcome)
    return { index, name, ok: false, expected, stops: false, missing: [], invalid: outcome.invalid };
  const { decision, stops } = outcome;
  const spoke = new Set(decision.reasons.map((reason) => reason.rule_id));
  const missing = (expected.reasons ?? []).filter((each) => !spoke.has(each));
  const isStopped = expected.stop_and_ask === undefined || expected.stop_and_ask === stops;
  const ok = decision.effect === expected.effect && missing.length === 0 && isStopped;
  return { index, name, ok, expected, decision, stops, missing, invalid: [] };
}

/** A call as a test writes it, decided; or why its arguments would be refused before that. */
export function decideTest(
  config: ActiveConfig,
  test: Pick<TestEntry, "call" | "session" | "now">,
  switches: readonly Switch[] = [],
): { readonly decision: Decision; readonly stops: boolean } | { readonly invalid: readonly Mistake[] } {
  const tool = config.tool(test.call.tool);
  if (tool === undefined) return { invalid: [{ path: "call.tool", message: `no tool "${test.call.tool}"` }] };
  const ask = askOf(config, test.call);
  const invalid = tool.check(ask.args);
  if (invalid.length > 0) return { invalid };
  const now = test.now === undefined ? DEFAULT_NOW : timestampMs(fromJson(TimestampSchema, test.now));
  const earlier = earlierCalls(test, now);
  const used = usedIn(config, test, earlier);
  const session = sessionInput(config, test, { earlier, used, now });
  const decision = decideWhole(config.facts(tool, ask, { switches, now }), session);
  const stops =
    stopOf(decision.reasons) !== undefined || pauses(config, { ask, tool, decision }, { session, earlier, used });
  return { decision, stops };
}

function askOf(config: ActiveConfig, call: TestEntry["call"]): ToolCallAsk {
  return {
    actor: call.actor,
    principal: {
      key_id: "test",
      roles: call.roles ?? ["agent"],
      scopes: call.scopes ?? config.actor(call.actor)?.scopes ?? [],
    },
    tool: call.tool,
    args: call.args as JsonObject,
    constraints: call.constraints ?? {},
    session: "test",
    task: call.task ?? null,
    release: call.release ?? null,
    ...factsSaid(call),
  };
}

type SaidFacts = "intent" | "confidence" | "user" | "user_origin" | "user_prompt" | "confirmed";

function factsSaid(call: TestEntry["call"]): Pick<ToolCallAsk, SaidFacts> {
  return {
    intent: call.intent ?? null,
    confidence: call.confidence ?? null,
    user: call.user ?? null,
    user_origin: call.user_origin ?? "declared",
    user_prompt: call.user_prompt ?? null,
    confirmed: call.confirmed ?? false,
  };
}

function earlierCalls({ session }: Pick<TestEntry, "session">, now: number): readonly EarlierCall[] {
  return (session?.history ?? [])
    .map((past) => ({
      tool: past.tool,
      args: (past.args ?? {}) as JsonObject,
      at: now - (readDuration(past.ago) ?? 0),
      status: past.status ?? "succeeded",
    }))
    .toSorted((left, right) => left.at - right.at);
}

/** What the session has used: as the test says, and what its history moved. */
function usedIn(
  config: ActiveConfig,
  { session }: Pick<TestEntry, "session">,
  earlier: readonly EarlierCall[],
): Amounts {
  const moved = earlier.map(({ tool, args }) => {
    const entry = config.tool(tool)?.entry;
    return entry === undefined ? 0 : amountOf(entry, args);
  });
  return amounts({
    usd: usdFromJson(session?.spent_usd) ?? 0,
    calls: session?.counters?.calls ?? 0,
    tool_calls: session?.counters?.tool_calls ?? earlier.length,
    tool_usd: moved.reduce((sum, each) => sum + each, 0),
  });
}

interface Seen {
  readonly earlier: readonly EarlierCall[];
  readonly used: Amounts;
}

function sessionInput(
  config: ActiveConfig,
  { call, session }: Pick<TestEntry, "call" | "session">,
  { earlier, used, now }: Seen & { readonly now: number },
): SessionInput {
  const first = earlier[0];
  const sketch = {
    id: "test",
    ageS: first === undefined ? NEW_SESSION_S : Math.floor((now - first.at) / 1000),
    limits: config.limits(call.actor).session,
    used,
    failures: session?.counters?.failures ?? 0,
    consecutiveFailures: session?.counters?.consecutive_failures ?? 0,
    taint: session?.taint ?? [],
    facts: (session?.facts ?? {}) as JsonObject,
  };
  return sessionOf(
    sketch,
    earlier.map((each) => historyEntry(config, each)),
  );
}

interface Decided {
  readonly ask: ToolCallAsk;
  readonly tool: ResolvedTool;
  readonly decision: Decision;
}

/** Whether the actor's stop-and-ask settings pause the session: repeats, failures in a row, a nearly used budget. */
function pauses(
  config: ActiveConfig,
  { ask, tool, decision }: Decided,
  { session, earlier, used }: Seen & { readonly session: SessionInput },
): boolean {
  const settings = config.actor(ask.actor)?.stop_and_ask;
  if (settings === undefined) return false;
  const fingerprint = digestOf([ask.tool, ask.args]);
  const same = earlier.filter((each) => digestOf([each.tool, each.args]) === fingerprint).length;
  const isRepeat = settings.repeated_calls !== undefined && same + 1 >= settings.repeated_calls;
  const hasFailed = failurePause(settings, session.counters.consecutive_failures, 0) !== undefined;
  if (isRepeat || hasFailed) return true;
  const part = settings.budget_used;
  if (part === undefined || decision.effect !== "allow") return false;
  const after = plus(
    used,
    amounts({ tool_calls: 1, usd: usdFromJson(tool.entry.cost_usd) ?? 0, tool_usd: amountOf(tool.entry, ask.args) }),
  );
  const { session: limits } = config.limits(ask.actor);
  return DIMENSIONS.some((each) => {
    const limit = limits[each];
    return limit !== undefined && limit > 0 && after[each] >= limit * part;
  });
}

/** Why a test failed, in one sentence: what was expected, what came, which reasons are missing and which spoke. */
export function failureText(result: PolicyTestResult): string {
  const { name, expected, decision, stops, missing, invalid } = result;
  if (decision === undefined) {
    const why = invalid.map(({ path, message }) => `${path === "" ? "arguments" : path}: ${message}`).join("; ");
    return `test "${name}": expected ${expected.effect}, but the call would be refused before any decision: ${why}`;
  }
  const effect =
    decision.effect === expected.effect
      ? `is ${decision.effect} as expected`
      : `expected ${expected.effect}, is ${decision.effect}`;
  const lacks = missing.length === 0 ? "" : `; missing reason ${missing.map((each) => `"${each}"`).join(", ")}`;
  const stop =
    expected.stop_and_ask === undefined || expected.stop_and_ask === stops
      ? ""
      : `; ${stops ? "pauses" : "does not pause"} the session`;
  return `test "${name}": ${effect}${lacks}${stop}; what spoke: ${spoken(decision)}`;
}

function spoken({ reasons }: Decision): string {
  return reasons
    .map(({ rule_id, effect, error, message }) => `${rule_id} (${effect}${error ? `: ${message}` : ""})`)
    .join(", ");
}
