// Decides what the CLI reads of evals; members it does not know are kept for `--json`.
import * as z from "zod/mini";

/** A run as it is listed. */
export const RunListed = z.looseObject({
  id: z.string(),
  suite: z.string(),
  dataset: z.string(),
  mode: z.string(),
  trigger: z.string(),
  status: z.string(),
  verdict: z.nullable(z.string()),
  candidate: z.looseObject({ label: z.string(), digest: z.string() }),
  baseline: z.looseObject({ label: z.string() }),
  cases: z.int(),
  created_at: z.string(),
});
/** A parsed run. */
export type RunListed = z.infer<typeof RunListed>;

const Metric = z.looseObject({ id: z.string(), verdict: z.string(), says: z.string() });
const Report = z.looseObject({
  gate: z.looseObject({
    verdict: z.string(),
    reasons: z.array(z.string()),
    warnings: z.array(z.string()),
    metrics: z.array(Metric),
  }),
  counts: z.record(z.string(), z.number()),
});

/** A run with how far it is. */
export const RunWhole = z.looseObject({
  ...RunListed.shape,
  progress: z.looseObject({ waiting: z.int(), running: z.int(), done: z.int(), spent_usd: z.string() }),
  report: z.nullable(Report),
});
/** A parsed run with how far it is. */
export type RunWhole = z.infer<typeof RunWhole>;

/** Runs. */
export const RunsListed = z.looseObject({ data: z.array(RunListed) });

/** A version of a dataset. */
export const DatasetSeen = z.looseObject({
  name: z.string(),
  version: z.int(),
  cases: z.int(),
  clusters: z.int(),
  created_at: z.string(),
  origin: z.record(z.string(), z.unknown()),
});
/** Datasets. */
export const DatasetsListed = z.looseObject({ data: z.array(DatasetSeen) });

/** Suites. */
export const SuitesListed = z.looseObject({
  data: z.array(
    z.looseObject({
      name: z.string(),
      agent: z.string(),
      dataset: z.string(),
      mode: z.string(),
      last_run: z.nullable(RunListed),
    }),
  ),
});

/** An audit. */
export const AuditSeen = z.looseObject({
  id: z.string(),
  case: z.string(),
  judge: z.string(),
  status: z.string(),
  priority: z.int(),
  labels: z.int(),
  settled: z.nullable(z.string()),
});
/** An audit with what it is about. */
export const AuditWhole = z.looseObject({
  ...AuditSeen.shape,
  rubric: z.string(),
  choices: z.array(z.string()),
  shown: z.nullable(z.string()),
  judged: z.nullable(z.string()),
  said: z.array(z.looseObject({ label: z.string(), note: z.nullable(z.string()) })),
});
/** Audits. */
export const AuditsListed = z.looseObject({ data: z.array(AuditSeen), next_cursor: z.nullable(z.string()) });

/** Judges. */
export const JudgesListed = z.looseObject({
  data: z.array(z.looseObject({ judge: z.string(), status: z.optional(z.string()), says: z.optional(z.string()) })),
});
/** A calibration. */
export const Calibrated = z.looseObject({
  status: z.string(),
  says: z.string(),
  n: z.int(),
  confusion: z.array(z.array(z.number())),
  labels: z.array(z.string()),
});
/** How a judge stands, with its calibrations. */
export const JudgeWhole = z.looseObject({
  status: z.string(),
  may_gate: z.boolean(),
  says: z.string(),
  calibrations: z.array(z.looseObject({ at: z.number(), status: z.string(), n: z.int(), says: z.string() })),
});
