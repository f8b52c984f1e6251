// Runs a session's ledger as its object does: memory, what durable storage would give back, and the charges it keeps.
import { amounts, type Amounts, type Limits } from "../../src/core/budget/amounts.ts";
import { ExpressionCache } from "../../src/core/policy/rules.ts";
import type { Want } from "../../src/core/state/account.ts";
import type { Learnt } from "../../src/core/state/teaching.ts";
import { EMPTY_LEDGER, reload, transition } from "../../src/core/state/session-ledger.ts";
import type {
  CallRef,
  Charge,
  ChargeOutcome,
  LedgerPolicy,
  SessionCommand,
  SessionEffect,
  SessionLedgerState,
  SessionReply,
} from "../../src/core/state/session-messages.ts";

/** What every call of these tests belongs to. */
export const ref: CallRef = {
  tenant: "t",
  session: "s",
  actor: "a",
  traceHex: "a".repeat(32),
  spanId: "b".repeat(16),
  subject: "m",
  policyVersion: "v1",
};

/** A want of ten units besides a fixed part. */
export const want = (parts: Partial<Want> = {}): Want => ({
  fixed: amounts({ usd: 10, tokens: 10, calls: 1 }),
  unitPico: 1_000_000,
  unitTokens: 1,
  minUnits: 1,
  maxUnits: 10,
  ...parts,
});

/** A model call that asks to be admitted. */
export const admit = (
  holdId: string,
  limits: Limits,
  more: Partial<SessionCommand & { type: "admit" }> = {},
): SessionCommand => ({
  type: "admit",
  holdId,
  scopes: { session: limits, task: null },
  want: want(),
  expiresAt: 1e12,
  ref,
  stop: null,
  stopAndAsk: null,
  outboxDepth: 0,
  ...more,
});

/** A policy that allows, without rules, limits or rates. */
export const allowing: LedgerPolicy = {
  version: "v1",
  reasons: [{ rule_id: "actor.allowed_tools", effect: "allow", message: "listed" }],
  standby: null,
  rules: [],
  world: null,
  approved: null,
  stopAndAsk: null,
  meters: [],
  rates: [],
  fingerprint: "f",
  values: {},
  amount: null,
};

/** What a charge of these tests says besides its policy. */
export interface ChargeParts {
  readonly limits?: Limits;
  readonly amounts?: Amounts;
  readonly policy?: Partial<LedgerPolicy>;
  readonly subject?: string;
  readonly isHeld?: boolean;
  readonly isGranted?: boolean;
}

/** An object as it runs. */
export class Machine {
  state: SessionLedgerState = EMPTY_LEDGER;
  disk: SessionLedgerState = EMPTY_LEDGER;
  charges = new Map<string, Charge>();
  now = 1;
  writes = 0;
  effects: readonly SessionEffect[] = [];
  readonly #cache = new ExpressionCache();

  /** Applies one command and its effects. */
  send(command: SessionCommand): SessionReply {
    const { next, reply, effects } = transition(this.state, command, this.now);
    this.state = next;
    this.effects = effects;
    for (const effect of effects) {
      if (effect.type === "persist") {
        this.disk = next;
        this.writes += 1;
      }
      if (effect.type === "write_charge") this.charges.set(effect.charge.callId, effect.charge);
    }
    return reply;
  }

  /** Charges a tool call. */
  charge(callId: string, parts: ChargeParts = {}): SessionReply {
    return this.send({
      type: "charge",
      isInSaga: false,
      isHeld: parts.isHeld ?? false,
      callId,
      scopes: { session: parts.limits ?? {}, task: null },
      amounts: parts.amounts ?? amounts({ tool_calls: 1 }),
      ref: { ...ref, subject: parts.subject ?? ref.subject },
      policy: { ...allowing, ...parts.policy },
      history: [...this.charges.values()].toSorted((a, b) => a.seq - b.seq),
      cache: this.#cache,
      isGranted: parts.isGranted ?? false,
      priorCharge: this.charges.get(callId) ?? null,
      outboxDepth: 0,
    });
  }

  /** Notes what became of a charged call. */
  conclude(callId: string, outcome: ChargeOutcome, learnt: Learnt | null = null): SessionReply {
    return this.send({ type: "conclude", callId, outcome, learnt, priorCharge: this.charges.get(callId) ?? null });
  }

  /** Stops at once and starts again from what is on disk. */
  kill(): void {
    this.state = reload(this.disk);
    this.disk = this.state;
  }
}
