// Sequences one case of a run: both sides as often as the suite says, graded, masked, kept; what comes of it is compared later.
import type { GraderEntry } from "../../core/config/grader-document.ts";
import type { EvalCase } from "../../core/eval/case.ts";
import type { Episode } from "../../core/eval/episode.ts";
import { foldRepeat } from "../../core/eval/fold.ts";
import type { Grade, GradeKind } from "../../core/eval/grade.ts";
import { recordedAsks, recordedEpisodes } from "../../core/eval/recorded-episode.ts";
import { policyEpisode } from "../../core/eval/replay/policy-episode.ts";
import type { GradedCase, GradedRepeat, RepeatResult, RunPlan } from "../../core/eval/run.ts";
import type { ModelPorts, Recorder } from "../ports.ts";
import type { ClaimedCase } from "../ports/evals.ts";
import type { JudgeCase } from "./judge-case.ts";
import { replayCase, sessionOfRun, type CaseRun } from "./replay-case.ts";
import type { RunningSide } from "./replay-ports.ts";
import type { MaskText } from "./tenant-masker.ts";

/** A run as its cases are run. */
export interface RunningPlan {
  readonly tenant: string;
  readonly run: string;
  readonly plan: RunPlan;
  readonly candidate: RunningSide;
  /** `null`: what was recorded. */
  readonly baseline: RunningSide | null;
  readonly graders: readonly { readonly entry: GraderEntry; readonly kind: GradeKind; readonly grade: GradeEpisode }[];
  readonly judge: JudgeCase;
  readonly mask: MaskText;
}

/** What a deterministic grader makes of an episode, held against the recorded one. */
export type GradeEpisode = (asked: {
  readonly case: EvalCase;
  readonly episode: Episode;
  readonly recorded: Episode;
}) => Grade;

/** What a case came to and what it cost, in micro-USD. */
export interface RanCase {
  readonly graded: GradedCase;
  readonly candidate: readonly RepeatResult[];
  readonly baseline: readonly RepeatResult[];
  readonly costMicroUsd: number;
}

/**
 * Runs one case. Both sides of a repeat run at the same time, so that what changes at a provider changes for both. Nothing
 * that is asked of a model here is answered from what is kept, and no tool is within reach.
 */
export async function runCase(
  ports: ModelPorts,
  running: RunningPlan,
  { each, claimed, recorder }: { readonly each: EvalCase; readonly claimed: ClaimedCase; readonly recorder: Recorder },
): Promise<RanCase> {
  const recorded = recordedEpisodes(each);
  const judged = { micro: 0 };
  const graded = async (episodes: readonly Episode[], place: CaseRun["place"]): Promise<GradedRepeat> => {
    const grades: (readonly Grade[])[] = [];
    for (const episode of episodes) {
      const before = (episode.call === null ? recorded.whole : recorded.calls[episode.call]) ?? recorded.whole;
      grades.push(await gradesOf(running, { case: each, episode, recorded: before, place, judged, recorder }));
    }
    return { episodes, grades };
  };
  const candidate: GradedRepeat[] = [];
  const baseline: GradedRepeat[] = [];
  const repeats = running.plan.suite.mode === "policy" ? 1 : running.plan.suite.repeats;
  for (let repeat = 0; repeat < repeats; repeat += 1) {
    const [tested, against] = await Promise.all([
      sideEpisodes(running, { side: "candidate", repeat, each, recorder }),
      sideEpisodes(running, { side: "baseline", repeat, each, recorder }),
    ]);
    candidate.push(await graded(tested ?? [], { side: "candidate", repeat }));
    // What was recorded is there once, however often the other side runs.
    if (against !== null) baseline.push(await graded(against, { side: "baseline", repeat }));
    else if (repeat === 0) baseline.push(await graded(recordedOf(running, each), { side: "baseline", repeat }));
  }
  const kinds = new Map(running.graders.map(({ entry, kind }) => [entry.id, kind]));
  const results = (all: readonly GradedRepeat[]): readonly RepeatResult[] => all.map((one) => foldRepeat(one, kinds));
  const spent = running.baseline === null ? [candidate] : [candidate, baseline];
  const models = spent.flat().flatMap(({ episodes }) => episodes.flatMap(({ turns }) => turns));
  const told = models.reduce((sum, { cost_micro_usd: cost }) => sum + cost, 0) + judged.micro;
  return {
    graded: {
      candidate: candidate.map((one) => masked(one, running.mask)),
      baseline: baseline.map((one) => masked(one, running.mask)),
    },
    candidate: results(candidate),
    baseline: results(baseline),
    costMicroUsd: claimed.attempts > 1 ? Math.max(told, await ledgersSay(ports, running, { each, repeats })) : told,
  };
}

function recordedOf({ plan }: RunningPlan, each: EvalCase): readonly Episode[] {
  if (plan.suite.mode === "policy") return [recordedAsks(each)];
  const { whole, calls } = recordedEpisodes(each);
  return plan.suite.mode === "next_action" ? calls : [whole];
}

/** The episodes of one side, `null` for a side that was recorded. */
async function sideEpisodes(
  { tenant, run, plan, candidate, baseline }: RunningPlan,
  { side, repeat, each, recorder }: CaseRun["place"] & { readonly each: EvalCase; readonly recorder: Recorder },
): Promise<readonly Episode[] | null> {
  const running = side === "candidate" ? candidate : baseline;
  if (running === null) return null;
  if (plan.suite.mode === "policy") return [policyEpisode(running.config, each)];
  const before = (baseline ?? candidate).config;
  return replayCase({ tenant, run, suite: plan.suite, running, before, case: each, place: { side, repeat }, recorder });
}

async function gradesOf(
  { graders, judge }: RunningPlan,
  asked: {
    readonly case: EvalCase;
    readonly episode: Episode;
    readonly recorded: Episode;
    readonly place: CaseRun["place"];
    readonly judged: { micro: number };
    readonly recorder: Recorder;
  },
): Promise<readonly Grade[]> {
  const grades: Grade[] = [];
  for (const { entry, grade } of graders) {
    if (entry.kind !== "judge") {
      grades.push(grade(asked));
      continue;
    }
    const { micro, ...given } = await judge(entry, asked);
    asked.judged.micro += micro;
    grades.push(given.grade);
  }
  return grades;
}

/** What all sessions of a case have really spent: a run of it that was lost has spent too. */
async function ledgersSay(
  ports: ModelPorts,
  { tenant, run, baseline, judge }: RunningPlan,
  { each, repeats }: { readonly each: EvalCase; readonly repeats: number },
): Promise<number> {
  const sides = baseline === null ? (["candidate"] as const) : (["candidate", "baseline"] as const);
  const sessions = sides.flatMap((side) =>
    Array.from({ length: repeats }, (_, repeat) => sessionOfRun({ run, case: each, place: { side, repeat } })),
  );
  const all = await Promise.all([...sessions, ...judge.sessionsOf(each)].map((id) => ports.sessions.read(tenant, id)));
  return all.reduce((sum, { state }) => sum + (state.session?.used.usd ?? 0) + (state.session?.held.usd ?? 0), 0);
}

/** The episodes as they may be kept: what models said and were shown is masked like any record. */
function masked({ episodes, grades }: GradedRepeat, mask: MaskText): GradedRepeat {
  return {
    episodes: episodes.map((episode) => ({
      ...episode,
      why: episode.why === null ? null : mask(episode.why),
      turns: episode.turns.map((turn) => ({
        ...turn,
        text: mask(turn.text),
        refusal: turn.refusal === null ? null : mask(turn.refusal),
        calls: turn.calls.map((call) => ({ ...call, args: mask(call.args), result: mask(call.result) })),
      })),
    })),
    grades: grades.map((each) =>
      each.map((grade) => ({
        ...grade,
        explanation: grade.explanation === null ? null : mask(grade.explanation),
      })),
    ),
  };
}
