// Decides whether a condition can never be true, whatever the call.
import { chainsOf, type SyntaxTree } from "../cel/syntax.ts";
import { isEmpty, meet, tidied, type Domain } from "./domain.ts";
import { alternativesOf } from "./normal-form.ts";
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
    const alternatives = alternativesOf(part);
    if (alternatives?.length === 0) return impossible(part);
    const [only, ...others] = alternatives ?? [];
    if (only === undefined || others.length > 0) continue;
    for (const [key, domain] of only) {
      const left = tidied(meet(known.get(key) ?? {}, domain));
      if (isEmpty(left)) return `nothing is left for ${nameOf(key)}`;
      known.set(key, left);
    }
  }
  return undefined;
}

/** Why one part is impossible by itself: plain where it looks at one value. */
function impossible(expr: Expr): string | undefined {
  const [chain, ...others] = chainsOf(expr);
  return chain === undefined || others.length > 0 ? undefined : `nothing is left for \`${chain.join(".")}\``;
}

function joined(expr: Expr): readonly Expr[] {
  const { exprKind } = expr;
  return exprKind.case === "callExpr" && exprKind.value.function === "_&&_"
    ? exprKind.value.args.flatMap(joined)
    : [expr];
}

/** A name for people of the value behind a key. */
function nameOf(key: string): string {
  const parts = key.split(".").map((part) => /^"([A-Za-z_]\w*)"$/.exec(part)?.[1]);
  return parts.includes(undefined) ? "one of the values" : `\`${parts.join(".")}\``;
}
