// Decides which literal values the analysis can reckon with.
import type { Expr } from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";

/** A constant that values are compared with. */
export type Constant = number | string | boolean | null;

/** A constant; `undefined` for what is none, and for numbers that a double does not carry. */
export function constantOf({ exprKind }: Expr): { readonly value: Constant } | undefined {
  if (exprKind.case !== "constExpr") return undefined;
  const { constantKind } = exprKind.value;
  switch (constantKind.case) {
    case "stringValue":
    case "boolValue":
    case "doubleValue":
      return { value: constantKind.value };
    case "int64Value":
    case "uint64Value":
      return Number.isSafeInteger(Number(constantKind.value)) ? { value: Number(constantKind.value) } : undefined;
    case "nullValue":
      return { value: null };
    case "bytesValue":
    case "durationValue":
    case "timestampValue":
    case undefined:
      return undefined;
    default:
      return constantKind satisfies never;
  }
}
