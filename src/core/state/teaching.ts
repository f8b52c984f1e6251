// Decides what a session learns from the result of a tool call: facts that rules may use, and where strangers' words came in.
import { isJsonObject, type Json, type JsonObject } from "../json/canonical.ts";
import { valueAt } from "../policy/values.ts";
import type { ToolOutcome } from "../policy/tool-outcome.ts";

/** What a tool's definition says of its results. */
export interface Teaching {
  /** Whether its results may have been written by strangers. */
  readonly isUntrusted: boolean;
  /** Dotted paths of the result by fact name. */
  readonly facts: Readonly<Record<string, string>>;
}

/** What a session has learnt from one call. */
export interface Learnt {
  readonly taint: string | null;
  readonly facts: JsonObject;
}

/** Most labels and facts a session keeps; the oldest facts leave first, and a label never does. */
const MAX_TAINT = 32;
const MAX_FACTS = 64;
const MAX_TEXT = 256;

/**
 * What an outcome teaches: the facts of a success, and the taint of any answer that reached the agent. A fact is a
 * text of at most 256 characters, a number or a boolean; anything else at its path is no fact.
 */
export function learntFrom(tool: string, { isUntrusted, facts }: Teaching, outcome: ToolOutcome): Learnt {
  const hasAnswered = outcome.status !== "unknown" && outcome.result !== null;
  const result = outcome.status === "succeeded" && isJsonObject(outcome.result) ? outcome.result : {};
  const found = Object.entries(facts).flatMap(([name, path]): readonly (readonly [string, Json])[] => {
    const value = valueAt(result, path);
    return isFact(value) ? [[name, value]] : [];
  });
  return { taint: isUntrusted && hasAnswered ? tool : null, facts: Object.fromEntries(found) };
}

function isFact(value: Json | undefined): value is string | number | boolean {
  return typeof value === "string" ? value.length <= MAX_TEXT : typeof value === "number" || typeof value === "boolean";
}

/** A session's labels and facts with what one more call taught; the same object where that is nothing. */
export function withLearnt<T extends { readonly taint: readonly string[]; readonly facts: JsonObject }>(
  known: T,
  { taint, facts }: Learnt,
): T {
  const isNew = taint !== null && !known.taint.includes(taint);
  if (!isNew && Object.keys(facts).length === 0) return known;
  const kept = Object.entries(known.facts).filter(([name]) => !Object.hasOwn(facts, name));
  return {
    ...known,
    // Once the labels are full, the session is tainted all the same: no rule that asks whether there are any changes.
    taint: isNew ? [...known.taint, taint].slice(0, MAX_TAINT) : known.taint,
    facts: Object.fromEntries([...kept, ...Object.entries(facts)].slice(-MAX_FACTS)),
  };
}
