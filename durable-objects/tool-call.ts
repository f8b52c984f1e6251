// Remembers one tool call; every rule is in src/core/state/tool-call.ts.
import { DurableObject } from "cloudflare:workers";
import type { Amounts } from "../src/core/budget/amounts.ts";
import type { Decision } from "../src/core/policy/decision.ts";
import type { CallRef, Scopes, SessionReply } from "../src/core/state/session-messages.ts";
import * as calls from "../src/core/state/tool-call.ts";
import type {
  ToolCallCommand,
  ToolCallRecord,
  ToolCallReply,
  ToolCallRequest,
  ToolCallState,
  ToolOutcome,
} from "../src/core/state/tool-call.ts";
import { abandonedCallRecord } from "../src/core/trace/orphan.ts";
import { SqlStore, type RecordQueue } from "./sql-store.ts";

/** The session's ledger, as this object calls it. */
interface RemoteLedger {
  charge(call: {
    readonly callId: string;
    readonly scopes: Scopes;
    readonly amounts: Amounts;
    readonly ref: CallRef;
  }): Promise<SessionReply>;
  giveBack(callId: string): Promise<SessionReply>;
}

/** What the object needs of its Worker. */
interface ToolCallEnv {
  readonly SESSION_LEDGER: { getByName(name: string): RemoteLedger };
  readonly TRACES: RecordQueue;
}

/** What did not go through is tried again after this long. */
const RETRY_MS = 5_000;

/** One tool call, named `<tenant>/<call id>`. The effect may start only after `begin` has answered `execute`. */
export class ToolCall extends DurableObject<ToolCallEnv> {
  readonly #store: SqlStore;
  #state: ToolCallState;

  constructor(ctx: DurableObjectState, env: ToolCallEnv) {
    super(ctx, env);
    this.#store = new SqlStore(ctx.storage);
    this.#state = { record: (this.#store.readState() as ToolCallRecord | undefined) ?? null, admitting: null };
  }

  /** Records the intent and asks the session's ledger; repeats of the key get what the first call got. */
  async begin(beginning: {
    readonly request: ToolCallRequest;
    readonly decision: Decision;
    readonly scopes: Scopes;
    readonly amounts: Amounts;
    readonly ref: CallRef;
  }): Promise<
    { readonly call: ToolCallReply; readonly remainingUsd: number | null } | { readonly ledger: SessionReply }
  > {
    const { request, decision, scopes, amounts, ref } = beginning;
    const reply = this.#apply({ type: "begin", request, decision });
    if (reply.type !== "ask_ledger") return { call: reply, remainingUsd: null };
    let answer: SessionReply | undefined;
    try {
      answer = await this.#ledgerOf(request).charge({ callId: request.id, scopes, amounts, ref });
    } finally {
      if (answer?.type !== "charged") this.#apply({ type: "not_admitted" });
    }
    if (answer.type !== "charged") return { ledger: answer };
    return { call: this.#apply({ type: "admitted", seq: answer.seq }), remainingUsd: answer.remainingUsd };
  }

  /** Records what the upstream did. The first definite outcome stands. */
  finish(outcome: ToolOutcome): ToolCallRecord | undefined {
    const reply = this.#apply({ type: "finish", outcome });
    return reply.type === "finished" ? reply.record : undefined;
  }

  /** The call as it stands. */
  read(): ToolCallRecord | undefined {
    return this.#state.record ?? undefined;
  }

  override async alarm(): Promise<void> {
    this.#apply({ type: "tick" });
    const waiting = await this.#store.drainOutbox(this.env.TRACES);
    const retryAt = Date.now() + RETRY_MS;
    const wake = waiting > 0 ? retryAt : calls.nextWake(this.#state);
    if (wake !== null) await this.ctx.storage.setAlarm(Math.max(wake, retryAt));
  }

  #apply(command: ToolCallCommand): ToolCallReply {
    const now = Date.now();
    const before = this.#state.record?.status;
    const { next, reply, effects } = calls.transition(this.#state, command, now);
    this.#state = next;
    for (const effect of effects) {
      switch (effect.type) {
        case "persist":
          this.#store.writeState(next.record);
          break;
        case "give_back":
          this.ctx.waitUntil(this.#giveBack(next.record));
          break;
        case "report_abandoned":
          this.#store.addToOutbox(abandonedCallRecord(effect.record, now));
          break;
        case "forget":
          this.#store.forget();
          break;
        default:
          effect satisfies never;
      }
    }
    this.#wake(before, next.record);
    return reply;
  }

  /** One alarm per call: set when it begins; when it rings it is set again for whatever is due next. */
  #wake(before: string | undefined, record: ToolCallRecord | null): void {
    const isNew =
      record !== null && record.status !== before && (record.status === "executing" || record.status === "denied");
    const due = isNew || record?.owesGiveBack === true ? calls.nextWake(this.#state) : null;
    if (due !== null) void this.ctx.storage.setAlarm(due);
  }

  async #giveBack(record: ToolCallRecord | null): Promise<void> {
    if (record === null) return;
    await this.#ledgerOf(record.request).giveBack(record.request.id);
    this.#apply({ type: "gave_back" });
  }

  #ledgerOf(request: ToolCallRequest): RemoteLedger {
    return this.env.SESSION_LEDGER.getByName(`${request.tenant}/${request.session}`);
  }
}
