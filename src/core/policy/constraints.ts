// Decides how the constraints a caller declares narrow what the policy allows; none of them can widen it.
import * as z from "zod/mini";
import { usdFromJson } from "../units/money.ts";

const usd = z
  .union([z.number(), z.string()])
  .check(
    z.refine((value) => usdFromJson(value) !== undefined, "expected dollars, at least 0, with at most six decimals"),
  );

/** The `constraints` member of the envelope. */
export const Constraints = z.strictObject({
  /** The most this call may move. */
  max_amount_usd: z.optional(usd),
  requires_human_approval_over_usd: z.optional(usd),
  /** `false` forbids writing to any argument that the tool declares as personal data. */
  pii_write_allowed: z.optional(z.boolean()),
  allowed_tools: z.optional(z.array(z.string())),
});

/** Constraints as a caller declares them. */
export type Constraints = z.infer<typeof Constraints>;

/** Joins two sets of constraints so that each can only narrow the other: least cap, intersection of tools. */
export function narrow(left: Constraints, right: Constraints): Constraints {
  const max = least(left.max_amount_usd, right.max_amount_usd);
  const approval = least(left.requires_human_approval_over_usd, right.requires_human_approval_over_usd);
  const pii = left.pii_write_allowed === false || right.pii_write_allowed === false ? false : undefined;
  const tools = intersection(left.allowed_tools, right.allowed_tools);
  return {
    ...(max === undefined ? {} : { max_amount_usd: max }),
    ...(approval === undefined ? {} : { requires_human_approval_over_usd: approval }),
    ...(pii === undefined ? {} : { pii_write_allowed: pii }),
    ...(tools === undefined ? {} : { allowed_tools: tools }),
  };
}

type Usd = string | number | undefined;

function least(left: Usd, right: Usd): Usd {
  if (left === undefined || right === undefined) return left ?? right;
  return (usdFromJson(left) ?? 0) <= (usdFromJson(right) ?? 0) ? left : right;
}

function intersection(left: readonly string[] | undefined, right: readonly string[] | undefined): string[] | undefined {
  if (left === undefined || right === undefined)
    return left === undefined && right === undefined ? undefined : [...(left ?? right ?? [])];
  return [...left.filter((name) => matchesAny(name, right)), ...right.filter((name) => matchesAny(name, left))];
}

/** Whether a name is listed: by itself, by `prefix.*`, or by `*`. */
export function matchesAny(name: string, patterns: readonly string[]): boolean {
  return patterns.some(
    (pattern) =>
      pattern === "*" || pattern === name || (pattern.endsWith(".*") && name.startsWith(pattern.slice(0, -1))),
  );
}
