// Reads how judges stand, and calibrates one on what people have settled.
import type { PublishedConfig } from "../../core/config/published.ts";
import type { JudgeEntry } from "../../core/config/eval-document.ts";
import { didYouMean } from "../../core/config/mistakes.ts";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import { calibrate, MOST_PAIRS, type Calibration, type JudgeStanding } from "../../core/eval/judge/calibration.ts";
import { judgeDigest } from "../../core/eval/judge/judge-digest.ts";
import { standingOf } from "../../core/eval/judge/standing.ts";
import type { JudgeLabels } from "../../core/eval/report/run-report.ts";
import { calibrationAct } from "../../core/trace/eval-people-act.ts";
import type { Ports, Recorder } from "../ports.ts";
import { recordAct } from "../record-act.ts";

type StandingPorts = Pick<Ports, "configs" | "evalPeople" | "system">;

/** A judge as the active config has it. */
export interface NamedJudge {
  readonly config: PublishedConfig;
  readonly entry: JudgeEntry;
  readonly digest: string;
}

/** The judge of a name; refuses `not_found` and `not_configured`. */
export async function namedJudge(
  ports: Pick<Ports, "configs">,
  tenant: string,
  judge: string,
): Promise<Outcome<NamedJudge>> {
  const config = await ports.configs.current(tenant);
  if (config === undefined) return refuse("not_configured", "publish a config first with `PUT /v1/config`");
  const { judges } = config.document.evals;
  const entry = Object.hasOwn(judges, judge) ? judges[judge] : undefined;
  if (entry === undefined)
    return refuse("not_found", `no judge "${judge}" in the tenant's config${didYouMean(judge, Object.keys(judges))}`);
  return accept({ config, entry, digest: judgeDigest(config, entry) });
}

/** Calibrations that are looked through for one of the judge as it is: a config that went back has its own again. */
const LOOKED_AT = 50;

/** How a judge stands, with what people have settled of it as it is. */
export interface KnownJudge extends JudgeLabels {
  readonly standing: JudgeStanding;
}

/** How a judge stands now. */
export async function readStanding(
  ports: Omit<StandingPorts, "configs">,
  tenant: string,
  { judge, entry, digest }: { readonly judge: string; readonly entry: JudgeEntry; readonly digest: string },
): Promise<KnownJudge> {
  const [calibrations, since] = await Promise.all([
    ports.evalPeople.calibrations(tenant, judge, LOOKED_AT),
    ports.evalPeople.settled(tenant, judge, digest, MOST_PAIRS),
  ]);
  const calibration = calibrations.find((each) => each.judge_digest === digest);
  const last = calibration ?? calibrations[0];
  const standing = standingOf(judge, entry, { last, digest, since, now: ports.system.now() });
  return { standing, calibration, pairs: since };
}

/**
 * Calibrates a judge on what people have settled of exactly its digest, keeps that and records who asked for it. Refuses
 * `not_found` and `not_configured`.
 */
export async function calibrateJudge(
  ports: StandingPorts,
  { tenant, judge, by }: { readonly tenant: string; readonly judge: string; readonly by: string },
  recorder: Recorder,
): Promise<Outcome<Calibration>> {
  const named = await namedJudge(ports, tenant, judge);
  if (!named.ok) return named;
  const { entry, digest } = named.value;
  const [pairs, disputed, calibrations] = await Promise.all([
    ports.evalPeople.settled(tenant, judge, digest, MOST_PAIRS),
    ports.evalPeople.disputed(tenant, judge, digest),
    ports.evalPeople.calibrations(tenant, judge, LOOKED_AT),
  ]);
  const last = calibrations.find((each) => each.judge_digest === digest);
  const calibration = calibrate(entry, pairs, { now: ports.system.now(), digest, last, disputed });
  await ports.evalPeople.keepCalibration(tenant, judge, calibration);
  recordAct(ports, recorder, calibrationAct({ tenant, judge, by }, calibration));
  return accept(calibration);
}
