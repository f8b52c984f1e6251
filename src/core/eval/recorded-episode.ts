// Decides what the recording of a case reads like as an episode: whole, and each model call on its own.
import type { CaseCall, CaseTool, EvalCase } from "./case.ts";
import type { Episode, EpisodeCall, EpisodeTurn } from "./episode.ts";
import { canonicalArgs } from "./replay/tape.ts";

/** The recording, both ways. */
export interface RecordedEpisodes {
  readonly whole: Episode;
  /** One for each recorded model call. */
  readonly calls: readonly Episode[];
}

/** The recording of a case. A call whose answer is not kept says nothing and asks for nothing. */
export function recordedEpisodes(each: EvalCase): RecordedEpisodes {
  const left = [...each.tools];
  const turns = each.calls.map((call) => turnOf(each, call, left));
  const whole: Episode = { status: "completed", why: null, turns, call: null };
  return { whole, calls: turns.map((turn, call) => ({ status: "completed", why: null, turns: [turn], call })) };
}

function turnOf(
  each: EvalCase,
  { reply, duration_ms, cost_micro_usd, input_tokens, output_tokens }: CaseCall,
  left: CaseTool[],
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
  { asks }: EvalCase,
  { name, args }: { readonly name: string; readonly args: string },
  left: CaseTool[],
): EpisodeCall {
  const at = left.findIndex((tool) => tool.name === name && canonicalArgs(tool.args) === canonicalArgs(args));
  const [used] = at < 0 ? [] : left.splice(at, 1);
  const tool = used?.tool ?? null;
  const asked = asks.find(
    ({ ask }) => ask.tool === tool && canonicalArgs(JSON.stringify(ask.args)) === canonicalArgs(args),
  );
  const effect = asked?.effect;
  const isKnown = effect === "allow" || effect === "deny" || effect === "require_approval" || effect === "draft";
  return {
    name,
    tool,
    args,
    decision: isKnown ? { effect, rules: [] } : null,
    answer: used === undefined ? "asked" : "recorded",
    result: used?.content ?? "",
  };
}
