// Runs a routing policy's own tests: calls with the tier, the model and the rules that their author expects, chosen as live calls are.
import { fromJson } from "@bufbuild/protobuf";
import { timestampMs, TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { ActiveConfig } from "../config/published.ts";
import type { RoutedSessionEntry, RoutingEntry, RoutingTestEntry } from "../config/routing-document.ts";
import type { JsonObject } from "../json/canonical.ts";
import { chooseTier, type Chosen } from "../state/session-route.ts";
import type { TierTable, TierWord } from "./choose-tier.ts";
import { routeCall, type Routed } from "./routed-call.ts";

/** What came of a routed call in a session that has seen so much. */
export interface RoutedOutcome {
  readonly tier: string;
  /** What `Interlock-Route-Reason` says. */
  readonly reason: string;
  /** The model that is asked first, by its config name. */
  readonly model: string | undefined;
  /** What the policy says without the session's own weight: its tier and every rule. */
  readonly word: TierWord;
}

/** A Monday at noon, UTC. */
const DEFAULT_NOW = 1_767_614_400_000;

/** A sentence for each test that fails, with its place among the tests. */
export function failedRoutingTests(
  config: ActiveConfig,
  { tests }: Pick<RoutingEntry, "tests">,
): readonly { readonly index: number; readonly message: string }[] {
  return tests.flatMap((test, index) => {
    const outcome = outcomeOfTest(config, test);
    const wrong = outcome === undefined ? ["the config routes nothing"] : differences(test, outcome);
    return wrong.length === 0 ? [] : [{ index, message: `test "${test.name}": ${wrong.join("; ")}` }];
  });
}

function outcomeOfTest(config: ActiveConfig, { call, session, now }: RoutingTestEntry): RoutedOutcome | undefined {
  const routed = routeCall(config, {
    caller: {
      actor: call.actor,
      intent: call.intent ?? null,
      confidence: call.confidence ?? null,
      isConfirmed: call.confirmed ?? false,
      task: call.task ?? null,
    },
    body: call.request as JsonObject | undefined,
    features: call.features,
    now: now === undefined ? DEFAULT_NOW : timestampMs(fromJson(TimestampSchema, now)),
  });
  return routed === undefined ? undefined : outcomeIn(config, routed, session ?? {});
}

/** What becomes of a routed call in a session. */
export function outcomeIn(
  config: ActiveConfig,
  { routing, table }: Routed,
  session: RoutedSessionEntry,
): RoutedOutcome {
  const word = wordIn(table, session);
  const { choice, why } = chosenIn(table, routing, session);
  const tier = table.tiers[choice] ?? word.tier;
  return { tier, reason: why, model: firstModel(config, routing, tier), word };
}

function wordIn(table: TierTable, { failures = 0, tainted = false }: RoutedSessionEntry): TierWord {
  const row = tainted ? table.tainted : table.clean;
  const word = row[Math.min(failures, row.length - 1)];
  if (word === undefined) throw new RangeError("a table of tiers has at least one row");
  return word;
}

function chosenIn(table: TierTable, routing: RoutingEntry, session: RoutedSessionEntry): Chosen {
  const nothing = { fixed: { usd: 0, tokens: 0, calls: 0, tool_calls: 0, tool_usd: 0 }, unitPico: 0, unitTokens: 0 };
  const want = { ...nothing, minUnits: 0, maxUnits: 0 };
  const ask = {
    isSticky: routing.sticky === "task",
    choices: table.tiers.map((tier) => ({ tier, want, expiresAt: 0, subject: tier })),
    clean: table.clean.map(({ pick }) => pick),
    tainted: table.tainted.map(({ pick }) => pick),
    degrade: table.degrade,
  };
  const { failures = 0, tainted = false, budget_used: used = 0, tier = null } = session;
  return chooseTier(ask, { tier, failures, isTainted: tainted, used });
}

function firstModel(config: ActiveConfig, { tiers }: RoutingEntry, tier: string): string | undefined {
  const entry = tiers.find(({ name }) => name === tier);
  return entry?.model ?? (entry?.route === undefined ? undefined : config.route(entry.route)?.candidates[0]?.model);
}

function differences({ expect }: RoutingTestEntry, { tier, model, reason, word }: RoutedOutcome): readonly string[] {
  const matched = word.words.filter((each) => each.matched);
  const missing = (expect.rules ?? []).filter((id) => !matched.some((each) => each.id === id));
  const wrong = [
    ...(expect.tier === undefined || expect.tier === tier
      ? []
      : [`expected tier ${expect.tier}, is ${tier} (${reason})`]),
    ...(expect.model === undefined || expect.model === model
      ? []
      : [`expected model ${expect.model}, is ${model ?? "none"} (tier ${tier}, ${reason})`]),
    ...(expect.reason === undefined || expect.reason === reason
      ? []
      : [`expected reason ${expect.reason}, is ${reason}`]),
    ...(missing.length === 0 ? [] : [`rule ${missing.map((id) => `"${id}"`).join(", ")} does not match`]),
  ];
  if (wrong.length === 0) return [];
  const spoke = matched.map(({ id, tier: its, error }) => `${id} (${its}${error === undefined ? "" : `: ${error}`})`);
  return [...wrong, `what matched: ${spoke.length === 0 ? "no rule" : spoke.join(", ")}`];
}
