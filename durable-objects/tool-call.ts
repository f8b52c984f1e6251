// Remembers one tool call; every rule is in src/core/state/tool-call.ts.
import { DurableObject } from "cloudflare:workers";
import { decide, type Decision } from "../src/core/policy/decision.ts";
import type { DraftTerms, Vote } from "../src/core/state/approval.ts";
import type { ApprovalNotice } from "../src/core/state/approval-notice.ts";
import type { CallWork, CompensationOrder, SagaReport } from "../src/core/state/tool-call-after.ts";
import type { CallErrand } from "../src/core/state/call-errand.ts";
import type { ChargeOutcome, LedgerPolicy, SessionReply } from "../src/core/state/session-messages.ts";
import { storedToolCall } from "../src/core/state/stored-shapes.ts";
import { learntFrom } from "../src/core/state/teaching.ts";
import * as calls from "../src/core/state/tool-call.ts";
import type { ToolOutcome } from "../src/core/policy/tool-outcome.ts";
import { stayingHeld, withoutProbes } from "../src/core/policy/upstream.ts";
import type {
  Finding,
  Redecision,
  ToolCallCommand,
  ToolCallRecord,
  ToolCallReply,
  ToolCallRequest,
  ToolCallState,
} from "../src/core/state/tool-call-record.ts";
import { whyCallStays, type Forgetting } from "../src/core/state/forgetting.ts";
import { abandonedCallRecord, expiredApprovalRecord } from "../src/core/trace/orphan.ts";
import type { ToldAt } from "../src/core/trace/act.ts";
import { approvalRecord, type ApprovalAct } from "../src/core/trace/approval-act.ts";
import { showInInbox } from "./approval-inbox.ts";
import { showInList } from "./call-list.ts";
import { SqlStore } from "./sql-store.ts";
import type { Answer, LedgerAsk, RemoteLedger, ToolCallEnv } from "./tool-call-env.ts";

/** What did not go through is tried again after this long, twice as long each time, up to the longest. */
const RETRY_MS = 5_000;
const MAX_RETRY_MS = 600_000;
/** The longest that a reader may wait for a change. */
const MAX_WAIT_MS = 60_000;

/** One tool call, named `<tenant>/<call id>`. The effect may start only after `execute` was answered. */
export class ToolCall extends DurableObject<ToolCallEnv> {
  readonly #store: SqlStore;
  #state: ToolCallState;
  /** Answers given without the session since this instance started: a loop of them is one all the same. */
  #answered = 0;
  /** Times in a row that something owed did not go through. */
  #retries = 0;
  readonly #waiting = new Set<() => void>();
  #showing: Promise<void> | undefined;
  #sending: Promise<void> | undefined;

  constructor(ctx: DurableObjectState, env: ToolCallEnv) {
    super(ctx, env);
    this.#store = new SqlStore(ctx.storage);
    const stored = this.#store.readState() as ToolCallRecord | undefined;
    this.#state = { record: stored === undefined ? null : storedToolCall(stored), admitting: null };
  }

  /** Records the intent and asks the session's ledger; repeats of the key get what the first call got. */
  async begin(
    beginning: LedgerAsk & {
      readonly request: ToolCallRequest;
      readonly decision: Decision;
      readonly draft: DraftTerms;
    },
  ): Promise<Answer> {
    const { request, decision, draft, ...ask } = beginning;
    const reply = this.#apply({ type: "begin", request, decision });
    if (reply.type === "replay" || reply.type === "denied") return this.#again(reply, request, ask);
    if (reply.type !== "ask_ledger") return { call: reply, remainingUsd: null };
    return this.#admit(reply, ask, draft);
  }

  /**
   * Counts one person's vote. `redecided` is the policy's decision at this instant: where it binds another digest or
   * asks for people whom nobody asked, the vote does not count and the record shows what is to be approved now. The
   * last vote needed answers `execute`. A vote that counts is told from here as `told` says.
   */
  async vote(
    ballot: LedgerAsk & {
      readonly vote: Vote;
      readonly told: ToldAt;
      readonly digest: string;
      readonly redecided: Redecision | null;
      readonly draft: DraftTerms;
    },
  ): Promise<Answer> {
    const { vote, told, digest, redecided, draft, ...ask } = ballot;
    const asked = this.#state.record;
    const reply = this.#apply({ type: "vote", vote, digest, redecided, draft });
    await this.#settleDebts();
    const answer =
      reply.type === "ask_ledger" ? await this.#admit(reply, ask, draft) : { call: reply, remainingUsd: null };
    const counts = "call" in answer && answer.call.type !== "vote_refused" && answer.call.type !== "stale";
    if (counts) await this.#tell(asked, { ...vote, comment: null, refused: null }, told);
    return answer;
  }

  /** Takes a waiting or held call back; told as an act on its approval where somebody is named. */
  async withdraw(by: { readonly by: string; readonly told: ToldAt } | null): Promise<ToolCallReply> {
    const asked = this.#state.record;
    const reply = await this.#applied({ type: "withdraw" });
    const act = { verdict: "withdraw", via: "api", comment: null, refused: null } as const;
    if (by !== null && reply.type === "withdrawn") await this.#tell(asked, { by: by.by, ...act }, by.told);
    return reply;
  }

  /** Keeps a person's act until the queue has it, without its comment: that is masked where the gateway records it. */
  async #tell(asked: ToolCallRecord | null, act: ApprovalAct, told: ToldAt): Promise<void> {
    if (asked === null) return;
    this.#store.addToOutbox(approvalRecord(asked, act, told));
    const due = Math.min(calls.nextWake(this.#state) ?? Number.POSITIVE_INFINITY, Date.now() + RETRY_MS);
    await this.ctx.storage.setAlarm(due);
  }

  /** Lets a held call go once its time has come and its session still takes it; answers `execute` then. */
  async release(asked: LedgerAsk & { readonly decision: Decision; readonly draft: DraftTerms }): Promise<Answer> {
    const { decision, draft, ...ask } = asked;
    const reply = await this.#applied({ type: "release", decision, draft });
    if (reply.type !== "ask_ledger") return { call: reply, remainingUsd: null };
    return this.#admit(reply, ask, draft);
  }

  /** Takes what somebody found out about an unknown outcome. */
  settle(finding: Finding): Promise<ToolCallReply> {
    return this.#applied({ type: "settle", finding });
  }

  /** Begins to undo the call, or says how that stands. */
  compensate(order: CompensationOrder, isRetry: boolean): Promise<ToolCallReply> {
    return this.#applied({ type: "compensate", order, isRetry });
  }

  /** Takes how the call that undoes this one stands. */
  compensationStands(id: string, status: string, message: string | null): Promise<ToolCallReply> {
    return this.#applied({ type: "compensation_stands", id, status, message });
  }

  /** Keeps what became of the call's saga. */
  unwound(report: SagaReport | null): Promise<ToolCallReply> {
    return this.#applied({ type: "unwound", report });
  }

  async #applied(command: ToolCallCommand): Promise<ToolCallReply> {
    const reply = this.#apply(command);
    await this.#settleDebts();
    return reply;
  }

  /** Records what the upstream did. The first definite outcome stands. */
  async finish(outcome: ToolOutcome, attempts: number): Promise<ToolCallRecord | undefined> {
    const reply = this.#apply({ type: "finish", outcome, attempts });
    await this.#settleDebts();
    return reply.type === "finished" ? reply.record : undefined;
  }

  /** The call as it stands; waits up to `waitMs` for as long as its status is on the way to another. */
  async read(waitMs = 0): Promise<ToolCallRecord | undefined> {
    this.#apply({ type: "tick" });
    const until = Date.now() + Math.min(waitMs, MAX_WAIT_MS);
    for (let left = waitMs; left > 0 && calls.isOnItsWay(this.#state); left = until - Date.now())
      await this.#change(left);
    return this.#state.record ?? undefined;
  }

  /** Waits for the next change of status, at most so long. */
  #change(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, Math.min(waitMs, MAX_WAIT_MS));
      this.#waiting.add(done);
    });
  }

  /** Forgets the call, unless something of it is open. */
  forget(): Forgetting {
    this.#apply({ type: "tick" });
    const left = whyCallStays(this.#state, this.#store.outboxDepth(), Date.now());
    if (left !== undefined) return { type: "left", ...left };
    if (this.#state.record === null) return { type: "nothing" };
    this.#store.forget();
    this.#state = { record: null, admitting: null };
    return { type: "forgotten" };
  }

  override async alarm(): Promise<void> {
    this.#apply({ type: "tick" });
    await this.#sending;
    await this.#settleDebts();
    const waiting = await this.#store.drainOutbox(this.env.TRACES);
    const wake = calls.nextWake(this.#state);
    const isOwing = waiting > 0 || this.#retries > 0;
    const isAhead = wake !== null && wake > Date.now();
    if (isOwing) await this.ctx.storage.setAlarm(isAhead ? Math.min(wake, this.#retryAt()) : this.#retryAt());
    else if (wake !== null) await this.ctx.storage.setAlarm(Math.max(wake, Date.now() + RETRY_MS));
  }

  async #admit(asked: ToolCallReply & { type: "ask_ledger" }, ask: LedgerAsk, draft: DraftTerms): Promise<Answer> {
    const { request, approved } = asked;
    const policy = this.#policyOf(request, { ...ask.policy, approved });
    const unavailable = policy.upstream?.unavailable ?? null;
    if (unavailable !== null) {
      this.#apply({ type: "not_admitted" });
      return { ledger: unavailable, record: this.#state.record };
    }
    const { id: callId, isInSaga } = request;
    const isHeld = this.#state.record?.status === "held";
    let answer: SessionReply | undefined;
    try {
      answer = await this.#ledgerOf(request).charge({ callId, isInSaga, isHeld, ...ask, policy });
    } finally {
      if (answer?.type !== "charged" && answer?.type !== "not_allowed") this.#apply({ type: "not_admitted" });
    }
    if (answer.type !== "charged" && answer.type !== "not_allowed")
      return { ledger: answer, record: this.#state.record };
    const call = this.#decided(answer, policy, draft);
    await this.#settleDebts();
    return { call, remainingUsd: answer.type === "charged" ? answer.remainingUsd : null };
  }

  /** What will be held is not sent now: its upstream is asked when its time has come. */
  #policyOf({ holdMs }: ToolCallRequest, policy: LedgerPolicy): LedgerPolicy {
    if (this.#state.record?.status === "held") return stayingHeld(policy);
    return holdMs > 0 ? withoutProbes(policy) : policy;
  }

  #decided(
    answer: SessionReply & { type: "charged" | "not_allowed" },
    policy: LedgerPolicy,
    draft: DraftTerms,
  ): ToolCallReply {
    const spoken = { reasons: [...policy.reasons, ...answer.reasons], standby: policy.standby };
    const decision = decide(spoken, policy.version);
    return answer.type === "charged"
      ? this.#apply({ type: "admitted", seq: answer.seq, decision })
      : this.#apply({ type: "decided", decision, draft });
  }

  /**
   * What is answered without a charge is not answered in another actor's session, nor in one that waits for a person; a
   * repeat that the agent makes unawares counts towards stopping its session.
   */
  async #again(
    reply: ToolCallReply & { type: "replay" | "denied" },
    { ask, isKeyDerived, tenant }: ToolCallRequest,
    { ref, scopes, policy }: LedgerAsk,
  ): Promise<Answer> {
    this.#answered += 1;
    const most = policy.stopAndAsk?.repeated_calls;
    // The first answer of a call that was executed is not one of these.
    const times = this.#answered + (reply.type === "replay" ? 1 : 0);
    const isLoop = isKeyDerived && most !== undefined && times >= most;
    if (isLoop) this.#answered = 0;
    const message = `"${ask.tool}" was called ${times} times with the same arguments`;
    const pause = isLoop ? ({ kind: "paused", rule_id: "actor.repeated_calls", message } as const) : null;
    const ledger = this.env.SESSION_LEDGER.getByName(`${tenant}/${ask.session}`);
    const answer = await ledger.revisit({ ref, scopes, pause });
    return answer.type === "revisited" ? { call: reply, remainingUsd: null } : { ledger: answer, record: reply.record };
  }

  #apply(command: ToolCallCommand): ToolCallReply {
    const now = Date.now();
    const before = this.#state.record;
    const { next, reply, effects } = calls.transition(this.#state, command, now);
    this.#state = next;
    for (const effect of effects) {
      switch (effect.type) {
        case "persist":
          this.#store.writeState(next.record);
          break;
        case "report_abandoned":
          this.#store.addToOutbox(abandonedCallRecord(effect.record, now));
          break;
        case "report_expired":
          this.#store.addToOutbox(expiredApprovalRecord(effect.record, now));
          break;
        case "enqueue":
          this.#sending = this.#enqueue(effect.kind);
          break;
        case "forget":
          this.#store.forget();
          break;
        default:
          effect satisfies never;
      }
    }
    this.#changedSince(before);
    return reply;
  }

  #changedSince(before: ToolCallRecord | null): void {
    const { record } = this.#state;
    const isNew = record?.status !== before?.status;
    if (isNew || record?.work?.dueAt !== before?.work?.dueAt) this.#wake();
    if (isNew) for (const done of this.#waiting) done();
  }

  /** One alarm per status and piece of work: set when that comes to the call, for whatever is due next. */
  #wake(): void {
    const due = calls.nextWake(this.#state);
    if (due !== null) void this.ctx.storage.setAlarm(due);
  }

  /** Pays what the record owes others; what does not go through is left to the alarm. */
  async #settleDebts(): Promise<void> {
    const { record } = this.#state;
    if (record === null) return;
    const conclusion = calls.conclusionOf(record);
    const debts: Promise<void>[] = [];
    if (conclusion !== null) debts.push(this.#pay("concluded", () => this.#conclude(record, conclusion)));
    if (record.owesListing) debts.push(this.#list(record));
    if (record.owesReport) debts.push(this.#report(record));
    if (record.owesInbox) debts.push((this.#showing ??= this.#show()));
    if (record.owesNotice) debts.push(this.#pay("notified", () => this.#notify(record)));
    if (debts.length === 0) return;
    const paid = await Promise.allSettled(debts);
    const hasFailed = paid.some((each) => each.status === "rejected");
    this.#retries = hasFailed ? this.#retries + 1 : 0;
    if (hasFailed) await this.ctx.storage.setAlarm(this.#retryAt());
  }

  #retryAt(): number {
    return Date.now() + Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** Math.max(0, this.#retries - 1));
  }

  async #pay(paid: "notified" | "concluded", payment: () => Promise<unknown>): Promise<void> {
    await payment();
    this.#apply({ type: paid });
  }

  #conclude({ request, outcome }: ToolCallRecord, conclusion: ChargeOutcome): Promise<SessionReply> {
    const learnt = outcome === null ? null : learntFrom(request.ask, request.teaching, outcome);
    return this.#ledgerOf(request).conclude(request.id, conclusion, learnt);
  }

  async #list(record: ToolCallRecord): Promise<void> {
    await showInList(this.env.DB, record);
    this.#apply({ type: "listed", changedAt: record.changedAt });
  }

  /** Tells the call that this one undoes how this one stands. */
  async #report({ request, status, outcome }: ToolCallRecord): Promise<void> {
    const undone = this.env.TOOL_CALL.getByName(`${request.tenant}/${request.compensates ?? ""}`);
    const message = outcome === null || outcome.status === "succeeded" ? null : outcome.message;
    await undone.compensationStands(request.id, status, message);
    this.#apply({ type: "reported", status });
  }

  /** Asks the gateway to do what is due: a message of ids alone, the rest is read when it is done. */
  async #enqueue(work: CallWork): Promise<void> {
    const { request } = this.#state.record ?? {};
    if (request === undefined) return;
    const errand: CallErrand = { v: 1, tenant: request.tenant, tool_call: request.id, work };
    try {
      await this.env.CALLS.send(JSON.stringify(errand), { contentType: "text" });
    } catch {
      this.#apply({ type: "work_unsent" });
    }
  }

  /** Shows the approval in the inbox, one write after the other until the last one is how it stands. */
  async #show(): Promise<void> {
    try {
      for (let record = this.#state.record; record?.owesInbox === true; record = this.#state.record) {
        await showInInbox(this.env.DB, record);
        if (this.#state.record?.approval === record.approval) this.#apply({ type: "inbox_shown" });
      }
    } finally {
      this.#showing = undefined;
    }
  }

  /** Asks for the approvers to be told: a message of ids alone, the rest is read when it is delivered. */
  async #notify({ request, approval }: ToolCallRecord): Promise<void> {
    if (approval === null) return;
    const notice: ApprovalNotice = { v: 1, tenant: request.tenant, tool_call: request.id, approval: approval.id };
    await this.env.NOTICES.send(JSON.stringify(notice), { contentType: "text" });
  }

  #ledgerOf(request: ToolCallRequest): RemoteLedger {
    return this.env.SESSION_LEDGER.getByName(`${request.tenant}/${request.ask.session}`);
  }
}
