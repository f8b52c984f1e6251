// Rebuilds what each session had done at an instant from its recorded calls: the history, counters and spend that rules saw.
import { amounts, type Amounts } from "../../budget/amounts.ts";
import type { ActiveConfig } from "../../config/published.ts";
import { usdFromJson } from "../../units/money.ts";
import { amountOf } from "../built-in.ts";
import type { HistoryEntry } from "../cel/vocabulary.ts";
import type { SessionInput } from "../cel/world.ts";
import { learntFrom, teachingOf, withLearnt, type Learnt } from "../../state/teaching.ts";
import { historyEntry, sessionOf } from "../earlier-calls.ts";
import type { RecordedCall, RecordedModelCall } from "./recorded-call.ts";

/** As many calls as a session can have: rules see every one of them. */
const KEPT = 10_000;

const NOTHING_LEARNT: Learnt = { taint: null, facts: [] };

interface Past {
  readonly call: RecordedCall;
  readonly entry: HistoryEntry;
  readonly amount: number;
  readonly cost: number;
  readonly learnt: Learnt;
}

type Known = Pick<SessionInput, "taint" | "facts">;

interface Session {
  readonly startedAt: number;
  past: readonly Past[];
  /** What calls taught that are no longer kept. */
  known: Known;
  modelCalls: number;
  modelCost: number;
}

/** The sessions of a replay under one config, fed with calls in time order. */
export class ReplayedSessions {
  readonly #config: ActiveConfig;
  readonly #sessions = new Map<string, Session>();

  constructor(config: ActiveConfig) {
    this.#config = config;
  }

  /** Notes a model call. */
  modelCall({ session, startedAt, costMicro }: RecordedModelCall): void {
    const at = this.#at(session, startedAt);
    at.modelCalls += 1;
    at.modelCost += costMicro;
  }

  /** Notes a tool call that ran. */
  ran(call: RecordedCall): void {
    const { ask, startedAt } = call;
    const tool = this.#config.tool(ask.tool)?.entry;
    const entry = historyEntry(this.#config, {
      tool: ask.tool,
      args: ask.args,
      at: startedAt,
      status: call.status === "unknown" ? "unknown" : "succeeded",
    });
    const session = this.#at(ask.session, startedAt);
    const added: Past = {
      call,
      entry,
      amount: tool === undefined ? 0 : amountOf(tool, ask.args),
      cost: usdFromJson(tool?.cost_usd) ?? 0,
      learnt: call.outcome === null ? NOTHING_LEARNT : learntFrom(ask, teachingOf(tool), call.outcome),
    };
    const past = [...session.past, added];
    session.known = past.slice(0, -KEPT).reduce((known, each) => withLearnt(known, each.learnt), session.known);
    session.past = past.slice(-KEPT);
  }

  /** The session of a call as its rules saw it when it came. */
  seenBy({ ask, startedAt }: RecordedCall): SessionInput {
    const session = this.#at(ask.session, startedAt);
    const standing = session.past.filter(({ call }) => call.status !== "failed" || call.endedAt > startedAt);
    const ended = session.past
      .filter(({ call }) => call.endedAt <= startedAt)
      .toSorted((left, right) => left.call.endedAt - right.call.endedAt);
    const sketch = {
      id: ask.session,
      ageS: Math.max(0, Math.floor((startedAt - session.startedAt) / 1000)),
      limits: this.#config.limits(ask.actor).session,
      used: usedOf(session, standing),
      failures: ended.filter(({ call }) => call.status !== "succeeded").length,
      consecutiveFailures: ended.length - 1 - ended.findLastIndex(({ call }) => call.status === "succeeded"),
      ...ended.reduce<Known>((known, each) => withLearnt(known, each.learnt), session.known),
    };
    return sessionOf(
      sketch,
      standing.map(({ call, entry }) => (call.endedAt > startedAt ? { ...entry, status: "executing" } : entry)),
    );
  }

  #at(id: string, startedAt: number): Session {
    const known = this.#sessions.get(id);
    if (known !== undefined) return known;
    const session: Session = { startedAt, past: [], known: { taint: [], facts: {} }, modelCalls: 0, modelCost: 0 };
    this.#sessions.set(id, session);
    return session;
  }
}

function usedOf({ modelCalls, modelCost }: Session, standing: readonly Past[]): Amounts {
  return amounts({
    calls: modelCalls,
    tool_calls: standing.length,
    usd: standing.reduce((sum, each) => sum + each.cost, modelCost),
    tool_usd: standing.reduce((sum, each) => sum + each.amount, 0),
  });
}
