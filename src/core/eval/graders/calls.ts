// Grades the tool calls of an episode: which, with which arguments, how many, and what the policy says to them.
import type { GraderOf } from "../../config/grader-document.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import type { ToolLabel } from "../case.ts";
import { callsOf, type Episode, type EpisodeCall } from "../episode.ts";
import { canonicalArgs } from "../replay/tape.ts";
import { argsIn } from "./answers.ts";
import type { Graded, Word } from "./graded.ts";

const NOTHING_KNOWN: Word = { value: null, why: "neither labels nor the recording say what was to be called" };

/**
 * Calls that are expected: those of the labels, else those that the recording has. Labels are of the whole case: a single
 * recorded call of it is held against what was recorded there. `undefined` where neither says.
 */
function expectedOf({ case: each, recorded, episode }: Graded): readonly ToolLabel[] | undefined {
  if (each.labels.tools !== undefined && episode.call === null) return each.labels.tools;
  const asked = recorded.status === "failed" ? (episode.call === null ? each.tools : []) : callsOf(recorded);
  if (recorded.status === "failed" && asked.length === 0) return undefined;
  return asked.map(({ tool, name, args }) => {
    const given = objectIn(args);
    return { tool: tool ?? name, ...(given === undefined ? {} : { args: given }) };
  });
}

function objectIn(text: string): JsonObject | undefined {
  const value = argsIn(text);
  return isJsonObject(value) ? value : undefined;
}

/** Whether a call is of a tool: by its own name or the governed one's, or of a family (`billing.*`, `*`). */
function isOf({ tool, name }: EpisodeCall, label: string): boolean {
  if (label === "*") return true;
  if (!label.endsWith(".*")) return tool === label || name === label;
  const family = label.slice(0, -1);
  return name.startsWith(family) || (tool ?? "").startsWith(family);
}

/** Whether exactly the expected tools were asked for, whatever how often and in which order. */
export function gradeToolChoice(graded: Graded): Word {
  const expected = expectedOf(graded);
  if (expected === undefined) return NOTHING_KNOWN;
  const wanted = [...new Set(expected.map(({ tool }) => tool))];
  const calls = callsOf(graded.episode);
  const missing = wanted.filter((tool) => !calls.some((call) => isOf(call, tool)));
  const other = calls.filter((call) => !wanted.some((tool) => isOf(call, tool)));
  if (missing.length === 0 && other.length === 0) return { value: 1, why: "the tools are those expected" };
  const says = [
    missing.length === 0 ? [] : [`did not call ${missing.join(", ")}`],
    other.length === 0 ? [] : [`called ${[...new Set(other.map(({ tool, name }) => tool ?? name))].join(", ")}`],
  ];
  return { value: 0, why: says.flat().join("; ") };
}

/** The share of expected calls that were made with their arguments: as many as can each have a call of their own. */
export function gradeArguments({ match, tolerance, ignore }: GraderOf<"arguments">, graded: Graded): Word {
  const expected = expectedOf(graded);
  if (expected === undefined) return NOTHING_KNOWN;
  const wanted = expected.flatMap(({ tool, args }) => (args === undefined ? [] : [{ tool, args }]));
  const calls = callsOf(graded.episode);
  if (wanted.length === 0)
    return calls.length === 0 && expected.length === 0
      ? { value: 1, why: "no call was expected" }
      : { value: null, why: "no arguments are expected" };
  const given = calls.map((call) => ({ call, args: objectIn(call.args) }));
  const choices = wanted.map((label) =>
    given.flatMap(({ call, args }, at) =>
      args !== undefined &&
      isOf(call, label.tool) &&
      fits(without(args, ignore), without(label.args, ignore), { match, tolerance })
        ? [at]
        : [],
    ),
  );
  const isMatched = pairedUp(choices);
  const wrong = wanted.filter((_label, at) => !isMatched[at]).map(({ tool }) => tool);
  const share = (wanted.length - wrong.length) / wanted.length;
  return {
    value: share,
    why:
      wrong.length === 0
        ? "all arguments are as expected"
        : `${wrong.join(", ")} was not called with the arguments expected`,
  };
}

/** Which of some labels get a call of their own when as many do as can (augmenting paths; Kuhn 1955). O(labels² × calls). */
function pairedUp(choices: readonly (readonly number[])[]): readonly boolean[] {
  const labelOf = new Map<number, number>();
  const place = (label: number, seen: Set<number>): boolean =>
    (choices[label] ?? []).some((call) => {
      if (seen.has(call)) return false;
      seen.add(call);
      const before = labelOf.get(call);
      if (before !== undefined && !place(before, seen)) return false;
      labelOf.set(call, label);
      return true;
    });
  return choices.map((_each, label) => place(label, new Set()));
}

function without(args: JsonObject, paths: readonly string[]): JsonObject {
  return paths.reduce<JsonObject>((left, path) => {
    const omitted = omit(left, path.split("."));
    return isJsonObject(omitted) ? omitted : left;
  }, args);
}

/** A value without what stands at a path; in a list, without that of every item. */
function omit(value: Json, path: readonly string[]): Json {
  const [step = "", ...rest] = path;
  if (Array.isArray(value)) return (value as readonly Json[]).map((each) => omit(each, path));
  if (!isJsonObject(value) || !Object.hasOwn(value, step)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, each]) =>
      key !== step ? [[key, each]] : rest.length === 0 ? [] : [[key, omit(each, rest)]],
    ),
  );
}

interface Fit {
  readonly match: "subset" | "exact";
  /** Of a number, by its size; of one below 1, as it stands. */
  readonly tolerance: number;
}

function fits(given: Json, wanted: Json, how: Fit): boolean {
  if (typeof wanted === "number")
    return typeof given === "number" && Math.abs(given - wanted) <= how.tolerance * Math.max(1, Math.abs(wanted));
  if (Array.isArray(wanted))
    return (
      Array.isArray(given) &&
      given.length === wanted.length &&
      (wanted as readonly Json[]).every((each, at) => fits((given as readonly Json[])[at] ?? null, each, how))
    );
  if (!isJsonObject(wanted)) return given === wanted;
  if (!isJsonObject(given)) return false;
  const keys = Object.keys(wanted);
  if (how.match === "exact" && Object.keys(given).length !== keys.length) return false;
  return keys.every((key) => Object.hasOwn(given, key) && fits(given[key] ?? null, wanted[key] ?? null, how));
}

/** Whether there were so many calls, in the order expected, none of them too often. */
export function gradeCalls(grader: GraderOf<"calls">, graded: Graded): Word {
  const calls = callsOf(graded.episode);
  const expected = grader.order === "strict" ? expectedOf(graded) : undefined;
  const wrong = [
    ...countFaults(grader, calls),
    ...(expected === undefined || isInOrder(calls, expected) ? [] : ["another order than expected"]),
  ];
  if (wrong.length > 0) return { value: 0, why: wrong.join("; ") };
  const isUnknown = grader.order === "strict" && expected === undefined;
  return isUnknown ? NOTHING_KNOWN : { value: 1, why: `${calls.length} calls as expected` };
}

function countFaults({ min, max, repeats }: GraderOf<"calls">, calls: readonly EpisodeCall[]): readonly string[] {
  const most = repeats === undefined ? 0 : mostRepeats(calls);
  return [
    ...(min !== undefined && calls.length < min ? [`${calls.length} calls, expected at least ${min}`] : []),
    ...(max !== undefined && calls.length > max ? [`${calls.length} calls, expected at most ${max}`] : []),
    ...(repeats !== undefined && most > repeats ? [`the same call ${most} times`] : []),
  ];
}

function mostRepeats(calls: readonly EpisodeCall[]): number {
  const seen = new Map<string, number>();
  for (const { name, args } of calls) {
    const key = `${name}\n${canonicalArgs(args)}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  return Math.max(0, ...seen.values());
}

function isInOrder(calls: readonly EpisodeCall[], wanted: readonly ToolLabel[]): boolean {
  return (
    calls.length === wanted.length &&
    wanted.every(({ tool }, at) => {
      const call = calls[at];
      return call !== undefined && isOf(call, tool);
    })
  );
}

/** How many calls were asked for that nobody may ask for. */
export function gradeForbidden({ tools }: GraderOf<"forbidden">, { case: each, episode }: Graded): Word {
  const forbidden: readonly ToolLabel[] = [...(each.labels.forbidden ?? []), ...tools.map((tool) => ({ tool }))];
  if (forbidden.length === 0) return { value: null, why: "nothing is forbidden in this case" };
  const how = { match: "subset", tolerance: 0 } as const;
  const found = callsOf(episode).filter((call) =>
    forbidden.some(
      ({ tool, args }) => isOf(call, tool) && (args === undefined || fits(objectIn(call.args) ?? {}, args, how)),
    ),
  );
  return {
    value: found.length,
    why:
      found.length === 0 ? "no forbidden call" : `asked for ${found.map(({ tool, name }) => tool ?? name).join(", ")}`,
  };
}

/** How many calls the policy would not have let through; or whether it would all of them. */
export function gradePolicy({ allow, as }: GraderOf<"policy">, episode: Episode): Word {
  const against = callsOf(episode).filter(({ decision }) => decision !== null && !allow.includes(decision.effect));
  const named = against.map(({ tool, name, decision }) => {
    const rules = decision?.rules ?? [];
    return `${tool ?? name}: ${decision?.effect ?? ""}${rules.length === 0 ? "" : ` by ${rules.join(", ")}`}`;
  });
  const why = against.length === 0 ? "every call is well with the policy" : named.join("; ");
  return { value: as === "violation" ? against.length : Number(against.length === 0), why };
}
