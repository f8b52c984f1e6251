// Sequences a person's decision on a waiting call: policy anew, the vote, and, when it was the last one needed, the effect.
import type { ActiveConfig } from "../core/config/published.ts";
import { accept, refuse, type ErrorCode, type Outcome, type Refusal } from "../core/errors.ts";
import { decide, type Decision } from "../core/policy/decision.ts";
import { toolCallOfApproval, type DraftTerms, type Vote, type VoteRefusal } from "../core/state/approval.ts";
import type { ToldAt } from "../core/trace/act.ts";
import { approvalRecord } from "../core/trace/approval-act.ts";
import { teachingOf } from "../core/state/teaching.ts";
import type { Redecision, ToolCallRecord, ToolCallReply } from "../core/state/tool-call-record.ts";
import { ledgerRefusal, refusalOf } from "./enforce.ts";
import { probeKeys } from "../core/policy/upstream.ts";
import type { Ports, Recorder } from "./ports.ts";
import { toldNow } from "./record-act.ts";
import { ledgerAsk, nothingAsked, prepareCall, storedRef, type PreparedCall } from "./tool-ask.ts";
import { executeStored } from "./stored-call.ts";

/** What a person decides. `digest`, when given, is what they saw: anything else is `approval_stale`. */
export interface PersonsDecision {
  readonly tenant: string;
  readonly approval: string;
  readonly vote: Omit<Vote, "at">;
  readonly digest: string | undefined;
}

/** The call of an approval as it stands; refuses `not_found`. */
export async function readApproval(
  ports: Ports,
  tenant: string,
  id: string,
  waitMs = 0,
): Promise<Outcome<ToolCallRecord>> {
  const callId = toolCallOfApproval(id);
  const record = callId === undefined ? undefined : await ports.toolCalls.read(tenant, callId, waitMs);
  return record?.approval == null ? refuse("not_found", `approval "${id}" is not here`) : accept(record);
}

/**
 * Counts a person's vote on exactly the call that waits. Before an approval counts, the policy decides the call anew
 * with the config and switches of this instant: where that binds another digest, or asks for people whom nobody asked,
 * the answer is `approval_stale` and nothing was counted; while a switch stops the call it is `halted` or
 * `writes_disabled`, and the approval waits on. The last vote needed makes the gateway execute the stored call itself,
 * once. A denial needs no policy: it counts whatever has changed.
 */
export async function decideApproval(
  ports: Ports,
  { tenant, approval, vote, digest }: PersonsDecision,
  recorder: Recorder,
): Promise<Outcome<ToolCallRecord>> {
  const found = await readApproval(ports, tenant, approval);
  if (!found.ok) return found;
  const given: Vote = { ...vote, at: ports.system.now() };
  // The call's object tells of a vote that counts as well: both alike, so that it is stored once.
  const cast: CastVote = { vote: given, told: toldNow(ports) };
  const isSeen = digest === undefined || digest === found.value.approval?.digest;
  const isPending = found.value.approval?.status === "pending";
  const outcome =
    isPending && !isSeen
      ? stale(found.value)
      : given.verdict === "deny"
        ? await deny(ports, found.value, cast)
        : await approve(ports, { record: found.value, cast }, recorder);
  const { by, verdict, via, comment } = given;
  const act = { by, verdict, via, comment, refused: outcome.ok ? null : outcome.code };
  recorder.write(approvalRecord(found.value, act, cast.told), []);
  return outcome;
}

/** A vote and how it is told. */
interface CastVote {
  readonly vote: Vote;
  readonly told: ToldAt;
}

async function deny(ports: Ports, record: ToolCallRecord, { vote, told }: CastVote): Promise<Outcome<ToolCallRecord>> {
  const { request, decision } = record;
  const ref = storedRef(request, decision.policy_version, ports.system.randomHex(8));
  const reply = await ports.toolCalls.vote(request.tenant, request.id, {
    ...nothingAsked(ref),
    vote,
    told,
    digest: seenBy(record),
    redecided: null,
    draft: NO_TERMS,
  });
  return "ledger" in reply ? refuse("internal", "a denial asked the session's ledger") : afterVote(reply.call);
}

/** What the person saw: by the time their vote arrives, the call's object may hold something else. */
function seenBy({ approval }: ToolCallRecord): string {
  return approval?.digest ?? "";
}

async function approve(
  ports: Ports,
  { record, cast }: { readonly record: ToolCallRecord; readonly cast: CastVote },
  recorder: Recorder,
): Promise<Outcome<ToolCallRecord>> {
  const { request } = record;
  const config = await ports.configs.active(request.tenant);
  if (config === undefined) return refuse("not_configured", "the tenant has no published config");
  const redecided = await redecide(ports, config, record);
  if (!redecided.ok) return redecided;
  const spanId = ports.system.randomHex(8);
  const { prepared } = redecided.value;
  const probes = probeKeys(prepared?.policy ?? {});
  const ref = storedRef(request, config.policyVersion, spanId);
  const reply = await ports.toolCalls.vote(request.tenant, request.id, {
    // Without a prepared call the decision is a denial, and the session is never asked.
    ...(prepared === undefined ? nothingAsked(ref) : ledgerAsk(config, prepared, ref)),
    vote: cast.vote,
    told: cast.told,
    digest: seenBy(record),
    redecided: redecided.value.redecided,
    draft: config.draftTerms,
  });
  if ("ledger" in reply)
    return ledgerRefusal(reply.ledger) ?? refuse("internal", "the session's ledger gave no admission");
  return reply.call.type === "execute"
    ? accept(await executeStored(ports, { config, recorder, spanId, probes }, reply.call.record))
    : afterVote(reply.call);
}

/** Takes a waiting call back; refuses `not_found` and `approval_resolved`. */
export async function withdrawApproval(
  ports: Ports,
  { tenant, approval: id, by }: { readonly tenant: string; readonly approval: string; readonly by: string },
  recorder: Recorder,
): Promise<Outcome<ToolCallRecord>> {
  const found = await readApproval(ports, tenant, id);
  if (!found.ok) return found;
  const told = toldNow(ports);
  const reply = await ports.toolCalls.withdraw(tenant, found.value.request.id, { by, told });
  if (reply.type === "vote_refused") return voteRefusal(reply.why, reply.record);
  if (reply.type !== "withdrawn") return refuse("internal", `the call's object answered "${reply.type}"`);
  const act = { by, verdict: "withdraw", via: "api", comment: null, refused: null } as const;
  recorder.write(approvalRecord(found.value, act, told), []);
  return accept(reply.record);
}

interface Redecided {
  readonly prepared: PreparedCall | undefined;
  readonly redecided: Redecision;
}

/**
 * The policy's decision on the stored call at this instant. A tool that is gone, or that its arguments no longer fit,
 * is a denial; a switch stops the vote alone, since it will be cleared.
 */
async function redecide(ports: Ports, config: ActiveConfig, record: ToolCallRecord): Promise<Outcome<Redecided>> {
  const { ask, tenant, teaching } = record.request;
  const { switches, breakers } = await ports.controls.current(tenant);
  // Whether people have approved it is for the call's object to say.
  const prepared = prepareCall(config, ask, { switches, breakers, now: ports.system.now() });
  if (!prepared.ok) {
    const reasons = [{ rule_id: "tool.known", effect: "deny", message: prepared.detail } as const];
    const decision = decide({ reasons, standby: null }, config.policyVersion);
    return accept({ prepared: undefined, redecided: { decision, definition: { definitionDigest: "", teaching } } });
  }
  const { decision, tool } = prepared.value;
  const { definitionDigest, entry } = tool;
  const definition = { definitionDigest, teaching: teachingOf(entry) };
  return switchedOff(decision) ?? accept({ prepared: prepared.value, redecided: { decision, definition } });
}

function switchedOff(decision: Decision): Refusal | undefined {
  const said = (id: string): string | undefined => decision.reasons.find((each) => each.rule_id === id)?.message;
  const halted = said("switch.halt");
  const disabled = decision.effect === "deny" ? undefined : said("switch.disable_writes");
  const failing = decision.effect === "deny" ? undefined : said("breaker.open");
  const message = halted ?? disabled;
  if (message === undefined && failing !== undefined)
    return refuse("tool_unavailable", `${failing}; nothing was counted, and it can be approved once that is over`, {
      extensions: { decision },
    });
  if (message === undefined) return undefined;
  return refuse(
    halted === undefined ? "writes_disabled" : "halted",
    `${message}; nothing was counted, and it can be approved once that is over`,
    { extensions: { decision } },
  );
}

const NO_TERMS: DraftTerms = { rule_id: "draft", roles: [], count: 1, expires_in_ms: 0 };

function afterVote(reply: ToolCallReply): Outcome<ToolCallRecord> {
  // Approved, and held for the tool's undo window before it is sent.
  if (reply.type === "voted" || reply.type === "waiting") return accept(reply.record);
  if (reply.type === "vote_refused") return voteRefusal(reply.why, reply.record);
  if (reply.type === "stale") return stale(reply.record);
  return refuse("internal", `the call's object answered "${reply.type}" to a vote`);
}

const VOTE_CODES: Readonly<Record<VoteRefusal, ErrorCode>> = {
  resolved: "approval_resolved",
  expired: "approval_expired",
  is_requester: "approver_is_requester",
  not_addressed: "approver_not_addressed",
  repeated: "approval_repeated",
  comment_missing: "invalid_request",
  busy: "call_in_flight",
};

/** Why a vote, or a withdrawal, does not count, as the refusal its sender gets. */
export function voteRefusal(why: VoteRefusal, record: ToolCallRecord): Refusal {
  const { approval } = record;
  const roles = approval?.requirements.map((each) => each.roles.join(" or ")).join(", and for ") ?? "";
  const detail: Readonly<Record<VoteRefusal, string>> = {
    resolved: `the approval is ${approval?.status ?? "decided"} already`,
    expired: "the approval's time is over",
    is_requester: "the key that asked for this call cannot approve or deny it",
    not_addressed: `this approval asks for a person of ${roles}`,
    repeated: "whoever decides here has approved already; another person has to",
    comment_missing: "comment: expected a reason for the denial",
    busy: "another person's vote is being carried out; read the approval again",
  };
  return refuse(VOTE_CODES[why], detail[why], {
    ...(why === "comment_missing" ? { mistakes: [{ path: "comment", message: "expected a reason" }] } : {}),
    ...(why === "busy" ? { retryAfterS: 1 } : {}),
    extensions: { approval_status: approval?.status },
  });
}

function stale(record: ToolCallRecord): Refusal {
  if (record.status === "denied") {
    const { detail } = refusalOf(record.decision);
    return refuse("approval_stale", `the policy has changed and denies this call now: ${detail}`, {
      extensions: { decision: record.decision },
    });
  }
  return refuse(
    "approval_stale",
    "the policy, the tool's definition or the switches changed since this was asked: read the approval again and decide on what it shows now",
    { extensions: { digest: record.approval?.digest, decision: record.decision } },
  );
}
