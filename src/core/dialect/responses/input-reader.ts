// Decides what the input items of a Responses request mean: turns, calls, results, state of reasoning.
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { textOf } from "../body-fields.ts";
import type { Signed, Turn } from "../conversation.ts";
import { at, itemsOf, present, wordOf, type Findings } from "../findings.ts";
import { mergedTurns } from "../turns.ts";
import { readContent, readResultContent } from "./content-reader.ts";
import { stateOf } from "./foreign-state.ts";
import { argsOf, thoughtOf } from "./reply.ts";

interface InputContext {
  readonly findings: Findings;
  /** The names of calls seen so far by their id. */
  readonly called: Map<string, string>;
  /** State of calls by their id. */
  readonly states: Map<string, Signed>;
}

/** The turns of an input: a text, or a list of items. */
export function readInput(input: Json | undefined, findings: Findings): readonly Turn[] {
  if (typeof input === "string") return [{ role: "user", parts: [{ type: "text", text: input }] }];
  if (!Array.isArray(input)) {
    findings.invalid("input", "expected a text or a list of items");
    return [];
  }
  const context: InputContext = { findings, called: new Map(), states: new Map() };
  const turns = itemsOf(input).flatMap((item, index) => readItem(item, `input.${index}`, context) ?? []);
  return mergedTurns(turns.filter(({ parts }) => parts.length > 0)).map((turn) => withStates(turn, context.states));
}

function withStates(turn: Turn, states: ReadonlyMap<string, Signed>): Turn {
  if (states.size === 0) return turn;
  const parts = turn.parts.map((part) =>
    part.type === "tool_call" ? { ...part, ...present("signed", states.get(part.id)) } : part,
  );
  return { ...turn, parts };
}

function readItem(item: Json, path: string, context: InputContext): Turn | undefined {
  if (!isJsonObject(item)) {
    context.findings.invalid(path, "expected an item");
    return undefined;
  }
  const type = wordOf(item, "type");
  switch (type === "" && "role" in item ? "message" : type) {
    case "message":
      return readMessage(item, path, context);
    case "function_call":
      return readCall(item, path, context);
    case "function_call_output":
      return readResult(item, path, context);
    case "reasoning":
      return readReasoning(item, context);
    default:
      context.findings.foreign(path, `an item of the type ${type} has no counterpart at this model's provider`);
      return undefined;
  }
}

const MESSAGE_MEMBERS = new Set(["type", "role", "content", "id", "status", "phase"]);

function readMessage(item: JsonObject, path: string, { findings }: InputContext): Turn | undefined {
  findings.only(item, path, MESSAGE_MEMBERS);
  if ((item["phase"] ?? null) !== null) findings.hint("phase");
  const parts = readContent(item["content"], at(path, "content"), findings);
  const role = wordOf(item, "role");
  switch (role) {
    case "system":
    case "developer":
      if (parts.some((part) => part.type !== "text")) findings.foreign(at(path, "content"), "instructions are texts");
      return { role: "system", parts };
    case "user":
    case "assistant":
      return { role, parts };
    default:
      findings.invalid(at(path, "role"), "expected user, assistant, system or developer");
      return undefined;
  }
}

const CALL_MEMBERS = new Set(["type", "call_id", "name", "arguments", "id", "status", "caller"]);

function readCall(item: JsonObject, path: string, { findings, called }: InputContext): Turn | undefined {
  findings.only(item, path, CALL_MEMBERS);
  readCaller(item, path, findings);
  const id = textOf(item["call_id"]);
  const name = textOf(item["name"]);
  if (id === undefined || name === undefined) {
    findings.invalid(path, "expected a call with call_id and name");
    return undefined;
  }
  called.set(id, name);
  return { role: "assistant", parts: [{ type: "tool_call", id, name, args: argsOf(item["arguments"]) }] };
}

const RESULT_MEMBERS = new Set(["type", "call_id", "output", "id", "status", "name", "caller"]);

function readResult(item: JsonObject, path: string, { findings, called }: InputContext): Turn | undefined {
  findings.only(item, path, RESULT_MEMBERS);
  readCaller(item, path, findings);
  const callId = textOf(item["call_id"]);
  if (callId === undefined) {
    findings.invalid(at(path, "call_id"), "expected the id of a call");
    return undefined;
  }
  const content = readResultContent(item["output"], at(path, "output"), findings);
  const name = called.get(callId);
  return { role: "user", parts: [{ type: "tool_result", callId, ...present("name", name), content, isError: false }] };
}

/** A call that a program made is no call of the model. */
function readCaller(item: JsonObject, path: string, findings: Findings): void {
  const caller = item["caller"] ?? null;
  if (caller !== null && !(isJsonObject(caller) && caller["type"] === "direct")) findings.foreign(at(path, "caller"));
}

function readReasoning(item: JsonObject, { states }: InputContext): Turn | undefined {
  const state = stateOf(item);
  if (state?.callId !== undefined) {
    states.set(state.callId, state.signed);
    return undefined;
  }
  const text = thoughtOf(item);
  if (text === "" && state === undefined) return undefined;
  return { role: "assistant", parts: [{ type: "reasoning", text, ...present("signed", state?.signed) }] };
}
