// Decides how budgets read in rules: money in minor units, rounded against the caller.
import { DIMENSIONS, type Amounts, type Dimension, type Limits } from "../budget/amounts.ts";
import { minorUnits } from "./built-in.ts";
import type { SessionInput } from "./cel/world.ts";

/** The figures of every budget dimension. `used` counts what running calls hold. */
export function budgetFigures(limits: Limits, used: Amounts): SessionInput["budget"] {
  const figures = (dimension: Dimension): SessionInput["budget"]["usd"] => {
    const isMoney = dimension === "usd" || dimension === "tool_usd";
    const show = (value: number, direction: "up" | "down"): number => (isMoney ? minorUnits(value, direction) : value);
    const limit = limits[dimension];
    if (limit === undefined) return { used: show(used[dimension], "up") };
    const remaining = Math.max(0, show(limit - used[dimension], "down"));
    return { used: show(used[dimension], "up"), limit: show(limit, "down"), remaining };
  };
  // Every dimension is there, and a figure each.
  return Object.fromEntries(DIMENSIONS.map((each) => [each, figures(each)])) as Record<
    Dimension,
    SessionInput["budget"]["usd"]
  >;
}
