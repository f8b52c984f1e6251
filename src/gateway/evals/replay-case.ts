// Sequences one run of one case by one side: the model is asked, its tool calls are answered from the recording, and an episode comes of it.
import { EVAL_ACTORS } from "../../core/config/check-evals.ts";
import type { SuiteEntry } from "../../core/config/eval-document.ts";
import type { ActiveConfig } from "../../core/config/published.ts";
import type { Conversation, ToolCallPart } from "../../core/dialect/conversation.ts";
import type { Reply } from "../../core/dialect/reply.ts";
import type { CaseCall, EvalCase } from "../../core/eval/case.ts";
import type { Episode, EpisodeCall, EpisodeTurn } from "../../core/eval/episode.ts";
import { offered } from "../../core/eval/replay/offers.ts";
import { ReplayedTools } from "../../core/eval/replay/replayed-tools.ts";
import { canonicalJson } from "../../core/json/canonical.ts";
import { sha256Hex } from "../../core/json/digest.ts";
import { recordedConversation } from "../../core/trace/recorded-model.ts";
import { traceIdFromHex } from "../../core/units/identifier.ts";
import { runAgentLoop, type LoopEnd, type ModelTurn } from "../agent-loop.ts";
import type { Recorder } from "../ports.ts";
import { askModel, type CallGround } from "./replayed-call.ts";
import type { RunningSide } from "./replay-ports.ts";

/** What a run of a case is made with. */
export interface CaseRun {
  readonly tenant: string;
  readonly run: string;
  readonly suite: SuiteEntry;
  readonly running: RunningSide;
  /** The config of the baseline: what the recorded tools were offered by. */
  readonly before: ActiveConfig;
  readonly case: EvalCase;
  /** Which side, and the how manieth run of it: names the session and the trace. */
  readonly place: { readonly side: "candidate" | "baseline"; readonly repeat: number };
  readonly recorder: Recorder;
}

/** The session whose budget one run of a case spends, however often it is begun. */
export function sessionOfRun({ run, case: each, place }: Pick<CaseRun, "run" | "case" | "place">): string {
  const { side, repeat } = place;
  return `ev.${run}.${sha256Hex(each.id).slice(0, 16)}.${side.slice(0, 1)}${repeat}`;
}

/** Runs a case once: one episode of the whole loop, or one for each recorded model call. No tool is ever reached. */
export async function replayCase(asked: CaseRun): Promise<readonly Episode[]> {
  const timer = new AbortController();
  const over = setTimeout(() => timer.abort("time"), asked.suite.budgets.seconds * 1_000);
  try {
    const ground = groundOf(asked, timer.signal);
    return asked.suite.mode === "trajectory" ? [await trajectory(asked, ground)] : await nextActions(asked, ground);
  } finally {
    clearTimeout(over);
  }
}

function groundOf(asked: CaseRun, signal: AbortSignal): CallGround {
  const { running, tenant, recorder } = asked;
  const session = sessionOfRun(asked);
  return {
    ports: running.ports,
    tenant,
    model: running.side.agent,
    release: running.side.release,
    actor: EVAL_ACTORS.runner,
    session,
    trace: traceIdFromHex(sha256Hex(`${tenant}\n${session}`).slice(0, 32)),
    recorder,
    signal,
  };
}

function toolsOf({ running, case: each, suite }: CaseRun): ReplayedTools {
  return new ReplayedTools({ config: running.config, case: each, suite, release: running.side.release });
}

/** What the side would be asked with; `undefined` where the recording cannot be read. */
function begun(asked: CaseRun, call: CaseCall): Conversation | undefined {
  const { running, before, suite } = asked;
  const release = running.config.release(running.side.agent, running.side.release);
  const conversation = recordedConversation(JSON.stringify(call.request), call.dialect);
  if (conversation === undefined || release === undefined) return undefined;
  return offered(conversation, { config: running.config, release, before, system: suite.system });
}

async function trajectory(asked: CaseRun, ground: CallGround): Promise<Episode> {
  const { suite, running } = asked;
  const [first] = asked.case.calls;
  const conversation = first === undefined ? undefined : begun(asked, first);
  if (first === undefined || conversation === undefined) return unreadable(null);
  const tools = toolsOf(asked);
  const end = await runAgentLoop<EpisodeCall>(
    {
      model: {
        ask: async (so_far) => {
          const turn = await askModel(ground, first.dialect, { conversation: so_far });
          tools.modelCall(turn.costMicro);
          return turn;
        },
      },
      tools: {
        answer: (call) => {
          const told = tools.answer(call);
          const isLast = told.answer === "divergent" && suite.on_divergence === "stop";
          const isError = ["denied", "invalid", "divergent"].includes(told.answer);
          return Promise.resolve({ shown: told.result, isError, isLast, told });
        },
      },
      system: running.ports.system,
    },
    conversation,
    { steps: suite.budgets.steps, ms: suite.budgets.seconds * 1_000 },
  );
  return episodeOf(end, ground.signal);
}

const STATUSES: Readonly<Record<LoopEnd<unknown>["type"], Episode["status"]>> = {
  answered: "completed",
  ended: "divergent",
  steps: "cut",
  budget: "cut",
  time: "failed",
  failed: "failed",
};

function episodeOf({ type, why, turns }: LoopEnd<EpisodeCall>, signal: AbortSignal): Episode {
  const divergent = turns.flatMap(({ calls }) => calls).find(({ told }) => told.answer === "divergent");
  const isDivergent = divergent !== undefined && (type === "ended" || type === "answered");
  const status = signal.aborted ? "failed" : isDivergent ? "divergent" : STATUSES[type];
  return {
    status,
    why: isDivergent ? `nothing recorded answers ${divergent.told.name} ${divergent.told.args}`.slice(0, 500) : why,
    turns: turns.map(({ turn, calls }) =>
      turnOf(
        turn,
        calls.map(({ told }) => told),
      ),
    ),
    call: null,
  };
}

async function nextActions(asked: CaseRun, ground: CallGround): Promise<readonly Episode[]> {
  const episodes: Episode[] = [];
  for (const [index, call] of asked.case.calls.entries()) {
    const conversation = begun(asked, call);
    if (conversation === undefined) {
      episodes.push(unreadable(index));
      continue;
    }
    const tools = toolsOf(asked);
    tools.past(call.at);
    const recorded = recordedConversation(JSON.stringify(call.request), call.dialect);
    const isAsRecorded = canonicalJson({ ...recorded, isStream: false }) === canonicalJson(conversation);
    const turn = await askModel(ground, call.dialect, isAsRecorded ? { body: call.request } : { conversation });
    episodes.push(nextAction(turn, { index, tools, signal: ground.signal }));
  }
  return episodes;
}

function nextAction(
  turn: ModelTurn,
  { index, tools, signal }: { readonly index: number; readonly tools: ReplayedTools; readonly signal: AbortSignal },
): Episode {
  if (!turn.ok) {
    const status = turn.isBudget && !signal.aborted ? "cut" : "failed";
    return { status, why: turn.refusal.detail, turns: [], call: index };
  }
  const calls = turn.reply.parts.filter((part): part is ToolCallPart => part.type === "tool_call");
  const asked = calls.map((call) => tools.ask(call));
  return { status: "completed", why: null, turns: [turnOf(turn, asked)], call: index };
}

function unreadable(call: number | null): Episode {
  return { status: "failed", why: "the recorded request cannot be read", turns: [], call };
}

function turnOf(turn: ModelTurn & { readonly ok: true }, calls: readonly EpisodeCall[]): EpisodeTurn {
  return {
    text: textOf(turn.reply, "text"),
    refusal: turn.reply.parts.some(({ type }) => type === "refusal") ? textOf(turn.reply, "refusal") : null,
    finish: turn.reply.finish,
    calls,
    model: turn.model,
    duration_ms: turn.durationMs,
    cost_micro_usd: turn.costMicro,
    input_tokens: turn.inputTokens,
    output_tokens: turn.outputTokens,
  };
}

function textOf({ parts }: Reply, type: "text" | "refusal"): string {
  return parts.flatMap((part) => (part.type === type ? [part.text] : [])).join("");
}
