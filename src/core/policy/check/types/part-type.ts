// Decides what the plain parts of an expression can be: constants, maps written out, and values something is known of.
import { isNotNull, isOfKind, type Facts } from "../guards.ts";
import { MISTAKEN, scalar, unionOf, without, type ValueType } from "./value-type.ts";
import type { Expr } from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";

/** A type with what is known of the value at a place taken off it. */
export function narrowed(type: ValueType, key: string | undefined, facts: Facts): ValueType {
  if (key === undefined || facts === "everything") return type;
  const kind = type.shapes.map((shape) => shape.kind).find((each) => facts.has(isOfKind(each, key)));
  if (kind !== undefined) return { shapes: type.shapes.filter((shape) => shape.kind === kind), isLoose: false };
  return facts.has(isNotNull(key)) ? without(type, "null") : type;
}

/** Whether a value is nothing but null. */
export function isOnlyNull(type: ValueType): boolean {
  return !type.isLoose && type.shapes.every((shape) => shape.kind === "null");
}

/** The index that an expression is literally; `undefined` for any other. */
export function literalIndex({ exprKind }: Expr): number | undefined {
  const constant = exprKind.case === "constExpr" ? exprKind.value.constantKind : undefined;
  return constant?.case === "int64Value" && constant.value >= 0n && constant.value < 1_000n
    ? Number(constant.value)
    : undefined;
}

const KIND_OF_CONSTANT = {
  ...({ boolValue: "bool", int64Value: "int", uint64Value: "uint", doubleValue: "double" } as const),
  ...({ stringValue: "string", bytesValue: "bytes", nullValue: "null" } as const),
  ...({ durationValue: "duration", timestampValue: "timestamp" } as const),
};

/** The type of a constant; of anything else, one that is never mistaken. */
export function typeOfConstant({ exprKind }: Expr): ValueType {
  const constant = exprKind.case === "constExpr" ? exprKind.value.constantKind : undefined;
  if (constant?.case === undefined) return MISTAKEN;
  return scalar(KIND_OF_CONSTANT[constant.case], constant.case === "stringValue" ? [constant.value] : undefined);
}

/** An entry of a map that is written out; a name where its key is a literal text. */
export interface Entry {
  readonly name: string | undefined;
  readonly key: ValueType;
  readonly value: ValueType;
}

/** The type of a map that is written out. */
export function literalMap(entries: readonly Entry[]): ValueType {
  const byName = new Map(entries.flatMap(({ name, value }) => (name === undefined ? [] : [[name, value] as const])));
  const values = unionOf(entries.map(({ value }) => value));
  const isOpen = byName.size < entries.length;
  return {
    isLoose: false,
    shapes: [
      {
        kind: "map",
        maxItems: entries.length,
        names: [...byName.keys()],
        keys: unionOf(entries.map(({ key }) => key)),
        values: () => values,
        find: (name) => {
          const type = byName.get(name);
          return type === undefined
            ? isOpen
              ? { type: values, isOptional: true }
              : undefined
            : { type, isOptional: false };
        },
      },
    ],
  };
}
