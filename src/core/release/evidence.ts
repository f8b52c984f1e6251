// Decides whether what is known of a release suffices to put it in use: per suite, the verdict of the run that counts.
import type { ConfigDocument } from "../config/document.ts";
import { refuse, type Refusal } from "../errors.ts";
import { suiteDigest } from "../eval/suite-digest.ts";
import { isoTime } from "../units/local-time.ts";
import { readDuration } from "../units/window.ts";
import type { Pinned } from "./pointer.ts";

/** One finished run of a suite. */
export interface EvidenceRun {
  readonly suite: string;
  /** The run's id. */
  readonly run: string;
  /** `SHIP`, `BLOCK` or `INCONCLUSIVE`. */
  readonly verdict: string;
  /** The release that was tested, and the digest of what it resolved to then. */
  readonly release: string;
  readonly digest: string;
  /** Of the suite that it was run of, as `suiteDigest` has it. */
  readonly suiteDigest: string;
  /** When it was finished, in epoch milliseconds. */
  readonly at: number;
  readonly cases: number;
  /** Figures of what came of its cases; `null` where it keeps none. */
  readonly counts: Readonly<Record<string, number>> | null;
}

/** The verdict that lets a release pass. */
const PASSES = "SHIP";

/** What was found in the place of a verdict that counts. */
export type EvidenceGap = "no_run" | "not_ship" | "too_old" | "other_digest" | "other_suite";

/** A suite of which the evidence is missing, and the run that was found instead. */
export interface MissingEvidence {
  readonly suite: string;
  readonly gap: EvidenceGap;
  readonly run: EvidenceRun | null;
}

/** What a promotion rests on, and what it lacks. */
export interface JudgedEvidence {
  readonly met: readonly EvidenceRun[];
  readonly missing: readonly MissingEvidence[];
}

/** On what a change of what is live rests. */
export type ReleaseGrounds =
  /** Every suite that the config asks for had said SHIP: by these runs. */
  | { readonly type: "evidence"; readonly runs: readonly { readonly suite: string; readonly run: string }[] }
  /** Somebody put it in use although evidence was missing: of these suites, and in which way. */
  | { readonly type: "break_glass"; readonly missing: readonly { readonly suite: string; readonly gap: EvidenceGap }[] }
  /** The watch of the canary found it worse: in these figures. */
  | { readonly type: "watch"; readonly metrics: readonly string[]; readonly sessions: number };

/** Suites that have to say SHIP before a release of an agent is put in use; none where the config asks for none. */
export function neededSuites({ agents }: Pick<ConfigDocument, "agents">, agent: string): readonly string[] {
  return (Object.hasOwn(agents, agent) ? agents[agent]?.evidence?.suites : undefined) ?? [];
}

/**
 * Holds runs against what a document asks for before a release that resolves to `pinned` is put in use. A suite is met by
 * the newest finished run of the suite as the document has it, on that very digest, if it said SHIP within `max_age`
 * before `now` (epoch milliseconds). An earlier SHIP under a later BLOCK counts for nothing. Runs that are about another
 * digest or another suite never meet anything; they only say what was found instead.
 */
export function judgeEvidence(
  document: ConfigDocument,
  { agent, pinned }: { readonly agent: string; readonly pinned: Pinned },
  runs: readonly EvidenceRun[],
  now: number,
): JudgedEvidence {
  const suites = neededSuites(document, agent);
  const maxAgeMs = readDuration(document.agents[agent]?.evidence?.max_age ?? 0) ?? 0;
  const judged = suites.map((suite) => {
    const wanted = suiteDigest(document, suite);
    const own = runs.filter((each) => each.suite === suite);
    const exact = newest(own.filter((each) => each.digest === pinned.digest && each.suiteDigest === wanted));
    if (exact === undefined) return otherwise(suite, pinned, newest(own));
    if (exact.verdict !== PASSES) return { suite, gap: "not_ship", run: exact } as const;
    return now - exact.at > maxAgeMs ? ({ suite, gap: "too_old", run: exact } as const) : exact;
  });
  return {
    met: judged.flatMap((each) => ("gap" in each ? [] : [each])),
    missing: judged.flatMap((each) => ("gap" in each ? [each] : [])),
  };
}

function otherwise(suite: string, { digest }: Pinned, run: EvidenceRun | undefined): MissingEvidence {
  if (run === undefined) return { suite, gap: "no_run", run: null };
  return { suite, gap: run.digest === digest ? "other_suite" : "other_digest", run };
}

/** Of two runs that were finished in one millisecond, one that does not pass counts. */
function newest(runs: readonly EvidenceRun[]): EvidenceRun | undefined {
  return runs.toSorted(
    (left, right) => right.at - left.at || Number(left.verdict === PASSES) - Number(right.verdict === PASSES),
  )[0];
}

/** The command that would get the evidence of a suite. */
export function evidenceCommand(suite: string, release: string): string {
  return `interlock eval run --suite ${suite} --candidate ${release}`;
}

/** What was found of a suite instead of a verdict that counts, as a part of a sentence. */
export function gapText({ gap, run }: MissingEvidence): string {
  if (run === null) return "no finished run";
  const said = `run ${run.run} said ${run.verdict}`;
  switch (gap) {
    case "no_run":
    case "not_ship":
      return `the last ${said}`;
    case "too_old":
      return `${said}, longer ago than \`max_age\``;
    case "other_digest":
      return `${said} of another digest`;
    case "other_suite":
      return `${said}, and the suite was changed since`;
    default:
      return gap satisfies never;
  }
}

/** The refusal of a release whose evidence is missing: each suite, what was found instead, and how to get it. */
export function evidenceMissing(
  { agent, release }: { readonly agent: string; readonly release: string },
  missing: readonly MissingEvidence[],
): Refusal {
  const found = missing.map((each) => `${each.suite}: ${gapText(each)}`).join("; ");
  return refuse("evidence_missing", `release "${release}" of agent "${agent}" lacks evidence. ${found}`, {
    mistakes: missing.map((each) => ({
      path: `agents.${agent}.evidence.suites.${each.suite}`,
      message: `${gapText(each)}: \`${evidenceCommand(each.suite, release)}\``,
    })),
    extensions: {
      evidence: missing.map((each) => ({
        suite: each.suite,
        found: each.gap,
        run: each.run?.run ?? null,
        verdict: each.run?.verdict ?? null,
        at: each.run === null ? null : isoTime(each.run.at),
        command: evidenceCommand(each.suite, release),
      })),
    },
  });
}
