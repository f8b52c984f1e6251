// Keeps the tally of one model call and closes it exactly once: cost, settlement, record.
import type { ModelCall } from "../core/call.ts";
import { amounts } from "../core/budget/amounts.ts";
import { costMicro, costPico, totalTokens, type Usage } from "../core/budget/price.ts";
import type { ActiveConfig, ResolvedModel } from "../core/config/published.ts";
import type { Refusal } from "../core/errors.ts";
import type { Decision } from "../core/policy/decision.ts";
import type { SessionReply } from "../core/state/session-ledger.ts";
import { ATTR } from "../core/trace/attributes.ts";
import type { IndexRow, Span } from "../core/trace/record.ts";
import { microFromPico } from "../core/units/money.ts";
import type { Ports, Recorder } from "./ports.ts";
import { buildRecord, callAttributes, decisionSpan, type RecordedBody } from "./record.ts";

/** What a call's facts were. */
export interface TallyFacts {
  readonly config: ActiveConfig;
  readonly model: ResolvedModel | undefined;
  readonly decision: Decision;
  readonly recorder: Recorder;
}

/** How a call ended, for its record. */
export type ModelCallStatus = "succeeded" | "failed" | "denied" | "caller_left";

/** What was learnt from the provider's answer. */
export interface Learnt {
  readonly usage: Usage | undefined;
  readonly responseText: string;
  readonly contentType: string;
  readonly responseModel?: string;
  readonly responseId?: string;
  readonly finishReasons?: readonly string[];
  readonly errorType?: string;
  /** Output tokens that may have been made when the provider did not say: an upper bound. */
  readonly outputBound?: number;
}

interface Cost {
  readonly micro: number;
  readonly nano: number;
  readonly tokens: number;
  readonly basis: "usage" | "hold" | "bound" | "none";
}

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
    if (this.#close())
      this.#record(
        refusal.code === "policy_denied" || refusal.code === "scope_missing" ? "denied" : "failed",
        noCost(),
        { error: refusal.code, bodies: [] },
      );
  }

  /** Gives the whole hold back: the provider was surely never reached. */
  async settleUnsent(refusal: Refusal): Promise<void> {
    if (!this.#close()) return;
    await this.#settle(noCost());
    this.#record("failed", noCost(), { error: refusal.code, bodies: [] });
  }

  /** Charges the whole hold: the provider may have worked and has not said how much. */
  async settleAtHold(status: ModelCallStatus, refusal: Refusal): Promise<void> {
    if (!this.#close()) return;
    const cost = this.#holdCost();
    await this.#settle(cost);
    this.#record(status, cost, { error: refusal.code, bodies: [] });
  }

  /** Settles what the provider said was used; without that, an upper bound of it. */
  async settleLearnt(status: ModelCallStatus, learnt: Learnt): Promise<void> {
    if (!this.#close()) return;
    const cost = this.#costOf(status, learnt);
    await this.#settle(cost);
    const bodies: readonly RecordedBody[] = [
      { name: "response", contentType: learnt.contentType, text: learnt.responseText },
    ];
    this.#record(status, cost, {
      learnt,
      bodies,
      ...(learnt.errorType === undefined ? {} : { error: learnt.errorType }),
    });
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
    if (model === undefined) return noCost();
    if (learnt.usage !== undefined) {
      const pico = costPico(model.price, learnt.usage);
      return {
        micro: costMicro(model.price, learnt.usage),
        nano: Math.ceil(pico / 1000),
        tokens: totalTokens(learnt.usage),
        basis: "usage",
      };
    }
    // A refused request costs nothing at any provider; anything else without usage is charged its bound.
    if (status === "failed" && (this.#httpStatus ?? 0) >= 400) return noCost();
    return learnt.outputBound === undefined ? this.#holdCost() : this.#boundCost(model, learnt.outputBound);
  }

  #boundCost(model: ResolvedModel, outputBound: number): Cost {
    const hold = this.#holdCost();
    const unused = Math.max(0, (this.#admission?.units ?? 0) - outputBound) * this.#call.choices;
    const dearest = Math.max(...model.price.tiers.map((tier) => tier.outputPico));
    const micro = Math.max(0, hold.micro - Math.floor((unused * dearest) / 1_000_000));
    return { micro, nano: micro * 1000, tokens: Math.max(0, hold.tokens - unused), basis: "bound" };
  }

  async #settle(cost: Cost): Promise<void> {
    if (this.#admission === undefined) return;
    const { tenant } = this.#call.context.principal;
    await this.#ports.sessions.settle(
      tenant,
      this.#call.context.session,
      this.spanId,
      amounts({ usd: cost.micro, tokens: cost.tokens, calls: 1 }),
    );
  }

  #record(
    status: ModelCallStatus,
    cost: Cost,
    more: { readonly error?: string; readonly learnt?: Learnt; readonly bodies: readonly RecordedBody[] },
  ): void {
    const { context } = this.#call;
    const endedAt = this.#ports.system.now();
    const index = this.#indexRow(status, cost, endedAt, more);
    const request: RecordedBody = { name: "request", contentType: "application/json", text: this.#call.body.text };
    const spans = [
      this.#callSpan(status, cost, endedAt, more),
      decisionSpan(
        { spanId: this.#ports.system.randomHex(8), parentId: this.spanId },
        this.#facts.decision,
        this.startedAt,
      ),
    ];
    this.#facts.recorder.write(
      buildRecord(index, spans, [request, ...more.bodies], [...context.credentials, ...this.#credentials]),
    );
  }

  #callSpan(
    status: ModelCallStatus,
    cost: Cost,
    endedAt: number,
    more: { readonly error?: string; readonly learnt?: Learnt },
  ): Span {
    const { context, model } = this.#call;
    const usage = more.learnt?.usage;
    return {
      span_id: this.spanId,
      parent_span_id: context.parent?.parentId ?? null,
      name: `chat ${this.#facts.model?.upstreamName ?? model}`,
      kind: "client",
      start_ms: this.startedAt,
      end_ms: endedAt,
      status: status === "succeeded" ? "ok" : "error",
      attributes: {
        ...callAttributes(context, this.#facts.decision),
        [ATTR.operation]: "chat",
        [ATTR.provider]: this.#facts.model?.provider.kind === "openai" ? "openai" : this.#facts.model?.providerName,
        [ATTR.requestModel]: this.#facts.model?.upstreamName ?? model,
        [ATTR.requestMaxTokens]: this.#admission?.units,
        [ATTR.requestStream]: this.#call.isStream,
        [ATTR.responseModel]: more.learnt?.responseModel,
        [ATTR.responseId]: more.learnt?.responseId,
        [ATTR.finishReasons]: more.learnt?.finishReasons,
        [ATTR.inputTokens]: usage === undefined ? undefined : usage.input + usage.cacheRead,
        [ATTR.outputTokens]: usage?.output,
        [ATTR.cacheReadTokens]: usage?.cacheRead,
        [ATTR.reasoningTokens]: usage?.reasoning,
        [ATTR.httpStatus]: this.#httpStatus,
        [ATTR.errorType]: more.error,
        [ATTR.costMicroUsd]: cost.micro,
        [ATTR.costNanoUsd]: cost.nano,
        [ATTR.costBasis]: cost.basis,
        [ATTR.heldMicroUsd]: this.#admission?.held.usd,
        [ATTR.seq]: this.#admission?.seq,
        [ATTR.tier]: this.#facts.model?.entry.tier,
        [ATTR.outcome]: status,
      },
    };
  }

  #indexRow(
    status: ModelCallStatus,
    cost: Cost,
    endedAt: number,
    more: { readonly error?: string; readonly learnt?: Learnt },
  ): IndexRow {
    const { context } = this.#call;
    return {
      tenant: context.principal.tenant,
      trace_hex: context.trace.hex,
      span_id: this.spanId,
      trace_id: context.trace.shown,
      started_at: this.startedAt,
      duration_ms: endedAt - this.startedAt,
      kind: "chat",
      session_id: context.session,
      task_id: context.task,
      actor: context.actor,
      subject: this.#call.model,
      status,
      decision: this.#facts.decision.effect,
      error_code: more.error ?? null,
      policy_version: this.#facts.decision.policy_version,
      cost_micro_usd: cost.micro,
      input_tokens: (more.learnt?.usage?.input ?? 0) + (more.learnt?.usage?.cacheRead ?? 0),
      output_tokens: more.learnt?.usage?.output ?? 0,
      seq: this.#admission?.seq ?? null,
      call_id: null,
    };
  }
}

function noCost(): Cost {
  return { micro: microFromPico(0), nano: 0, tokens: 0, basis: "none" };
}
