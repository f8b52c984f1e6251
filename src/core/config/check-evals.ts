// Decides whether suites, judges and what promotions need hang together: every name leads somewhere, and every suite can be run.
import type { Mistake } from "../errors.ts";
import { graderMistakes, policyModeMistakes } from "../eval/graders/check-grader.ts";
import { usdFromJson } from "../units/money.ts";
import type { ConfigDocument } from "./document.ts";
import type { JudgeEntry, SuiteEntry } from "./eval-document.ts";
import { didYouMean } from "./mistakes.ts";

/** Actors that runs of suites act as: no config may have one of these names. */
export const EVAL_ACTORS = { runner: "interlock.evals", judge: "interlock.judges" } as const;

/** Every mistake in the `evals` of a document, and in what its agents say of evidence. */
export function evalMistakes(document: ConfigDocument): readonly Mistake[] {
  const { evals, agents, actors } = document;
  return [
    ...Object.entries(evals.judges).flatMap(([name, judge]) => judgeMistakes(`evals.judges.${name}`, judge, document)),
    ...Object.entries(evals.suites).flatMap(([name, suite]) => suiteMistakes(`evals.suites.${name}`, suite, document)),
    ...Object.entries(agents).flatMap(([agent, { evidence }]) =>
      (evidence?.suites ?? []).flatMap((suite, at) => evidenceMistakes(document, { agent, suite, at })),
    ),
    ...Object.values(EVAL_ACTORS)
      .filter((name) => Object.hasOwn(actors, name))
      .map((name) => ({ path: `actors.${name}`, message: "runs of suites act under this name: choose another one" })),
  ];
}

function unknown(
  path: string,
  name: string,
  { what, known }: { readonly what: string; readonly known: readonly string[] },
): readonly Mistake[] {
  return known.includes(name) ? [] : [{ path, message: `no ${what} "${name}"${didYouMean(name, known)}` }];
}

function judgeMistakes(path: string, { models }: JudgeEntry, document: ConfigDocument): readonly Mistake[] {
  const known = [...Object.keys(document.models), ...Object.keys(document.routes)];
  return models.flatMap((model, at) => unknown(`${path}.models.${at}`, model, { what: "model or route", known }));
}

function suiteMistakes(path: string, suite: SuiteEntry, document: ConfigDocument): readonly Mistake[] {
  const { agents, actors, tools } = document;
  const ids = suite.graders.map(({ id }) => id);
  return [
    ...unknown(`${path}.agent`, suite.agent, { what: "agent", known: Object.keys(agents) }),
    ...unknown(`${path}.actor`, suite.actor, { what: "actor", known: Object.keys(actors) }),
    ...suite.simulators.flatMap(({ tool }, at) =>
      unknown(`${path}.simulators.${at}.tool`, tool, { what: "tool", known: Object.keys(tools) }),
    ),
    ...suite.graders.flatMap((grader, at) => [
      ...(suite.mode === "policy" ? policyModeMistakes(`${path}.graders.${at}`, grader) : []),
      ...graderMistakes(`${path}.graders.${at}`, grader, document),
    ]),
    ...ids.flatMap((id, at) =>
      ids.indexOf(id) < at ? [{ path: `${path}.graders.${at}.id`, message: `"${id}" is another grader's id` }] : [],
    ),
    ...scheduleMistakes(path, suite, document),
    ...budgetMistakes(path, suite),
  ];
}

function scheduleMistakes(
  path: string,
  { schedule, agent, mode }: SuiteEntry,
  document: ConfigDocument,
): readonly Mistake[] {
  const releases = Object.keys(document.agents[agent]?.releases ?? {});
  const words = ["live", "canary", "recorded"];
  const of = (field: "candidate" | "baseline", named: string | undefined): readonly Mistake[] =>
    named === undefined || words.includes(named)
      ? []
      : unknown(`${path}.schedule.${field}`, named, { what: "release", known: releases });
  const recorded =
    schedule?.candidate === "recorded"
      ? [{ path: `${path}.schedule.candidate`, message: "what was recorded is only ever the baseline" }]
      : [];
  const same = schedule !== undefined && schedule.candidate === schedule.baseline;
  return [
    ...of("candidate", schedule?.candidate),
    ...of("baseline", schedule?.baseline),
    ...recorded,
    ...(same && mode !== "policy"
      ? [{ path: `${path}.schedule.baseline`, message: "expected another one than the candidate" }]
      : []),
  ];
}

/** The longest time that one case may take, in seconds: whoever runs it has no longer. */
const LONGEST_CASE_S = 600;

/** A budget that one case would pass lets nothing run. */
function budgetMistakes(path: string, { budgets, repeats }: SuiteEntry): readonly Mistake[] {
  const run = usdFromJson(budgets.run_usd) ?? 0;
  const one = (usdFromJson(budgets.case_usd) ?? 0) * 2 * repeats;
  const seconds = budgets.seconds * repeats;
  const tooLong =
    seconds > LONGEST_CASE_S
      ? [
          {
            path: `${path}.budgets.seconds`,
            message: `a case may take ${LONGEST_CASE_S} s in all, and ${repeats} ${repeats === 1 ? "run" : "runs"} may take ${seconds} s`,
          },
        ]
      : [];
  const uncovered =
    one > run
      ? [
          {
            path: `${path}.budgets.run_usd`,
            message: `covers not one case: ${repeats} ${repeats === 1 ? "run" : "runs"} by each side may cost ${one / 1e6} USD`,
          },
        ]
      : [];
  return [...tooLong, ...uncovered];
}

function evidenceMistakes(
  { evals }: ConfigDocument,
  { agent, suite, at }: { readonly agent: string; readonly suite: string; readonly at: number },
): readonly Mistake[] {
  const path = `agents.${agent}.evidence.suites.${at}`;
  const entry = Object.hasOwn(evals.suites, suite) ? evals.suites[suite] : undefined;
  if (entry === undefined) return unknown(path, suite, { what: "suite", known: Object.keys(evals.suites) });
  return entry.agent === agent ? [] : [{ path, message: `suite "${suite}" is of agent "${entry.agent}"` }];
}
