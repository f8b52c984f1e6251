// Names what a canary is compared on, and what is said of it. One session counts once, whatever happened in it.

/** What the sessions of one arm came to in one figure. */
export interface ArmTotals {
  /** Sessions that have the figure. */
  readonly n: number;
  readonly sum: number;
  /** Of a rate it is not looked at: zero or one squared is itself. */
  readonly sum_squares: number;
}

/**
 * What kind of figure it is. `rate`: zero or one a session. `mean`: any amount. `log_mean`: the natural logarithm of a
 * positive amount, whose mean is moved less by a few huge sessions: the better choice for cost and latency.
 */
export type CanaryFigure = "rate" | "mean" | "log_mean";

/** A figure that both arms have. */
export interface ComparedMetric {
  readonly id: string;
  readonly kind: CanaryFigure;
  /** Which way is worse. */
  readonly worse: "higher" | "lower";
  /** Changes up to this are no reason to act: absolute for rates, a share of the live arm's mean for the others. */
  readonly margin: number;
  readonly live: ArmTotals;
  readonly canary: ArmTotals;
}

/** A rate of the canary that must not pass a ceiling, whatever the live arm does. */
export interface CeilingMetric {
  readonly id: string;
  readonly kind: "ceiling";
  readonly ceiling: number;
  readonly canary: ArmTotals;
}

/** What a canary is compared on. */
export interface CanaryInput {
  readonly metrics: readonly (ComparedMetric | CeilingMetric)[];
  /** The chance of any false alarm over the canary's whole life, all metrics together: each has an equal part of it. */
  readonly alpha: number;
  /** Sessions on each side below which nothing is decided; large-sample figures take 100 at least. */
  readonly min_sessions: number;
  /** Sessions that each arm was given, and the canary's share of them as configured, above 0 and below 1, the same all the while. */
  readonly assigned: { readonly live: number; readonly canary: number; readonly share: number };
}

/**
 * `watching`: nothing is sure yet. `worse`: by more than the margin, or above the ceiling. `within`: surely not. `better`:
 * surely not, and surely better than what is live.
 */
export type CanaryState = "watching" | "worse" | "within" | "better";

/** What is said of one figure. */
export interface CanaryMetricReport {
  readonly id: string;
  readonly kind: CanaryFigure | "ceiling";
  readonly state: CanaryState;
  readonly method: string;
  /** Its part of the chance of a false alarm. */
  readonly alpha: number;
  readonly n_live: number;
  readonly n_canary: number;
  readonly live: number | null;
  readonly canary: number | null;
  /** Canary less live for rates, the ratio less one for the others, the rate itself under a ceiling. `null`: unknown or unbounded. */
  readonly delta: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
  /** The margin, or the ceiling. */
  readonly margin: number;
  /** Evidence that it is worse by more than the margin: at least `1/alpha` is an alarm. At most 1e300. */
  readonly e_value: number;
  /** Always valid: whenever one looks, it is at most alpha by chance no more often than that. */
  readonly p: number;
  readonly says: string;
}

/** Whether sessions were split as configured. */
export interface SampleRatio {
  readonly bayes_factor: number;
  readonly is_alarm: boolean;
}

/** What is said of a canary. `mismatched`: the split is not as configured, so that no comparison can be trusted. */
export interface CanaryReport {
  readonly state: CanaryState | "mismatched";
  readonly reasons: readonly string[];
  readonly metrics: readonly CanaryMetricReport[];
  readonly sample_ratio: SampleRatio | null;
}
