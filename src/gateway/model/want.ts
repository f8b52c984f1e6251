// Decides what a model call's hold has to cover: the worst case of whichever candidate answers.
import { amounts } from "../../core/budget/amounts.ts";
import { worstCase } from "../../core/budget/estimate.ts";
import type { ModelCall } from "../../core/call.ts";
import { isCounting } from "../../core/dialect/names.ts";
import type { Candidate, RoutePlan } from "../../core/routing/plan.ts";
import type { Want } from "../../core/state/account.ts";
import type { RouteAsk } from "../../core/state/session-route.ts";

/** Output tokens asked for when neither the caller nor the config names a number. */
const DEFAULT_MAX_OUTPUT = 4_096;
/** A hold outlives its call by this much, in milliseconds. */
const HOLD_GRACE_MS = 30_000;

/** What these candidates can cost at most, each figure taken from the dearest of them. */
export function wantOf(call: ModelCall, candidates: readonly Candidate[], system: string | undefined): Want {
  const wants = candidates.map((candidate) => wantOfOne(call, candidate, system));
  const most = (of: (want: Want) => number): number => Math.max(0, ...wants.map(of));
  return {
    fixed: amounts({
      usd: most(({ fixed }) => fixed.usd),
      tokens: most(({ fixed }) => fixed.tokens),
      calls: isCounting(call.dialect) ? 0 : 1,
    }),
    unitPico: most(({ unitPico }) => unitPico),
    unitTokens: most(({ unitTokens }) => unitTokens),
    minUnits: most(({ minUnits }) => minUnits),
    maxUnits: most(({ maxUnits }) => maxUnits),
  };
}

function wantOfOne({ fields, body, bodyBytes, dialect }: ModelCall, { model }: Candidate, system = ""): Want {
  // Counting costs nothing, and what embeds puts nothing out.
  if (isCounting(dialect)) return { fixed: amounts({}), unitPico: 0, unitTokens: 0, minUnits: 0, maxUnits: 0 };
  // Each of many inputs may fill the context of a model that embeds.
  const context = dialect === "embeddings" ? undefined : model.entry.context;
  const size = { bytes: bodyBytes + 3 * system.length, text: body.text, context };
  // Anthropic writes to its cache only where it is told to.
  const cachesUnasked = model.provider.kind !== "anthropic";
  const worst = worstCase(model.price, size, { choices: fields.choices, cachesUnasked });
  const fixed = amounts({ usd: worst.inputMicro, tokens: worst.inputTokens, calls: 1 });
  if (dialect === "embeddings") return { fixed, unitPico: 0, unitTokens: 0, minUnits: 0, maxUnits: 0 };
  const most = model.entry.max_output_tokens;
  const asked = fields.maxOutput ?? most ?? DEFAULT_MAX_OUTPUT;
  const maxUnits = most === undefined ? asked : Math.min(asked, most);
  return { fixed, unitPico: worst.unitPico, unitTokens: worst.unitTokens, minUnits: Math.min(1, maxUnits), maxUnits };
}

/**
 * When a hold that nobody settles counts as spent: attempts begin within the first candidate's longest time, and the last
 * one may take its own.
 */
export function holdExpiry(
  startedAt: number,
  candidates: readonly Candidate[],
  { maxAttempts }: Pick<RoutePlan["retry"], "maxAttempts">,
): number {
  const [first] = candidates;
  const longest = Math.max(0, ...candidates.map(({ timeouts }) => timeouts.totalMs));
  const attempts = candidates.length === 1 && maxAttempts === 1 ? 0 : (first?.timeouts.totalMs ?? 0);
  return startedAt + attempts + longest + HOLD_GRACE_MS;
}

/** What a routed call's session chooses from, each tier with its worst case; `undefined` for any other call. */
export function routeAskOf(call: ModelCall, { routing }: RoutePlan, startedAt: number): RouteAsk | undefined {
  if (routing === undefined) return undefined;
  const { plans, isSticky, clean, tainted, degrade } = routing;
  const choices = plans.map(({ tier = "", candidates, system, retry }) => ({
    tier,
    want: wantOf(call, candidates, system),
    expiresAt: holdExpiry(startedAt, candidates, retry),
    subject: candidates[0]?.model.name ?? call.fields.model,
  }));
  return { isSticky, choices, clean, tainted, degrade };
}
