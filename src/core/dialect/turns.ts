// Decides how turns are put together: one turn per role in a row, tool results first.
import type { Turn } from "./conversation.ts";

/** Neighbouring turns of one role as one turn, tool results first in it. */
export function mergedTurns(turns: readonly Turn[]): readonly Turn[] {
  const found: Turn[] = [];
  for (const turn of turns) {
    const last = found.at(-1);
    if (last?.role !== turn.role) {
      found.push(turn);
      continue;
    }
    const parts = [...last.parts, ...turn.parts];
    const results = parts.filter((part) => part.type === "tool_result");
    found[found.length - 1] = {
      role: turn.role,
      parts: [...results, ...parts.filter((part) => part.type !== "tool_result")],
    };
  }
  return found;
}
