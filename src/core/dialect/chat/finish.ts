// Decides what finish reasons of chat completions mean, and which one tells how an answer ended.
import type { Finish } from "../reply.ts";

const MEANING: Readonly<Record<string, Finish>> = {
  stop: "stop",
  length: "length",
  tool_calls: "tool_calls",
  function_call: "tool_calls",
  content_filter: "filtered",
};

/** How an answer ended; one that holds calls and says no more than that it is over waits for their results. */
export function finishOf(reason: string | undefined, hasCalls: boolean): Finish {
  const finish = (reason !== undefined && Object.hasOwn(MEANING, reason) ? MEANING[reason] : undefined) ?? "other";
  return hasCalls && finish === "stop" ? "tool_calls" : finish;
}

const REASONS: Readonly<Record<Finish, string>> = {
  stop: "stop",
  stop_sequence: "stop",
  length: "length",
  tool_calls: "tool_calls",
  filtered: "content_filter",
  // Neither is over, and neither has a word: whoever reads it must not take it for an answer.
  paused: "length",
  other: "content_filter",
};

/** OpenAI's word for how an answer ended. */
export function finishReason(finish: Finish): string {
  return REASONS[finish];
}
