// Describes the headers that every governed call reads and answers, for the API reference.
import type { Parameter } from "./route.ts";

const header = (name: string, description: string): Parameter => ({ name, in: "header", description });

/** Request headers of a call, all optional. What they declare is a fact of that origin; none can widen the policy. */
export const CALL_HEADERS: readonly Parameter[] = [
  header(
    "Interlock-Session",
    "The session whose budget the call counts in: 1 to 128 letters, digits and `._:-`. The trace id when left out.",
  ),
  header("Interlock-Task", "The task within the session; a task has a budget of its own"),
  header("Interlock-Actor", "The actor to act as; needed when the key lists several"),
  header("Interlock-Intent", "What the call is for, kept with its record"),
  header("Interlock-Confidence", "How sure the agent is, from 0 to 1, kept with its record"),
  header("Interlock-User", "The end user on whose behalf the agent acts"),
  header(
    "Interlock-User-Prompt",
    "The task in that user's words: percent-encoded UTF-8, at most 8192 bytes once decoded. Rules see it as `call.user_prompt`",
  ),
  header("Interlock-Confirmed", "`true`: the caller says that its user confirmed. A fact for rules, never more"),
  header(
    "Interlock-Release",
    "The release that the caller runs as: its tools narrow the call, and switches can name it. Of a call that asks for an agent, which release answers",
  ),
  header("Interlock-Allowed-Tools", "A comma list of tools that narrows what the actor may call"),
  header("traceparent", "W3C trace context: calls that carry one trace id read as one story"),
];

/** Response headers of a call. */
export const ANSWER_HEADERS: Readonly<Record<string, string>> = {
  "Interlock-Trace-Id": "The trace that the call is recorded in",
  "Interlock-Session": "The session it counted in",
  "Interlock-Policy-Version": "The config version it was decided under",
  "Interlock-Budget-Remaining-Usd": "What the session's dollar budget has left while this call's own hold is open",
};
