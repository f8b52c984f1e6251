// Decides what becomes of a tool call that waits for people: votes, expiry, withdrawal, and a policy that has changed meanwhile.
import type { Decision } from "../policy/decision.ts";
import {
  approvalDigest,
  approvalId,
  isGranted,
  openApproval,
  unasked,
  voteRefusal,
  type Approval,
  type DraftTerms,
} from "./approval.ts";
import { persisted, unchanged } from "./tool-call-record.ts";
import type {
  Redecision,
  ToolCallCommand,
  ToolCallRecord,
  ToolCallRequest,
  ToolCallState,
  ToolCallStatus,
  ToolCallTransition,
} from "./tool-call-record.ts";

/** Whether a call waits for people. */
export function isWaiting(record: ToolCallRecord): record is ToolCallRecord & { readonly approval: Approval } {
  return record.status === "pending_approval" || record.status === "drafted";
}

/** A call that begins to wait: its approval is opened, to be shown, and its approvers are to be told. */
export function waiting(
  record: ToolCallRecord,
  { draft, now }: { readonly draft: DraftTerms; readonly now: number },
): ToolCallRecord {
  const digest = digestOf(record.request, record.decision);
  const approval = openApproval(approvalId(record.request.id), record.decision, { digest, draft, now });
  return { ...record, ...underApproval(approval) };
}

function underApproval(approval: Approval): Pick<ToolCallRecord, "status" | "approval" | "owesInbox" | "owesNotice"> {
  const isDraft = approval.kind === "draft";
  return { status: isDraft ? "drafted" : "pending_approval", approval, owesInbox: true, owesNotice: !isDraft };
}

function digestOf({ tenant, definitionDigest, ask }: ToolCallRequest, { policy_version }: Decision): string {
  const { tool, args, actor } = ask;
  return approvalDigest({ tenant, tool, definitionDigest, args, actor, policyVersion: policy_version });
}

/** Counts a vote, or says why it does not count. An approval counts only under the decision of this instant. */
export function vote(
  state: ToolCallState,
  command: ToolCallCommand & { type: "vote" },
  now: number,
): ToolCallTransition {
  const { record } = state;
  if (record === null || record.approval === null) return unchanged(state, { type: "nothing" });
  const { approval, request } = record;
  const { redecided, draft } = command;
  const more = redecided === null ? [] : unasked({ ...approval, draft }, redecided.decision);
  const asked = { ...approval, requirements: [...approval.requirements, ...more] };
  const refusal = voteRefusal(asked, command.vote, request.ask.principal.key_id, now);
  const why = refusal ?? (state.admitting === null ? undefined : "busy");
  if (why !== undefined) return unchanged(state, { type: "vote_refused", why, record });
  if (command.digest !== approval.digest) return unchanged(state, { type: "stale", record });
  const voted = { ...record, approval: { ...approval, votes: [...approval.votes, command.vote] } };
  if (command.vote.verdict === "deny") {
    const next = resolved(voted, "approval_denied", "denied", now);
    return persisted(next, { type: "voted", record: next });
  }
  // Without the policy's word of this instant nothing is approved.
  if (redecided === null) return unchanged(state, { type: "nothing" });
  if (more.length > 0 || isOtherCall(record, redecided)) return redecide(record, { ...redecided, draft, now });
  return approve(state, voted, command, redecided.decision);
}

/** One approval more: it waits for others, or it is the last that was needed and the call asks to be admitted. */
function approve(
  state: ToolCallState,
  voted: ToolCallRecord & { readonly approval: Approval },
  { vote: given, draft }: ToolCallCommand & { type: "vote" },
  decision: Decision,
): ToolCallTransition {
  const { request, approval } = voted;
  if (!isGranted(approval)) {
    const next = { ...voted, owesInbox: true };
    return persisted(next, { type: "voted", record: next });
  }
  return {
    next: { ...state, admitting: { request, decision, vote: given, isHeld: false } },
    reply: { type: "ask_ledger", request, approved: { requirements: approval.requirements, draft } },
    effects: [],
  };
}

/** Whether the policy now denies the call, or would bind another one. */
function isOtherCall({ request, approval }: ToolCallRecord, { decision, definition }: Redecision): boolean {
  const { definitionDigest } = definition;
  return decision.effect === "deny" || digestOf({ ...request, definitionDigest }, decision) !== approval?.digest;
}

/** A call that people have approved and that its session did not let run as it was: everyone looks again, or it is over. */
export function sessionRefused(
  record: ToolCallRecord,
  { decision, draft }: ToolCallCommand & { type: "decided" },
  now: number,
): ToolCallTransition {
  return redecide(record, { decision, definition: record.request, draft, now });
}

interface Anew extends Redecision {
  readonly draft: DraftTerms;
  readonly now: number;
}

/** A waiting call under a new decision: its votes no longer count, and a denial ends it. */
function redecide(record: ToolCallRecord, { definition, ...terms }: Anew): ToolCallTransition {
  const { approval } = record;
  const { decision, now } = terms;
  if (decision.effect === "deny" || approval === null) {
    const ended = resolved({ ...record, decision }, "denied", "superseded", now);
    return persisted(ended, { type: "stale", record: ended });
  }
  const { definitionDigest, teaching } = definition;
  const request: ToolCallRequest = { ...record.request, definitionDigest, teaching };
  const digest = digestOf(request, decision);
  const asked = askedAnew(approval, { digest, ...terms });
  const next: ToolCallRecord = {
    ...record,
    request,
    decision,
    ...underApproval({ ...approval, ...asked, digest, votes: [] }),
  };
  return persisted(next, { type: "stale", record: next });
}

/** Who has to approve now. Asking more people under the same policy never lets go of one. */
function askedAnew(
  was: Approval,
  { decision, draft, ...around }: Omit<Anew, "definition"> & { readonly digest: string },
): Pick<Approval, "kind" | "requirements"> {
  // An outright `allow` keeps the terms it had: people were asked, and people decide.
  if (decision.effect === "allow") return { kind: was.kind, requirements: was.requirements };
  if (was.digest === around.digest)
    return { kind: was.kind, requirements: [...was.requirements, ...unasked({ ...was, draft }, decision)] };
  const { kind, requirements } = openApproval(was.id, decision, { draft, ...around });
  return { kind, requirements };
}

/** The approval of a call whose last vote has just been carried out. */
export function granted(state: ToolCallState, now: number): Approval | null {
  const approval = state.record?.approval ?? null;
  const given = state.admitting?.vote ?? null;
  if (approval === null || given === null) return null;
  return { ...approval, status: "approved", votes: [...approval.votes, given], resolvedAt: now };
}

/** Takes a waiting call back. */
export function withdraw(state: ToolCallState, now: number): ToolCallTransition {
  const { record } = state;
  if (record?.approval == null) return unchanged(state, { type: "nothing" });
  if (state.admitting !== null) return unchanged(state, { type: "vote_refused", why: "busy", record });
  if (record.approval.status !== "pending") {
    const why = record.approval.status === "expired" ? "expired" : "resolved";
    return unchanged(state, { type: "vote_refused", why, record });
  }
  const next = resolved(record, "approval_withdrawn", "withdrawn", now);
  return persisted(next, { type: "withdrawn", record: next });
}

/** A waiting call whose time is over; the vote that is under way came in time. `undefined` while it is not. */
export function expired(state: ToolCallState, now: number): ToolCallTransition | undefined {
  const { record } = state;
  if (record === null || state.admitting !== null || !isWaiting(record) || now < record.approval.expiresAt)
    return undefined;
  const next = resolved(record, "approval_expired", "expired", now);
  return {
    next: { record: next, admitting: null },
    reply: { type: "nothing" },
    effects: [{ type: "persist" }, { type: "report_expired", record: next }],
  };
}

function resolved(
  record: ToolCallRecord,
  status: ToolCallStatus,
  approvalStatus: Approval["status"],
  now: number,
): ToolCallRecord {
  const { approval } = record;
  return {
    ...record,
    status,
    approval: approval === null ? null : { ...approval, status: approvalStatus, resolvedAt: now },
    owesInbox: true,
    owesNotice: false,
    finishedAt: now,
  };
}
