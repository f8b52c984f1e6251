// Decides what is told of people: who had to approve a call, who decided what and why, who tried and might not, and where nobody decided in time.
import { ATTR } from "../attributes.ts";
import type { TraceRecord } from "../record.ts";
import { decisionIn } from "./decided.ts";
import type { EvidenceLink, Sentence } from "./explanation.ts";
import { quoted, quotedList } from "./quoted.ts";
import { endOf, textAttr, type Step } from "./step.ts";
import { count, iso, link, nameOf, tell } from "./tell.ts";

/** The approvals of every call. */
export function tellApproved(steps: readonly Step[]): readonly Sentence[] {
  return steps.flatMap((step) => [...tellRequirement(step), ...step.votes.map((vote) => tellVote(step, vote))]);
}

/** Statuses of an approval that nobody has ended yet. */
const WAITS: ReadonlySet<string> = new Set(["pending_approval", "drafted"]);

function tellRequirement(step: Step): readonly Sentence[] {
  const waiting = step.runs.find((record) => WAITS.has(record.index.status));
  if (waiting === undefined) return [];
  const decision = decisionIn(waiting);
  const terms = (decision?.reasons ?? []).flatMap(({ approval, rule_id }) =>
    approval === undefined
      ? []
      : [
          `${approval.count} of ${quotedList(approval.roles)} for rule ${quoted(rule_id ?? "unnamed")} within ${duration(approval.expires_in_ms)}`,
        ],
  );
  const needed =
    terms.length > 0
      ? `needed ${terms.join(" and ")}`
      : waiting.index.status === "drafted"
        ? "was kept as a draft that a person could execute"
        : "needed people, whose roles are not stored with it";
  const spans = decision === undefined ? [] : [decision.span.span_id];
  return [
    tell(waiting, `${nameOf(step)} ${needed}; it waited from ${iso(endOf(waiting))}.`, {
      spans: [waiting.index.span_id, ...spans],
      links: approvalLink(waiting),
    }),
  ];
}

function duration(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  return minutes % 60 === 0 ? count(minutes / 60, "hour") : count(minutes, "minute");
}

function approvalLink(record: TraceRecord): readonly EvidenceLink[] {
  const id = textAttr(record, ATTR.approvalId);
  return id === undefined ? [] : [link("approval", `/v1/approvals/${encodeURIComponent(id)}`)];
}

const DID: Readonly<Record<string, string>> = {
  approved: "approved",
  denied: "denied approval of",
  withdrawn: "withdrew",
};

function tellVote(step: Step, vote: TraceRecord): Sentence {
  const name = nameOf(step).toLowerCase();
  const links = approvalLink(vote);
  const at = iso(endOf(vote));
  if (vote.index.status === "expired")
    return tell(vote, `Nobody decided on ${name} in time: its approval expired at ${at}, and nothing was sent.`, {
      links,
    });
  const who = quoted(textAttr(vote, ATTR.approvalBy) ?? "an unnamed key");
  const via = textAttr(vote, ATTR.approvalVia);
  const how = via === undefined ? "" : ` through the ${via === "link" ? "signed link" : via}`;
  const comment = textAttr(vote, ATTR.approvalComment);
  const why = comment === undefined ? ", without a comment" : `, saying ${quoted(comment, 500)}`;
  const did = DID[vote.index.status];
  const text =
    did === undefined
      ? `${who} tried to decide on ${name} at ${at}${how} and was refused: ${quoted(vote.index.error_code ?? vote.index.status)}.`
      : `${who} ${did} ${name} at ${at}${how}${why}.`;
  return tell(vote, text, { links });
}
