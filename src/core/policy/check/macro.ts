// Decides which macro a loop of the syntax tree was written as: the parser has expanded it already.
import type { Expr, Expr_Comprehension } from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";

/** A macro as it was written: `range.exists(variable, test)` and its like. */
export interface Macro {
  readonly gives: "bool" | "list";
  readonly range: Expr;
  readonly variable: string;
  /** The condition, where there is one. */
  readonly test?: Expr;
  /** What an item becomes in the list that is given. */
  readonly item?: Expr;
}

/** The macro behind a loop; `undefined` for a loop that no macro of ours gives. */
export function macroOf({ iterRange, iterVar, accuInit, loopStep }: Expr_Comprehension): Macro | undefined {
  if (iterRange === undefined || loopStep?.exprKind.case !== "callExpr") return undefined;
  const loop = { range: iterRange, variable: iterVar };
  const { function: name, args } = loopStep.exprKind.value;
  const [first, second] = args;
  switch (name) {
    case "_||_":
    case "_&&_":
      return second === undefined ? undefined : { ...loop, gives: "bool", test: second };
    case "_+_":
      return withItem({ ...loop, gives: "list" }, second);
    case "_?_:_": {
      if (first === undefined || second?.exprKind.case !== "callExpr") return undefined;
      if (accuInit?.exprKind.case !== "listExpr") return { ...loop, gives: "bool", test: first };
      return withItem({ ...loop, gives: "list", test: first }, second.exprKind.value.args[1]);
    }
    default:
      return undefined;
  }
}

function withItem(macro: Macro, added: Expr | undefined): Macro | undefined {
  const item = added?.exprKind.case === "listExpr" ? added.exprKind.value.elements[0] : undefined;
  return item === undefined ? undefined : { ...macro, item };
}
