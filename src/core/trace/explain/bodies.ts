// Decides what a stored model request and its answer say, as far as a sentence tells it: messages, offered tools, text, tools asked for.

import type { Conversation, Part } from "../../dialect/conversation.ts";
import type { GeneratingDialect } from "../../dialect/names.ts";
import { recordedConversation, recordedReply } from "../recorded-model.ts";

/** What a request showed the model. */
export interface RequestRead {
  /** How many messages of each role, in order of first appearance. */
  readonly roles: ReadonlyMap<string, number>;
  readonly last: { readonly role: string; readonly text: string } | undefined;
  readonly tools: readonly string[];
}

/** What the model answered. */
export interface AnswerRead {
  readonly text: string;
  readonly tools: readonly { readonly name: string; readonly args: string }[];
}

type Members = Readonly<Record<string, unknown>>;

/** Reads a request body in its caller's dialect; `undefined` where it cannot be read. */
export function readRequest(body: string, dialect: GeneratingDialect | undefined): RequestRead | undefined {
  if (dialect !== undefined && dialect !== "chat") return shownIn(recordedConversation(body, dialect));
  const request = objectOf(parsed(body));
  const messages = objectsIn(listOf(request?.["messages"]));
  if (request === undefined || messages.length === 0) return undefined;
  const roles = new Map<string, number>();
  for (const { role } of messages) {
    const named = wordOf(role, "nobody");
    roles.set(named, (roles.get(named) ?? 0) + 1);
  }
  const last = messages.at(-1);
  return {
    roles,
    last: last === undefined ? undefined : { role: wordOf(last["role"], "nobody"), text: contentOf(last["content"]) },
    tools: listOf(request["tools"]).map((each) => {
      const tool = objectOf(each) ?? {};
      return wordOf(objectOf(tool["function"])?.["name"] ?? tool["name"], "unnamed");
    }),
  };
}

/** What a conversation showed the model: a tool's results count as messages of their own. */
function shownIn(conversation: Conversation | undefined): RequestRead | undefined {
  if (conversation === undefined || conversation.turns.length === 0) return undefined;
  const shown = conversation.turns.flatMap(({ role, parts }) => {
    const results = parts.filter((part) => part.type === "tool_result");
    const others = parts.filter((part) => part.type !== "tool_result");
    return [
      ...results.map((result) => ({ role: "tool", text: result.content.map(partText).join(" ") })),
      ...(others.length === 0 ? [] : [{ role: role as string, text: others.map(partText).join(" ") }]),
    ];
  });
  const roles = new Map<string, number>();
  for (const { role } of shown) roles.set(role, (roles.get(role) ?? 0) + 1);
  return { roles, last: shown.at(-1), tools: conversation.tools.map(({ name }) => name) };
}

/** A part as text: what is none is named by its type. */
function partText(part: Part): string {
  return "text" in part ? part.text : `[${part.type}]`;
}

/** Reads an answer in its provider's dialect, whole or as an event stream; `undefined` where it is neither. */
export function readAnswer(body: string, dialect: GeneratingDialect | undefined): AnswerRead | undefined {
  if (dialect !== undefined && dialect !== "chat") return answeredIn(body, dialect);
  const whole = objectOf(parsed(body));
  if (whole !== undefined) {
    const choices = listOf(whole["choices"]).map((each) => objectOf(each)?.["message"]);
    return choices.length === 0 ? undefined : together(choices);
  }
  const frames = body.split(/\r?\n/).filter((line) => line.startsWith("data:"));
  if (frames.length === 0) return undefined;
  const deltas = frames.flatMap((line) =>
    listOf(objectOf(parsed(line.slice(5)))?.["choices"]).map((each) => objectOf(each)?.["delta"]),
  );
  return together(deltas);
}

function answeredIn(body: string, dialect: GeneratingDialect): AnswerRead | undefined {
  const isStream = parsed(body) === undefined;
  const reply = recordedReply(body, isStream ? "text/event-stream" : "application/json", dialect);
  if (reply === undefined || (isStream && reply.parts.length === 0)) return undefined;
  const texts = reply.parts.flatMap((part) => (part.type === "text" || part.type === "refusal" ? [part.text] : []));
  const tools = reply.parts.flatMap((part) =>
    part.type === "tool_call" ? [{ name: part.name, args: part.args }] : [],
  );
  return { text: texts.join(""), tools };
}

function together(parts: readonly unknown[]): AnswerRead {
  const read = objectsIn(parts);
  const calls = new Map<string, { name: string; args: string }>();
  for (const [at, call] of read.flatMap((part) => [...listOf(part["tool_calls"]).entries()])) {
    const asked = objectOf(call) ?? {};
    const named = objectOf(asked["function"]) ?? {};
    const place = wordOf(asked["index"], String(at));
    const known = calls.get(place) ?? { name: "", args: "" };
    known.name += typeof named["name"] === "string" ? named["name"] : "";
    known.args += typeof named["arguments"] === "string" ? named["arguments"] : "";
    calls.set(place, known);
  }
  return { text: read.map((part) => contentOf(part["content"])).join(""), tools: [...calls.values()] };
}

/** A message's content as text: parts that are no text are named by their type. */
function contentOf(content: unknown): string {
  if (typeof content === "string") return content;
  return listOf(content)
    .map((part) => {
      const { text, type } = objectOf(part) ?? {};
      return typeof text === "string" ? text : `[${wordOf(type, "part")}]`;
    })
    .join(" ");
}

/** The value of a JSON text, or `undefined`. */
export function parsed(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The value as an object, or `undefined` where it is none. */
export function objectOf(value: unknown): Members | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Members) : undefined;
}

/** A text or a number as text; something else is none. */
function wordOf(value: unknown, otherwise: string): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : otherwise;
}

function objectsIn(values: readonly unknown[]): readonly Members[] {
  return values.map(objectOf).filter((each) => each !== undefined);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}
