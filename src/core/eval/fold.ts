// Decides what a run of a case comes to where it has several episodes, one for each recorded model call.
import type { Episode, EpisodeFigures } from "./episode.ts";
import { figuresOf } from "./episode.ts";
import type { Grade, GradeKind } from "./grade.ts";
import type { GradedRepeat, RepeatResult } from "./run.ts";

/**
 * One result of all episodes of a run. Passes and scores are means over the episodes that have one, violations and amounts
 * are sums. A run is `failed` where none of its episodes came off, else as its worst one that did.
 */
export function foldRepeat({ episodes, grades }: GradedRepeat, kinds: ReadonlyMap<string, GradeKind>): RepeatResult {
  const told = [...kinds].map(([grader, kind]) => ({
    grader,
    kind,
    given: grades.flat().filter((each) => each.grader === grader),
  }));
  return {
    status: statusOf(episodes),
    why: episodes.find(({ status }) => status !== "completed")?.why ?? null,
    figures: summed(episodes.map(figuresOf)),
    values: Object.fromEntries(told.map(({ grader, kind, given }) => [grader, valueOf(kind, given)])),
    ...judgedOf(grades),
    errors: Object.fromEntries(
      told.flatMap(({ grader, given }) => {
        const error = given.find((each) => each.error !== null)?.error;
        return error === undefined || error === null ? [] : [[grader, error] as const];
      }),
    ),
  };
}

/** What judges said of the run's last episode that they looked at: people are asked about that. */
function judgedOf(grades: GradedRepeat["grades"]): Pick<RepeatResult, "judged"> {
  const judged = grades
    .flat()
    .flatMap(({ grader, judged: given }) => (given === undefined ? [] : [[grader, given] as const]));
  return judged.length === 0 ? {} : { judged: Object.fromEntries(judged) };
}

function statusOf(episodes: readonly Episode[]): RepeatResult["status"] {
  const came = episodes.filter(({ status }) => status !== "failed").map(({ status }) => status);
  if (came.length === 0) return "failed";
  return came.find((status) => status === "cut") ?? came.find((status) => status === "divergent") ?? "completed";
}

function valueOf(kind: GradeKind, given: readonly Grade[]): number | null {
  const values = given.flatMap(({ value }) => (value === null ? [] : [value]));
  if (values.length === 0) return null;
  const sum = values.reduce((total, value) => total + value, 0);
  return kind === "violation" || kind === "amount" ? sum : sum / values.length;
}

function summed(all: readonly EpisodeFigures[]): EpisodeFigures {
  const sum = (of: (each: EpisodeFigures) => number): number => all.reduce((total, each) => total + of(each), 0);
  return {
    cost_micro_usd: sum((each) => each.cost_micro_usd),
    input_tokens: sum((each) => each.input_tokens),
    output_tokens: sum((each) => each.output_tokens),
    duration_ms: sum((each) => each.duration_ms),
    model_calls: sum((each) => each.model_calls),
    tool_calls: sum((each) => each.tool_calls),
  };
}
