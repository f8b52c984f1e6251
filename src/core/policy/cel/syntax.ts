// Walks the syntax tree of a CEL expression: its parts, where each stands in the source, and the chains of names it reads.
import type { Expr, ParsedExpr } from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";

/** A parsed expression's tree; `expr` is always there. */
export type SyntaxTree = ParsedExpr & { readonly expr: Expr };

/** Where something stands in a source text; both from 1. */
export interface SourcePosition {
  readonly line: number;
  readonly column: number;
}

/** What is wrong with an expression, and where. */
export interface ExpressionFault {
  readonly message: string;
  readonly position: SourcePosition;
  /** The offending source text. */
  readonly text: string;
}

/** The direct parts of an expression, in source order. */
export function partsOf(expr: Expr): readonly Expr[] {
  const { exprKind } = expr;
  switch (exprKind.case) {
    case "selectExpr":
      return present(exprKind.value.operand);
    case "callExpr":
      return [...present(exprKind.value.target), ...exprKind.value.args];
    case "listExpr":
      return exprKind.value.elements;
    case "structExpr":
      return exprKind.value.entries.flatMap((entry) => [
        ...(entry.keyKind.case === "mapKey" ? [entry.keyKind.value] : []),
        ...present(entry.value),
      ]);
    case "comprehensionExpr": {
      const { iterRange, accuInit, loopCondition, loopStep, result } = exprKind.value;
      return [iterRange, accuInit, loopCondition, loopStep, result].flatMap((each) => present(each));
    }
    case "constExpr":
    case "identExpr":
    case undefined:
      return [];
    default:
      return exprKind satisfies never;
  }
}

function present(expr: Expr | undefined): readonly Expr[] {
  return expr === undefined ? [] : [expr];
}

/** An expression and everything below it. */
export function everyPart(expr: Expr): readonly Expr[] {
  return [expr, ...partsOf(expr).flatMap((part) => everyPart(part))];
}

/** The text of a string constant, or `undefined`. */
export function stringConstant(expr: Expr | undefined): string | undefined {
  if (expr?.exprKind.case !== "constExpr") return undefined;
  const { constantKind } = expr.exprKind.value;
  return constantKind.case === "stringValue" ? constantKind.value : undefined;
}

/** A text that only equal constants share; of a text constant its JSON. Empty for what is no constant. */
export function constantText({ exprKind }: Expr): string {
  if (exprKind.case !== "constExpr") return "";
  const { constantKind } = exprKind.value;
  switch (constantKind.case) {
    case "stringValue":
      return JSON.stringify(constantKind.value);
    case "boolValue":
    case "doubleValue":
    case "int64Value":
    case "uint64Value":
      return `${constantKind.case} ${constantKind.value}`;
    case "bytesValue":
      return `bytesValue ${constantKind.value.join(",")}`;
    case "durationValue":
    case "timestampValue":
      return `${constantKind.case} ${constantKind.value.seconds} ${constantKind.value.nanos}`;
    case "nullValue":
    case undefined:
      return "null";
    default:
      return constantKind satisfies never;
  }
}

/**
 * The chain of names that an expression reads: `args.a.b` and `args["a"].b` are `["args", "a", "b"]`; `undefined` for
 * anything that is not a variable or a member of one.
 */
export function chainOf(expr: Expr): readonly string[] | undefined {
  const { exprKind } = expr;
  if (exprKind.case === "identExpr") return [exprKind.value.name];
  if (exprKind.case === "selectExpr") {
    const { operand, field, testOnly } = exprKind.value;
    const before = operand === undefined || testOnly ? undefined : chainOf(operand);
    return before === undefined ? undefined : [...before, field];
  }
  if (exprKind.case === "callExpr" && exprKind.value.function === "_[_]") {
    const [operand, key] = exprKind.value.args;
    const member = stringConstant(key);
    const before = operand === undefined || member === undefined ? undefined : chainOf(operand);
    return before === undefined || member === undefined ? undefined : [...before, member];
  }
  return undefined;
}

/** The longest chains an expression reads, each once. */
export function chainsOf(expr: Expr): readonly (readonly string[])[] {
  const found = new Map<string, readonly string[]>();
  const visit = (at: Expr): void => {
    const chain = chainOf(at);
    if (chain === undefined) for (const part of partsOf(at)) visit(part);
    else found.set(chain.join("\n"), chain);
  };
  visit(expr);
  return [...found.values()];
}

/** The names an expression takes from its surroundings: variables of macros are not among them. */
export function freeNames(expr: Expr): ReadonlySet<string> {
  const names = new Set<string>();
  const visit = (at: Expr, bound: ReadonlySet<string>): void => {
    const { exprKind } = at;
    if (exprKind.case === "identExpr" && !bound.has(exprKind.value.name)) names.add(exprKind.value.name);
    if (exprKind.case === "comprehensionExpr") {
      const { iterVar, iterVar2, accuVar, iterRange } = exprKind.value;
      for (const part of present(iterRange)) visit(part, bound);
      const inner = new Set([...bound, iterVar, iterVar2, accuVar]);
      for (const part of partsOf(at)) if (part !== iterRange) visit(part, inner);
      return;
    }
    for (const part of partsOf(at)) visit(part, bound);
  };
  visit(expr, new Set());
  return names;
}

/** The position of an offset in a source text. */
export function positionAt(source: string, offset: number): SourcePosition {
  const before = source.slice(0, Math.max(0, offset)).split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

/** A fault at an expression of a tree; at the start where the tree does not say where it stands. */
export function faultAt(
  source: string,
  tree: SyntaxTree,
  expr: { readonly id: bigint },
  message: string,
): ExpressionFault {
  const offset = startOf(tree, expr);
  return { message, position: positionAt(source, offset), text: textFrom(source, offset) };
}

/** The least offset that the tree knows of an expression and its parts. */
function startOf(tree: SyntaxTree, expr: { readonly id: bigint }): number {
  const node = everyPart(tree.expr).find((each) => each.id === expr.id);
  const offsets = (node === undefined ? [expr] : everyPart(node)).flatMap((each) => {
    const offset = tree.sourceInfo?.positions[String(each.id)];
    return offset === undefined ? [] : [offset];
  });
  return offsets.length === 0 ? 0 : Math.min(...offsets);
}

/** The part of a source that people recognise: up to the next logical operator, at most 60 characters. */
function textFrom(source: string, offset: number): string {
  const rest = source.slice(offset).split(/\s*(?:&&|\|\||\n)/)[0] ?? "";
  return rest.trim().slice(0, 60);
}
