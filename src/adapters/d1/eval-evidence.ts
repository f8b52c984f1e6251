// Touches finished runs of suites in D1: which verdict there is on a release's digest.
import * as z from "zod/mini";
import type { EvidenceRun } from "../../core/release/evidence.ts";
import type { EvalEvidence } from "../../gateway/ports/eval-evidence.ts";

const MAX_RUNS = 1_000;

const COLUMNS = `suite, id AS run, verdict, candidate AS release, candidate_digest AS digest, suite_digest AS suiteDigest,
  MAX(finished_at) AS at, cases, json_extract(summary, '$.counts') AS counts`;
/** A bare column stands for the row that has the maximum (sqlite.org/lang_select.html, "bare columns in an aggregate query"). */
const LATEST = `SELECT ${COLUMNS} FROM eval_runs INDEXED BY eval_runs_by_digest
WHERE tenant = ?1 AND candidate_digest IN (SELECT value FROM json_each(?2)) AND suite IN (SELECT value FROM json_each(?3))
  AND agent = ?4 AND status = 'finished' AND verdict IS NOT NULL AND finished_at IS NOT NULL
GROUP BY candidate_digest, suite, suite_digest LIMIT ${MAX_RUNS}`;
const OF_RELEASE = `SELECT ${COLUMNS} FROM eval_runs
WHERE tenant = ?1 AND candidate = ?2 AND suite IN (SELECT value FROM json_each(?3))
  AND agent = ?4 AND status = 'finished' AND verdict IS NOT NULL AND finished_at IS NOT NULL
GROUP BY suite LIMIT ${MAX_RUNS}`;

/** Finished runs of suites in a D1 database. */
export function d1EvalEvidence(database: D1Database): EvalEvidence {
  const found = async (statement: string, bound: readonly string[]): Promise<readonly EvidenceRun[]> => {
    const { results } = await database
      .prepare(statement)
      .bind(...bound)
      .all();
    return results.map((row) => runOf(row));
  };
  return {
    latest: async (tenant, { agent, digests, suites }) =>
      digests.length === 0 || suites.length === 0
        ? []
        : found(LATEST, [tenant, JSON.stringify(digests), JSON.stringify(suites), agent]),
    ofRelease: async (tenant, { agent, release, suites }) =>
      suites.length === 0 ? [] : found(OF_RELEASE, [tenant, release, JSON.stringify(suites), agent]),
  };
}

const Row = z.object({
  suite: z.string(),
  run: z.string(),
  verdict: z.string(),
  release: z.string(),
  digest: z.string(),
  suiteDigest: z.string(),
  at: z.number(),
  cases: z.number(),
  /** A JSON object; none where the run kept none. */
  counts: z.nullable(z.string()),
});
const Counts = z.record(z.string(), z.number());

function runOf(row: unknown): EvidenceRun {
  const { counts, ...run } = Row.parse(row);
  return { ...run, counts: counts === null ? null : Counts.parse(JSON.parse(counts)) };
}
