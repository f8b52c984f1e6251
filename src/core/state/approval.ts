// Decides the life of one approval: who may vote, when it is granted, and what makes it void.
import { digestOf } from "../json/digest.ts";
import type { Role } from "../principal.ts";
import { approvalTermsOf, type ApprovalTerms, type Decision } from "../policy/decision.ts";

/** One requirement: so many distinct people of these roles or groups. */
export interface ApprovalRequirement {
  /** The rule or setting that asked. */
  readonly rule_id: string;
  readonly roles: readonly string[];
  readonly count: number;
}

/** What one person decided. */
export interface Vote {
  /** The key's id, or `link:<approver>` for a decision made on a signed link. */
  readonly by: string;
  readonly verdict: "approve" | "deny";
  readonly comment: string | null;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly via: "api" | "link";
  /** Roles and groups the person stood for. */
  readonly roles: readonly string[];
}

/** Where an approval can stand. `superseded`: the policy has denied the call since. */
export const APPROVAL_STATUSES = ["pending", "approved", "denied", "expired", "withdrawn", "superseded"] as const;
/** Where an approval stands. */
export type ApprovalStatus = (typeof APPROVAL_STATUSES)[number];

/**
 * The approval of exactly one call. `digest` binds tool, pinned definition, canonical arguments, actor and policy
 * version; votes given under another digest do not count.
 */
export interface Approval {
  readonly id: string;
  /** A draft is a proposal: whoever approves it executes it. */
  readonly kind: "approval" | "draft";
  readonly status: ApprovalStatus;
  readonly requirements: readonly ApprovalRequirement[];
  readonly digest: string;
  readonly requestedAt: number;
  readonly expiresAt: number;
  readonly resolvedAt: number | null;
  readonly votes: readonly Vote[];
}

/** What an approval binds. */
export interface ApprovalSubject {
  readonly tenant: string;
  readonly tool: string;
  readonly definitionDigest: string;
  readonly args: unknown;
  readonly actor: string;
  readonly policyVersion: string;
}

/** The digest of exactly one call under exactly one policy: RFC 8785 canonical JSON, SHA-256. */
export function approvalDigest(subject: ApprovalSubject): string {
  return digestOf(["approval", subject]);
}

/** Where drafts go when nothing else is configured, and how long they can be executed. */
export interface DraftTerms extends ApprovalTerms {
  readonly rule_id: string;
}

/** A new approval of a decision that asks for one, or of a draft. */
export function openApproval(
  id: string,
  decision: Decision,
  { digest, draft, now }: { readonly digest: string; readonly draft: DraftTerms; readonly now: number },
): Approval {
  const terms = termsOf(decision, draft);
  return {
    id,
    kind: decision.effect === "draft" ? "draft" : "approval",
    status: "pending",
    requirements: terms.map(requirementOf),
    digest,
    requestedAt: now,
    expiresAt: now + Math.min(...terms.map((each) => each.expires_in_ms)),
    resolvedAt: null,
    votes: [],
  };
}

function termsOf(decision: Decision, draft: DraftTerms): readonly DraftTerms[] {
  const asked = decision.effect === "draft" ? [] : approvalTermsOf(decision);
  return asked.length === 0 ? [draft] : asked;
}

function requirementOf({ rule_id, roles, count }: DraftTerms): ApprovalRequirement {
  return { rule_id, roles, count };
}

/** The people who have approved a call: what they were asked for, and on what terms a draft would have been. */
export interface Approved {
  readonly requirements: readonly ApprovalRequirement[];
  readonly draft: DraftTerms;
}

/** The requirements of a decision that an approval does not have yet: people that nobody has asked. */
export function unasked({ requirements, draft }: Approved, decision: Decision): readonly ApprovalRequirement[] {
  if (decision.effect === "allow" || decision.effect === "deny") return [];
  const known = new Set(requirements.map(spelled));
  return termsOf(decision, draft)
    .map(requirementOf)
    .filter((each) => !known.has(spelled(each)));
}

function spelled({ rule_id, roles, count }: ApprovalRequirement): string {
  return JSON.stringify([rule_id, [...roles].sort(), count]);
}

/** Why a vote does not count. `busy`: the vote that was the last one needed is being carried out right now. */
export type VoteRefusal =
  | "resolved"
  | "expired"
  | "is_requester"
  | "not_addressed"
  | "repeated"
  | "comment_missing"
  | "busy";

/**
 * Whether a vote may be given: the requester never votes on its own call, nobody votes twice, and a denial says why.
 * People are told apart by key or approver name: who holds two keys, or a key and a link, counts as two.
 */
export function voteRefusal(approval: Approval, vote: Vote, requester: string, now: number): VoteRefusal | undefined {
  if (approval.status === "expired" || (approval.status === "pending" && now >= approval.expiresAt)) return "expired";
  if (approval.status !== "pending") return "resolved";
  if (vote.by === requester) return "is_requester";
  if (!approval.requirements.some((each) => addresses(each, vote))) return "not_addressed";
  if (approval.votes.some((each) => each.by === vote.by)) return "repeated";
  return vote.verdict === "deny" && (vote.comment ?? "").trim() === "" ? "comment_missing" : undefined;
}

/**
 * Whether every requirement has its number of distinct people. One person may count for several requirements. A link
 * and a key may be the same person's: where several people are needed, votes by link and votes by key are not added up.
 */
export function isGranted({ requirements, votes }: Pick<Approval, "requirements" | "votes">): boolean {
  return requirements.every((each) => {
    const given = votes.filter((vote) => vote.verdict === "approve" && addresses(each, vote));
    const people = (isLink: boolean): number =>
      new Set(given.filter(({ by }) => by.startsWith(LINK_VOTER) === isLink).map(({ by }) => by)).size;
    return Math.max(people(true), people(false)) >= each.count;
  });
}

/** How a decision made by link begins to name who made it; no key's id begins so. */
export const LINK_VOTER = "link:";

function addresses({ roles }: ApprovalRequirement, vote: Vote): boolean {
  return roles.some((role) => vote.roles.includes(role));
}

/** The roles and groups of a key: its own roles, and `finance` for the scope `approve:finance`. */
export function approverRoles(roles: readonly Role[], scopes: readonly string[]): readonly string[] {
  const groups = scopes.filter((scope) => scope.startsWith("approve:")).map((scope) => scope.slice("approve:".length));
  return [...roles, ...groups];
}

/** The approval's id for a tool call, and the other way round: one object owns both. */
export function approvalId(toolCallId: string): string {
  return `ap_${toolCallId.slice(3)}`;
}

/** The tool call of an approval's id, or `undefined` for a text that is none. */
export function toolCallOfApproval(id: string): string | undefined {
  return /^ap_[0-9a-f]{32}$/.test(id) ? `tc_${id.slice(3)}` : undefined;
}
