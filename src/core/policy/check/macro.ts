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
  if (second === undefined) return undefined;
  switch (name) {
    case "_||_":
    case "_&&_":
      return { ...loop, gives: "bool", test: second };
    case "_+_":
      return withItem({ ...loop, gives: "list" }, second);
    case "_?_:_":
      return first === undefined
        ? undefined
        : chosen({ ...loop, gives: accuInit?.exprKind.case === "listExpr" ? "list" : "bool", test: first }, second);
    default:
      return undefined;
  }
}

/** A macro that adds to what it has so far only where a condition holds. */
function chosen(macro: Macro, { exprKind }: Expr): Macro | undefined {
  if (exprKind.case !== "callExpr") return undefined;
  return macro.gives === "bool" ? macro : withItem(macro, exprKind.value.args[1]);
}

function withItem(macro: Macro, added: Expr | undefined): Macro | undefined {
  const item = added?.exprKind.case === "listExpr" ? added.exprKind.value.elements[0] : undefined;
  return item === undefined ? undefined : { ...macro, item };
}
