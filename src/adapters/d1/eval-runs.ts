// Touches runs in D1: begun with a row for each case, claimed under leases within the budget, finished once.
import { and, desc, eq, isNotNull, isNull, lt } from "drizzle-orm";
import { drizzle, type DrizzleD1Database } from "drizzle-orm/d1";
import * as z from "zod/mini";
import { RISKS } from "../../core/eval/case.ts";
import {
  RUN_STATUSES,
  TRIGGERS,
  VERDICTS,
  type CaseResult,
  type EvalRun,
  type FinishedCase,
  type GradedCase,
  type RunPlan,
} from "../../core/eval/run.ts";
import type { CaseDone, ClaimedCase, EvalRuns } from "../../gateway/ports/evals.ts";
import type { EvalBodies } from "../r2/eval-bodies.ts";
import { evalResults, evalRuns } from "./eval-schema.ts";

type How = Parameters<EvalRuns["claim"]>[2];

/** Runs in a D1 database and a bucket. */
export function d1EvalRuns(database: D1Database, bodies: EvalBodies): EvalRuns {
  const db = drizzle(database);
  return {
    ...listing(db),
    ...ending(db),
    ...kept(db, bodies),
    create: (run, plan, ids) => create(database, bodies, { run, plan, ids }),
    progress: (tenant, id) => progress(database, tenant, id),
    claim: (tenant, id, how) => claim(database, { tenant, id, how }),
    finish: (tenant, id, done) => finish(database, { tenant, id, done }),
  };
}

type Database = DrizzleD1Database;

function one(tenant: string, id: string): ReturnType<typeof and> {
  return and(eq(evalRuns.tenant, tenant), eq(evalRuns.id, id));
}

/** Runs as they are found. */
function listing(db: Database): Pick<EvalRuns, "get" | "list" | "newest" | "stalled" | "unfollowed"> {
  const named = { tenant: evalRuns.tenant, id: evalRuns.id };
  return {
    get: async (tenant, id) => {
      const [row] = await db.select().from(evalRuns).where(one(tenant, id));
      return row === undefined ? undefined : runOf(row);
    },
    list: async (tenant, { suite, before, limit }) => {
      const ofSuite = suite === undefined ? undefined : eq(evalRuns.suite, suite);
      const earlier = before === undefined ? undefined : lt(evalRuns.createdAt, before);
      const rows = await db
        .select()
        .from(evalRuns)
        .where(and(eq(evalRuns.tenant, tenant), ofSuite, earlier))
        .orderBy(desc(evalRuns.createdAt), desc(evalRuns.id))
        .limit(limit);
      return rows.map(runOf);
    },
    newest: async (tenant, suite, trigger) => {
      const [row] = await db
        .select()
        .from(evalRuns)
        .where(and(eq(evalRuns.tenant, tenant), eq(evalRuns.suite, suite), eq(evalRuns.trigger, trigger)))
        .orderBy(desc(evalRuns.createdAt))
        .limit(1);
      return row === undefined ? undefined : runOf(row);
    },
    stalled: async (before, limit) =>
      db
        .select(named)
        .from(evalRuns)
        .where(and(eq(evalRuns.status, "running"), lt(evalRuns.movedAt, before)))
        .orderBy(evalRuns.movedAt)
        .limit(limit),
    unfollowed: async (limit) =>
      db
        .select(named)
        .from(evalRuns)
        .where(and(eq(evalRuns.status, "finished"), eq(evalRuns.trigger, "cron"), isNull(evalRuns.followed)))
        .orderBy(evalRuns.movedAt)
        .limit(limit),
  };
}

/** The end of runs: once each. */
function ending(db: Database): Pick<EvalRuns, "close" | "follow" | "report"> {
  return {
    close: async (tenant, id, { status, verdict, at, summary }) => {
      const { meta } = await db
        .update(evalRuns)
        .set({ status, verdict, finishedAt: at, summary: JSON.stringify(summary) })
        .where(and(one(tenant, id), eq(evalRuns.status, "running")));
      return meta.changes > 0;
    },
    follow: async (tenant, id, followed) => {
      const { meta } = await db
        .update(evalRuns)
        .set({ followed: JSON.stringify(followed) })
        .where(and(one(tenant, id), isNull(evalRuns.followed)));
      return meta.changes > 0;
    },
    report: async (tenant, id) => {
      const [row] = await db.select({ summary: evalRuns.summary }).from(evalRuns).where(one(tenant, id));
      return row?.summary === null || row === undefined ? undefined : (JSON.parse(row.summary) as unknown);
    },
  };
}

/** What runs found, and what lies in the bucket: of our own making, so its shape is known. */
function kept(
  db: Database,
  bodies: EvalBodies,
): Pick<EvalRuns, "plan" | "results" | "result" | "putEpisodes" | "episodes"> {
  const ofRun = (tenant: string, id: string): ReturnType<typeof and> =>
    and(eq(evalResults.tenant, tenant), eq(evalResults.run, id));
  return {
    plan: async (tenant, id) => (await bodies.get(tenant, planKey(tenant, id))) as RunPlan | undefined,
    results: async (tenant, id) => {
      const rows = await db
        .select()
        .from(evalResults)
        .where(and(ofRun(tenant, id), eq(evalResults.status, "done")))
        .orderBy(evalResults.id);
      return rows.map(finishedOf);
    },
    result: async (tenant, id, caseId) => {
      const [row] = await db
        .select()
        .from(evalResults)
        .where(and(ofRun(tenant, id), eq(evalResults.id, caseId), isNotNull(evalResults.graded)));
      return row === undefined ? undefined : finishedOf(row);
    },
    putEpisodes: (tenant, run, caseId, graded) =>
      bodies.put(tenant, `runs/${run}/${encodeURIComponent(caseId)}`, graded),
    episodes: async (tenant, key) => (await bodies.get(tenant, key)) as GradedCase | undefined,
  };
}

function planKey(tenant: string, id: string): string {
  return `evals/${tenant}/plans/${id}.json.gz`;
}

async function create(
  database: D1Database,
  bodies: EvalBodies,
  { run, plan, ids }: { readonly run: EvalRun; readonly plan: RunPlan; readonly ids: readonly string[] | null },
): Promise<void> {
  const { tenant, id, dataset, version } = run;
  await bodies.put(tenant, `plans/${id}`, plan);
  const chosen = ids === null ? "" : " AND c.id IN (SELECT value FROM json_each(?5))";
  const bound = [tenant, id, dataset, version, ...(ids === null ? [] : [JSON.stringify(ids)])];
  await database.batch([
    database.prepare(`${COPY_CASES}${chosen}`).bind(...bound),
    database.prepare(INSERT_RUN).bind(...runColumns(run)),
  ]);
}

const COPY_CASES = `INSERT INTO eval_results (tenant, run, id, cluster, tags, risk, segment, line, status, leased_until, attempts, cost_micro_usd)
SELECT c.tenant, ?2, c.id, c.cluster, c.tags, c.risk, c.segment, c.line, 'waiting', 0, 0, 0
FROM eval_cases c WHERE c.tenant = ?1 AND c.dataset = ?3 AND c.version = ?4`;

const INSERT_RUN = `INSERT INTO eval_runs (tenant, id, suite, agent, dataset, version, mode, "trigger", requested_by, reason, created_at, status,
  candidate, candidate_digest, baseline, baseline_digest, suite_digest, cases, budget_micro_usd, moved_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'running', ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?11)`;

function runColumns(run: EvalRun): readonly (string | number | null)[] {
  return [
    run.tenant,
    run.id,
    run.suite,
    run.agent,
    run.dataset,
    run.version,
    run.mode,
    run.trigger,
    run.requestedBy,
    run.reason,
    run.createdAt,
    run.candidate,
    run.candidateDigest,
    run.baseline,
    run.baselineDigest,
    run.suiteDigest,
    run.cases,
    run.budgetMicroUsd,
  ];
}

const SHOWN = z.object({ status: z.string(), rows: z.number(), cost: z.number() });

async function progress(database: D1Database, tenant: string, id: string): ReturnType<EvalRuns["progress"]> {
  const { results } = await database
    .prepare(
      "SELECT status, COUNT(*) AS rows, SUM(cost_micro_usd) AS cost FROM eval_results WHERE tenant = ?1 AND run = ?2 GROUP BY status",
    )
    .bind(tenant, id)
    .all();
  const of = new Map(results.map((row) => SHOWN.parse(row)).map((row) => [row.status, row]));
  return {
    waiting: of.get("waiting")?.rows ?? 0,
    running: of.get("running")?.rows ?? 0,
    done: of.get("done")?.rows ?? 0,
    spentMicroUsd: of.get("done")?.cost ?? 0,
    heldMicroUsd: of.get("running")?.cost ?? 0,
  };
}

const BEGIN = `UPDATE eval_results SET status = 'running', lease = ?3, leased_until = ?4, attempts = attempts + 1, cost_micro_usd = ?5
WHERE tenant = ?1 AND run = ?2 AND EXISTS (SELECT 1 FROM eval_runs WHERE tenant = ?1 AND id = ?2 AND status = 'running')`;
const RETURNING = "RETURNING id, segment, line, attempts";

/** Cases whose lease ran out hold their part of the budget still: they begin again within it. */
const CLAIM_LOST = `${BEGIN} AND id IN (
  SELECT id FROM eval_results WHERE tenant = ?1 AND run = ?2 AND status = 'running' AND leased_until < ?6 ORDER BY segment, line LIMIT ?7) ${RETURNING}`;

/** As many waiting cases as what nobody has spent or holds covers. */
const CLAIM_WAITING = `${BEGIN} AND id IN (
  SELECT id FROM (SELECT id, ROW_NUMBER() OVER (ORDER BY segment, line) AS place FROM eval_results WHERE tenant = ?1 AND run = ?2 AND status = 'waiting')
  WHERE place <= MIN(?6, (SELECT (budget_micro_usd - (SELECT COALESCE(SUM(cost_micro_usd), 0) FROM eval_results WHERE tenant = ?1 AND run = ?2 AND status <> 'waiting')) / ?5
    FROM eval_runs WHERE tenant = ?1 AND id = ?2))) ${RETURNING}`;

const Claimed = z.object({ id: z.string(), segment: z.string(), line: z.int(), attempts: z.int() });

async function claim(
  database: D1Database,
  { tenant, id, how }: { readonly tenant: string; readonly id: string; readonly how: How },
): Promise<readonly ClaimedCase[]> {
  const { lease, now, until, limit, capMicroUsd } = how;
  const bound = [tenant, id, lease, until, capMicroUsd] as const;
  const lost = await database
    .prepare(CLAIM_LOST)
    .bind(...bound, now, limit)
    .all();
  const taken = lost.results.map((row) => Claimed.parse(row));
  const claimed = taken.length > 0 ? taken : await waiting(database, [...bound, limit]);
  if (claimed.length > 0) await moved(database, { tenant, id, at: now });
  return claimed;
}

async function waiting(database: D1Database, bound: readonly (string | number)[]): Promise<readonly ClaimedCase[]> {
  const { results } = await database
    .prepare(CLAIM_WAITING)
    .bind(...bound)
    .all();
  return results.map((row) => Claimed.parse(row));
}

async function moved(
  database: D1Database,
  { tenant, id, at }: { readonly tenant: string; readonly id: string; readonly at: number },
): Promise<void> {
  await database.prepare("UPDATE eval_runs SET moved_at = ?3 WHERE tenant = ?1 AND id = ?2").bind(tenant, id, at).run();
}

const FINISH = `UPDATE eval_results SET status = 'done', lease = NULL, cost_micro_usd = ?5, graded = ?6, episodes = ?7, finished_at = ?8
WHERE tenant = ?1 AND run = ?2 AND id = ?3 AND status = 'running' AND lease = ?4`;

async function finish(
  database: D1Database,
  { tenant, id, done }: { readonly tenant: string; readonly id: string; readonly done: CaseDone },
): Promise<boolean> {
  const { meta } = await database
    .prepare(FINISH)
    .bind(tenant, id, done.id, done.lease, done.costMicroUsd, JSON.stringify(done.result), done.episodes, done.at)
    .run();
  return meta.changes > 0;
}

const Texts = z.array(z.string());
const RiskName = z.enum(RISKS);
const Status = z.enum(RUN_STATUSES);
const Verdict = z.nullable(z.enum(VERDICTS));
const Trigger = z.enum(TRIGGERS);
const Mode = z.enum(["trajectory", "next_action", "policy"]);

function runOf({ summary: _summary, followed: _followed, ...row }: typeof evalRuns.$inferSelect): EvalRun {
  return {
    ...row,
    mode: Mode.parse(row.mode),
    trigger: Trigger.parse(row.trigger),
    status: Status.parse(row.status),
    verdict: Verdict.parse(row.verdict),
  };
}

function finishedOf(row: typeof evalResults.$inferSelect): FinishedCase {
  return {
    id: row.id,
    cluster: row.cluster,
    tags: Texts.parse(JSON.parse(row.tags)),
    risk: RiskName.parse(row.risk),
    // Of our own making: its shape is known.
    result: JSON.parse(row.graded ?? '{"candidate":[],"baseline":[],"lost":"erased"}') as CaseResult,
    episodes: row.episodes,
  };
}
