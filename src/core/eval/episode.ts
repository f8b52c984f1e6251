// Decides what one run of a case is: what the model said and asked for, what its tools answered, and how it ended.
import type { Finish } from "../dialect/reply.ts";
import type { Effect } from "../policy/decision.ts";

/**
 * How a tool call of a replay was answered: from the recording, by a declared simulator, with the policy's refusal
 * (`denied`, `waiting`), as one whose arguments do not fit (`invalid`), or not at all, because nothing recorded answers
 * it (`divergent`). `asked` is one that a mode without tools leaves unanswered. Nothing is ever sent.
 */
export type ToolAnswer = "recorded" | "simulated" | "denied" | "waiting" | "invalid" | "divergent" | "asked";

/** One tool call that the model asked for. */
export interface EpisodeCall {
  /** As the model called it. */
  readonly name: string;
  /** The governed tool; `null` for one that the gateway does not govern. */
  readonly tool: string | null;
  /** JSON text as the model wrote it. */
  readonly args: string;
  /** What the policy of the side says to it; `null` where nothing governs it. */
  readonly decision: { readonly effect: Effect; readonly rules: readonly string[] } | null;
  readonly answer: ToolAnswer;
  /** What the model was shown. */
  readonly result: string;
}

/** One model call. */
export interface EpisodeTurn {
  readonly text: string;
  /** What the model said instead of an answer it would not give. */
  readonly refusal: string | null;
  readonly finish: Finish | null;
  readonly calls: readonly EpisodeCall[];
  /** The model that answered, by its config name; `null` where that is not known. */
  readonly model: string | null;
  readonly duration_ms: number;
  readonly cost_micro_usd: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
}

/**
 * How a run of a case ended. `divergent`: it was stopped at a call that nothing recorded answers. `cut`: it used up its
 * steps or its budget. `failed`: no fault of what is tested (a provider or the gateway failed, a deadline passed): neither
 * a pass nor a failure.
 */
export type EpisodeStatus = "completed" | "divergent" | "cut" | "failed";

/** One run of a case, or of one recorded call of it. */
export interface Episode {
  readonly status: EpisodeStatus;
  /** Why it did not complete. */
  readonly why: string | null;
  readonly turns: readonly EpisodeTurn[];
  /** Index of the recorded call that it replays on its own; `null` for a whole trajectory. */
  readonly call: number | null;
}

/** What an episode used, all turns together. */
export interface EpisodeFigures {
  readonly cost_micro_usd: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  /** The models' time alone: recorded tools take none. */
  readonly duration_ms: number;
  readonly model_calls: number;
  readonly tool_calls: number;
}

/** The figures of an episode. */
export function figuresOf({ turns }: Pick<Episode, "turns">): EpisodeFigures {
  const sum = (of: (turn: EpisodeTurn) => number): number => turns.reduce((total, turn) => total + of(turn), 0);
  return {
    cost_micro_usd: sum((turn) => turn.cost_micro_usd),
    input_tokens: sum((turn) => turn.input_tokens),
    output_tokens: sum((turn) => turn.output_tokens),
    duration_ms: sum((turn) => turn.duration_ms),
    model_calls: turns.length,
    tool_calls: sum((turn) => turn.calls.length),
  };
}

/** The last thing that the agent said; empty where it said nothing. */
export function finalText({ turns }: Pick<Episode, "turns">): string {
  return turns.at(-1)?.text ?? "";
}

/** Every tool call of an episode, in order. */
export function callsOf({ turns }: Pick<Episode, "turns">): readonly EpisodeCall[] {
  return turns.flatMap((turn) => turn.calls);
}
