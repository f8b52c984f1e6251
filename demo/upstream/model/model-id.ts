// Decides what a model id makes the demo model do.

const FAULTS = [
  "fault-400",
  "fault-401",
  "fault-429",
  "fault-500-html",
  "fault-503",
  "fault-hang",
  "fault-hang-mid",
  "fault-cut",
  "fault-in-band",
  "fault-in-band-late",
  "fault-empty-stream",
  "fault-crlf",
  "fault-garbage-event",
  "fault-no-usage",
  "fault-big-event",
] as const;

/** A way of misbehaving that a model id selects. */
export type ModelFault = (typeof FAULTS)[number];

/** What the demo model does when called. Counts are whole and at most a million. */
export type Behaviour =
  | { readonly kind: "script" }
  | { readonly kind: "paced"; readonly delayMs: number }
  | { readonly kind: "burst"; readonly frames: number }
  | { readonly kind: "text"; readonly tokens: number }
  | { readonly kind: "limited-once"; readonly key: string }
  | { readonly kind: "fault"; readonly fault: ModelFault };

/** The ids `GET /v1/models` lists; all other ids exist for tests. */
export const LISTED_MODELS = ["demo-large", "demo-small"] as const;

/** The behaviour behind a model id, or undefined when there is no such model. */
export function behaviourOf(model: string): Behaviour | undefined {
  if (LISTED_MODELS.some((listed) => listed === model)) return { kind: "script" };
  const fault = FAULTS.find((name) => name === model);
  if (fault !== undefined) return { kind: "fault", fault };
  if (model.startsWith("fault-429-once:")) return { kind: "limited-once", key: model };
  return measured(model);
}

function measured(model: string): Behaviour | undefined {
  const parts = /^(?<family>slow|frames|text)-(?<amount>\d{1,7})$/.exec(model)?.groups;
  const amount = Number(parts?.["amount"]);
  if (parts === undefined || amount > 1_000_000) return undefined;
  if (parts["family"] === "slow") return { kind: "paced", delayMs: amount };
  return parts["family"] === "frames" ? { kind: "burst", frames: amount } : { kind: "text", tokens: amount };
}
