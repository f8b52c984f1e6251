// Names what evals need from the world: datasets, runs with their results, and a queue on which runs go on.
import type { EvalCase, Risk } from "../../core/eval/case.ts";
import type { ErasureSubject } from "../../core/trace/erasure.ts";
import type { Dataset } from "../../core/eval/dataset-row.ts";
import type {
  CaseResult,
  EvalRun,
  FinishedCase,
  GradedCase,
  RunPlan,
  RunProgress,
  Verdict,
} from "../../core/eval/run.ts";

/** Where a case lies. */
export interface CasePlace {
  readonly segment: string;
  readonly line: number;
}

/** A case as it is listed. */
export interface CaseRow extends CasePlace {
  readonly id: string;
  readonly cluster: string;
  readonly trace_id: string | null;
  readonly tags: readonly string[];
  readonly risk: Risk;
  readonly is_adversarial: boolean;
}

/** Datasets: immutable versions of cases. */
export interface EvalDatasets {
  /** Stores a new version: whole, or not at all. */
  create(
    tenant: string,
    dataset: Pick<Dataset, "name" | "createdAt" | "createdBy" | "origin"> & { readonly cases: readonly EvalCase[] },
  ): Promise<Dataset>;
  /** The newest version of each, by name. */
  list(tenant: string): Promise<readonly Dataset[]>;
  versions(tenant: string, name: string): Promise<readonly Dataset[]>;
  /** A version, the newest where none is named. */
  get(tenant: string, name: string, version?: number): Promise<Dataset | undefined>;
  /** Rows of a version in order of their ids, after one of them; or the row of one case. */
  rows(
    tenant: string,
    dataset: Pick<Dataset, "name" | "version">,
    page: { readonly after: string; readonly only?: string; readonly limit: number },
  ): Promise<readonly CaseRow[]>;
  /** The cases at these places, in their order; one that was erased is left out. */
  read(tenant: string, places: readonly CasePlace[]): Promise<readonly EvalCase[]>;
  /**
   * Erases at most so many cases that were cut from a session or a user's work, or all of a tenant's, of every version, and
   * what runs of them said; answers how many.
   */
  erase(tenant: string, who: ErasureSubject, limit: number): Promise<number>;
  /** Whether there was one. Runs keep what they found. */
  remove(tenant: string, name: string, version: number): Promise<boolean>;
}

/** A case that somebody has begun. */
export interface ClaimedCase extends CasePlace {
  readonly id: string;
  /** How often it was begun: more than once where a run of it was lost. */
  readonly attempts: number;
}

/** What came of a case. */
export interface CaseDone {
  readonly id: string;
  readonly lease: string;
  readonly costMicroUsd: number;
  readonly result: CaseResult;
  readonly episodes: string;
  readonly at: number;
}

/** Runs and their results. */
export interface EvalRuns {
  /** Stores a run with its plan and a row for each case of its dataset; those named, where some are. */
  create(run: EvalRun, plan: RunPlan, ids: readonly string[] | null): Promise<void>;
  get(tenant: string, id: string): Promise<EvalRun | undefined>;
  plan(tenant: string, id: string): Promise<RunPlan | undefined>;
  list(
    tenant: string,
    page: { readonly suite?: string; readonly before?: number; readonly limit: number },
  ): Promise<readonly EvalRun[]>;
  /** The newest run of a suite by its trigger. */
  newest(tenant: string, suite: string, trigger: EvalRun["trigger"]): Promise<EvalRun | undefined>;
  progress(tenant: string, id: string): Promise<RunProgress>;
  /**
   * Begins at most so many cases, in one step: those whose time ran out first, then waiting ones as far as the budget
   * covers `capMicroUsd` for each. None of a run that is over.
   */
  claim(
    tenant: string,
    id: string,
    how: {
      readonly lease: string;
      readonly now: number;
      readonly until: number;
      readonly limit: number;
      readonly capMicroUsd: number;
    },
  ): Promise<readonly ClaimedCase[]>;
  /** Keeps what came of a case, once; whether this was it. */
  finish(tenant: string, id: string, done: CaseDone): Promise<boolean>;
  /** Every finished case, by id. */
  results(tenant: string, id: string): Promise<readonly FinishedCase[]>;
  result(tenant: string, id: string, caseId: string): Promise<FinishedCase | undefined>;
  /** Ends a run, once; whether this did. `summary` is its report as JSON. */
  close(
    tenant: string,
    id: string,
    end: {
      readonly status: "finished" | "cancelled";
      readonly verdict: Verdict | null;
      readonly at: number;
      readonly summary: object;
    },
  ): Promise<boolean>;
  /** The report that `close` kept. */
  report(tenant: string, id: string): Promise<unknown>;
  /** Runs on which nothing has moved since an instant, of every tenant. */
  stalled(before: number, limit: number): Promise<readonly { readonly tenant: string; readonly id: string }[]>;
  /** Notes what was done about a verdict, once; whether this did. */
  follow(tenant: string, id: string, followed: object): Promise<boolean>;
  /** Finished scheduled runs about whose verdict nothing was done yet, of every tenant. */
  unfollowed(limit: number): Promise<readonly { readonly tenant: string; readonly id: string }[]>;
  putEpisodes(tenant: string, run: string, caseId: string, graded: GradedCase): Promise<string>;
  episodes(tenant: string, key: string): Promise<GradedCase | undefined>;
}

/** The queue of runs. */
export interface EvalQueue {
  /** Asks so many times for a run to be carried on. Throws when the queue does not take it: a cron asks again. */
  send(tenant: string, run: string, times: number): Promise<void>;
}
