// Decides the recorded tool calls of a case again under one policy: an episode without a model.
import type { ActiveConfig } from "../../config/published.ts";
import { RAN, ReplaySide } from "../../policy/replay/replay-side.ts";
import type { EvalCase } from "../case.ts";
import type { Episode, EpisodeCall } from "../episode.ts";

/** What the policy of a side says to each recorded call; one that it cannot decide on (no such tool, other arguments) is denied. */
export function policyEpisode(config: ActiveConfig, { asks }: Pick<EvalCase, "asks">): Episode {
  const side = new ReplaySide(config);
  const calls = asks.map((recorded): EpisodeCall => {
    const { ask } = recorded;
    const tool = config.tool(ask.tool);
    const isFit = tool !== undefined && tool.check(ask.args).length === 0;
    const decided = isFit ? side.decide(tool, recorded) : undefined;
    if (RAN.has(recorded.status)) side.ran(recorded);
    const against = (decided?.reasons ?? []).filter(({ effect }) => effect === decided?.effect);
    return {
      name: ask.tool,
      tool: ask.tool,
      args: JSON.stringify(ask.args),
      decision:
        decided === undefined
          ? { effect: "deny", rules: [tool === undefined ? "tool.known" : "tool.arguments"] }
          : { effect: decided.effect, rules: [...new Set(against.map(({ rule_id }) => rule_id))] },
      answer: "asked",
      result: "",
    };
  });
  const turn = { text: "", refusal: null, finish: null, calls, model: null };
  const figures = { duration_ms: 0, cost_micro_usd: 0, input_tokens: 0, output_tokens: 0 };
  return { status: "completed", why: null, turns: [{ ...turn, ...figures }], call: null };
}
