// Decides which tool calls the model of a case asked for, and when two of them are the same.
import type { Json } from "../../json/canonical.ts";
import { canonicalJson } from "../../json/canonical.ts";
import type { EvalCase } from "../case.ts";

/** One call that the model asked for, by the name it used. */
export interface AskedCall {
  readonly name: string;
  /** JSON text as the model wrote it. */
  readonly args: string;
}

/** Every tool call of the recorded answers, in order; where an answer is not kept, those with a recorded result. */
export function askedCalls({ calls, tools }: Pick<EvalCase, "calls" | "tools">): readonly AskedCall[] {
  if (calls.some(({ reply }) => reply === null)) return tools.map(({ name, args }) => ({ name, args }));
  return calls.flatMap(({ reply }) =>
    (reply?.parts ?? []).flatMap((part) => (part.type === "tool_call" ? [{ name: part.name, args: part.args }] : [])),
  );
}

/** Arguments in one spelling: canonical JSON (RFC 8785), or the text itself where it is none. */
export function plainArgs(args: string): string {
  try {
    return canonicalJson(JSON.parse(args) as Json);
  } catch {
    return args;
  }
}
