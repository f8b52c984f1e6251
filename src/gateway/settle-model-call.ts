// Keeps the tally of one model call and closes it exactly once: cost, settlement, record.
import type { ModelCall } from "../core/call.ts";
import { amounts } from "../core/budget/amounts.ts";
import { costMicro, costPico, totalTokens } from "../core/budget/price.ts";
import type { Refusal } from "../core/errors.ts";
import type { SessionReply } from "../core/state/session-messages.ts";
import { isDenial } from "./enforce.ts";
import type { Ports } from "./ports.ts";
import { recordModelCall, type Cost, type Learnt, type ModelCallStatus, type TallyFacts } from "./record-model-call.ts";

const NO_COST: Cost = { micro: 0, nano: 0, tokens: 0, basis: "none" };

/** The tally of one model call. */
export class ModelCallTally {
  readonly spanId: string;
  readonly startedAt: number;
  readonly #ports: Ports;
  readonly #call: ModelCall;
  readonly #facts: TallyFacts;
  #admission: (SessionReply & { type: "admitted" }) | undefined;
  #httpStatus: number | undefined;
  #credentials: readonly string[];
  #isClosed = false;
  #onSettled: () => void = () => undefined;

  constructor(ports: Ports, call: ModelCall, facts: TallyFacts) {
    this.#ports = ports;
    this.#call = call;
    this.#facts = facts;
    this.#credentials = call.context.credentials;
    this.spanId = ports.system.randomHex(8);
    this.startedAt = ports.system.now();
  }

  /** Notes the ledger's admission. */
  admitted(reply: SessionReply & { type: "admitted" }): void {
    this.#admission = reply;
  }

  /** Notes the provider's status and the credential it was called with. */
  answered(status: number, credential: string | undefined): void {
    this.#httpStatus = status;
    if (credential !== undefined) this.#credentials = [...this.#credentials, credential];
  }

  /** Runs once the call is closed. */
  onSettled(work: () => void): void {
    this.#onSettled = work;
  }

  /** Records a call that was refused before anything was held. */
  recordRefusal(refusal: Refusal): void {
    if (this.#close()) this.#record(isDenial(refusal) ? "denied" : "failed", NO_COST, { refusal });
  }

  /** Gives the whole hold back: the provider was surely never reached. */
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
    this.#onSettled();
    return true;
  }

  #holdCost(): Cost {
    const held = this.#admission?.held;
    return { micro: held?.usd ?? 0, nano: (held?.usd ?? 0) * 1000, tokens: held?.tokens ?? 0, basis: "hold" };
  }

  #costOf(status: ModelCallStatus, learnt: Learnt): Cost {
    const { model } = this.#facts;
    if (model === undefined) return NO_COST;
    if (learnt.usage !== undefined) {
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
    const { principal, session } = this.#call.context;
    const actual = amounts({ usd: cost.micro, tokens: cost.tokens, calls: 1 });
    this.#ports.sessions.settle({ tenant: principal.tenant, session, holdId: this.spanId, actual }, this.#facts.defer);
  }

  #record(status: ModelCallStatus, cost: Cost, more: { readonly refusal?: Refusal; readonly learnt?: Learnt }): void {
    recordModelCall(this.#ports, this.#facts.recorder, {
      call: this.#call,
      facts: this.#facts,
      spanId: this.spanId,
      startedAt: this.startedAt,
      status,
      cost,
      admission: this.#admission,
      httpStatus: this.#httpStatus,
      credentials: this.#credentials,
      refusal: more.refusal,
      error: more.refusal?.code ?? more.learnt?.errorType,
      learnt: more.learnt,
    });
  }
}

/**
 * Whether a provider that answered with this status has surely billed nothing: it refused or broke before working.
 * Time-outs are not among them; without usage they, like a stream that ended early, cost the whole hold, since tokens
 * that were made and never delivered (hidden reasoning among them) are billed all the same.
 */
function isUnbilled(status: number): boolean {
  return status >= 400 && ![408, 499, 504].includes(status);
}
