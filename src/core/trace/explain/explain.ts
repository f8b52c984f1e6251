// Decides what is told of a trace or a session: one answer to each question an auditor asks, every sentence from stored facts and with its spans.
import { formatUsd } from "../../units/money.ts";
import type { TraceRecord } from "../record.ts";
import { tellApproved } from "./approved.ts";
import { tellAround, tellReported } from "./around.ts";
import { tellAsked } from "./asked.ts";
import { tellCost } from "./cost.ts";
import { tellDecided } from "./decided.ts";
import { tellDone } from "./done.ts";
import { SECTIONS, type ExplainFacts, type Explanation, type SectionId, type Sentence } from "./explanation.ts";
import { tellOutcome, tellUndone } from "./outcome.ts";
import { tellSeen } from "./seen.ts";
import { endOf, storyOf, type Step } from "./step.ts";
import { iso, link } from "./tell.ts";
import { tellUnknown } from "./unknown.ts";
import { tellWho } from "./who.ts";

/**
 * Explains records, in whatever order they come, from themselves and from facts about them. Every sentence has the id of
 * at least one span of the records (or of a record that is lost); the same input gives the same explanation. O(spans).
 */
export function explain(records: readonly TraceRecord[], facts: ExplainFacts): Explanation {
  const { steps, acts } = storyOf(records);
  const told: Readonly<Record<SectionId, readonly Sentence[]>> = {
    who: tellWho(steps, facts),
    asked: tellAsked(steps),
    seen: tellSeen(steps),
    decided: tellDecided(steps, facts),
    approved: tellApproved(steps),
    done: tellDone(steps),
    outcome: tellOutcome(steps),
    undone: tellUndone(steps),
    cost: tellCost(steps),
    around: tellAround(acts),
    reported: tellReported(records, acts, facts),
    unknown: tellUnknown(inOrder(records), steps, facts),
  };
  return {
    subject: facts.subject,
    from: iso(least(records.map(({ index }) => index.started_at))),
    to: iso(most(records.map(endOf))),
    calls: steps.length,
    spans: records.reduce((sum, { spans }) => sum + spans.length, 0),
    cost_usd: formatUsd(costOf(steps)),
    sections: SECTIONS.map(([id, title]) => ({
      id,
      title,
      sentences: told[id].map((sentence) => withAudit(sentence, facts)),
    })),
  };
}

function inOrder(records: readonly TraceRecord[]): readonly TraceRecord[] {
  return records.toSorted((left, right) => left.index.started_at - right.index.started_at);
}

function costOf(steps: readonly Step[]): number {
  return steps.flatMap(({ runs }) => runs).reduce((sum, { index }) => sum + index.cost_micro_usd, 0);
}

function least(values: readonly number[]): number {
  return values.reduce((found, each) => Math.min(found, each), values[0] ?? 0);
}

function most(values: readonly number[]): number {
  return values.reduce((found, each) => Math.max(found, each), values[0] ?? 0);
}

/** The entries of the audit chain that hold what a sentence tells. */
function withAudit(sentence: Sentence, { auditSeqs }: ExplainFacts): Sentence {
  const seqs = sentence.span_ids.flatMap((span) => auditSeqs.get(span) ?? []);
  if (seqs.length === 0) return sentence;
  return { ...sentence, links: [...sentence.links, ...seqs.map((seq) => link("audit", `/v1/audit?from_seq=${seq}`))] };
}
