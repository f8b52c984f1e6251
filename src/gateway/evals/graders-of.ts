// Makes a suite's graders ready: expressions are compiled once for a run, judges are left to whoever asks them.
import { compileGrader } from "../../core/eval/graders/cel.ts";
import { grade } from "../../core/eval/graders/grade.ts";
import { kindOf } from "../../core/eval/graders/kinds.ts";
import type { RunPlan } from "../../core/eval/run.ts";
import type { RunningPlan } from "./run-case.ts";

/** The graders of a run, in the suite's order. */
export function gradersOf({ suite }: Pick<RunPlan, "suite">): RunningPlan["graders"] {
  return suite.graders.map((entry) => {
    if (entry.kind === "judge") {
      const nothing = { grader: entry.id, value: null, explanation: null, error: "a judge was not asked" };
      return { entry, kind: kindOf(entry), grade: () => nothing };
    }
    const compiled = entry.kind === "cel" ? compileGrader(entry) : undefined;
    const cel = compiled?.ok === true ? compiled.grader : undefined;
    return { entry, kind: kindOf(entry), grade: (asked) => grade(entry, asked, cel) };
  });
}
