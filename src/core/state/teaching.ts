// Decides what a session learns from the result of a tool call: facts that rules may use, and where strangers' words came in.
import type { ToolEntry } from "../config/document.ts";
import { isJsonObject, type Json, type JsonObject } from "../json/canonical.ts";
import { factNames, readFactPath } from "../policy/fact-path.ts";
import type { ToolOutcome } from "../policy/tool-outcome.ts";
import { valueAt } from "../policy/values.ts";

/** What a tool's definition says of its results. */
export interface Teaching {
  /** Whether its results may have been written by strangers. */
  readonly isUntrusted: boolean;
  /** Dotted paths of the result, by the fact each becomes. */
  readonly capture: Readonly<Record<string, string>>;
}

/** What a tool's entry says of its results; nothing for a tool that is gone. */
export function teachingOf(entry: Pick<ToolEntry, "output_trust" | "capture"> | undefined): Teaching {
  return { isUntrusted: entry?.output_trust === "untrusted", capture: entry?.capture ?? {} };
}

/** One fact: the names on the way to it, and its value. */
export interface Fact {
  readonly names: readonly string[];
  readonly value: string | number | boolean;
}

/** What a session has learnt from one call. */
export interface Learnt {
  readonly taint: string | null;
  readonly facts: readonly Fact[];
}

/** Most labels a session keeps, and most characters of its facts as JSON. */
const MAX_TAINT = 32;
const MAX_FACTS_TEXT = 16_384;
const MAX_TEXT = 256;

/**
 * What an outcome teaches: the facts of a success, and the taint of any answer that reached the agent. A fact is a
 * text of at most 256 characters, a number or a boolean; anything else at its path is no fact.
 */
export function learntFrom(
  { tool, args }: { readonly tool: string; readonly args: JsonObject },
  { isUntrusted, capture }: Teaching,
  outcome: ToolOutcome,
): Learnt {
  const hasAnswered = outcome.status !== "unknown" && outcome.result !== null;
  const result = outcome.status === "succeeded" && isJsonObject(outcome.result) ? outcome.result : undefined;
  const facts =
    result === undefined
      ? []
      : Object.entries(capture).flatMap(([path, from]): readonly Fact[] => {
          const value = valueAt(result, from);
          const names = factNames(readFactPath(path) ?? [], { args, result });
          return names === undefined || !isFact(value) ? [] : [{ names, value }];
        });
  return { taint: isUntrusted && hasAnswered ? tool : null, facts };
}

function isFact(value: Json | undefined): value is string | number | boolean {
  return typeof value === "string" ? value.length <= MAX_TEXT : typeof value === "number" || typeof value === "boolean";
}

/**
 * A session's labels and facts with what one more call taught; the same object where that is nothing. Facts are
 * bounded in size: past it, the ones learnt first are forgotten.
 */
export function withLearnt<T extends { readonly taint: readonly string[]; readonly facts: JsonObject }>(
  known: T,
  { taint, facts }: Learnt,
): T {
  const isNew = taint !== null && !known.taint.includes(taint);
  if (!isNew && facts.length === 0) return known;
  const all = facts.reduce<JsonObject>((learnt, { names, value }) => withFact(learnt, names, value), known.facts);
  return {
    ...known,
    // Once the labels are full, the session is tainted all the same: no rule that asks whether there are any changes.
    taint: isNew ? [...known.taint, taint].slice(0, MAX_TAINT) : known.taint,
    facts: bounded(all),
  };
}

/** Facts with one more, which comes last among its siblings. */
function withFact(facts: JsonObject, [name, ...rest]: readonly string[], value: Json): JsonObject {
  if (name === undefined) return facts;
  const kept = Object.entries(facts).filter(([each]) => each !== name);
  const below = Object.hasOwn(facts, name) ? facts[name] : undefined;
  const next = rest.length === 0 ? value : withFact(isJsonObject(below) ? below : {}, rest, value);
  return Object.fromEntries([...kept, [name, next]]);
}

function bounded(facts: JsonObject): JsonObject {
  let at = facts;
  while (JSON.stringify(at).length > MAX_FACTS_TEXT) {
    const [first, ...others] = Object.entries(at);
    if (first === undefined) return {};
    const [name, value] = first;
    // The oldest below the oldest goes first; a fact, or a table that is empty by then, goes itself.
    const shrunk = isJsonObject(value) ? Object.fromEntries(Object.entries(value).slice(1)) : {};
    at = Object.fromEntries(Object.keys(shrunk).length === 0 ? others : [[name, shrunk], ...others]);
  }
  return at;
}
