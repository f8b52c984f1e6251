// Decides what has drifted between two weeks, or from a baseline release: far enough to matter, and further than chance goes.
import { sha256Hex } from "../json/digest.ts";
import type { RollupRow } from "../trace/rollup.ts";
import { distanceByChance, stabilityByChance } from "./chance.ts";
import { kolmogorovSmirnov, pooledBins, populationStability, total, type Bins } from "./distance.ts";
import { differenceInterval, type Share } from "./proportions.ts";
import { measuresOf, RATES, weeklyCounts, type WeeklyCounts } from "./weekly.ts";
import type { Week } from "./week.ts";

/** From when on a change counts. */
export interface DriftTerms {
  readonly psi: number;
  readonly ks: number;
  /** Least change of a share. */
  readonly rate: number;
  /** Fewer calls on either side are not compared. */
  readonly min_calls: number;
  /** A release that the others are compared with too. */
  readonly baseline?: string | undefined;
}

/** How far one thing has moved, and how far it may. */
export interface DriftFinding {
  /** The same for the same question, whenever it is asked. */
  readonly id: string;
  readonly week: string;
  /** The week before by its name, or `baseline` and the release. */
  readonly against: string;
  /** `null` for calls that named none. */
  readonly release: string | null;
  readonly kind: string;
  /** The tool or model; `*` for the mix of a release's tools. */
  readonly subject: string;
  readonly metric: string;
  readonly calls: { readonly before: number; readonly now: number };
  /** Distances, each with what it had to reach. A mix has no order, so no KS. */
  readonly psi?: Measured;
  readonly ks?: Measured;
  /** Shares, and the 95 % interval of their difference. */
  readonly rate?: {
    readonly before: number;
    readonly now: number;
    readonly low: number;
    readonly high: number;
    readonly threshold: number;
  };
  readonly drifted: boolean;
}

/** A distance and its threshold: the larger of the configured one and what chance exceeds once in a thousand. */
export interface Measured {
  readonly value: number;
  readonly threshold: number;
}

/** Everything that was compared in a week, what drifted first; and what had too few calls to be. */
export interface DriftReport {
  readonly week: string;
  readonly compared: readonly DriftFinding[];
  readonly too_few: readonly { readonly release: string | null; readonly kind: string; readonly subject: string }[];
}

/** The daily counts of a week and of the one before. */
export interface TwoWeeks {
  readonly tenant: string;
  readonly week: Week;
  readonly before: Week;
  readonly rows: readonly RollupRow[];
}

/** Compares every release and tool of a week with itself the week before, and with the baseline release in the same week. */
export function compareWeeks({ tenant, week, before, rows }: TwoWeeks, terms: DriftTerms): DriftReport {
  const of = ({ firstDay }: Week): readonly RollupRow[] =>
    rows.filter(({ day }) => day >= firstDay && day < firstDay + 7);
  const [now, was] = [weeklyCounts(of(week)), weeklyCounts(of(before))];
  const place = { tenant, week: week.name, terms };
  const pairs = [...now].flatMap(([key, counts]) => [
    { counts, other: was.get(key), against: before.name },
    ...(terms.baseline === undefined || terms.baseline === counts.release
      ? []
      : [
          {
            counts,
            other: now.get(JSON.stringify([terms.baseline, counts.kind, counts.subject])),
            against: `baseline ${terms.baseline}`,
          },
        ]),
  ]);
  const enough = pairs.filter(({ counts, other }) => isEnough(counts, other, terms));
  const compared = enough.flatMap(({ counts, other, against }) =>
    other === undefined ? [] : comparisons({ ...place, against }, other, counts),
  );
  const all = [...compared, ...mixes(place, { now, was, before: before.name })];
  return {
    week: week.name,
    compared: all.toSorted((left, right) => Number(right.drifted) - Number(left.drifted)),
    too_few: [...now.values()]
      .filter((counts) => !enough.some((pair) => pair.counts === counts))
      .map(({ release, kind, subject }) => ({ release: release === "" ? null : release, kind, subject })),
  };
}

function isEnough(counts: WeeklyCounts, other: WeeklyCounts | undefined, { min_calls }: DriftTerms): boolean {
  return counts.calls >= min_calls && other !== undefined && other.calls >= min_calls;
}

interface Place {
  readonly tenant: string;
  readonly week: string;
  readonly terms: DriftTerms;
}

type Against = Place & { readonly against: string };

function comparisons(at: Against, was: WeeklyCounts, now: WeeklyCounts): readonly DriftFinding[] {
  const base = { release: now.release, kind: now.kind, subject: now.subject };
  const isMeasured = Math.min(was.succeeded, now.succeeded) >= at.terms.min_calls;
  const distances = isMeasured
    ? measuresOf(now.kind).map((measure) => {
        const [left, right] = pooledBins(was.distributions[measure], now.distributions[measure]);
        return distanceFinding(at, { ...base, metric: METRICS[measure] }, { left, right, isOrdered: true });
      })
    : [];
  const shares = RATES.map((rate) => rateFinding(at, { ...base, metric: rate }, [was.rates[rate], now.rates[rate]]));
  return [...distances, ...shares];
}

const METRICS = { latency: "latency", cost: "cost", input: "input_tokens", output: "output_tokens" } as const;

interface Named {
  readonly release: string;
  readonly kind: string;
  readonly subject: string;
  readonly metric: string;
}

interface Bars {
  readonly left: Bins;
  readonly right: Bins;
  readonly isOrdered: boolean;
}

function distanceFinding(at: Against, named: Named, { left, right, isOrdered }: Bars): DriftFinding {
  const [before, now] = [total(left), total(right)];
  const psi: Measured = {
    value: rounded(populationStability(left, right)),
    threshold: rounded(Math.max(at.terms.psi, stabilityByChance(left.length, before, now))),
  };
  const ks: Measured = {
    value: rounded(kolmogorovSmirnov(left, right)),
    threshold: rounded(Math.max(at.terms.ks, distanceByChance(before, now))),
  };
  const drifted = psi.value >= psi.threshold || (isOrdered && ks.value >= ks.threshold);
  return { ...named_(at, named), calls: { before, now }, psi, ...(isOrdered ? { ks } : {}), drifted };
}

function rateFinding(at: Against, named: Named, [was, now]: readonly [Share, Share]): DriftFinding {
  const { low, high } = differenceInterval(now, was);
  const [before, current] = [was.count / was.of, now.count / now.of];
  const threshold = at.terms.rate;
  return {
    ...named_(at, named),
    calls: { before: was.of, now: now.of },
    rate: { before: rounded(before), now: rounded(current), low: rounded(low), high: rounded(high), threshold },
    drifted: Math.abs(current - before) >= threshold && (low > 0 || high < 0),
  };
}

function named_(at: Against, { release, kind, subject, metric }: Named): Omit<DriftFinding, "calls" | "drifted"> {
  const name = JSON.stringify([at.tenant, at.week, at.against, release, kind, subject, metric]);
  return {
    id: `dr_${sha256Hex(name).slice(0, 32)}`,
    week: at.week,
    against: at.against,
    release: release === "" ? null : release,
    kind,
    subject,
    metric,
  };
}

type Weekly = ReadonlyMap<string, WeeklyCounts>;

/** Whether a release's calls are spread over its tools as they were. */
function mixes(
  place: Place,
  { now, was, before }: { readonly now: Weekly; readonly was: Weekly; readonly before: string },
): readonly DriftFinding[] {
  const [current, earlier] = [toolsByRelease(now), toolsByRelease(was)];
  const pairs = [...current].flatMap(([release, tools]) => [
    { release, tools, other: earlier.get(release), against: before },
    ...(place.terms.baseline === undefined || place.terms.baseline === release
      ? []
      : [{ release, tools, other: current.get(place.terms.baseline), against: `baseline ${place.terms.baseline}` }]),
  ]);
  return pairs.flatMap(({ release, tools, other, against }) => {
    if (other === undefined || Math.min(sum(tools), sum(other)) < place.terms.min_calls) return [];
    const [left, right] = sameTools(other, tools);
    const named = { release, kind: "execute_tool", subject: "*", metric: "tool_mix" };
    return left.length < 2 ? [] : [distanceFinding({ ...place, against }, named, { left, right, isOrdered: false })];
  });
}

type Tools = ReadonlyMap<string, number>;

function toolsByRelease(weekly: Weekly): ReadonlyMap<string, Tools> {
  const tools = [...weekly.values()].filter(({ kind }) => kind === "execute_tool");
  const groups = Map.groupBy(tools, ({ release }) => release);
  return new Map(
    [...groups].map(([release, each]) => [release, new Map(each.map(({ subject, calls }) => [subject, calls]))]),
  );
}

function sum(tools: Tools): number {
  return [...tools.values()].reduce((all, calls) => all + calls, 0);
}

/** Tools of their own bin; the rest share one. */
const OWN_BINS = 20;

/** Both sides over the same tools, the most used first. */
function sameTools(left: Tools, right: Tools): readonly [Bins, Bins] {
  const both = (tool: string): number => (left.get(tool) ?? 0) + (right.get(tool) ?? 0);
  const tools = [...new Set([...left.keys(), ...right.keys()])].toSorted(
    (one, other) => both(other) - both(one) || one.localeCompare(other),
  );
  const rest = tools.slice(OWN_BINS);
  const binsOf = (side: Tools): Bins => [
    ...tools.slice(0, OWN_BINS).map((tool) => side.get(tool) ?? 0),
    ...(rest.length === 0 ? [] : [rest.reduce((all, tool) => all + (side.get(tool) ?? 0), 0)]),
  ];
  return [binsOf(left), binsOf(right)];
}

function rounded(value: number): number {
  return Math.round(value * 1_000_000) / 1_000_000;
}
