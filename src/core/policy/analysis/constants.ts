// Decides which literal values the analysis can reckon with.
import type { Expr } from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";

/** A constant that values are compared with. */
export type Constant = number | string | boolean | null;

/** A constant; `undefined` for what is none, and for numbers that a double does not carry. */
export function constantOf({ exprKind }: Expr): { readonly value: Constant } | undefined {
  if (exprKind.case !== "constExpr") return undefined;
  const { constantKind } = exprKind.value;
  if (constantKind.case === "nullValue") return { value: null };
  const { value } = constantKind;
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? { value: Number(value) } : undefined;
  return typeof value === "string" || typeof value === "boolean" || typeof value === "number" ? { value } : undefined;
}
