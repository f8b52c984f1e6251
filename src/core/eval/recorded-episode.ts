// Decides what the recording of a case reads like as an episode: whole, each model call on its own, and the governed calls alone.
import { governedTool } from "./dataset/governed-tool.ts";
import type { CaseCall, EvalCase } from "./case.ts";
import type { Episode, EpisodeCall, EpisodeTurn } from "./episode.ts";
import { canonicalArgs } from "./replay/tape.ts";
import { EFFECTS, type Effect } from "../policy/decision.ts";
import type { RecordedCall } from "../policy/replay/recorded-call.ts";

/** The recording, both ways. */
export interface RecordedEpisodes {
  readonly whole: Episode;
  /** One for each recorded model call. */
  readonly calls: readonly Episode[];
}

const NOT_KEPT = "the recorded answer is not kept";

/**
 * The recording of a case. An episode with a model call whose answer is not kept is `failed`: nothing can be said of it,
 * least of all that the agent said nothing. Results and decisions stand with the calls that they were recorded for, each
 * with one call. O(calls × tools).
 */
export function recordedEpisodes(each: EvalCase): RecordedEpisodes {
  const left: Recorded = { tools: [...each.tools], asks: [...each.asks] };
  const turns = each.calls.map((call) => turnOf(each, call, left));
  const whole = each.calls.every(({ reply }) => reply !== null);
  return {
    whole: { ...statusOf(whole), turns, call: null },
    calls: turns.map((turn, call) => ({ ...statusOf(each.calls[call]?.reply !== null), turns: [turn], call })),
  };
}

/** The governed calls of a case as the policy decided on them then, whatever the model wrote: what they are decided on again against. */
export function recordedAsks({ asks }: Pick<EvalCase, "asks">): Episode {
  const calls = asks.map((asked): EpisodeCall => ({
    name: asked.ask.tool,
    tool: asked.ask.tool,
    args: JSON.stringify(asked.ask.args),
    decision: decisionOf(asked),
    answer: "asked",
    result: "",
  }));
  const figures = { duration_ms: 0, cost_micro_usd: 0, input_tokens: 0, output_tokens: 0 };
  const turn: EpisodeTurn = { text: "", refusal: null, finish: null, calls, model: null, ...figures };
  return { ...statusOf(true), turns: [turn], call: null };
}

function statusOf(isKept: boolean): Pick<Episode, "status" | "why"> {
  return isKept ? { status: "completed", why: null } : { status: "failed", why: NOT_KEPT };
}

/** What no call has been given yet. */
interface Recorded {
  readonly tools: EvalCase["tools"][number][];
  readonly asks: RecordedCall[];
}

function turnOf(
  each: EvalCase,
  { reply, duration_ms, cost_micro_usd, input_tokens, output_tokens }: CaseCall,
  left: Recorded,
): EpisodeTurn {
  const parts = reply?.parts ?? [];
  const textOf = (type: "text" | "refusal"): string =>
    parts.flatMap((part) => (part.type === type ? [part.text] : [])).join("");
  const refusal = textOf("refusal");
  return {
    text: textOf("text"),
    refusal: refusal === "" ? null : refusal,
    finish: reply?.finish ?? null,
    calls: parts.flatMap((part) => (part.type === "tool_call" ? [callOf(each, part, left)] : [])),
    model: null,
    duration_ms,
    cost_micro_usd,
    input_tokens,
    output_tokens,
  };
}

function callOf(
  each: EvalCase,
  { name, args }: { readonly name: string; readonly args: string },
  left: Recorded,
): EpisodeCall {
  const written = canonicalArgs(args);
  const used = taken(left.tools, (one) => one.name === name && canonicalArgs(one.args) === written);
  const tool = used?.tool ?? governedBy(each, name);
  const asked = taken(left.asks, ({ ask }) => ask.tool === tool && canonicalArgs(JSON.stringify(ask.args)) === written);
  return {
    name,
    tool,
    args,
    decision: asked === undefined ? null : decisionOf(asked),
    answer: used === undefined ? "asked" : "recorded",
    result: used?.content ?? "",
  };
}

/** The governed tool of a call without a result: what another call of the name stands for, else an ask that reads so. */
function governedBy({ tools, asks }: EvalCase, name: string): string | null {
  const same = tools.find((one) => one.name === name);
  return same === undefined ? governedTool(name, [...new Set(asks.map(({ ask }) => ask.tool))]) : same.tool;
}

function taken<T>(from: T[], isMeant: (each: T) => boolean): T | undefined {
  const at = from.findIndex(isMeant);
  return at < 0 ? undefined : from.splice(at, 1)[0];
}

/** The effect that was recorded; its rules are those of the policy of then, which nobody asks about. */
function decisionOf({ effect }: RecordedCall): EpisodeCall["decision"] {
  return isEffect(effect) ? { effect, rules: [] } : null;
}

function isEffect(effect: string): effect is Effect {
  return (EFFECTS as readonly string[]).includes(effect);
}
