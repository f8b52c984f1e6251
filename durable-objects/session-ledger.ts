// Remembers what one session has spent, holds and did; every rule is in src/core/state/session-ledger.ts.
import { DurableObject } from "cloudflare:workers";
import type { StopAndAskEntry } from "../src/core/config/policy-document.ts";
import type { Amounts } from "../src/core/budget/amounts.ts";
import type { MeterNeed } from "../src/core/policy/limits.ts";
import type { EdgeReasons, Reason } from "../src/core/policy/decision.ts";
import { sessionReasons } from "../src/core/policy/evaluate.ts";
import { ExpressionCache } from "../src/core/policy/rules.ts";
import type { Want } from "../src/core/state/account.ts";
import { sessionInput } from "../src/core/state/session-facts.ts";
import type { RouteAsk } from "../src/core/state/session-route.ts";
import * as ledger from "../src/core/state/session-ledger.ts";
import { sagaOf } from "../src/core/state/session-saga.ts";
import type {
  CallRef,
  Charge,
  ChargeOutcome,
  LedgerPolicy,
  Scopes,
  SessionCommand,
  SessionLedgerState,
  SessionPause,
  SessionReply,
  SessionSaga,
} from "../src/core/state/session-messages.ts";
import type { GivenUp } from "../src/core/state/lease.ts";
import type { GrantReply } from "../src/core/state/tenant-limits.ts";
import { degradedTo, NO_UPSTREAM_NEEDS, withoutProbes } from "../src/core/policy/upstream.ts";
import type { UpstreamAsk } from "../src/core/state/tenant-upstream.ts";
import { storedCharge } from "../src/core/state/stored-shapes.ts";
import type { Learnt } from "../src/core/state/teaching.ts";
import { statementLine } from "../src/core/trace/admissions.ts";
import { remembersEnd, whySessionStays, type Forgetting } from "../src/core/state/forgetting.ts";
import { withholdRecord } from "../src/core/guard/mask.ts";
import { expiredHoldRecord } from "../src/core/trace/orphan.ts";
import type { TraceRecord } from "../src/core/trace/record.ts";
import { SqlStore, type RecordQueue } from "./sql-store.ts";

/** The tenant's ledger, as this object calls it. */
interface RemoteTenant {
  grant(
    session: string,
    shortages: readonly MeterNeed[],
    rates: LedgerPolicy["rates"],
    upstream: UpstreamAsk,
  ): Promise<GrantReply>;
  release(released: {
    readonly callId: string;
    readonly slots: readonly string[];
    readonly probes: readonly string[];
  }): Promise<void>;
  giveUp(unused: readonly GivenUp[]): Promise<void>;
}

/** What the object needs of its Worker. */
interface LedgerEnv {
  readonly TRACES: RecordQueue;
  readonly TENANT_LEDGER: { getByName(name: string): RemoteTenant };
}

/** What one hold turned out to have used. */
interface Settled {
  readonly holdId: string;
  readonly actual: Amounts;
}

/** A tool call that asks to be charged. */
interface ChargeRequest {
  readonly callId: string;
  readonly scopes: Scopes;
  readonly amounts: Amounts;
  readonly ref: CallRef;
  readonly policy: LedgerPolicy;
  readonly isInSaga: boolean;
  readonly isHeld: boolean;
}

/** The outbox is tried again after this long. */
const OUTBOX_RETRY_MS = 5_000;

/** Planned rules, shared by the sessions of this isolate. */
const expressions = new ExpressionCache();

/** One session's ledger, named `<tenant>/<session>`. Each transition is one turn: read, decide, write, reply. */
export class SessionLedger extends DurableObject<LedgerEnv> {
  readonly #store: SqlStore;
  #state: SessionLedgerState;
  /** Charged calls, oldest first: read once, then kept up to date, for this object is their only writer. */
  #history: Map<string, Charge> | undefined;
  /** Calls that need the tenant's ledger go one after another, so that none takes what another was granted. */
  #granting: Promise<unknown> = Promise.resolve();
  #alarmAt: number | null = null;

  constructor(ctx: DurableObjectState, env: LedgerEnv) {
    super(ctx, env);
    this.#store = new SqlStore(ctx.storage);
    const stored = this.#store.readState() as SessionLedgerState | undefined;
    const known = stored === undefined ? ledger.EMPTY_LEDGER : { ...ledger.EMPTY_LEDGER, ...stored };
    this.#state = ledger.reload(known);
    if (this.#state !== known) this.#store.writeState(this.#state);
    // What an earlier instance was to be woken for must not be put off.
    void ctx.blockConcurrencyWhile(async () => {
      this.#alarmAt = await ctx.storage.getAlarm();
      // What an unclean stop left untold is told though no call comes any more.
      if (this.#state !== known) await this.#wakeBy(ledger.nextWake(this.#state));
    });
  }

  /** Settles the holds that ride along, then holds a model call's worst case, or says why not. */
  admit(
    call: {
      readonly holdId: string;
      readonly scopes: Scopes;
      readonly want: Want;
      readonly expiresAt: number;
      readonly ref: CallRef;
      readonly stop: Reason | null;
      readonly stopAndAsk: StopAndAskEntry | null;
      readonly route?: RouteAsk;
    },
    settlements: readonly Settled[],
  ): SessionReply {
    this.settle(settlements);
    return this.#apply({ type: "admit", ...call, outboxDepth: this.#store.outboxDepth() });
  }

  /** Turns holds into what was used, each once. */
  settle(settlements: readonly Settled[]): void {
    for (const { holdId, actual } of settlements) this.#apply({ type: "settle", holdId, actual });
  }

  /** Decides the session's part of a tool call, charges it and records its intent durably before the reply. */
  async charge(call: ChargeRequest): Promise<SessionReply> {
    const first = this.#charge(call, false);
    if (first.type !== "needs_grants") return first;
    const granted = this.#granting.then(() => this.#chargeGranted(call));
    this.#granting = granted.catch(() => undefined);
    return granted;
  }

  /** What the session's rules would say, and whether it is paused; nothing changes. */
  consult({ policy, ref, callId }: Pick<ChargeRequest, "policy" | "ref"> & Partial<Pick<ChargeRequest, "callId">>): {
    readonly reasons: readonly Reason[];
    readonly pause: SessionPause | null;
  } & Pick<EdgeReasons, "standby"> {
    const now = Date.now();
    const before = this.#charges().filter((each) => each.callId !== callId);
    const session = sessionInput({ ...this.#state, id: ref.session }, before, now);
    const reasons =
      policy.world === null
        ? []
        : sessionReasons(policy.rules, { ...policy.world, now }, { session, cache: expressions });
    return { reasons, pause: this.#state.pause, standby: policy.standby };
  }

  /** Notes what became of a charged call, once; one that surely did not happen gets its charge back, and its share of limits goes back to the tenant. */
  async conclude(callId: string, outcome: ChargeOutcome, learnt: Learnt | null): Promise<SessionReply> {
    const priorCharge = this.#priorCharge(callId);
    const reply = this.#apply({ type: "conclude", callId, outcome, learnt, priorCharge });
    const { slots = [], probes = [] } = priorCharge ?? {};
    // A probe that the breaker has heard of is its own no more; one that was never sent makes room for the next.
    if (priorCharge !== null && priorCharge.outcome === undefined && slots.length + probes.length > 0)
      await this.#release(priorCharge.ref.tenant, { callId, slots, probes });
    if (outcome === "failed" || outcome === "withdrawn") await this.#giveUp("returned");
    return reply;
  }

  /** Takes back what a lease has left; the tenant's ledger asks before it refuses another session. */
  reclaim(leaseId: string): number {
    const reply = this.#apply({ type: "reclaim", leaseId });
    return reply.type === "reclaimed" ? reply.unused : 0;
  }

  /** Pauses the session, or ends it for good; keeps the record of that until the queue has it. */
  pause(pause: Omit<SessionPause, "at">, record: TraceRecord): Promise<SessionReply> {
    return this.#told({ type: "pause", pause }, record);
  }

  /** Whether a call of this actor may be answered here without being charged; pauses the session where it asks for that. */
  revisit(asked: {
    readonly ref: CallRef;
    readonly scopes: Scopes;
    readonly pause: Omit<SessionPause, "at"> | null;
  }): SessionReply {
    return this.#apply({ type: "revisit", ...asked });
  }

  /** The saga of a task; with `isClosing` it takes no further calls from now on. */
  saga(task: string, isClosing: boolean): SessionSaga {
    if (isClosing) this.#apply({ type: "close_saga", task });
    return sagaOf(this.#state, this.#charges(), task);
  }

  /** Lets a paused session go on; keeps the record of that until the queue has it. */
  resume(record: TraceRecord): Promise<SessionReply> {
    return this.#told({ type: "resume" }, record);
  }

  async #told(command: SessionCommand, record: TraceRecord): Promise<SessionReply> {
    const before = this.#state.pause;
    const reply = this.#apply(command);
    if (this.#state.pause?.kind !== before?.kind) await this.stash([withholdRecord(record)]);
    return reply;
  }

  /** The ledger as it stands. */
  read(): { readonly state: SessionLedgerState; readonly outboxDepth: number } {
    return { state: this.#state, outboxDepth: this.#store.outboxDepth() };
  }

  /** Forgets everything but that a person ended it, unless something of it is open. */
  forget(): Forgetting {
    if (this.#store.readState() === undefined) return { type: "nothing" };
    const why = whySessionStays(this.#state, this.#charges(), this.#store.outboxDepth());
    if (why !== undefined) return { type: "left", why };
    const end = remembersEnd(this.#state);
    if (end !== undefined && this.#state.session === null && this.#charges().length === 0) return { type: "nothing" };
    this.#store.forget();
    this.#history = undefined;
    this.#alarmAt = null;
    this.#state = end ?? ledger.EMPTY_LEDGER;
    if (end !== undefined) this.#store.writeState(end);
    return { type: "forgotten" };
  }

  /** Keeps records that the queue refused. */
  async stash(records: readonly TraceRecord[]): Promise<void> {
    for (const record of records) this.#store.addToOutbox(record);
    await this.#wakeBy(Date.now() + OUTBOX_RETRY_MS);
  }

  override async alarm(): Promise<void> {
    this.#alarmAt = null;
    await this.#giveUpIdle();
    this.#apply({ type: "tick", outboxDepth: this.#store.outboxDepth() });
    const waiting = await this.#store.drainOutbox(this.env.TRACES);
    await this.#wakeBy(waiting > 0 ? Date.now() + OUTBOX_RETRY_MS : ledger.nextWake(this.#state));
  }

  #charge(call: ChargeRequest, isGranted: boolean): SessionReply {
    return this.#apply({
      type: "charge",
      ...call,
      isGranted,
      priorCharge: this.#priorCharge(call.callId),
      history: this.#charges(),
      cache: expressions,
      outboxDepth: this.#store.outboxDepth(),
    });
  }

  /** Asks the tenant's ledger for what is still short, and charges in the same turn in which the answer arrives. */
  async #chargeGranted(call: ChargeRequest): Promise<SessionReply> {
    const again = this.#charge(call, false);
    if (again.type !== "needs_grants") return again;
    await this.#giveUp("returned");
    const { callId, ref, policy } = call;
    const upstream: UpstreamAsk = { ...(policy.upstream ?? NO_UPSTREAM_NEEDS), callId };
    const answer = await this.#tenant(ref.tenant).grant(ref.session, again.shortages, policy.rates, upstream);
    if (answer.type === "tool_unavailable") return this.#chargeDegraded(call, answer);
    if (answer.type !== "granted") return answer;
    this.#apply({ type: "lease", grants: answer.grants });
    const last = this.#charge(call, true);
    // Reclaimed between grant and draw: as used up as if the other session had been first.
    if (last.type === "needs_grants") return this.#chargeGranted(call);
    const { slots, probes } = upstream;
    if (last.type !== "charged" && slots.length + probes.length > 0)
      await this.#release(ref.tenant, {
        callId,
        slots: slots.map(({ key }) => key),
        probes: probes.map(({ key }) => key),
      });
    return last;
  }

  /** A call whose upstream is left alone: kept as a draft where its tool says so, refused otherwise. */
  async #chargeDegraded(
    call: ChargeRequest,
    refusal: GrantReply & { type: "tool_unavailable" },
  ): Promise<SessionReply> {
    const reason = degradedTo(call.policy, refusal);
    if (reason === null) return refusal;
    const policy = { ...withoutProbes(call.policy), reasons: [...call.policy.reasons, reason] };
    const first = this.#charge({ ...call, policy }, false);
    const reply = first.type === "needs_grants" ? await this.#chargeGranted({ ...call, policy }) : first;
    return reply.type === "not_allowed" ? { ...reply, reasons: [...reply.reasons, reason] } : reply;
  }

  /** What the tenant does not hear of is free once its time is over. */
  async #release(
    tenant: string,
    released: { readonly callId: string; readonly slots: readonly string[]; readonly probes: readonly string[] },
  ): Promise<void> {
    await this.#tenant(tenant)
      .release(released)
      .catch(() => undefined);
  }

  /** A quiet session keeps nothing that others could use. */
  async #giveUpIdle(): Promise<void> {
    const isQuiet = Date.now() - this.#state.lastActivityAt >= ledger.QUIET_MS;
    await this.#giveUp(isQuiet ? "all" : "returned");
  }

  /** What the tenant does not hear of stays counted for its window: sent again, it could be counted back twice. */
  async #giveUp(which: "all" | "returned"): Promise<void> {
    const { tenant } = this.#state;
    if (tenant === null) return;
    const reply = this.#apply({ type: "give_up", which });
    if (reply.type !== "given_up" || reply.unused.length === 0) return;
    await this.#tenant(tenant)
      .giveUp(reply.unused)
      .catch(() => undefined);
  }

  #tenant(tenant: string): RemoteTenant {
    return this.env.TENANT_LEDGER.getByName(tenant);
  }

  #charges(): readonly Charge[] {
    this.#history ??= new Map(
      (this.#store.allRows("") as readonly Charge[])
        .map(storedCharge)
        .toSorted((a, b) => a.seq - b.seq)
        .map((each) => [each.callId, each]),
    );
    return [...this.#history.values()];
  }

  #storedCharge(callId: string): Charge | null {
    const stored = this.#store.readRow(callId) as Charge | undefined;
    return stored === undefined ? null : storedCharge(stored);
  }

  #priorCharge(callId: string): Charge | null {
    return this.#history === undefined ? this.#storedCharge(callId) : (this.#history.get(callId) ?? null);
  }

  #apply(command: SessionCommand): SessionReply {
    const now = Date.now();
    const { next, reply, effects } = ledger.transition(this.#state, command, now);
    this.#state = next;
    for (const effect of effects) {
      switch (effect.type) {
        case "persist":
          this.#store.writeState(next);
          break;
        case "write_charge":
          this.#store.writeRow(effect.charge.callId, effect.charge);
          this.#history?.set(effect.charge.callId, effect.charge);
          break;
        case "report_expired":
          this.#store.addToOutbox(expiredHoldRecord(effect.hold, effect.hold.amounts, now));
          break;
        case "state_admissions":
          for (const each of effect.statements)
            this.#store.addLine(`admissions/${each.hour}/${each.from_seq}`, statementLine(each));
          break;
        case "forget":
          this.#store.forget();
          this.#history = undefined;
          break;
        default:
          effect satisfies never;
      }
    }
    if (command.type !== "tick") void this.#wakeBy(ledger.nextWake(next));
    return reply;
  }

  /** Sets the alarm unless it already rings early enough. */
  async #wakeBy(at: number | null): Promise<void> {
    if (at === null || (this.#alarmAt !== null && this.#alarmAt <= at)) return;
    this.#alarmAt = at;
    await this.ctx.storage.setAlarm(at);
  }
}
