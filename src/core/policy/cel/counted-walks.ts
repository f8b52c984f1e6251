// Decides that every walk of an expression counts, also over lists that it makes itself: for expressions no estimate was made of.
import { celFunc, CelScalar, isCelList, isCelMap, type CelFunc } from "@bufbuild/cel";
import type { Expr } from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";
import { Meter } from "./meter.ts";

/** No source text can name it. */
const WALK = "@walk";

/** What stands around each range that is walked: it counts the range, and gives it. */
export const WALKS: CelFunc[] = [
  celFunc(WALK, [CelScalar.DYN], CelScalar.DYN, (range) => {
    if (isCelList(range) || isCelMap(range)) Meter.counted(range.size);
    return range;
  }),
];

/**
 * The expression with every range that a macro walks counted before it is walked. Rules need none of this: how far they
 * walk is estimated before they are published. The parts keep their ids. As deep as the expression.
 */
export function withCountedWalks(expr: Expr): Expr {
  const { exprKind } = expr;
  const each = withCountedWalks;
  switch (exprKind.case) {
    case "selectExpr":
      return { ...expr, exprKind: { ...exprKind, value: { ...exprKind.value, ...operandOf(exprKind.value.operand) } } };
    case "callExpr": {
      const { target, args } = exprKind.value;
      const value = {
        ...exprKind.value,
        args: args.map(each),
        ...(target === undefined ? {} : { target: each(target) }),
      };
      return { ...expr, exprKind: { ...exprKind, value } };
    }
    case "listExpr": {
      const value = { ...exprKind.value, elements: exprKind.value.elements.map(each) };
      return { ...expr, exprKind: { ...exprKind, value } };
    }
    case "structExpr": {
      const entries = exprKind.value.entries.map((entry) => ({
        ...entry,
        keyKind:
          entry.keyKind.case === "mapKey" ? { ...entry.keyKind, value: each(entry.keyKind.value) } : entry.keyKind,
        ...(entry.value === undefined ? {} : { value: each(entry.value) }),
      }));
      return { ...expr, exprKind: { ...exprKind, value: { ...exprKind.value, entries } } };
    }
    case "comprehensionExpr": {
      const parts = exprKind.value;
      const value = { ...parts, ...Object.fromEntries(PARTS.flatMap((name) => partOf(name, parts[name]))) };
      return { ...expr, exprKind: { ...exprKind, value } };
    }
    case "constExpr":
    case "identExpr":
    case undefined:
      return expr;
    default:
      return exprKind satisfies never;
  }
}

const PARTS = ["iterRange", "accuInit", "loopCondition", "loopStep", "result"] as const;

function partOf(name: (typeof PARTS)[number], part: Expr | undefined): readonly (readonly [string, Expr])[] {
  if (part === undefined) return [];
  const counted = withCountedWalks(part);
  return [[name, name === "iterRange" ? walkOver(counted) : counted]];
}

function operandOf(operand: Expr | undefined): { readonly operand?: Expr } {
  return operand === undefined ? {} : { operand: withCountedWalks(operand) };
}

function walkOver(range: Expr): Expr {
  return {
    $typeName: "cel.expr.Expr",
    id: range.id,
    exprKind: { case: "callExpr", value: { $typeName: "cel.expr.Expr.Call", function: WALK, args: [range] } },
  };
}
