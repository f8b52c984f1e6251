// Decides whether a condition can never be true, whatever the call.
import { chainOf, type SyntaxTree } from "../cel/syntax.ts";
import { isEmpty, meet, tidied, type Domain } from "./domain.ts";
import { alternativesOf, textOf } from "./normal-form.ts";
import type { Expr } from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";

/** Whether a condition can never be true, and why where that is plain. */
export interface Satisfiability {
  readonly unsatisfiable: boolean;
  readonly why?: string;
}

/**
 * Whether no call at all makes an expression true. Says so only where it is certain: intervals, constants and presence
 * of the same value that contradict each other, in every alternative; of everything else it takes the best.
 */
export function isUnsatisfiable(ast: SyntaxTree): Satisfiability {
  if (alternativesOf(ast.expr)?.length !== 0) return { unsatisfiable: false };
  const why = contradiction(ast.expr);
  return { unsatisfiable: true, ...(why === undefined ? {} : { why }) };
}

/** The first value of which what is joined by `&&` leaves nothing. */
function contradiction(expr: Expr): string | undefined {
  const known = new Map<string, Domain>();
  for (const part of joined(expr)) {
    const [only, ...others] = alternativesOf(part) ?? [];
    if (only === undefined || others.length > 0) continue;
    for (const [key, domain] of only) {
      const left = tidied(meet(known.get(key) ?? {}, domain));
      if (isEmpty(left)) return `nothing is left for \`${nameOf(expr, key)}\``;
      known.set(key, left);
    }
  }
  return undefined;
}

function joined(expr: Expr): readonly Expr[] {
  const { exprKind } = expr;
  return exprKind.case === "callExpr" && exprKind.value.function === "_&&_"
    ? exprKind.value.args.flatMap(joined)
    : [expr];
}

/** A name for people of the value behind a key: its chain, or that it is one condition. */
function nameOf(expr: Expr, key: string): string {
  const parts = key.split(".").map((part) => /^"([A-Za-z_]\w*)"$/.exec(part)?.[1]);
  if (!parts.includes(undefined)) return parts.join(".");
  return chainOf(expr) === undefined && textOf(expr) !== key ? "one of the values" : "the condition";
}
