// Decides how a conversation reads as an Anthropic request, and what of it Anthropic has no word for.
import type { Conversation, Part, ReasoningWish, ToolChoice, ToolOffer, Turn } from "../conversation.ts";
import type { Target } from "../dialect.ts";
import type { Outcome } from "../../errors.ts";
import type { JsonObject } from "../../json/canonical.ts";
import { safeName } from "../tool-names.ts";
import { ownBlock, writeCache, writeParts } from "./block-writer.ts";
import { Findings, present } from "../findings.ts";
import { takesSystemInside, thinksAdaptively } from "./model-features.ts";

/** A conversation as a request; refuses `untranslatable`, naming everything at once. */
export function writeRequest(conversation: Conversation, target: Target): Outcome<JsonObject> {
  const findings = new Findings();
  foreignWishes(conversation, findings);
  const { system, messages } = writeTurns(conversation.turns, target.model, findings);
  const { tools, temperature, topP, topK, stop, user, isStream } = conversation;
  return findings.outcome({
    model: target.model,
    max_tokens: target.maxOutput,
    ...system,
    messages,
    ...(tools.length === 0 ? {} : { tools: tools.map((tool, index) => writeTool(tool, `tools.${index}`, findings)) }),
    ...writeToolChoice(conversation),
    ...present("temperature", temperature),
    ...present("top_p", topP),
    ...present("top_k", topK),
    ...present("stop_sequences", stop),
    ...writeThinking(conversation, target),
    ...(user === undefined ? {} : { metadata: { user_id: user } }),
    ...(isStream ? { stream: true } : {}),
  });
}

function foreignWishes(conversation: Conversation, findings: Findings): void {
  const { temperature, seed, frequencyPenalty, presencePenalty, output } = conversation;
  if (temperature !== undefined && (temperature < 0 || temperature > 1))
    findings.foreign("temperature", "Anthropic takes 0 to 1");
  if (seed !== undefined) findings.foreign("seed");
  // A penalty of 0 is none.
  if ((frequencyPenalty ?? 0) !== 0) findings.foreign("frequency_penalty");
  if ((presencePenalty ?? 0) !== 0) findings.foreign("presence_penalty");
  if (output?.type === "json") findings.foreign("response_format", "Anthropic takes a JSON Schema, not JSON alone");
}

interface Written {
  readonly system: JsonObject;
  readonly messages: readonly JsonObject[];
}

/**
 * System turns before the first other one are the `system` member. Later ones keep their place where the model takes them
 * there; older models get them at the end of `system`, which keeps what they have to say above the user's.
 */
function writeTurns(turns: readonly Turn[], model: string, findings: Findings): Written {
  const first = turns.findIndex((turn) => turn.role !== "system");
  const leading = first === -1 ? turns.length : first;
  const isSystem = (turn: Turn, index: number): boolean =>
    turn.role === "system" && (index < leading || !takesSystemInside(model));
  const system = turns.flatMap((turn, index) =>
    isSystem(turn, index) ? writeParts(turn.parts, `messages.${index}`, findings) : [],
  );
  const messages: { role: Turn["role"]; content: JsonObject[] }[] = [];
  for (const [index, turn] of turns.entries()) {
    if (isSystem(turn, index)) continue;
    const content = writeParts(turn.parts, `messages.${index}`, findings);
    // Anthropic refuses messages without content; neighbours of one role are one message.
    if (content.length === 0) continue;
    const last = messages.at(-1);
    if (last?.role === turn.role) last.content = resultsFirst([...last.content, ...content]);
    else messages.push({ role: turn.role, content: resultsFirst([...content]) });
  }
  for (const [index, { role, parts }] of turns.entries())
    if (role === "system" && parts.some((part) => part.type !== "text"))
      findings.foreign(`messages.${index}`, "Anthropic takes nothing but text in system messages");
  if (messages.length === 0) findings.foreign("messages", "Anthropic wants a message of the user");
  return {
    system: systemMember(system),
    messages: messages.map(({ role, content }) => ({ role, content: plain(content) })),
  };
}

function resultsFirst(blocks: JsonObject[]): JsonObject[] {
  const results = blocks.filter((block) => block["type"] === "tool_result");
  return results.length === 0 ? blocks : [...results, ...blocks.filter((block) => block["type"] !== "tool_result")];
}

function systemMember(blocks: readonly JsonObject[]): JsonObject {
  return blocks.length === 0 ? {} : { system: plain(blocks) };
}

/** One text without a cache breakpoint reads as a string. */
function plain(blocks: readonly JsonObject[]): string | readonly JsonObject[] {
  const [only] = blocks;
  const text = only?.["type"] === "text" ? only["text"] : undefined;
  return blocks.length === 1 && typeof text === "string" && only?.["cache_control"] === undefined ? text : blocks;
}

function writeTool(tool: ToolOffer, path: string, findings: Findings): JsonObject {
  const type = tool.schema["type"] ?? "object";
  if (type !== "object") findings.foreign(`${path}.parameters`, "Anthropic takes the schema of an object only");
  return {
    name: safeName(tool.name),
    ...present("description", tool.description),
    input_schema: { ...tool.schema, type },
    ...present("strict", tool.strict),
    ...writeCache(tool.cache),
  };
}

const CHOICES = { auto: "auto", required: "any", none: "none" } as const;

function writeToolChoice({ tools, toolChoice, parallelToolCalls }: Conversation): JsonObject {
  if (tools.length === 0) return {};
  const single = parallelToolCalls === false ? { disable_parallel_tool_use: true } : {};
  if (toolChoice === undefined) return parallelToolCalls === false ? { tool_choice: { type: "auto", ...single } } : {};
  if (toolChoice.type === "tool") return { tool_choice: { type: "tool", name: safeName(toolChoice.name), ...single } };
  return { tool_choice: { type: CHOICES[toolChoice.type], ...(toolChoice.type === "none" ? {} : single) } };
}

const EFFORTS = { minimal: "low", low: "low", medium: "medium", high: "high", xhigh: "xhigh" } as const;

function writeThinking(conversation: Conversation, target: Target): JsonObject {
  const { reasoning, output } = conversation;
  const format =
    output?.type === "json_schema"
      ? { format: { type: "json_schema", schema: described(output.schema, output.description) } }
      : {};
  const { thinking, effort }: Thinking = reasoning === undefined ? {} : thinkingOf(reasoning, conversation, target);
  const config = { ...present("effort", effort), ...format };
  return { ...present("thinking", thinking), ...(Object.keys(config).length === 0 ? {} : { output_config: config }) };
}

function described(schema: JsonObject, description: string | undefined): JsonObject {
  return description === undefined || schema["description"] !== undefined ? schema : { ...schema, description };
}

interface Thinking {
  readonly thinking?: JsonObject;
  readonly effort?: string;
}

/** Tokens that older models may think for a word, as far as the answer's own limit lets them. */
const BUDGETS = { minimal: 1_024, low: 1_024, medium: 4_096, high: 16_384, xhigh: 32_768 } as const;
/** The fewest tokens that Anthropic takes as a budget. */
const LEAST_BUDGET = 1_024;

const NO_EFFORT: { readonly word: Thinking; readonly budget: number | undefined } = { word: {}, budget: undefined };

function thinkingOf(reasoning: ReasoningWish, { toolChoice, turns }: Conversation, target: Target): Thinking {
  const { effort, budgetTokens, isShown } = reasoning;
  if (effort === "none" || budgetTokens === 0) return { thinking: { type: "disabled" } };
  const display = isShown === undefined ? {} : { display: isShown ? "summarized" : "omitted" };
  const isAdaptive = thinksAdaptively(target.model);
  const { word, budget } =
    effort === undefined ? NO_EFFORT : { word: { effort: EFFORTS[effort] }, budget: BUDGETS[effort] };
  const tokens = budgetTokens ?? (isAdaptive ? undefined : budget);
  if (tokens !== undefined)
    return { thinking: budgeted(tokens, turns, { target, display }), ...(isAdaptive ? word : {}) };
  // A forced call and thinking exclude each other at Anthropic; the effort holds for both.
  if (!isAdaptive) return {};
  return isForced(toolChoice) ? word : { thinking: { type: "adaptive", ...display }, ...word };
}

/** Within a tool's turn Anthropic wants its own thinking back; a client that has lost it goes on without. */
function budgeted(
  tokens: number,
  turns: readonly Turn[],
  { target, display }: { readonly target: Target; readonly display: JsonObject },
): JsonObject {
  return isWithoutThoughts(turns) ? { type: "disabled" } : withBudget(tokens, target.maxOutput, display);
}

/** Whether the last turn answers calls that came without thinking that Anthropic signed. */
function isWithoutThoughts(turns: readonly Turn[]): boolean {
  const asked = turns.findLast(({ role }) => role === "assistant");
  const isAnswered = turns.at(-1)?.parts.some(({ type }) => type === "tool_result") === true;
  const hasThoughts = asked?.parts.some((part) => isOwnThought(part));
  return isAnswered && hasThoughts === false;
}

function isOwnThought(part: Part): boolean {
  return (
    part.type === "reasoning" && part.signed?.origin === "messages" && ownBlock("", part.signed.value) !== undefined
  );
}

function isForced(choice: ToolChoice | undefined): boolean {
  return choice?.type === "required" || choice?.type === "tool";
}

/** At most so many tokens: what is too little for Anthropic to think with is no thinking. */
function withBudget(tokens: number, maxOutput: number, display: JsonObject): JsonObject {
  const budget = Math.min(tokens, maxOutput - 1);
  return budget < LEAST_BUDGET ? { type: "disabled" } : { type: "enabled", budget_tokens: budget, ...display };
}

/** The request with a system text before everything else. */
export function withSystem(body: JsonObject, text: string): JsonObject {
  const first: JsonObject = { type: "text", text };
  const system = body["system"] ?? null;
  if (system === null || system === "") return { ...body, system: text };
  return {
    ...body,
    system: typeof system === "string" ? [first, { type: "text", text: system }] : [first, ...blocks(system)],
  };
}

function blocks(system: unknown): readonly JsonObject[] {
  // A body that passed its provider's own checks has text blocks here.
  return Array.isArray(system) ? (system as readonly JsonObject[]) : [];
}
