// Sequences the beginning of a run: the suite, both sides and the cases are fixed and stored, then the queue is asked to carry it on.
import { checkConfig } from "../../core/config/check.ts";
import { didYouMean } from "../../core/config/mistakes.ts";
import { NOWHERE } from "../../core/config/preview.ts";
import type { ConfigDocument } from "../../core/config/document.ts";
import type { SuiteEntry } from "../../core/config/eval-document.ts";
import type { PublishedConfig } from "../../core/config/published.ts";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import type { EvalRun, RunPlan, Trigger } from "../../core/eval/run.ts";
import { suiteDigest } from "../../core/eval/suite-digest.ts";
import { sideOf, type EvalSide, type SideAsk, type SideGround } from "../../core/eval/side.ts";
import { digestOf, sha256Hex } from "../../core/json/digest.ts";
import { usdFromJson } from "../../core/units/money.ts";
import type { Ports } from "../ports.ts";
import type { Dataset } from "../../core/eval/dataset-row.ts";
import type { CaseRow } from "../ports/evals.ts";

/** What is to be tested: a release or parts of one, under the active config, an earlier version, or a document. */
export interface CandidateAsk extends SideAsk {
  readonly config_version?: number | undefined;
  readonly config?: unknown;
}

/** What somebody wants run. */
export interface RunAsk {
  readonly suite: string;
  readonly candidate: CandidateAsk;
  /** `recorded`, `live`, `previous`, or a release; chosen by the candidate when left out. */
  readonly baseline?: string | undefined;
  readonly reason?: string | undefined;
  /** Fewer cases than the suite takes. */
  readonly max_cases?: number | undefined;
  readonly trigger: Trigger;
  readonly by: string;
}

/** What starting a run needs. */
export type StartPorts = Pick<Ports, "configs" | "releases" | "evalDatasets" | "evalRuns" | "evalQueue" | "system">;

const CASES_PER_PAGE = 1_000;
/** Cases that one message has run at the same time. */
export const PER_MESSAGE = 6;

/**
 * Starts a run. Refuses `not_configured`, `not_found` for an unknown suite or dataset, `invalid_config` for a candidate
 * document with mistakes, and `invalid_request` for a side that comes to nothing or to the same as the other.
 */
export async function startRun(ports: StartPorts, tenant: string, ask: RunAsk): Promise<Outcome<EvalRun>> {
  const active = await ports.configs.current(tenant);
  if (active === undefined) return refuse("not_configured", "publish a config first with `PUT /v1/config`");
  const suite = suiteOf(active.document, ask.suite);
  if (!suite.ok) return suite;
  const dataset = await datasetOf(ports, tenant, suite.value);
  if (!dataset.ok) return dataset;
  const sides = await sidesOf(ports, tenant, { active, suite: suite.value, ask });
  if (!sides.ok) return sides;
  const ids = await drawn(ports, tenant, { dataset: dataset.value, suite: suite.value, ask });
  const run = rowOf(ports, {
    tenant,
    ask,
    active,
    suite: suite.value,
    dataset: dataset.value,
    sides: sides.value,
    ids,
  });
  const { candidate, baseline } = sides.value;
  const isRelease = Object.hasOwn(active.document.agents[suite.value.agent]?.releases ?? {}, candidate.release);
  const plan: RunPlan = {
    suite: suite.value,
    judges: active.document.evals.judges,
    candidate,
    baseline,
    release: isRelease ? candidate.release : null,
  };
  await ports.evalRuns.create(run, plan, ids);
  // One that the queue does not take is carried on by the next cron.
  await ports.evalQueue
    .send(tenant, run.id, Math.ceil(Math.min(suite.value.parallel, run.cases) / PER_MESSAGE))
    .catch(() => undefined);
  return accept(run);
}

interface RowGround {
  readonly tenant: string;
  readonly ask: RunAsk;
  readonly active: PublishedConfig;
  readonly suite: SuiteEntry;
  readonly dataset: Dataset;
  readonly sides: Sides;
  readonly ids: readonly string[] | null;
}

function rowOf({ system }: StartPorts, { tenant, ask, active, suite, dataset, sides, ids }: RowGround): EvalRun {
  const { candidate, baseline } = sides;
  const now = system.now();
  return {
    tenant,
    id: `run_${system.randomHex(12)}`,
    suite: ask.suite,
    agent: suite.agent,
    dataset: dataset.name,
    version: dataset.version,
    mode: suite.mode,
    trigger: ask.trigger,
    requestedBy: ask.by,
    reason: ask.reason ?? null,
    createdAt: now,
    finishedAt: null,
    status: "running",
    verdict: null,
    candidate: candidate.label,
    candidateDigest: candidate.digest,
    baseline: baseline?.label ?? "recorded",
    baselineDigest: baseline?.digest ?? null,
    suiteDigest: digestOfRun(suiteDigest(active.document, ask.suite) ?? "", ask),
    cases: ids?.length ?? dataset.cases,
    budgetMicroUsd: usdFromJson(suite.budgets.run_usd) ?? 0,
    movedAt: now,
  };
}

/** What a verdict rests on: of fewer cases, or against another release than the live one, it is no verdict of the suite. */
function digestOfRun(suite: string, { max_cases: fewer, baseline }: RunAsk): string {
  const isOwn = fewer === undefined && (baseline === undefined || baseline === "live");
  return isOwn ? suite : digestOf({ suite, fewer: fewer ?? null, baseline: baseline ?? null });
}

function suiteOf({ evals }: ConfigDocument, name: string): Outcome<SuiteEntry> {
  const suite = Object.hasOwn(evals.suites, name) ? evals.suites[name] : undefined;
  return suite === undefined
    ? refuse("not_found", `no suite "${name}" in the tenant's config${didYouMean(name, Object.keys(evals.suites))}`)
    : accept(suite);
}

async function datasetOf(ports: StartPorts, tenant: string, suite: SuiteEntry): Promise<Outcome<Dataset>> {
  const [name = "", version] = suite.dataset.split("@");
  const found = await ports.evalDatasets.get(tenant, name, version === undefined ? undefined : Number(version));
  return found === undefined
    ? refuse("not_found", `no dataset "${suite.dataset}": make one with \`POST /v1/evals/datasets\``)
    : accept(found);
}

interface Sides {
  readonly candidate: EvalSide;
  readonly baseline: EvalSide | null;
}

interface Asked {
  readonly active: PublishedConfig;
  readonly suite: SuiteEntry;
  readonly ask: RunAsk;
}

async function sidesOf(ports: StartPorts, tenant: string, { active, suite, ask }: Asked): Promise<Outcome<Sides>> {
  const { pointer } = await ports.releases.read(tenant, suite.agent);
  const ground: SideGround = { published: active, isActive: true, pointer: pointer ?? undefined };
  const other = await otherConfig(ports, tenant, { active, ask });
  if (!other.ok) return other;
  const candidateGround = other.value === null ? ground : { ...ground, published: other.value, isActive: false };
  const candidate = sideOf(candidateGround, suite, { path: "candidate", ask: ask.candidate });
  if (!candidate.ok) return candidate;
  const named = ask.baseline ?? defaultBaseline(ask, candidate.value, pointer?.live.release);
  const baseline = baselineOf(ground, suite, named);
  if (!baseline.ok) return baseline;
  return baseline.value?.digest === candidate.value.digest
    ? wrong("baseline", `the candidate and the baseline "${named}" come to the same: there is nothing to compare`)
    : accept({ candidate: candidate.value, baseline: baseline.value });
}

/** What is compared with; `null` for what was recorded. */
function baselineOf(ground: SideGround, suite: SuiteEntry, named: string): Outcome<EvalSide | null> {
  if (named === "recorded") return accept(null);
  const past = ground.pointer?.past.at(-1)?.release;
  if (named === "previous" && past === undefined)
    return wrong("baseline", "nothing was live before: there is no previous release");
  return sideOf(ground, suite, { path: "baseline", ask: { release: named === "previous" ? past : named } });
}

/** Against what is live; what is live itself against what was recorded. */
function defaultBaseline({ candidate }: RunAsk, side: EvalSide, live: string | undefined): string {
  const isOther = candidate.config !== undefined || candidate.config_version !== undefined || side.release !== live;
  return isOther ? "live" : "recorded";
}

function wrong(path: string, message: string): ReturnType<typeof refuse> {
  return refuse("invalid_request", `${path}: ${message}`, { mistakes: [{ path, message }] });
}

async function otherConfig(
  ports: StartPorts,
  tenant: string,
  { active, ask: { candidate } }: Pick<Asked, "active" | "ask">,
): Promise<Outcome<PublishedConfig | null>> {
  if (candidate.config_version !== undefined && candidate.config !== undefined)
    return wrong("candidate.config", "expected either a version or a document");
  if (candidate.config_version !== undefined) {
    const found = await ports.configs.version(tenant, candidate.config_version);
    return found === undefined ? refuse("not_found", `no config version ${candidate.config_version}`) : accept(found);
  }
  if (candidate.config === undefined) return accept(null);
  const checked = checkConfig(candidate.config, { ...NOWHERE, active: active.document }, { tests: "warn" });
  if (!checked.ok)
    return refuse("invalid_config", `${checked.mistakes.length} mistakes in the candidate`, {
      mistakes: checked.mistakes,
    });
  const { document, rules, prices } = checked;
  // Prices of models that both have are those that the active version was published with.
  return accept({
    ...active,
    version: 0,
    digest: digestOf(document),
    document,
    rules,
    prices: { ...active.prices, ...prices },
  });
}

/** The ids of the cases that are taken, drawn by the suite's seed alone; `null` for all of them. */
async function drawn(
  ports: StartPorts,
  tenant: string,
  { dataset, suite, ask }: { readonly dataset: Dataset; readonly suite: SuiteEntry; readonly ask: RunAsk },
): Promise<readonly string[] | null> {
  const most = Math.min(ask.max_cases ?? Number.POSITIVE_INFINITY, suite.max_cases ?? Number.POSITIVE_INFINITY);
  if (dataset.cases <= most) return null;
  const rows: CaseRow[] = [];
  for (;;) {
    const page = await ports.evalDatasets.rows(tenant, dataset, {
      after: rows.at(-1)?.id ?? "",
      limit: CASES_PER_PAGE,
    });
    rows.push(...page);
    if (page.length < CASES_PER_PAGE) break;
  }
  const placed = rows.map(({ id }) => ({ id, place: sha256Hex(`${suite.seed}\n${id}`) }));
  return placed
    .toSorted((left, right) => (left.place < right.place ? -1 : 1))
    .slice(0, most)
    .map(({ id }) => id);
}
