// Answers how many cases a suite takes to see a drop: `eval plan`. No gateway is asked.
import type { Command } from "commander";
import { planCases, type PlanGround } from "../core/eval/stats/planning.ts";
import { outputOf, report } from "./command-line.ts";
import { usageFailure } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";

interface PlanOptions {
  readonly drop: string;
  readonly discordance?: string;
  readonly omega2?: string;
  readonly sigma2?: string;
  readonly repeats: string;
  readonly alpha: string;
  readonly power: string;
}

/** Adds `eval plan` to the `eval` commands. */
export function addPlanCommand(evals: Command, terminal: Terminal): void {
  evals
    .command("plan")
    .description("how many cases it takes to see a drop, of passes or of scores")
    .requiredOption("--drop <share>", "the smallest drop that would hurt: 0.05 is five points")
    .option("--discordance <share>", "of passes: the share of cases that change either way")
    .option("--omega2 <variance>", "of scores: how far the cases' true differences spread")
    .option("--sigma2 <variance>", "of scores: how far one case spreads from run to run")
    .option("--repeats <n>", "of scores: runs of each case", "1")
    .option("--alpha <share>", "false alarms", "0.05")
    .option("--power <share>", "how often the drop is to be seen", "0.8")
    .action((options: PlanOptions, command: Command) => {
      const plan = planCases(groundOf(options), {
        drop: Number(options.drop),
        alpha: Number(options.alpha),
        power: Number(options.power),
      });
      if (!plan.ok) throw usageFailure(plan.detail);
      const { cases, method } = plan.value;
      report(outputOf(command, terminal), { cases, method }, [`${cases} cases (${method})`]);
    });
}

/** Which of the two questions is asked. Throws a usage failure for both at once, or neither. */
function groundOf({ discordance, omega2, sigma2, repeats }: PlanOptions): PlanGround {
  const isOfScores = omega2 !== undefined || sigma2 !== undefined;
  if ((discordance !== undefined) === isOfScores)
    throw usageFailure("expected --discordance for passes, or --omega2 and --sigma2 for scores");
  return discordance === undefined
    ? { kind: "score", omega2: Number(omega2 ?? 0), sigma2: Number(sigma2 ?? 0), repeats: Number(repeats) }
    : { kind: "pass", discordance: Number(discordance) };
}
