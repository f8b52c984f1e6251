// Keeps the tally of one admission of a model call and closes it exactly once: cost, settlement, record.
import { amounts } from "../../core/budget/amounts.ts";
import { costMicro, costPico, priceFault, totalTokens } from "../../core/budget/price.ts";
import type { ResolvedModel } from "../../core/config/published.ts";
import type { Refusal } from "../../core/errors.ts";
import { isUnbilled } from "../../core/routing/failover.ts";
import type { RoutePlan } from "../../core/routing/plan.ts";
import type { SessionReply } from "../../core/state/session-messages.ts";
import type { CallMeta } from "../call-meta.ts";
import { isDenial } from "../enforce.ts";
import type { ModelPorts } from "../ports.ts";
import type { Attempt, Failure } from "./attempt.ts";
import {
  recordModelCall,
  type Cost,
  type Learnt,
  type MadeAttempt,
  type ModelCallStatus,
  type TallyFacts,
} from "./record-model-call.ts";

const NO_COST: Cost = { micro: 0, nano: 0, tokens: 0, basis: "none" };

type Admitted = SessionReply & { readonly type: "admitted" };

/**
 * The tally of one admission. A call has one, and a further one for each attempt that may have been billed before
 * another was made: each is charged and recorded by itself, so that no charge hides behind another.
 */
export class ModelCallTally {
  readonly spanId: string;
  readonly startedAt: number;
  readonly #ports: ModelPorts;
  #facts: TallyFacts;
  readonly #attempts: MadeAttempt[] = [];
  #meta: CallMeta;
  #admission: Admitted | undefined;
  #model: ResolvedModel | undefined;
  #httpStatus: number | undefined;
  #credentials: readonly string[];
  #keptAgeS: number | undefined;
  #isSent = false;
  #isClosed = false;

  constructor(ports: ModelPorts, facts: TallyFacts, meta: CallMeta) {
    this.#ports = ports;
    this.#facts = facts;
    this.#meta = meta;
    this.#model = facts.plan?.candidates[0]?.model;
    this.#credentials = facts.call.context.credentials;
    this.spanId = ports.system.randomHex(8);
    this.startedAt = ports.system.now();
  }

  /** What the answer tells about its call. */
  get meta(): CallMeta {
    return this.#meta;
  }

  /** Output tokens that the hold pays for, over all choices. */
  get grantedOutput(): number {
    return (this.#admission?.units ?? 0) * this.#facts.call.fields.choices;
  }

  /** Output tokens per choice that the hold pays for. */
  get grantedUnits(): number {
    return this.#admission?.units ?? 0;
  }

  /** Notes the ledger's admission. */
  admitted(reply: Admitted): void {
    this.#admission = reply;
    this.#meta = { ...this.#meta, remainingUsd: reply.remainingUsd };
  }

  /** Notes the plan that the call's session has chosen, and what the answer tells of it. */
  routed(plan: RoutePlan, shown: Partial<CallMeta>): void {
    this.#facts = { ...this.#facts, plan };
    this.#model = plan.candidates[0]?.model;
    this.#meta = { ...this.#meta, ...shown };
  }

  /** How the call is to be answered; `undefined` where its name stands for nothing. */
  get plan(): RoutePlan | undefined {
    return this.#facts.plan;
  }

  /** Notes that the answer was given before, so many seconds ago: it costs nothing. */
  isKept(ageS: number): void {
    this.#keptAgeS = ageS;
    this.#meta = { ...this.#meta, keptAgeS: ageS };
  }

  /** Notes that answers are kept, and that this one was not. */
  isNotKept(): void {
    this.#meta = { ...this.#meta, keptAgeS: null };
  }

  /** Notes an attempt that is answered, or that is the last. */
  answeredBy(attempt: Attempt, httpStatus: number | undefined, credential: string | undefined): void {
    const { model } = attempt.candidate;
    this.#model = model;
    this.#httpStatus = httpStatus;
    if (credential !== undefined) this.#credentials = [...this.#credentials, credential];
    const { tier } = model.entry;
    this.#meta = {
      ...this.#meta,
      model: model.name,
      ...(tier === undefined || this.#meta.tier !== undefined ? {} : { tier }),
    };
    this.#attempts.push({ attempt, endedAt: undefined, httpStatus, error: undefined });
  }

  /** Notes that something is about to be sent: from now on it may be billed. */
  isSending(): void {
    this.#isSent = true;
  }

  /** Closes it for a fault of ours: at its hold, unless nothing was ever sent. */
  settleFault(refusal: Refusal): void {
    if (this.#isSent) this.settleAtHold("failed", refusal);
    else this.settleUnsent(refusal);
  }

  /** Notes an attempt that another one follows. */
  failed(
    attempt: Attempt,
    { httpStatus, credential, refusal }: Pick<Failure, "httpStatus" | "credential" | "refusal">,
  ): void {
    if (credential !== undefined) this.#credentials = [...this.#credentials, credential];
    this.#attempts.push({
      attempt,
      endedAt: this.#ports.system.now(),
      httpStatus,
      error: (httpStatus ?? 0) >= 400 ? `upstream_${httpStatus}` : refusal.code,
    });
  }

  /** Records a call that was refused before anything was held. */
  recordRefusal(refusal: Refusal): void {
    if (this.#close()) this.#record(isDenial(refusal) ? "denied" : "failed", NO_COST, { refusal });
  }

  /** Gives the whole hold back: nothing was surely billed. */
  settleUnsent(refusal: Refusal): void {
    if (!this.#close()) return;
    this.#settle(NO_COST);
    this.#record("failed", NO_COST, { refusal });
  }

  /** Charges the whole hold: the provider may have worked and has not said how much. */
  settleAtHold(status: ModelCallStatus, refusal: Refusal): void {
    if (!this.#close()) return;
    const cost = this.#holdCost();
    this.#settle(cost);
    this.#record(status, cost, { refusal });
  }

  /** Settles what the provider said was used; without that, the whole hold. */
  settleLearnt(status: ModelCallStatus, learnt: Learnt): void {
    if (!this.#close()) return;
    const cost = this.#costOf(status, learnt);
    this.#settle(cost);
    this.#record(status, cost, { learnt });
  }

  #close(): boolean {
    if (this.#isClosed) return false;
    this.#isClosed = true;
    return true;
  }

  #holdCost(): Cost {
    const held = this.#admission?.held;
    return { micro: held?.usd ?? 0, nano: (held?.usd ?? 0) * 1000, tokens: held?.tokens ?? 0, basis: "hold" };
  }

  #costOf(status: ModelCallStatus, learnt: Learnt): Cost {
    const model = this.#model;
    if (model === undefined || this.#keptAgeS !== undefined) return NO_COST;
    if (learnt.usage !== undefined) {
      const fault = priceFault(model.price, learnt.usage);
      // Tokens that cost nothing are a fault of the price, not a gift: the hold stands, and the record says why.
      if (fault !== undefined) return { ...this.#holdCost(), fault };
      const pico = costPico(model.price, learnt.usage);
      return {
        micro: costMicro(model.price, learnt.usage),
        nano: Math.ceil(pico / 1000),
        tokens: totalTokens(learnt.usage),
        basis: "usage",
      };
    }
    const isFree = status === "failed" && (learnt.isUnbilled === true || isUnbilled(this.#httpStatus ?? 200));
    return isFree ? NO_COST : this.#holdCost();
  }

  #settle(cost: Cost): void {
    if (this.#admission === undefined) return;
    const { principal, session } = this.#facts.call.context;
    // What was held without counting as a call is settled without.
    const actual = amounts({ usd: cost.micro, tokens: cost.tokens, calls: this.#admission.held.calls });
    this.#ports.sessions.settle({ tenant: principal.tenant, session, holdId: this.spanId, actual }, this.#facts.defer);
  }

  #record(status: ModelCallStatus, cost: Cost, more: { readonly refusal?: Refusal; readonly learnt?: Learnt }): void {
    recordModelCall(this.#ports, this.#facts.recorder, {
      facts: this.#facts,
      model: this.#model,
      spanId: this.spanId,
      startedAt: this.startedAt,
      status,
      cost,
      attempts: this.#keptAgeS === undefined ? this.#attempts : [],
      keptAgeS: this.#keptAgeS,
      admission: this.#admission,
      httpStatus: this.#httpStatus,
      credentials: this.#credentials,
      refusal: more.refusal,
      error: more.refusal?.code ?? more.learnt?.errorType ?? cost.fault,
      learnt: more.learnt,
    });
  }
}
