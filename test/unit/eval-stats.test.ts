// Holds every statistic against the reference values of test/corpus/stats-reference.json, each of which names its source.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as agreement from "../../src/core/eval/stats/agreement.ts";
import * as corrections from "../../src/core/eval/stats/corrections.ts";
import { normalQuantile } from "../../src/core/eval/stats/distributions.ts";
import * as means from "../../src/core/eval/stats/means.ts";
import * as planning from "../../src/core/eval/stats/planning.ts";
import * as proportions from "../../src/core/eval/stats/proportions.ts";
import * as sequential from "../../src/core/eval/stats/sequential.ts";

type Numbers = Readonly<Record<string, unknown>>;
interface Entry {
  readonly name: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- each entry has inputs of its own
  readonly inputs: any;
  readonly expected: Numbers;
  readonly tolerance: number | { readonly rel?: number; readonly abs?: number };
}

const { entries } = JSON.parse(readFileSync("test/corpus/stats-reference.json", "utf8")) as {
  entries: readonly Entry[];
};

/** By the first part of an entry's name, and its second where that is needed: what is computed. */
const COMPUTED: Readonly<Record<string, (entry: Entry) => Numbers>> = {
  "kappa.halfwidth": ({ inputs }) => ({
    halfwidth: agreement.kappaHalfWidth({ agreement: inputs.po, chance: inputs.pe, n: inputs.n }),
  }),
  kappa: ({ inputs }) => {
    const labels = inputs.rater1 === undefined ? [] : [...new Set<string>([...inputs.rater1, ...inputs.rater2])];
    const table =
      inputs.table ??
      agreement.confusionOf(
        inputs.rater1.map((each: string, at: number) => [each, inputs.rater2[at]]),
        labels,
      );
    const found = agreement.cohenKappa(table, inputs.weights === undefined ? "identity" : "linear");
    return { kappa: found.kappa, ase: found.se, ase0: found.se_null, z: found.z, ci95: [found.lower, found.upper] };
  },
  fleiss_kappa: ({ inputs }) => ({ kappa: agreement.fleissKappa(inputs.counts_subject_by_category) }),
  "mcnemar.exact_one_sided": ({ inputs }) => ({
    p: proportions.mcNemarOneSided(inputs.pass_to_fail, inputs.fail_to_pass),
  }),
  "mcnemar.midp": ({ inputs }) => ({ p: proportions.mcNemar(inputs.b, inputs.c).mid }),
  mcnemar: ({ inputs: { table } }) => {
    const { exact, chi2_corrected, p_corrected, chi2, p } = proportions.mcNemar(table[0][1], table[1][0]);
    return { exact_p: exact, chi2_corrected, p_corrected, chi2, p };
  },
  "proportion.wilson_continuity": ({ inputs }) => ({ ci: proportions.wilsonCorrected(inputs.successes, inputs.n) }),
  "proportion.wilson_z196": ({ inputs }) => ({ ci: proportions.wilson(inputs.successes, inputs.n, inputs.z) }),
  proportion: ({ inputs: { successes, n, level } }) => ({
    wilson: proportions.wilson(successes, n),
    clopper_pearson: proportions.clopperPearson(successes, n, level),
    jeffreys: proportions.jeffreys(successes, n, level),
  }),
  zero_events: ({ inputs }) => ({ upper: proportions.zeroEventsUpper(inputs.n, inputs.alpha) }),
  "newcombe.independent": ({ inputs }) => ({
    ...proportions.newcombeIndependent([inputs.x1, inputs.n1], [inputs.x2, inputs.n2]),
  }),
  "newcombe.paired": ({ inputs }) => ({
    ...proportions.newcombePaired({
      both: inputs.both_pass,
      first: inputs.first_only,
      second: inputs.second_only,
      neither: inputs.both_fail,
    }),
  }),
  "paired.z": ({ inputs }) => {
    const { diff, se, z } = proportions.pairedDifference(inputs.first_only, inputs.second_only, inputs.n);
    return { diff, se, z, ci95: [diff - inputs.z * se, diff + inputs.z * se] };
  },
  "paired.sign_flip": ({ inputs }) => ({ p: means.signFlip(inputs.differences) }),
  clustered_se: ({ inputs }) => {
    const found = means.clustered(inputs.scores, inputs.clusters);
    return {
      mean: found.mean,
      naive_se: found.naive,
      clustered_se_miller: found.miller,
      clustered_se_corrected: found.corrected,
    };
  },
  "cs.normal_mixture": ({ inputs: { v_opt, alpha_opt, v, alpha, s } }) => {
    const rho = sequential.mixtureRho(v_opt, alpha_opt);
    return {
      rho,
      bound: sequential.normalMixtureBound(v, alpha, rho),
      log_mixture: sequential.normalMixture(s, v, rho),
    };
  },
  "cs.confseq_two_sided_normal": ({ inputs: { v_opt, alpha_opt, v, alpha, s } }) => {
    const rho = sequential.mixtureRho(v_opt, alpha_opt);
    return {
      best_rho: rho,
      bound: sequential.normalMixtureBound(v, alpha, rho),
      log_mixture: sequential.normalMixture(s, v, rho),
    };
  },
  "cs.confseq_one_sided_normal": ({ inputs: { v_opt, alpha, v, s } }) => {
    const rho = sequential.oneSidedRho(v_opt, alpha);
    const mixture = (sum: number): number => sequential.oneSidedMixture(sum, v, rho);
    return { log_mixture: mixture(s), bound: sequential.mixtureBound(mixture, alpha, 10) };
  },
  "cs.confseq_beta_binomial": ({ inputs: { v_opt, alpha_opt, v, alpha, s, g, h } }) => {
    const rho = sequential.mixtureRho(v_opt, alpha_opt);
    const mixture = (sum: number): number => sequential.betaBinomialMixture(sum, v, { rho, g, h });
    return { log_mixture: mixture(s), bound: sequential.mixtureBound(mixture, alpha, 10) };
  },
  "cs.confseq_bernoulli": ({ inputs }) => ({
    ci: sequential.bernoulliInterval(inputs.successes, inputs.n, { alpha: inputs.alpha, tOpt: inputs.t_opt }),
  }),
  "cs.robbins": ({ inputs }) => ({ ci: sequential.robbins(inputs.successes, inputs.n, inputs.alpha) }),
  "cs.asymptotic": ({ inputs }) => {
    const margin = sequential.asymptoticMargin(inputs);
    return { margin, ci: [inputs.mean - margin, inputs.mean + margin] };
  },
  msprt: ({ inputs }) => {
    const ratio = Math.exp(sequential.msprt({ diff: inputs.diff, variance: inputs.V, n: inputs.n, tau2: inputs.tau2 }));
    return { Lambda: ratio, p: Math.min(1, 1 / ratio) };
  },
  sprt: ({ inputs }) => {
    const { lower, upper, success, failure } = sequential.sprt(inputs);
    return { log_lower: lower, log_upper: upper, step_success: success, step_failure: failure };
  },
  srm: ({ inputs }) => ({ bayes_factor: sequential.sampleRatio(inputs.counts, inputs.theta0, inputs.prior) }),
  "multiplicity.holm": ({ inputs }) => ({ adjusted: corrections.holm(inputs.p) }),
  "multiplicity.benjamini": ({ inputs }) => ({ adjusted: corrections.benjaminiHochberg(inputs.p) }),
  pass_at_k: ({ inputs }) => ({ value: corrections.passAtK(inputs.n, inputs.c, inputs.k) }),
  pass_hat_k: ({ inputs }) => ({ value: corrections.passHatK(inputs.n, inputs.c, inputs.k) }),
  "judge.rogan_gladen": ({ inputs }) => ({
    corrected: corrections.roganGladen(inputs.apparent, inputs.sensitivity, inputs.specificity),
  }),
  "judge.ppi": ({ inputs }) => {
    const { classical, ppi, lambda, tuned } = corrections.predictionPowered(
      inputs.Y,
      inputs.judge_on_labelled,
      inputs.judge_on_unlabelled,
    );
    return { classical, ppi, lambda_star: lambda, ppi_tuned: tuned };
  },
  "bootstrap.exact": ({ inputs }) => enumerated(inputs.d),
  "bootstrap.mean": ({ inputs }) => {
    const { basic, percentile, bca } = means.bootstrapMean(inputs.x, { seed: 12, resamples: inputs.resamples });
    return { basic, percentile, BCa: bca };
  },
  "planning.mcnemar": ({ inputs }) => ({
    n_normal_approx: planning.mcNemarApproximate(inputs.discordance, inputs),
    n_exact: planning.mcNemarExact(inputs.discordance, inputs),
  }),
  "planning.unpaired": ({ inputs }) => ({ n_per_arm: planning.unpairedNeeded(inputs.p0, inputs) }),
  "planning.miller": ({ inputs }) => ({
    n: planning.scoresNeeded({
      omega2: inputs.omega2,
      sigma2: inputs.sigma2_each_model,
      repeats: inputs.K,
      delta: inputs.delta,
    }),
  }),
};

/** Every resample of a handful of values: what the bootstrap approaches. */
function enumerated(d: readonly number[]): Numbers {
  let all: readonly number[] = [0];
  for (let turn = 0; turn < d.length; turn += 1) all = all.flatMap((sum) => d.map((each) => sum + each));
  const sorted = all.map((sum) => sum / d.length).toSorted((left, right) => left - right);
  const at = (p: number): number => sorted[Math.ceil(p * sorted.length) - 1] ?? Number.NaN;
  const drawn = means.bootstrapMean(d, { seed: 7, resamples: 200_000 });
  // The bootstrap itself comes to the same quantiles.
  expect(drawn.percentile[0]).toBeCloseTo(at(0.025), 10);
  expect(drawn.percentile[1]).toBeCloseTo(at(0.975), 10);
  const middle = means.mean(sorted);
  const se = Math.sqrt(means.mean(sorted.map((each) => (each - middle) ** 2)));
  return {
    mean: middle,
    se,
    q025: at(0.025),
    q975: at(0.975),
    P_mean_le_0: sorted.filter((each) => each <= 1e-12).length / sorted.length,
  };
}

function computing(name: string): (entry: Entry) => Numbers {
  const found = Object.keys(COMPUTED)
    .filter((each) => name.startsWith(each))
    .toSorted((left, right) => right.length - left.length)[0];
  const compute = found === undefined ? undefined : COMPUTED[found];
  if (compute === undefined) throw new Error(`nothing computes ${name}`);
  return compute;
}

function hold(expected: unknown, found: unknown, { name, tolerance }: Entry): void {
  if (Array.isArray(expected)) {
    for (const [at, each] of expected.entries())
      hold(each, (found as readonly unknown[])[at], { name, tolerance } as Entry);
    return;
  }
  if (typeof expected === "object" && expected !== null) {
    for (const [key, each] of Object.entries(expected))
      hold(each, (found as Numbers)[key], { name, tolerance } as Entry);
    return;
  }
  const [want, is] = [Number(expected), Number(found)];
  const { abs = 0, rel = 0 } = typeof tolerance === "number" ? { abs: tolerance } : tolerance;
  expect(Math.abs(want - is), `${name}: expected ${want}, found ${is}`).toBeLessThanOrEqual(
    Math.max(abs, rel * Math.abs(want)) + 1e-15,
  );
}

test("there are as many reference values as the file says", () => {
  expect(entries).toHaveLength(124);
});

test.each(entries.map((entry) => [entry.name, entry] as const))("%s", (_name, entry) => {
  hold(entry.expected, computing(entry.name)(entry), entry);
});

test("the normal quantile is exact to the last digits", () => {
  expect(normalQuantile(0.975)).toBeCloseTo(1.959963984540054, 13);
});
