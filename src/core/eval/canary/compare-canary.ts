// Decides whether a canary is worse than what is live, whenever one looks: by evidence that stays valid however often that is.
import { percent } from "../gate/metric.ts";
import { sampleRatio } from "../stats/sequential.ts";
import type {
  ArmTotals,
  CanaryInput,
  CanaryMetricReport,
  CanaryReport,
  CanaryState,
  CeilingMetric,
  ComparedMetric,
  SampleRatio,
} from "./canary-input.ts";
import { ceilingSequence, comparedSequence, meanOf, type Sequence } from "./sequences.ts";

/** Below this many sessions an arm, large-sample intervals promise more than they keep. */
const LEAST_SESSIONS = 100;
/** A Bayes factor at which a split is no longer as configured: passed by chance at most once in twenty canaries. */
const SPLIT_ALARM = 20;
const MOST_EVIDENCE = 1e300;

/**
 * Compares a canary with the live release on what their sessions came to so far. May be asked as often as one likes: the
 * chance that it ever says `worse` of any metric that is not worse by more than its margin is at most `alpha` over the
 * canary's whole life (each metric has `alpha` over their number; exact for rates and ceilings, for large samples else).
 * `within`: every metric is surely no worse than its margin allows; `better`: and at least one is surely better. A split that is not
 * as configured makes it `mismatched`, whatever the metrics say. Arms are not paired; sessions have to be assigned
 * without regard to what comes of them, such as by a hash of their id. Who changes the share starts counting anew.
 */
export function compareCanary(input: CanaryInput): CanaryReport {
  const alpha = input.alpha / Math.max(1, input.metrics.length);
  const metrics = input.metrics.map((metric) => reportOf(metric, { alpha, least: input.min_sessions }));
  const ratio = ratioOf(input.assigned);
  if (ratio?.is_alarm === true) {
    const { live, canary, share } = input.assigned;
    const says = `${canary} of ${live + canary} sessions went to the canary, not ${percent(share)}: the arms cannot be compared`;
    return { state: "mismatched", reasons: [says], metrics, sample_ratio: ratio };
  }
  const state = stateOf(metrics);
  const telling = metrics.filter((metric) => metric.state === state);
  return { state, reasons: telling.map(({ says }) => says), metrics, sample_ratio: ratio };
}

function stateOf(metrics: readonly CanaryMetricReport[]): CanaryState {
  const has = (...states: readonly CanaryState[]): boolean => metrics.some(({ state }) => states.includes(state));
  if (has("worse")) return "worse";
  if (metrics.length === 0 || has("watching")) return "watching";
  return has("better") ? "better" : "within";
}

interface Terms {
  readonly alpha: number;
  readonly least: number;
}

function reportOf(metric: ComparedMetric | CeilingMetric, { alpha, least }: Terms): CanaryMetricReport {
  const arms = metric.kind === "ceiling" ? { live: NOBODY, canary: metric.canary } : metric;
  const open = whyOpen(metric, least);
  const found = open === null ? sequenceOf(metric, alpha) : undefined;
  const frame = {
    id: metric.id,
    kind: metric.kind,
    alpha,
    n_live: arms.live.n,
    n_canary: arms.canary.n,
    live: finite(meanOf(arms.live)),
    canary: finite(meanOf(arms.canary)),
    margin: metric.kind === "ceiling" ? metric.ceiling : metric.margin,
  };
  if (found === undefined) return { ...frame, ...UNKNOWN, says: open ?? `${metric.id}: no two sessions differ in it` };
  const state = placeOf(metric, found, alpha);
  const e = Math.min(MOST_EVIDENCE, Math.exp(found.evidence));
  return {
    ...frame,
    state,
    method: found.method,
    delta: finite(found.delta),
    lower: finite(found.interval[0]),
    upper: finite(found.interval[1]),
    e_value: e,
    p: Math.min(1, 1 / e),
    says: sentenceOf(metric, found, state),
  };
}

const NOBODY: ArmTotals = { n: 0, sum: 0, sum_squares: 0 };
const UNKNOWN = {
  state: "watching",
  method: "none yet",
  delta: null,
  lower: null,
  upper: null,
  e_value: 1,
  p: 1,
} as const satisfies Partial<CanaryMetricReport>;

function sequenceOf(metric: ComparedMetric | CeilingMetric, alpha: number): Sequence | undefined {
  return metric.kind === "ceiling" ? ceilingSequence(metric, alpha) : comparedSequence(metric, alpha);
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** Why nothing is decided of a figure; `null` where something may be. */
function whyOpen(metric: ComparedMetric | CeilingMetric, least: number): string | null {
  const isRate = metric.kind === "rate" || metric.kind === "ceiling";
  const arms = metric.kind === "ceiling" ? [metric.canary] : [metric.live, metric.canary];
  if (!arms.every((arm) => isPossible(arm, isRate))) return `${metric.id}: its counts are not possible`;
  const needed = isRate ? Math.max(1, least) : Math.max(least, LEAST_SESSIONS);
  const fewest = Math.min(...arms.map(({ n }) => n));
  return fewest < needed ? `${metric.id}: ${fewest} sessions on one side, of ${needed} that it takes` : null;
}

function isPossible({ n, sum, sum_squares: squares }: ArmTotals, isRate: boolean): boolean {
  if (!Number.isSafeInteger(n) || n < 0 || !Number.isFinite(sum) || !Number.isFinite(squares)) return false;
  return !isRate || (Number.isSafeInteger(sum) && sum >= 0 && sum <= n);
}

function placeOf(metric: ComparedMetric | CeilingMetric, { interval, evidence }: Sequence, alpha: number): CanaryState {
  const [lower, upper] = interval;
  if (evidence >= Math.log(1 / alpha)) return "worse";
  if (metric.kind === "ceiling") return upper <= metric.ceiling ? "within" : "watching";
  const [best, worst] = metric.worse === "higher" ? [lower, upper] : [-upper, -lower];
  if (worst < 0) return "better";
  return worst <= metric.margin && best > Number.NEGATIVE_INFINITY ? "within" : "watching";
}

function sentenceOf(metric: ComparedMetric | CeilingMetric, { delta, interval }: Sequence, state: CanaryState): string {
  const [lower, upper] = interval.map(percent);
  const sessions = metric.kind === "ceiling" ? `${metric.canary.n}` : `${metric.live.n} and ${metric.canary.n}`;
  const seen = `${percent(delta)} [${lower}, ${upper}] in ${sessions} sessions`;
  if (metric.kind === "ceiling") return `${metric.id} is ${seen}: ${ceilingWords(state)} ${percent(metric.ceiling)}`;
  const moved = `${metric.id} moved by ${seen}`;
  switch (state) {
    case "worse":
      return `${moved}: it is worse${metric.margin === 0 ? "" : ` by more than ${percent(metric.margin)}`}`;
    case "better":
      return `${moved}: it is better`;
    case "within":
      return `${moved}: it is not worse by more than ${percent(metric.margin)}`;
    case "watching":
      return `${moved}: nothing is sure yet`;
    default:
      return state satisfies never;
  }
}

function ceilingWords(state: CanaryState): string {
  if (state === "worse") return "it is above";
  return state === "within" ? "it is not above" : "it is not known whether it is above";
}

/** The evidence that sessions are not split as configured (Lindon & Malek); `null` where the share leaves no split to test. */
function ratioOf({ live, canary, share }: CanaryInput["assigned"]): SampleRatio | null {
  if (!(share > 0 && share < 1)) return null;
  const factor = Math.min(MOST_EVIDENCE, sampleRatio([live, canary], [1 - share, share]));
  return { bayes_factor: factor, is_alarm: factor >= SPLIT_ALARM };
}
