// Decides how people look at a judgement: two of them label it without seeing the judge's word or each other's; a third settles what they dispute.
import type { Risk } from "../case.ts";

/** Where an audit stands. */
export const AUDIT_STATUSES = ["open", "labelled", "disputed", "settled"] as const;
/** Where an audit stands. */
export type AuditStatus = (typeof AUDIT_STATUSES)[number];

/** One person's word. */
export interface AuditLabel {
  /** The id of the key. */
  readonly by: string;
  readonly label: string;
  readonly note: string | null;
  readonly at: number;
  readonly is_adjudication: boolean;
}

/** One judgement that people are asked about. Times are epoch milliseconds. */
export interface Audit {
  readonly tenant: string;
  readonly id: string;
  readonly run: string;
  readonly caseId: string;
  readonly side: "candidate" | "baseline";
  readonly repeat: number;
  readonly judge: string;
  readonly grader: string;
  readonly judgeDigest: string;
  readonly rubricVersion: string;
  /** The judge's label. */
  readonly judged: string;
  readonly status: AuditStatus;
  readonly priority: number;
  readonly isRandom: boolean;
  readonly createdAt: number;
  readonly settledAt: number | null;
  readonly settled: string | null;
  readonly labels: readonly AuditLabel[];
}

/** What somebody says to an audit. */
export interface LabelAsk {
  readonly by: string;
  readonly label: string;
  readonly note: string | null;
  readonly at: number;
}

/** What came of it. */
export type Labelled =
  | { readonly type: "labelled"; readonly audit: Audit }
  | { readonly type: "already_settled" }
  /** The same person twice. */
  | { readonly type: "already_said" }
  /** Two have said; a third has to settle it, or nothing is disputed. */
  | { readonly type: "not_open" }
  | { readonly type: "not_disputed" };

/** A label by somebody who has seen neither the judge's nor another's. Two that agree settle it, two that do not dispute it. */
export function label(audit: Audit, { by, label: said, note, at }: LabelAsk): Labelled {
  if (audit.status === "settled") return { type: "already_settled" };
  if (audit.labels.some((each) => each.by === by)) return { type: "already_said" };
  if (audit.status === "disputed") return { type: "not_open" };
  const labels = [...audit.labels, { by, label: said, note, at, is_adjudication: false }];
  const [first] = labels;
  if (labels.length < 2) return { type: "labelled", audit: { ...audit, labels, status: "labelled" } };
  return first?.label === said
    ? { type: "labelled", audit: { ...audit, labels, status: "settled", settled: said, settledAt: at } }
    : { type: "labelled", audit: { ...audit, labels, status: "disputed" } };
}

/** A third person's word on a dispute, who has seen both, and not the judge's. */
export function adjudicate(audit: Audit, { by, label: said, note, at }: LabelAsk): Labelled {
  if (audit.status === "settled") return { type: "already_settled" };
  if (audit.status !== "disputed") return { type: "not_disputed" };
  if (audit.labels.some((each) => each.by === by)) return { type: "already_said" };
  const labels = [...audit.labels, { by, label: said, note, at, is_adjudication: true }];
  return { type: "labelled", audit: { ...audit, labels, status: "settled", settled: said, settledAt: at } };
}

/** What may be seen of an audit by somebody who may still have to say something to it. */
export interface Disclosed {
  /** The judge's label: only once people have settled, so that it sways neither the two nor the third. */
  readonly judged: string | null;
  /** What people said: only once two have, so that neither sways the other. Who said it is not told. */
  readonly said: readonly Pick<AuditLabel, "label" | "note" | "is_adjudication">[];
}

/** What an audit discloses in its status. */
export function disclosed({ status, judged, labels }: Audit): Disclosed {
  const isBlind = status === "open" || status === "labelled";
  return {
    judged: status === "settled" ? judged : null,
    said: isBlind ? [] : labels.map(({ label, note, is_adjudication }) => ({ label, note, is_adjudication })),
  };
}

/** What the queue is ordered by. */
export interface AuditFacts {
  readonly risk: Risk;
  /** Of the judge's samples, 0 to 1. */
  readonly disagreement: number;
  /** Whether deterministic graders of the same case say otherwise. */
  readonly isContradicted: boolean;
  /** Whether one grade up or down would have passed or failed it. */
  readonly isNear?: boolean;
  /** Whether baseline and candidate were judged differently: what decides the gate. */
  readonly isFlip: boolean;
}

const OF_RISK: Readonly<Record<Risk, number>> = { low: 0, medium: 100, high: 250, critical: 400 };

/** 0 to 1000: how soon people should look at a judgement. No fact that speaks for it makes it less urgent. */
export function priorityOf({ risk, disagreement, isContradicted, isNear = false, isFlip }: AuditFacts): number {
  const facts = (isContradicted ? 150 : 0) + (isNear ? 100 : 0) + (isFlip ? 150 : 0);
  return Math.min(1000, Math.round(OF_RISK[risk] + 300 * disagreement + facts));
}

/** From which priority on a judgement is asked about without being drawn. */
export const ASKED_FROM = 300;
