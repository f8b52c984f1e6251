// Decides what a model id makes the demo model do.

const FAULTS = [
  "fault-400",
  "fault-401",
  "fault-429",
  "fault-500-html",
  "fault-503",
  "fault-529",
  "fault-hang",
  "fault-hang-preamble",
  "fault-hang-mid",
  "fault-cut",
  "fault-half",
  "fault-truncated",
  "fault-in-band",
  "fault-in-band-late",
  "fault-empty-stream",
  "fault-crlf",
  "fault-pings",
  "fault-garbage-event",
  "fault-no-usage",
  "fault-big-event",
] as const;

/** A way of misbehaving that a model id selects. */
export type ModelFault = (typeof FAULTS)[number];

const MANNERS = [
  /** Says something, then calls two tools at once. */
  "parallel-tools",
  /** Calls a tool with no arguments at all. */
  "empty-args",
  /** Declines in the words its dialect has for it. */
  "refusal",
  /** Is cut short by a content filter after three pieces. */
  "filtered",
  /** Answers nothing, because the prompt itself is filtered. */
  "blocked",
  /** Ends for length, whatever limit was asked for. */
  "length",
  /** Follows the script, and thinks before it answers. */
  "reasoning",
  /** Follows the script, and has half of the prompt from a cache and a quarter put into one. */
  "cached",
] as const;

/** A way of answering that a model id selects. */
export type Manner = (typeof MANNERS)[number];

/** What the demo model does when called. Counts are whole and at most a million. */
export type Behaviour =
  | { readonly kind: "script" }
  | { readonly kind: "manner"; readonly manner: Manner }
  | { readonly kind: "paced"; readonly delayMs: number }
  | { readonly kind: "late"; readonly delayMs: number }
  | { readonly kind: "burst"; readonly frames: number }
  | { readonly kind: "text"; readonly tokens: number }
  | { readonly kind: "limited-once"; readonly key: string }
  | { readonly kind: "fault"; readonly fault: ModelFault };

/** The id of the model that embeds. */
export const EMBEDDING_MODEL = "demo-embedding";

const SCRIPTED = ["demo-large", "demo-small"] as const;

/** The ids that the lists of models show; all other ids exist for tests. */
export const LISTED_MODELS = [...SCRIPTED, EMBEDDING_MODEL] as const;

/** The behaviour behind a model id, or undefined when there is no such model. */
export function behaviourOf(model: string): Behaviour | undefined {
  if (LISTED_MODELS.some((listed) => listed === model)) return { kind: "script" };
  const fault = FAULTS.find((name) => name === model);
  if (fault !== undefined) return { kind: "fault", fault };
  const manner = MANNERS.find((name) => name === model);
  if (manner !== undefined) return { kind: "manner", manner };
  if (model.startsWith("fault-429-once:")) return { kind: "limited-once", key: model };
  return measured(model);
}

function measured(model: string): Behaviour | undefined {
  const parts = /^(?<family>slow|late|frames|text)-(?<amount>\d{1,7})$/.exec(model)?.groups;
  const amount = Number(parts?.["amount"]);
  if (parts === undefined || amount > 1_000_000) return undefined;
  const { family } = parts;
  if (family === "slow" || family === "late") return { kind: family === "slow" ? "paced" : "late", delayMs: amount };
  return family === "frames" ? { kind: "burst", frames: amount } : { kind: "text", tokens: amount };
}
