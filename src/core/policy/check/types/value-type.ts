// Decides how the checker writes down what a part of an expression can be: a set of kinds, with members, items and texts.

/** A kind of value without parts. */
export type Scalar =
  | "bool"
  | "int"
  | "uint"
  | "double"
  | "string"
  | "bytes"
  | "null"
  | "timestamp"
  | "duration"
  | "type";

/** A kind of value, as signatures name it. */
export type Kind = Scalar | "list" | "map";

/** A member of a map. */
export interface Member {
  readonly type: ValueType;
  /** Whether the map may lack it. */
  readonly isOptional: boolean;
}

interface ScalarShape {
  readonly kind: Scalar;
  /** The texts it can be, where they are known. */
  readonly texts?: readonly string[];
}

interface ListShape {
  readonly kind: "list";
  readonly maxItems: number;
  /** Any item, or the one at an index. */
  readonly items: (index?: number) => ValueType;
}

interface MapShape {
  readonly kind: "map";
  readonly maxItems: number;
  /** The members that are listed. */
  readonly names: readonly string[];
  /** A member; `undefined` for one that cannot be. */
  readonly find: (name: string) => Member | undefined;
  /** The kinds of its keys. */
  readonly keys: ValueType;
  /** Any member's value. */
  readonly values: () => ValueType;
}

/** One of the things a value can be. */
export type Shape = ScalarShape | ListShape | MapShape;

/** What a value can be. A loose one is not known well enough to be held against anything: whatever fits one shape passes. */
export interface ValueType {
  readonly shapes: readonly Shape[];
  readonly isLoose: boolean;
}

/** How many items a list has of which nothing says how many; see `cost.ts`. */
export const ASSUMED_ITEMS = 64;

/** A type of one scalar kind. */
export function scalar(kind: Scalar, texts?: readonly string[]): ValueType {
  return { shapes: [texts === undefined ? { kind } : { kind, texts }], isLoose: false };
}

/** A list of such items. */
export function listOf(items: ValueType, maxItems: number): ValueType {
  return { shapes: [{ kind: "list", items: () => items, maxItems }], isLoose: false };
}

/** A type that is any of some types. */
export function unionOf(types: readonly ValueType[]): ValueType {
  const shapes: Shape[] = [];
  for (const shape of types.flatMap((type) => type.shapes)) {
    const same = shapes.find((each) => each.kind === shape.kind);
    if (same === undefined || !isScalar(shape) || !isScalar(same)) shapes.push(shape);
    else shapes[shapes.indexOf(same)] = joined(same, shape);
  }
  return { shapes, isLoose: types.some((type) => type.isLoose) };
}

function isScalar(shape: Shape): shape is ScalarShape {
  return shape.kind !== "list" && shape.kind !== "map";
}

function joined(left: ScalarShape, right: ScalarShape): ScalarShape {
  if (left.texts === undefined || right.texts === undefined) return { kind: left.kind };
  return { kind: left.kind, texts: [...new Set([...left.texts, ...right.texts])] };
}

/** A type without some of its kinds. */
export function without(type: ValueType, kind: Kind): ValueType {
  return { ...type, shapes: type.shapes.filter((shape) => shape.kind !== kind) };
}

/** The kinds of a type, each once. */
export function kindsOf(type: ValueType): ReadonlySet<Kind> {
  return new Set(type.shapes.map((shape) => shape.kind));
}

/** Whether a value of this type may be null, as far as anything says. */
export function isNullable(type: ValueType): boolean {
  return !type.isLoose && type.shapes.some((shape) => shape.kind === "null");
}

/** The texts a type can be, where it is nothing but known texts. */
export function textsOf(type: ValueType): readonly string[] | undefined {
  const texts = type.shapes.map((shape) => (shape.kind === "string" ? shape.texts : undefined));
  return type.isLoose || texts.length === 0 || texts.includes(undefined)
    ? undefined
    : texts.flatMap((each) => each ?? []);
}

/** The most items that a walk through a value can meet. */
export function maxItemsOf(type: ValueType): number {
  return Math.max(0, ...type.shapes.map((shape) => (isScalar(shape) ? 0 : shape.maxItems)));
}

/** What may be anything. `isOptional` says whether its members may be absent. */
function anything(kinds: readonly Scalar[], isOptional: boolean): ValueType {
  const type: ValueType = {
    isLoose: true,
    shapes: [
      ...kinds.map((kind) => ({ kind })),
      { kind: "list", items: () => type, maxItems: ASSUMED_ITEMS },
      {
        kind: "map",
        names: [],
        find: () => ({ type, isOptional }),
        keys: scalar("string"),
        values: () => type,
        maxItems: ASSUMED_ITEMS,
      },
    ],
  };
  return type;
}

const SCALARS: readonly Scalar[] = [
  ...(["bool", "int", "uint", "double", "string", "bytes", "null", "timestamp", "duration", "type"] as const),
];

/** JSON of which no schema says anything. Its numbers are doubles. */
export const ANY_JSON = anything(["null", "bool", "double", "string"], true);

/** What a mistake gives, so that it is told once: whatever is done with it is right. */
export const MISTAKEN: ValueType = anything(SCALARS, false);

/** A type for people: `int or string`. */
export function describe(type: ValueType): string {
  if (type.isLoose) return "a value of unknown type";
  return [...kindsOf(type)].join(" or ") || "nothing";
}
