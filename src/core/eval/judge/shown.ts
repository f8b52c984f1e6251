// Decides what a judge, or a person, is shown of an episode: what came before it and what was done, as lines that no text in it can imitate.
import type { Part, Turn } from "../../dialect/conversation.ts";
import { recordedConversation } from "../../trace/recorded-model.ts";
import type { EvalCase } from "../case.ts";
import type { Episode } from "../episode.ts";

/** Characters that are shown of what came before, and of what is judged; the middle of more is left out. */
const MOST_BEFORE = 24_000;
const MOST_JUDGED = 48_000;

/** What stands before a line that goes on with the text of the one above it. */
const GOES_ON = "    ";
/** Everything that ends a line for somebody: line feeds, returns, vertical tabs, form feeds, and Unicode's own. */
const LINE_ENDS = /\r\n|[\n\r\v\f\u0085\u2028\u2029]/g;

/** The line that what is judged begins after. */
export const JUDGED_FROM = "--- WHAT IS JUDGED ---";

/**
 * An episode as text. Each thing said or done begins a line with who did it; the text goes on indented, so that nothing
 * within it reads like another's word. Before the episode stands what its model was asked with: the request of the
 * recorded call that it replays, or of the first one; the agent's own instructions are no part of that, since they may be
 * what is compared. Neither side of a comparison is named.
 */
export function shownTo(each: EvalCase, episode: Episode): string {
  const call = each.calls[episode.call ?? 0];
  const conversation =
    call === undefined ? undefined : recordedConversation(JSON.stringify(call.request), call.dialect);
  const before = (conversation?.turns ?? []).flatMap(linesBefore);
  const judged = episode.turns.flatMap(({ text, refusal, calls }) => [
    ...(text === "" ? [] : [line("AGENT", text)]),
    ...(refusal === null ? [] : [line("AGENT DECLINES", refusal)]),
    ...calls.flatMap(({ name, args, result }) => [
      line("TOOL CALL", `${name} ${args}`),
      ...(result === "" ? [] : [line("TOOL RESULT", result)]),
    ]),
  ]);
  return [
    within(before.join("\n"), MOST_BEFORE),
    JUDGED_FROM,
    judged.length === 0 ? "(the agent said and did nothing)" : within(judged.join("\n"), MOST_JUDGED),
  ]
    .filter((part) => part !== "")
    .join("\n");
}

/** A text as it may stand among others: whatever it says, it stays one thing that somebody said. */
export function line(who: string, text: string): string {
  return `${who}: ${text.replaceAll(LINE_ENDS, `\n${GOES_ON}`)}`;
}

function linesBefore({ role, parts }: Turn): readonly string[] {
  if (role === "system") return [];
  return parts.flatMap((part) => lineOf(role === "user" ? "USER" : "AGENT", part));
}

function lineOf(who: "USER" | "AGENT", part: Part): readonly string[] {
  switch (part.type) {
    case "text":
      return [line(who, part.text)];
    case "refusal":
      return [line(`${who} DECLINES`, part.text)];
    case "tool_call":
      return [line("TOOL CALL", `${part.name} ${part.args}`)];
    case "tool_result":
      return [
        line("TOOL RESULT", part.content.map((each) => (each.type === "text" ? each.text : each.type)).join("\n")),
      ];
    case "image":
    case "document":
    case "audio":
      return [line(who, `(${part.type})`)];
    case "reasoning":
      return [];
    default:
      return part satisfies never;
  }
}

function within(text: string, most: number): string {
  if (text.length <= most) return text;
  const half = most / 2;
  // What is left may begin in the middle of somebody's text: it goes on with it.
  const rest = text.slice(-half);
  return `${text.slice(0, half)}\n[${text.length - most} characters left out]\n${GOES_ON}${rest}`;
}
