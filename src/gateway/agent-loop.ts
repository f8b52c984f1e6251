// Runs an agent: asks the model, answers its tool calls, asks again, within steps, money and time. Whoever calls it brings both ends.
import type { Conversation, Part, ToolCallPart, ToolResultPart, Turn } from "../core/dialect/conversation.ts";
import type { Reply } from "../core/dialect/reply.ts";
import type { Refusal } from "../core/errors.ts";
import type { System } from "./ports.ts";

/** What one model call came to. */
export type ModelTurn = (
  | { readonly ok: true; readonly reply: Reply; readonly model: string | null }
  | { readonly ok: false; readonly refusal: Refusal; readonly isBudget: boolean }
) & {
  readonly durationMs: number;
  readonly costMicro: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
};

/** The model's end: every call is governed, metered and recorded there. */
export interface LoopModel {
  ask(conversation: Conversation): Promise<ModelTurn>;
}

/** What a tool call was answered: `shown` is for the model, `told` for whoever runs the loop. */
export interface ToolTurn<Told> {
  readonly shown: string;
  readonly isError: boolean;
  /** Ends the loop with this call. */
  readonly isLast: boolean;
  readonly told: Told;
}

/** The tools' end: nothing but this decides and answers a call. */
export interface LoopTools<Told> {
  answer(call: ToolCallPart): Promise<ToolTurn<Told>>;
}

/** What a loop may use. */
export interface LoopBounds {
  /** Model calls. */
  readonly steps: number;
  /** Wall time from now, in milliseconds. */
  readonly ms: number;
}

/** One turn of the loop. */
export interface LoopTurn<Told> {
  readonly turn: ModelTurn & { readonly ok: true };
  readonly calls: readonly { readonly call: ToolCallPart; readonly told: Told }[];
}

/** How a loop ended: at an answer without tool calls, at a call that ends it, at a bound, or at a failure of the model's end. */
export interface LoopEnd<Told> {
  readonly type: "answered" | "ended" | "steps" | "time" | "budget" | "failed";
  readonly why: string | null;
  readonly turns: readonly LoopTurn<Told>[];
}

/**
 * Runs an agent from a conversation on. Calls of one answer are answered in their order, one after another. The time is
 * looked at before each model call: one that is on its way is the model end's to bound.
 */
export async function runAgentLoop<Told>(
  ends: { readonly model: LoopModel; readonly tools: LoopTools<Told>; readonly system: Pick<System, "now"> },
  begun: Conversation,
  bounds: LoopBounds,
): Promise<LoopEnd<Told>> {
  const until = ends.system.now() + bounds.ms;
  const turns: LoopTurn<Told>[] = [];
  let conversation = begun;
  while (turns.length < bounds.steps) {
    if (ends.system.now() >= until) return { type: "time", why: `not done within ${bounds.ms} ms`, turns };
    const turn = await ends.model.ask(conversation);
    if (!turn.ok) return { type: turn.isBudget ? "budget" : "failed", why: turn.refusal.detail, turns };
    const asked = turn.reply.parts.filter((part) => part.type === "tool_call");
    const answers = await answerAll(ends.tools, asked);
    turns.push({ turn, calls: answers.map(({ call, answer }) => ({ call, told: answer.told })) });
    if (asked.length === 0) return { type: "answered", why: null, turns };
    if (answers.some(({ answer }) => answer.isLast)) return { type: "ended", why: null, turns };
    conversation = continued(conversation, turn.reply.parts, answers);
  }
  return { type: "steps", why: `not done within ${bounds.steps} model calls`, turns };
}

interface Answered<Told> {
  readonly call: ToolCallPart;
  readonly answer: ToolTurn<Told>;
}

async function answerAll<Told>(
  tools: LoopTools<Told>,
  calls: readonly ToolCallPart[],
): Promise<readonly Answered<Told>[]> {
  const answers: Answered<Told>[] = [];
  for (const call of calls) {
    const answer = await tools.answer(call);
    answers.push({ call, answer });
    if (answer.isLast) break;
  }
  return answers;
}

function continued<Told>(
  { turns, ...rest }: Conversation,
  said: readonly Part[],
  answers: readonly Answered<Told>[],
): Conversation {
  const results = answers.map(({ call, answer }): ToolResultPart => ({
    type: "tool_result",
    callId: call.id,
    name: call.name,
    content: [{ type: "text", text: answer.shown }],
    isError: answer.isError,
  }));
  const next: readonly Turn[] = [
    { role: "assistant", parts: said },
    { role: "user", parts: results },
  ];
  // What had to be called was called: asking for it again would never end.
  const { toolChoice, ...free } = rest;
  const isForced = toolChoice?.type === "required" || toolChoice?.type === "tool";
  return { ...(isForced || toolChoice === undefined ? free : { ...free, toolChoice }), turns: [...turns, ...next] };
}
