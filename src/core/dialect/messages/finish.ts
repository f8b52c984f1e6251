// Decides what Anthropic's stop reasons mean, and which one tells how an answer ended.
import type { Finish } from "../reply.ts";
import type { JsonObject } from "../../json/canonical.ts";

const MEANING: Readonly<Record<string, Finish>> = {
  end_turn: "stop",
  stop_sequence: "stop_sequence",
  max_tokens: "length",
  model_context_window_exceeded: "length",
  tool_use: "tool_calls",
  refusal: "filtered",
  pause_turn: "paused",
};

/** How an answer ended. One that holds calls and says no more than that it is over waits for their results. */
export function finishOf(stopReason: string, hasCalls: boolean): Finish {
  const finish = (Object.hasOwn(MEANING, stopReason) ? MEANING[stopReason] : undefined) ?? "other";
  return hasCalls && (finish === "stop" || finish === "stop_sequence") ? "tool_calls" : finish;
}

const REASONS: Readonly<Record<Finish, string>> = {
  stop: "end_turn",
  stop_sequence: "stop_sequence",
  length: "max_tokens",
  tool_calls: "tool_use",
  filtered: "refusal",
  paused: "pause_turn",
  // Whatever it was, it was no success.
  other: "refusal",
};

/** What an answer says of its end. */
export interface Ending {
  readonly finish: Finish | undefined;
  readonly stopSequence: string | undefined;
  /** Whether the model said that it would not answer. */
  readonly isRefused: boolean;
}

/** The members that tell of an answer's end; `stop_reason` is `null` when nobody said how it ended. */
export function writeEnding({ finish, stopSequence, isRefused }: Ending): JsonObject {
  const reason = finish === undefined ? null : isRefused && finish === "stop" ? "refusal" : REASONS[finish];
  return {
    stop_reason: reason,
    stop_sequence: reason === "stop_sequence" ? (stopSequence ?? null) : null,
    stop_details:
      reason === "refusal"
        ? {
            type: "refusal",
            category: null,
            explanation: finish === "other" ? "The model stopped for a reason that has no word here." : null,
          }
        : null,
  };
}
