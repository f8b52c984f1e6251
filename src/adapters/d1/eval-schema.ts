// Decides the D1 tables of evals: datasets, runs with their results, what people and judges said, canaries that are watched.
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** One row per version of a dataset; it is there once all of its cases are. */
export const evalDatasets = sqliteTable(
  "eval_datasets",
  {
    tenant: text("tenant").notNull(),
    name: text("name").notNull(),
    version: integer("version").notNull(),
    createdAt: integer("created_at").notNull(),
    createdBy: text("created_by").notNull(),
    cases: integer("cases").notNull(),
    clusters: integer("clusters").notNull(),
    /** Over the cases' ids and contents, in order. */
    digest: text("digest").notNull(),
    /** What it was cut from or imported of, and what was left out, as JSON. */
    origin: text("origin").notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.name, table.version] })],
);

/** One row per case of a version: what it is chosen and erased by, and where it lies. */
export const evalCases = sqliteTable(
  "eval_cases",
  {
    tenant: text("tenant").notNull(),
    dataset: text("dataset").notNull(),
    version: integer("version").notNull(),
    id: text("id").notNull(),
    cluster: text("cluster").notNull(),
    traceId: text("trace_id"),
    sessionId: text("session_id"),
    user: text("user"),
    tags: text("tags").notNull(),
    risk: text("risk").notNull(),
    isAdversarial: integer("is_adversarial").notNull(),
    segment: text("segment").notNull(),
    line: integer("line").notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.dataset, table.version, table.id] })],
);

/** One row per run of a suite. */
export const evalRuns = sqliteTable(
  "eval_runs",
  {
    tenant: text("tenant").notNull(),
    id: text("id").notNull(),
    suite: text("suite").notNull(),
    agent: text("agent").notNull(),
    dataset: text("dataset").notNull(),
    version: integer("version").notNull(),
    mode: text("mode").notNull(),
    /** `api`, `cron`. */
    trigger: text("trigger").notNull(),
    requestedBy: text("requested_by").notNull(),
    reason: text("reason"),
    createdAt: integer("created_at").notNull(),
    finishedAt: integer("finished_at"),
    /** `running`, `finished`, `cancelled`. */
    status: text("status").notNull(),
    verdict: text("verdict"),
    /** The release that was tested, and the digest of what it came to. */
    candidate: text("candidate").notNull(),
    candidateDigest: text("candidate_digest").notNull(),
    baseline: text("baseline").notNull(),
    baselineDigest: text("baseline_digest"),
    /** Of the suite and the judges that it was run with. */
    suiteDigest: text("suite_digest").notNull(),
    cases: integer("cases").notNull(),
    budgetMicroUsd: integer("budget_micro_usd").notNull(),
    /** When somebody last began or finished a case of it. */
    movedAt: integer("moved_at").notNull(),
    /** What came of it in a few words and figures, as JSON. */
    summary: text("summary"),
    /** What was done about its verdict, as JSON. */
    followed: text("followed"),
  },
  (table) => [
    primaryKey({ columns: [table.tenant, table.id] }),
    index("eval_runs_by_digest").on(table.tenant, table.candidateDigest, table.suite),
    index("eval_runs_by_status").on(table.status, table.movedAt),
  ],
);

/** One row per case of a run: who is at work on it until when, and what came of it. */
export const evalResults = sqliteTable(
  "eval_results",
  {
    tenant: text("tenant").notNull(),
    run: text("run").notNull(),
    id: text("id").notNull(),
    cluster: text("cluster").notNull(),
    tags: text("tags").notNull(),
    risk: text("risk").notNull(),
    segment: text("segment").notNull(),
    line: integer("line").notNull(),
    /** `waiting`, `running`, `done`. */
    status: text("status").notNull(),
    /** Whoever holds this may finish it. */
    lease: text("lease"),
    leasedUntil: integer("leased_until").notNull(),
    attempts: integer("attempts").notNull(),
    /** The most it may cost; what it did cost once it is done. */
    costMicroUsd: integer("cost_micro_usd").notNull(),
    /** Grades and figures of both sides, as JSON. */
    graded: text("graded"),
    /** Where the episodes lie. */
    episodes: text("episodes"),
    finishedAt: integer("finished_at"),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.run, table.id] })],
);

/** One row per judgement that people are asked about. */
export const evalAudits = sqliteTable(
  "eval_audits",
  {
    tenant: text("tenant").notNull(),
    id: text("id").notNull(),
    run: text("run").notNull(),
    caseId: text("case_id").notNull(),
    side: text("side").notNull(),
    repeat: integer("repeat").notNull(),
    judge: text("judge").notNull(),
    grader: text("grader").notNull(),
    /** Of the judge's models, its rubric and how it is asked. */
    judgeDigest: text("judge_digest").notNull(),
    rubricVersion: text("rubric_version").notNull(),
    /** What the judge said: a label of its rubric's scale. Hidden from those who label. */
    judged: text("judged").notNull(),
    /** `open`, `labelled`, `disputed`, `settled`. */
    status: text("status").notNull(),
    /** 0 to 1000: the higher, the sooner. */
    priority: integer("priority").notNull(),
    /** Whether it was drawn at random: only such labels estimate how often a judge is right. */
    isRandom: integer("is_random").notNull(),
    createdAt: integer("created_at").notNull(),
    settledAt: integer("settled_at"),
    settled: text("settled"),
    /** Who said what, as JSON. */
    labels: text("labels").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenant, table.id] }),
    index("eval_audits_by_status").on(table.tenant, table.status, table.priority, table.id),
    index("eval_audits_by_judge").on(table.tenant, table.judge, table.judgeDigest, table.settledAt),
  ],
);

/** One row per calibration of a judge. */
export const evalCalibrations = sqliteTable(
  "eval_calibrations",
  {
    tenant: text("tenant").notNull(),
    judge: text("judge").notNull(),
    at: integer("at").notNull(),
    judgeDigest: text("judge_digest").notNull(),
    rubricVersion: text("rubric_version").notNull(),
    /** `fit`, `unfit`, `suspended`. */
    status: text("status").notNull(),
    /** Kappa with its interval, the confusion matrix, base rates, drift, as JSON. */
    calibration: text("calibration").notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.judge, table.at] })],
);

/** One row per canary that is or was watched. */
export const evalWatches = sqliteTable(
  "eval_watches",
  {
    tenant: text("tenant").notNull(),
    agent: text("agent").notNull(),
    /** The generation of the pointer with which the canary began. */
    generation: integer("generation").notNull(),
    release: text("release").notNull(),
    live: text("live").notNull(),
    /** `watching`, `worse`, `ended`. */
    status: text("status").notNull(),
    startedAt: integer("started_at").notNull(),
    lookedAt: integer("looked_at").notNull(),
    /** The figures and bounds of the last look, as JSON. */
    evidence: text("evidence").notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.agent, table.generation] })],
);
