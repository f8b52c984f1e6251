// Decides whether a changed setting can only let more through, only less, or cannot be told from its values.
import type { JsonObject } from "../json/canonical.ts";
import { matchesAny } from "../policy/constraints.ts";
import { tierOf } from "../policy/tiers.ts";
import { usdFromJson } from "../units/money.ts";
import { readDuration, readWindow } from "../units/window.ts";
import type { ActorEntry } from "./document.ts";
import type { FlowsEntry, Tier } from "./policy-document.ts";

/** What a change does to what gets through. `unclear` is no claim at all. */
export type Direction = "widens" | "narrows" | "unclear";

/** Compares the values of one setting before and after; `undefined` is "not set". */
export type Comparator = (before: unknown, after: unknown) => Direction;

/** The other way round. */
export function opposite(direction: Direction): Direction {
  return direction === "unclear" ? direction : direction === "widens" ? "narrows" : "widens";
}

/** The direction of a pair of readings where more lets more through. */
export function byMore(before: number | undefined, after: number | undefined): Direction {
  if (before === undefined || after === undefined || before === after) return "unclear";
  return after > before ? "widens" : after < before ? "narrows" : "unclear";
}

/** The direction in which several settings agree; `unclear` where one of them does not say, or two differ. */
export function together(directions: readonly Direction[]): Direction {
  const [first, ...others] = directions;
  return first !== undefined && others.every((each) => each === first) ? first : "unclear";
}

/** A dollar amount up to which something is let through; none is no limit. */
export const usdCap: Comparator = (before, after) =>
  byMore(before === undefined ? Infinity : usdFromJson(before), after === undefined ? Infinity : usdFromJson(after));

/** A number up to which something is let through; none is no limit. */
export const cap: Comparator = (before, after) => byMore(numberOr(before, Infinity), numberOr(after, Infinity));

/** A number from which on something is let through; none is no floor. */
export const floor: Comparator = (before, after) => opposite(byMore(numberOr(before, -1), numberOr(after, -1)));

/** A number of people that must agree; where none is set, a default that is not compared. */
export const quorum: Comparator = (before, after) =>
  opposite(byMore(numberOr(before, Number.NaN), numberOr(after, Number.NaN)));

/** Who may agree; where nobody is named, a default that is not compared. */
export const approvers: Comparator = (before, after) =>
  before === undefined || after === undefined ? "unclear" : grants(before, after);

function numberOr(value: unknown, otherwise: number): number | undefined {
  return value === undefined ? otherwise : typeof value === "number" ? value : undefined;
}

/** A time for which something stays possible; where none is set, a default that is not compared. */
export const lifetime: Comparator = (before, after) => byMore(durationOf(before), durationOf(after));

function durationOf(value: unknown): number | undefined {
  return typeof value === "string" || typeof value === "number" ? readDuration(value) : undefined;
}

/** A sliding window in which calls count: the shorter, the more get through. */
export const countingWindow: Comparator = (before, after) => opposite(byMore(slidingMs(before), slidingMs(after)));

function slidingMs(value: unknown): number | undefined {
  const window = typeof value === "string" || typeof value === "number" ? readWindow(value) : undefined;
  return window?.type === "sliding" ? window.ms : undefined;
}

/** A list of what is let through. */
export const grants: Comparator = (before, after) => bySets(textsOf(before), textsOf(after));

/** A list of what is demanded. */
export const demands: Comparator = (before, after) => opposite(bySets(textsOf(before), textsOf(after)));

/** A setting that forbids where it is `false`. */
export const permission: Comparator = (before, after) => {
  if ((before === false) === (after === false)) return "unclear";
  return after === false ? "narrows" : "widens";
};

/** A setting that opens something where it is `true`. */
export const opening: Comparator = (before, after) => {
  if ((before === true) === (after === true)) return "unclear";
  return after === true ? "widens" : "narrows";
};

/** A setting that stops something where it is `true`. */
export const stopping: Comparator = (before, after) => opposite(opening(before, after));

/** A setting that restricts wherever it is set at all. */
export const restriction: Comparator = (before, after) => {
  if ((before === undefined) === (after === undefined)) return "unclear";
  return after === undefined ? "widens" : "narrows";
};

/** A rate: more calls in less time and a larger burst let more through. */
export const rate: Comparator = (before, after) => {
  if (before === undefined || after === undefined) return restriction(before, after);
  const [was, is] = [rateOf(before as JsonObject), rateOf(after as JsonObject)];
  if (was.by !== is.by) return "unclear";
  const moved = [byMore(was.perMs, is.perMs), byMore(was.burst, is.burst)];
  const still = [was.perMs === is.perMs, was.burst === is.burst];
  return together(moved.filter((_, at) => still[at] !== true));
};

function rateOf(rate: JsonObject): { readonly perMs: number; readonly burst: number; readonly by: unknown } {
  const requests = Number(rate["requests"]);
  return {
    perMs: requests / (durationOf(rate["per"]) ?? 1),
    burst: Number(rate["burst"] ?? requests),
    by: rate["by"] ?? "actor",
  };
}

/** What a tool does: reads pass every tier and every switch but a halt. */
export const effectClass: Comparator = (before, after) => {
  if ((before === "read") === (after === "read")) return "unclear";
  return after === "read" ? "widens" : "narrows";
};

function textsOf(value: unknown): ReadonlySet<string> {
  return new Set(Array.isArray(value) ? value.filter((each): each is string => typeof each === "string") : []);
}

/** More members let more through. */
export function bySets(before: ReadonlySet<string>, after: ReadonlySet<string>): Direction {
  const gained = after.difference(before).size;
  const lost = before.difference(after).size;
  if (gained > 0 && lost > 0) return "unclear";
  return gained > 0 ? "widens" : lost > 0 ? "narrows" : "unclear";
}

/** The names that patterns cover; every name where there are none. */
export function covered(patterns: readonly string[] | undefined, names: readonly string[]): ReadonlySet<string> {
  return new Set(patterns === undefined ? names : names.filter((name) => matchesAny(name, patterns)));
}

/** What tiers let through without a person, least first: what `autonomous` covers is not even asked about amounts. */
const FREEDOM: Readonly<Record<Tier, number>> = {
  draft_only: 0,
  execute_with_approvals: 1,
  execute_with_limits: 2,
  autonomous: 3,
};

/** The direction of an actor's tier and flows together: over every flow and tool, what tier a call would run in. */
export function tierDirection(before: ActorEntry, after: ActorEntry, tools: readonly string[]): Direction {
  const flows = [null, ...new Set([...flowNames(before.flows), ...flowNames(after.flows)])];
  const moves = flows.flatMap((intent) =>
    [...tools, ""].map((tool) => {
      const [was, is] = [tierOf(before, { intent, tool }), tierOf(after, { intent, tool })];
      return Math.sign(FREEDOM[is] - FREEDOM[was]);
    }),
  );
  if (moves.every((each) => each === 0)) return "unclear";
  if (moves.every((each) => each >= 0)) return "widens";
  return moves.every((each) => each <= 0) ? "narrows" : "unclear";
}

function flowNames(flows: FlowsEntry | undefined): readonly string[] {
  return flows === undefined ? [] : Array.isArray(flows) ? flows : Object.keys(flows);
}
