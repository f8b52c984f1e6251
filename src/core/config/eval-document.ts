// Decides the shape of the `evals` section: judges, suites with their graders and gates, and when they run.
import * as z from "zod/mini";
import { readDuration } from "../units/window.ts";
import { GraderDocument, usd } from "./grader-document.ts";
import { duration, name } from "./policy-document.ts";
import { versionName } from "./release-document.ts";

const share = z.number().check(z.gte(0, "expected from 0 to 1"), z.lte(1, "expected from 0 to 1"));
const from = (least: number, most: number): z.ZodMiniNumber =>
  z
    .int(`expected a whole number from ${least} to ${most}`)
    .check(z.gte(least, `expected at least ${least}`), z.lte(most, `expected at most ${most}`));

/** The shortest time between two scheduled runs of a suite. */
const LEAST_EVERY_MS = 15 * 60_000;

/** What a judge holds an answer against. A change of its text needs another version. */
const RubricDocument = z.strictObject({
  version: versionName,
  /** What is judged, and what passes: shown to the judge word for word. */
  text: z
    .string()
    .check(z.minLength(20, "expected at least 20 characters: say what passes and what fails"), z.maxLength(16_384)),
  /** `pass_fail`: one question, two answers. `score_1_5`: five grades, each of which the text has to describe. */
  scale: z._default(z.enum(["pass_fail", "score_1_5"]), "pass_fail"),
});

/** A model that grades by a rubric. */
const JudgeDocument = z.strictObject({
  /** Models or routes by name: one, or a panel whose members answer independently. */
  models: z.array(name).check(z.minLength(1, "expected at least one model"), z.maxLength(7)),
  /** Answers asked of each member; odd numbers settle ties. */
  samples: z._default(from(1, 9), 1),
  rubric: RubricDocument,
  /** What one judgement may cost at most, all its samples together. */
  budget_usd: z._default(usd, 0.1),
  max_output_tokens: z._default(from(64, 8_192), 512),
  /** It gates only while the lower 95 % bound of its kappa against people is above this. */
  kappa_floor: z._default(share, 0.6),
  /** Judgements that people have labelled too, below which no kappa counts. */
  min_labels: z._default(from(20, 10_000), 50),
  /** After this long a calibration no longer counts. */
  expires_in: z._default(duration, "90d"),
});

/** How many cases, tokens and dollars a run may take. */
const RunBudgetDocument = z.strictObject({
  /** All of a run, judges included. Nothing is begun that it does not cover. */
  run_usd: z._default(usd, 5),
  /** One run of one case by one side. */
  case_usd: z._default(usd, 0.1),
  /** Model calls of one run of a case. */
  steps: z._default(from(1, 50), 12),
  /** Wall time of one run of a case. */
  seconds: z._default(from(1, 600), 120),
});

/** What a tool answers in a replay when no recording does. */
const SimulatorDocument = z.strictObject({
  tool: z.string().check(z.minLength(1), z.maxLength(195)),
  /** Arguments that the call has at least; any when left out. */
  args: z.optional(z.record(z.string(), z.unknown())),
  /** The result. In its texts `{{args.name}}` stands for an argument. */
  returns: z.unknown(),
  is_error: z._default(z.boolean(), false),
});

/** What is compared: a release of the agent, or what was recorded. */
const side = (words: readonly string[]): z.ZodMiniString =>
  z
    .string()
    .check(
      z.regex(
        /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/,
        `expected ${words.map((word) => `\`${word}\``).join(", ")} or a release`,
      ),
    );

/** What a scheduled run does when its verdict is BLOCK. */
const OnBlockDocument = z.strictObject({
  /** Ends the canary if it was the candidate; else makes live what was live before. */
  rollback: z._default(z.boolean(), false),
  /** Trips a kill switch over the agent's actor. */
  switch: z.optional(z.enum(["halt", "disable_writes", "force_approvals"])),
});

const ScheduleDocument = z.strictObject({
  every: duration.check(z.refine((value) => (readDuration(value) ?? 0) >= LEAST_EVERY_MS, 'expected at least "15m"')),
  candidate: z._default(side(["live", "canary"]), "live"),
  /** `recorded` when left out for the live release, else `live`. */
  baseline: z.optional(side(["live", "recorded"])),
  on_block: z.prefault(OnBlockDocument, {}),
});

/** One suite: which cases, how they are replayed, what is graded, and what decides. */
const SuiteDocument = z.strictObject({
  description: z.optional(z.string().check(z.maxLength(500))),
  /** Whose releases are compared. */
  agent: name,
  /** Who the agent's tool calls are decided for. */
  actor: name,
  /** A dataset's name, or `name@version`; the newest version when left out. */
  dataset: z
    .string()
    .check(
      z.regex(
        /^[A-Za-z][A-Za-z0-9_.-]{0,63}$|^[A-Za-z][A-Za-z0-9_.-]{0,63}@\d{1,6}$/,
        "expected a dataset such as `refunds` or `refunds@3`",
      ),
    ),
  /** `trajectory`: the whole loop. `next_action`: each recorded model call on its own. `policy`: no model, the recorded tool calls decided again. */
  mode: z._default(z.enum(["trajectory", "next_action", "policy"]), "trajectory"),
  /** How often each case is run on each side. */
  repeats: z._default(from(1, 20), 1),
  /** Cases taken of the dataset, drawn by the seed; all of them when left out. */
  max_cases: z.optional(from(1, 20_000)),
  seed: z._default(from(0, 2_147_483_647), 1),
  /** `strict`: a recorded result answers a call with the same arguments. `fifo`: the next one of the same tool does, whatever the arguments. */
  match: z._default(z.enum(["strict", "fifo"]), "strict"),
  /** `stop` ends a run at a call that nothing recorded answers; `continue` tells the model that there is no result. */
  on_divergence: z._default(z.enum(["stop", "continue"]), "stop"),
  /** `drop` leaves the recorded system text out: for releases whose prompt takes its place. */
  system: z._default(z.enum(["keep", "drop"]), "keep"),
  simulators: z._default(z.array(SimulatorDocument).check(z.maxLength(100)), []),
  graders: z.array(GraderDocument).check(z.minLength(1, "expected at least one grader"), z.maxLength(50)),
  budgets: z.prefault(RunBudgetDocument, {}),
  /** The largest share of cases that may be lost to failures of the infrastructure or to divergence. */
  max_unpaired: z._default(share, 0.05),
  /** Cases run at the same time. */
  parallel: z._default(from(1, 32), 6),
  /** A case's share of judgements that people are asked about too. */
  audit_share: z._default(share, 0.05),
  schedule: z.optional(ScheduleDocument),
});

/** The `evals` section. */
export const EvalsDocument = z.strictObject({
  judges: z._default(z.record(name, JudgeDocument), {}),
  suites: z._default(z.record(name, SuiteDocument), {}),
});

/** A parsed judge. */
export type JudgeEntry = z.infer<typeof JudgeDocument>;
/** A parsed suite. */
export type SuiteEntry = z.infer<typeof SuiteDocument>;
/** A parsed simulator. */
export type SimulatorEntry = SuiteEntry["simulators"][number];
