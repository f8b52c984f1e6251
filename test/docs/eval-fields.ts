// Says what each config field of suites, judges, evidence and watches means, for docs/config-reference.md.

/** Descriptions by path. */
export const EVAL_FIELDS: Readonly<Record<string, string>> = {
  "agents.*.evidence":
    "What has to be known of a release before `promote` or `canary` puts it in use. [Releases](guides/releases.md).",
  "agents.*.evidence.suites": "Suites that must have said SHIP to the very digest.",
  "agents.*.evidence.max_age": "After this long a verdict no longer counts. 30 days when left out.",
  "agents.*.watch":
    "What the agent's canary is held against the live release on, and what ends it. [Canaries](guides/canary.md).",
  "agents.*.watch.metrics":
    "`errors`, `denials`, `good_outcomes`, `cost`, `latency`; all but `good_outcomes` when left out.",
  "agents.*.watch.alpha":
    "The chance of a false alarm over the canary's whole life, all metrics together. 0.05 when left out.",
  "agents.*.watch.min_sessions": "Sessions on each side below which nothing is decided. 100 when left out.",
  "agents.*.watch.good": "Reported outcomes that count as good. `resolved` when left out.",
  "agents.*.watch.margin":
    "Changes smaller than this end no canary: a share for rates, a relative one for cost and latency. 0 when left out.",
  "agents.*.watch.rollback":
    "Whether a canary that is surely worse is ended; else people are only told. `true` when left out.",
  evals:
    "Suites that hold a change against recorded work, and the judges that grade for them. [Evals](guides/evals.md).",
  "evals.judges": "Models that grade by a rubric, by name. [How to write a rubric](guides/rubrics.md).",
  "evals.judges.*.models": "Models or routes: one, or a panel whose members answer independently.",
  "evals.judges.*.samples": "Answers asked of each member. 1 when left out; odd numbers settle ties.",
  "evals.judges.*.rubric": "What is judged.",
  "evals.judges.*.rubric.version": "Changes with the text.",
  "evals.judges.*.rubric.text": "Shown to the judge word for word.",
  "evals.judges.*.rubric.scale":
    "`pass_fail` (when left out), or `score_1_5`, of which the text has to describe each grade.",
  "evals.judges.*.budget_usd": "What one judgement may cost at most, all its samples together. 0.10 when left out.",
  "evals.judges.*.max_output_tokens": "Of one answer. 512 when left out.",
  "evals.judges.*.kappa_floor":
    "It gates only while the lower 95 % bound of its kappa against people is above this. 0.6 when left out.",
  "evals.judges.*.min_labels": "Labels below which no kappa counts. 50 when left out.",
  "evals.judges.*.expires_in": "After this long a calibration no longer counts. 90 days when left out.",
  "evals.suites": "Suites, by name.",
  "evals.suites.*.description": "For people.",
  "evals.suites.*.agent": "The agent whose releases are compared.",
  "evals.suites.*.actor": "The actor that the agent's tool calls are decided for.",
  "evals.suites.*.dataset": "A dataset, or `name@version`; the newest version when left out.",
  "evals.suites.*.mode":
    "`trajectory` (when left out): the whole loop. `next_action`: each recorded model call on its own. `policy`: no model, the recorded tool calls decided again.",
  "evals.suites.*.repeats": "Runs of each case by each side. 1 when left out.",
  "evals.suites.*.max_cases": "Cases taken, drawn by `seed`. All when left out.",
  "evals.suites.*.seed": "Of the draw, and of the resampling that checks bounds. 1 when left out.",
  "evals.suites.*.match":
    "`strict` (when left out): a recorded result answers a call with the same arguments. `fifo`: the next one of the same tool does.",
  "evals.suites.*.on_divergence":
    "`stop` (when left out) ends a run at a call that nothing recorded answers; `continue` tells the model that there is no result.",
  "evals.suites.*.system":
    "`keep` (when left out), or `drop`: leaves the recorded system text out, for releases whose prompt takes its place.",
  "evals.suites.*.simulators": "What tools answer in a replay where no recording does, the first that fits.",
  "evals.suites.*.simulators[].tool": "A tool of the config.",
  "evals.suites.*.simulators[].args": "Arguments that the call has at least. Any when left out.",
  "evals.suites.*.simulators[].returns": "The result. In its texts `{{args.name}}` stands for an argument.",
  "evals.suites.*.simulators[].is_error": "Whether the result is an error.",
  "evals.suites.*.graders": "What is graded, each with an `id` and a `kind`. [All kinds](guides/evals.md#graders).",
  "evals.suites.*.budgets": "What a run may take.",
  "evals.suites.*.budgets.run_usd":
    "All of a run, judges included. 5 when left out. Nothing is begun that it does not cover.",
  "evals.suites.*.budgets.case_usd": "One run of one case by one side. 0.10 when left out.",
  "evals.suites.*.budgets.steps": "Model calls of one run of a case. 12 when left out.",
  "evals.suites.*.budgets.seconds": "Wall time of one run of a case. 120 when left out; with `repeats` at most 600.",
  "evals.suites.*.max_unpaired":
    "The largest share of cases that may be lost to failures of the infrastructure or to divergence. 0.05 when left out.",
  "evals.suites.*.parallel": "Cases at the same time. 6 when left out.",
  "evals.suites.*.audit_share": "The share of judgements that people are asked about by lot. 0.05 when left out.",
  "evals.suites.*.schedule": "Runs it by itself.",
  "evals.suites.*.schedule.every": "How often, such as `24h`; at least `15m`.",
  "evals.suites.*.schedule.candidate": "`live` (when left out), `canary`, or a release.",
  "evals.suites.*.schedule.baseline":
    "`recorded`, `live` or a release. `recorded` when the live release is tested, else `live`.",
  "evals.suites.*.schedule.on_block": "What a BLOCK does.",
  "evals.suites.*.schedule.on_block.rollback":
    "Ends the canary if it was tested; else makes live what was live before.",
  "evals.suites.*.schedule.on_block.switch": "Trips this kill switch over the suite's actor.",
};
