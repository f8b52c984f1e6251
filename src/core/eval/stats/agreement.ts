// Decides how far two or more raters agree beyond chance, and how sure that is.
import { normalQuantile } from "./distributions.ts";

/** Cohen's kappa with its interval. */
export interface Kappa {
  readonly kappa: number;
  /** Share of cases on which both agree, weighted. */
  readonly agreement: number;
  /** Standard error where kappa is what it is, and where there is no agreement beyond chance. */
  readonly se: number;
  readonly se_null: number;
  readonly lower: number;
  readonly upper: number;
  readonly z: number;
  readonly n: number;
}

/** How far apart two labels are: `identity` knows equal and unequal, `linear` the distance of ordered ones. */
export type Weights = "identity" | "linear";

/** A square table of counts: rows are the first rater's labels, columns the second's, in the same order. */
export function confusionOf<L>(
  pairs: readonly (readonly [L, L])[],
  labels: readonly L[],
): readonly (readonly number[])[] {
  return labels.map((row) =>
    labels.map((column) => pairs.filter(([first, second]) => first === row && second === column).length),
  );
}

/**
 * Cohen's kappa of a table, with the large-sample standard error of Fleiss, Cohen & Everitt 1969 and a normal interval.
 * NaN where nothing can be said: an empty table, or raters who only ever use one label.
 */
export function cohenKappa(table: readonly (readonly number[])[], weights: Weights = "identity", level = 0.95): Kappa {
  const k = table.length;
  const n = table.flat().reduce((sum, count) => sum + count, 0);
  const p = table.map((row) => row.map((count) => count / n));
  const at = (i: number, j: number): number => p[i]?.[j] ?? 0;
  const index = Array.from({ length: k }, (_, i) => i);
  const sum = (of: (i: number) => number): number => index.reduce((total, i) => total + of(i), 0);
  const w = (i: number, j: number): number =>
    weights === "identity" ? Number(i === j) : 1 - Math.abs(i - j) / Math.max(1, k - 1);
  const rows = index.map((i) => sum((j) => at(i, j)));
  const columns = index.map((j) => sum((i) => at(i, j)));
  const row = (i: number): number => rows[i] ?? 0;
  const column = (j: number): number => columns[j] ?? 0;
  const po = sum((i) => sum((j) => w(i, j) * at(i, j)));
  const pe = sum((i) => sum((j) => w(i, j) * row(i) * column(j)));
  const kappa = (po - pe) / (1 - pe);
  const wr = index.map((i) => sum((j) => column(j) * w(i, j)));
  const wc = index.map((j) => sum((i) => row(i) * w(i, j)));
  const marginal = (i: number, j: number): number => (wr[i] ?? 0) + (wc[j] ?? 0);
  const spread = sum((i) => sum((j) => at(i, j) * (w(i, j) - marginal(i, j) * (1 - kappa)) ** 2));
  const null_spread = sum((i) => sum((j) => row(i) * column(j) * (w(i, j) - marginal(i, j)) ** 2));
  const scale = n * (1 - pe) ** 2;
  const se = Math.sqrt(Math.max(0, spread - (kappa - pe * (1 - kappa)) ** 2) / scale);
  const se_null = Math.sqrt(Math.max(0, null_spread - pe ** 2) / scale);
  const half = normalQuantile(0.5 + level / 2) * se;
  return { kappa, agreement: po, se, se_null, lower: kappa - half, upper: kappa + half, z: kappa / se_null, n };
}

/** Half the width of kappa's 95 % interval to be expected, given observed and chance agreement: for planning. */
export function kappaHalfWidth({
  agreement,
  chance,
  n,
}: {
  readonly agreement: number;
  readonly chance: number;
  readonly n: number;
}): number {
  return (1.96 * Math.sqrt((agreement * (1 - agreement)) / n)) / (1 - chance);
}

/** Fleiss' kappa: how often each subject was given each category, by the same number of raters. Fleiss 1971. */
export function fleissKappa(counts: readonly (readonly number[])[]): number {
  const subjects = counts.length;
  const raters = (counts[0] ?? []).reduce((sum, count) => sum + count, 0);
  const categories = (counts[0] ?? []).map(
    (_, j) => counts.reduce((sum, row) => sum + (row[j] ?? 0), 0) / (subjects * raters),
  );
  const agreement =
    counts.reduce(
      (sum, row) => sum + (row.reduce((all, count) => all + count * count, 0) - raters) / (raters * (raters - 1)),
      0,
    ) / subjects;
  const chance = categories.reduce((sum, share) => sum + share * share, 0);
  return (agreement - chance) / (1 - chance);
}
