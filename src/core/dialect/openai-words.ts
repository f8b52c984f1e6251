// Decides what OpenAI's two dialects say alike: how hard to think, and what a function is.
import { textOf } from "./body-fields.ts";
import type { ReasoningWish, ToolOffer } from "./conversation.ts";
import { objectOf, present, type Findings } from "./findings.ts";
import type { Json, JsonObject } from "../json/canonical.ts";

const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh"] as const;

/** What a word for the effort is expected to be. */
export const EXPECTED_EFFORT = `expected one of ${EFFORTS.join(", ")}, max`;

/** The effort that a word stands for; `undefined` for any other. */
export function readEffort(word: Json | undefined): ReasoningWish["effort"] | undefined {
  return word === "max" ? "xhigh" : EFFORTS.find((each) => each === word);
}

/** Tokens from which on a budget reads as a word. */
const BUDGETS = [
  [8_192, "high"],
  [2_048, "medium"],
  [1, "low"],
] as const;

/** A word for how hard to think: the caller's own, else the one its budget of tokens comes nearest to. */
export function effortOf(reasoning: ReasoningWish | undefined): string | undefined {
  if (reasoning?.effort !== undefined) return reasoning.effort;
  if (reasoning?.budgetTokens === 0) return "none";
  return BUDGETS.find(([from]) => (reasoning?.budgetTokens ?? 0) >= from)?.[1];
}

/** A function under its name, with what it takes; without `parameters` it takes nothing. */
export function functionOffer(name: string, described: JsonObject): ToolOffer {
  return {
    name,
    ...present("description", textOf(described["description"])),
    schema: objectOf(described["parameters"]) ?? { type: "object", properties: {} },
    ...present("strict", typeof described["strict"] === "boolean" ? described["strict"] : undefined),
  };
}

/** A member that is true or false; a mistake where it is anything else. */
export function readFlag(body: JsonObject, key: string, findings: Findings): boolean | undefined {
  const value = body[key] ?? undefined;
  if (value === undefined || typeof value === "boolean") return value;
  findings.invalid(key, "expected true or false");
  return undefined;
}
