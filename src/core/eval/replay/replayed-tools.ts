// Decides what each tool call of a replay comes to: the policy's word first, then the recording, then a simulator. No tool is within reach.
import type { SimulatorEntry, SuiteEntry } from "../../config/eval-document.ts";
import type { ActiveConfig, ResolvedTool } from "../../config/published.ts";
import type { ToolCallPart } from "../../dialect/conversation.ts";
import { canonicalJson, isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import type { ToolCallAsk } from "../../policy/ask.ts";
import type { RecordedCall, Replayed } from "../../policy/replay/recorded-call.ts";
import { RAN, ReplaySide } from "../../policy/replay/replay-side.ts";
import type { EvalCase } from "../case.ts";
import type { EpisodeCall } from "../episode.ts";
import { canonicalArgs, ToolTape } from "./tape.ts";
import { governedTool } from "../dataset/governed-tool.ts";

/** What tool calls of a replay are answered from. */
export interface ReplayGround {
  readonly config: ActiveConfig;
  readonly case: EvalCase;
  readonly suite: Pick<SuiteEntry, "actor" | "match" | "simulators">;
  /** The release that the calls are made under; `null` for what was recorded. */
  readonly release: string | null;
}

/** How far apart the calls of a replay are for rules that look at time. */
const STEP_MS = 1_000;

/** The tools of one replayed case. */
export class ReplayedTools {
  readonly #ground: ReplayGround;
  readonly #tape: ToolTape;
  readonly #side: ReplaySide;
  #now: number;

  constructor(ground: ReplayGround) {
    this.#ground = ground;
    this.#tape = new ToolTape(ground.case.tools, ground.suite.match);
    this.#side = new ReplaySide(ground.config);
    this.#now = ground.case.calls[0]?.at ?? 0;
  }

  /** Lets everything that was recorded before an instant count as the session's past. */
  past(before: number): void {
    for (const call of this.#ground.case.asks)
      if (call.startedAt < before && RAN.has(call.status)) this.#side.ran(call);
    this.#now = Math.max(this.#now, before);
  }

  /** Notes a model call of the replay. */
  modelCall(costMicro: number): void {
    this.#now += STEP_MS;
    this.#side.modelCall({ session: this.#session, startedAt: this.#now, costMicro });
  }

  /** What the policy says to a call that nothing answers: for one recorded model call on its own. */
  ask(call: ToolCallPart): EpisodeCall {
    return { ...this.#decided(call).shown, answer: "asked", result: "" };
  }

  /** Answers a call of the model. A call that nothing answers is `divergent`: it is never sent. */
  answer(call: ToolCallPart): EpisodeCall {
    const { shown, tool, args, invalid, replayed } = this.#decided(call);
    if (invalid !== undefined) return { ...shown, answer: "invalid", result: refusalText("invalid_request", invalid) };
    const isRead = tool?.entry.effect === "read";
    const before = tool === undefined ? undefined : this.#recordedAsk(tool.name, args);
    const isStopped = replayed !== undefined && replayed.effect !== "allow";
    // A call that was stopped in the recording too is answered with what was said then.
    if (isStopped && before?.effect !== replayed.effect) return { ...shown, ...stopped(replayed) };
    const taped = this.#tape.answer({ name: call.name, tool: tool?.name ?? null, args: call.args, isRead });
    if (taped !== undefined) {
      this.#ran(tool, args, before);
      return { ...shown, answer: "recorded", result: taped.recorded.content };
    }
    return isStopped ? { ...shown, ...stopped(replayed) } : { ...shown, ...this.#simulated(tool, args) };
  }

  /** A simulator's word, else that there is none. */
  #simulated(tool: ResolvedTool | undefined, args: JsonObject): Pick<EpisodeCall, "answer" | "result"> {
    const { simulators } = this.#ground.suite;
    const simulator = tool === undefined ? undefined : simulatorOf(simulators, tool.name, args);
    if (simulator === undefined)
      return {
        answer: "divergent",
        result: refusalText("not_recorded", "this call has no recorded result in this replay"),
      };
    this.#ran(tool, args, undefined);
    return { answer: "simulated", result: simulated(simulator, args) };
  }

  get #session(): string {
    return this.#ground.case.source?.session ?? this.#ground.case.id;
  }

  #decided(call: ToolCallPart): {
    readonly shown: Omit<EpisodeCall, "answer" | "result">;
    readonly tool: ResolvedTool | undefined;
    readonly args: JsonObject;
    readonly invalid: string | undefined;
    readonly replayed: Replayed | undefined;
  } {
    const { config } = this.#ground;
    const name = governedTool(call.name, Object.keys(config.published.document.tools));
    const tool = name === null ? undefined : config.tool(name);
    const args = objectOf(call.args);
    const shown = { name: call.name, tool: tool?.name ?? null, args: call.args, decision: null };
    if (args === undefined)
      return { shown, tool, args: {}, invalid: "the arguments are no JSON object", replayed: undefined };
    if (tool === undefined) return { shown, tool, args, invalid: undefined, replayed: undefined };
    const mistakes = tool.check(args);
    if (mistakes.length > 0) {
      const invalid = mistakes.map(({ path, message }) => `${path}: ${message}`).join("; ");
      return { shown, tool, args, invalid, replayed: undefined };
    }
    const replayed = this.#side.decide(tool, this.#callOf(tool.name, args, undefined));
    const against = replayed.reasons.filter(({ effect }) => effect === replayed.effect);
    const rules = [...new Set(against.map(({ rule_id }) => rule_id))];
    return {
      shown: { ...shown, decision: { effect: replayed.effect, rules } },
      tool,
      args,
      invalid: undefined,
      replayed,
    };
  }

  #recordedAsk(tool: string, args: JsonObject): RecordedCall | undefined {
    const text = canonicalJson(args);
    return this.#ground.case.asks.find(({ ask }) => ask.tool === tool && canonicalJson(ask.args) === text);
  }

  #ran(tool: ResolvedTool | undefined, args: JsonObject, recorded: RecordedCall | undefined): void {
    if (tool === undefined || (recorded !== undefined && !RAN.has(recorded.status))) return;
    this.#side.ran(this.#callOf(tool.name, args, recorded));
    this.#now += STEP_MS;
  }

  /** A call of the replay as the policy sees it: by whom and under which constraints the recorded ones were made. */
  #callOf(tool: string, args: JsonObject, recorded: RecordedCall | undefined): RecordedCall {
    const { case: each, release } = this.#ground;
    return {
      callId: null,
      traceId: each.source?.trace_id ?? each.id,
      startedAt: this.#now,
      endedAt: this.#now,
      status: recorded?.status ?? "succeeded",
      effect: recorded?.effect ?? "allow",
      ask: { ...this.#template(), tool, args, release },
      outcome: recorded?.outcome ?? null,
    };
  }

  #template(): ToolCallAsk {
    const { case: each, suite } = this.#ground;
    const first = each.asks[0]?.ask;
    if (first !== undefined) return { ...first, actor: suite.actor, session: this.#session };
    return {
      actor: suite.actor,
      principal: { key_id: "", roles: ["agent"], scopes: ["*"] },
      tool: "",
      args: {},
      constraints: {},
      session: this.#session,
      task: null,
      intent: null,
      confidence: null,
      user: each.source?.user ?? null,
      user_origin: "declared",
      user_prompt: null,
      release: null,
      confirmed: false,
    };
  }
}

function stopped({ effect, reasons }: Replayed): Pick<EpisodeCall, "answer" | "result"> {
  const said = reasons.filter((reason) => reason.effect === effect).map(({ message }) => message);
  const detail = said.join("; ");
  return effect === "deny"
    ? { answer: "denied", result: refusalText("policy_denied", detail) }
    : {
        answer: "waiting",
        result: JSON.stringify({ status: effect === "draft" ? "drafted" : "pending_approval", detail }),
      };
}

function refusalText(code: string, detail: string): string {
  return JSON.stringify({ error: { code, message: detail } });
}

function objectOf(args: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(args.trim() === "" ? "{}" : args);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function simulatorOf(all: readonly SimulatorEntry[], tool: string, args: JsonObject): SimulatorEntry | undefined {
  return all.find(
    (each) =>
      each.tool === tool &&
      Object.entries(each.args ?? {}).every(
        ([key, value]) => canonicalArgs(JSON.stringify(args[key] ?? null)) === canonicalArgs(JSON.stringify(value)),
      ),
  );
}

/** What a simulator returns, with its places filled. */
function simulated({ returns, is_error: isError }: SimulatorEntry, args: JsonObject): string {
  const filled = fill(returns as Json, args);
  const value = isError ? { error: filled } : filled;
  return typeof value === "string" ? value : JSON.stringify(value);
}

function fill(value: Json, args: JsonObject): Json {
  if (typeof value === "string")
    return value.replaceAll(/\{\{args\.([A-Za-z_]\w{0,63})\}\}/g, (_all, name: string) => textOf(args[name]));
  if (Array.isArray(value)) return value.map((each: Json) => fill(each, args));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, fill(each, args)]));
}

function textOf(value: Json | undefined): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
