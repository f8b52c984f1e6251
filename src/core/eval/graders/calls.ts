// Grades the tool calls of an episode: which, with which arguments, how many, and what the policy says to them.
import type { GraderOf } from "../../config/grader-document.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import type { ToolLabel } from "../case.ts";
import { callsOf, type Episode, type EpisodeCall } from "../episode.ts";
import { canonicalArgs } from "../replay/tape.ts";
import type { Graded, Word } from "./grade.ts";

/** Calls that are expected: those of the labels, else those that the recording has. */
function expectedOf({ case: each, recorded, episode }: Graded): readonly ToolLabel[] {
  // Labels are of the whole case: a single recorded call of it is held against what was recorded there.
  if (each.labels.tools !== undefined && episode.call === null) return each.labels.tools;
  return callsOf(recorded).map(({ tool, name, args }) => ({ tool: tool ?? name, args: objectIn(args) ?? {} }));
}

function objectIn(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text.trim() === "" ? "{}" : text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isOf({ tool, name }: EpisodeCall, label: string): boolean {
  if (label.endsWith(".*")) return (tool ?? name).startsWith(label.slice(0, -1));
  return tool === label || name === label;
}

/** Whether exactly the expected tools were asked for, each as often as expected at least once. */
export function gradeToolChoice(graded: Graded): Word {
  const wanted = [...new Set(expectedOf(graded).map(({ tool }) => tool))];
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

/** The share of expected calls that were made with their arguments. */
export function gradeArguments({ match, tolerance, ignore }: GraderOf<"arguments">, graded: Graded): Word {
  const wanted = expectedOf(graded).filter(({ args }) => args !== undefined);
  if (wanted.length === 0)
    return callsOf(graded.episode).length === 0
      ? { value: 1, why: "no call was expected" }
      : { value: null, why: "no arguments are expected" };
  const left = [...callsOf(graded.episode)];
  const wrong: string[] = [];
  for (const label of wanted) {
    const at = left.findIndex(
      (call) =>
        isOf(call, label.tool) &&
        fits(without(objectIn(call.args) ?? {}, ignore), without(label.args ?? {}, ignore), { match, tolerance }),
    );
    if (at < 0) wrong.push(label.tool);
    else left.splice(at, 1);
  }
  const share = (wanted.length - wrong.length) / wanted.length;
  return {
    value: share,
    why:
      wrong.length === 0
        ? "all arguments are as expected"
        : `${wrong.join(", ")} was not called with the arguments expected`,
  };
}

function without(args: JsonObject, paths: readonly string[]): JsonObject {
  return paths.reduce<JsonObject>((left, path) => omit(left, path.split(".")), args);
}

function omit(value: JsonObject, [step = "", ...rest]: readonly string[]): JsonObject {
  const inner = value[step];
  if (inner === undefined) return value;
  const { [step]: _gone, ...others } = value;
  return rest.length === 0 || !isJsonObject(inner) ? others : { ...others, [step]: omit(inner, rest) };
}

function fits(
  given: Json,
  wanted: Json,
  how: { readonly match: "subset" | "exact"; readonly tolerance: number },
): boolean {
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
  return keys.every((key) => given[key] !== undefined && fits(given[key] ?? null, wanted[key] ?? null, how));
}

/** Whether there were so many calls, in the order expected, none of them too often. */
export function gradeCalls({ order, min, max, repeats }: GraderOf<"calls">, graded: Graded): Word {
  const calls = callsOf(graded.episode);
  const wrong: string[] = [];
  if (min !== undefined && calls.length < min) wrong.push(`${calls.length} calls, expected at least ${min}`);
  if (max !== undefined && calls.length > max) wrong.push(`${calls.length} calls, expected at most ${max}`);
  const seen = Map.groupBy(calls, ({ name, args }) => `${name}\n${canonicalArgs(args)}`);
  const most = Math.max(0, ...[...seen.values()].map((each) => each.length));
  if (repeats !== undefined && most > repeats) wrong.push(`the same call ${most} times`);
  if (order === "strict" && !isInOrder(calls, expectedOf(graded))) wrong.push("another order than expected");
  return wrong.length === 0
    ? { value: 1, why: `${calls.length} calls as expected` }
    : { value: 0, why: wrong.join("; ") };
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
  const named = against.map(
    ({ tool, name, decision }) => `${tool ?? name}: ${decision?.effect ?? ""} by ${decision?.rules.join(", ") ?? ""}`,
  );
  const why = against.length === 0 ? "every call is well with the policy" : named.join("; ");
  return { value: as === "violation" ? against.length : Number(against.length === 0), why };
}
