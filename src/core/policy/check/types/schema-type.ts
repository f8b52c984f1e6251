// Decides what a value can be by its JSON Schema, as the engine will see it once it is bound.
import {
  branchesOf,
  integerSchema,
  isSchema,
  itemSchema,
  memberSchema,
  resolved,
  typeNames,
} from "../../cel/schema-walk.ts";
import type { Schema } from "../../cel/schema-walk.ts";
import { ANY_JSON, ASSUMED_ITEMS, scalar, unionOf, type Member, type Shape, type ValueType } from "./value-type.ts";

type JsonKind = "null" | "boolean" | "number" | "string" | "array" | "object";

const EVERY_KIND: readonly JsonKind[] = ["null", "boolean", "number", "string", "array", "object"];

/** Reads types off one root schema; what it has read it remembers, so that a schema that refers to itself ends. */
export class SchemaTypes {
  readonly #root: Schema;
  readonly #types = new Map<Schema, ValueType>();
  readonly #kinds = new Map<Schema, readonly JsonKind[]>();

  constructor(root: Schema) {
    this.#root = root;
  }

  /** What a value that matches a schema can be. A schema that says nothing gives a loose type. */
  typeOf(schema: Schema): ValueType {
    const known = this.#types.get(schema);
    if (known !== undefined) return known;
    const type = this.#read(schema);
    this.#types.set(schema, type);
    return type;
  }

  #read(schema: Schema): ValueType {
    const special = resolved(schema, this.#root)["x-cel"];
    if (special === "timestamp" || special === "duration") return scalar(special);
    const kinds = this.#kindsOf(schema);
    if (kinds.length < EVERY_KIND.length)
      return { shapes: kinds.map((kind) => this.#shape(kind, schema)), isLoose: false };
    const { shapes } = ANY_JSON;
    return { isLoose: true, shapes: [...shapes.filter(({ kind }) => kind !== "map"), this.#map(schema)] };
  }

  #shape(kind: JsonKind, schema: Schema): Shape {
    switch (kind) {
      case "null":
        return { kind: "null" };
      case "boolean":
        return { kind: "bool" };
      case "number":
        return { kind: integerSchema(schema, this.#root) ? "int" : "double" };
      case "string":
        return this.#text(schema);
      case "array":
        return this.#list(schema);
      case "object":
        return this.#map(schema);
      default:
        return kind satisfies never;
    }
  }

  #text(schema: Schema): Shape {
    const texts = this.#textsOf(schema, 0);
    return texts === undefined ? { kind: "string" } : { kind: "string", texts };
  }

  #list(schema: Schema): Shape {
    const prefix = this.#prefixLength(schema);
    const itemAt = (index: number): ValueType => this.typeOf(itemSchema(schema, this.#root, index));
    return {
      kind: "list",
      maxItems: this.#boundOf(schema, "maxItems", 0) ?? ASSUMED_ITEMS,
      items: (index) =>
        index === undefined ? unionOf(Array.from({ length: prefix + 1 }, (_, at) => itemAt(at))) : itemAt(index),
    };
  }

  #prefixLength(schema: Schema): number {
    const { prefixItems, items } = resolved(schema, this.#root);
    const listed = Array.isArray(items) ? items : prefixItems;
    return Array.isArray(listed) ? Math.min(listed.length, ASSUMED_ITEMS) : 0;
  }

  #map(schema: Schema): Shape {
    const names = [...this.#named(schema, "properties", 0)];
    const required = this.#required(schema, 0);
    const isOpen = this.#isOpen(schema, names.length > 0, 0);
    return {
      kind: "map",
      names,
      maxItems: this.#boundOf(schema, "maxProperties", 0) ?? (isOpen ? names.length + ASSUMED_ITEMS : names.length),
      keys: scalar("string", isOpen ? undefined : names),
      find: (name): Member | undefined => {
        if (!isOpen && !names.includes(name)) return undefined;
        return { type: this.typeOf(memberSchema(schema, this.#root, name)), isOptional: !required.has(name) };
      },
      values: () => {
        const listed = names.map((name) => this.typeOf(memberSchema(schema, this.#root, name)));
        return unionOf(isOpen ? [...listed, this.typeOf(memberSchema(schema, this.#root, UNLISTED))] : listed);
      },
    };
  }

  /** The kinds of JSON that a schema allows: where nothing restricts them, all six. */
  #kindsOf(schema: Schema): readonly JsonKind[] {
    const known = this.#kinds.get(schema);
    if (known !== undefined) return known;
    this.#kinds.set(schema, EVERY_KIND);
    const at = resolved(schema, this.#root);
    const alternatives = (["anyOf", "oneOf"] as const).flatMap((key) => {
      const branches = branchesOf(at, key);
      return branches.length === 0 ? [] : [branches.flatMap((branch) => this.#kindsOf(branch))];
    });
    const limits = [
      ownKinds(at, this.#root),
      ...branchesOf(at, "allOf").map((branch) => this.#kindsOf(branch)),
      ...alternatives,
    ];
    const kinds = EVERY_KIND.filter((kind) => limits.every((limit) => limit.includes(kind)));
    this.#kinds.set(schema, kinds);
    return kinds;
  }

  #textsOf(schema: Schema, depth: number): readonly string[] | undefined {
    if (depth > MAX_DEPTH) return undefined;
    if (!this.#kindsOf(schema).includes("string")) return [];
    const at = resolved(schema, this.#root);
    const own = constantsOf(at)?.filter((each): each is string => typeof each === "string");
    const limits = [own, ...branchesOf(at, "allOf").map((branch) => this.#textsOf(branch, depth + 1))];
    for (const key of ["anyOf", "oneOf"] as const) {
      const branches = branchesOf(at, key).map((branch) => this.#textsOf(branch, depth + 1));
      if (branches.length > 0 && !branches.includes(undefined)) limits.push(branches.flatMap((each) => each ?? []));
    }
    return limits.reduce((left, right) =>
      left === undefined || right === undefined ? (left ?? right) : left.filter((each) => right.includes(each)),
    );
  }

  #named(schema: Schema, keyword: "properties", depth: number): ReadonlySet<string> {
    const at = resolved(schema, this.#root);
    const own = isSchema(at[keyword]) ? Object.keys(at[keyword]) : [];
    return new Set([
      ...own,
      ...this.#branches(at, depth).flatMap((branch) => [...this.#named(branch, keyword, depth + 1)]),
    ]);
  }

  #branches(schema: Schema, depth: number): readonly Schema[] {
    if (depth > MAX_DEPTH) return [];
    return (["allOf", "anyOf", "oneOf"] as const).flatMap((key) => branchesOf(schema, key));
  }

  #required(schema: Schema, depth: number): ReadonlySet<string> {
    const at = resolved(schema, this.#root);
    const own = Array.isArray(at["required"])
      ? at["required"].filter((each): each is string => typeof each === "string")
      : [];
    if (depth > MAX_DEPTH) return new Set(own);
    const all = branchesOf(at, "allOf").flatMap((branch) => [...this.#required(branch, depth + 1)]);
    const shared = (["anyOf", "oneOf"] as const).flatMap((key) => {
      const [first, ...rest] = branchesOf(at, key)
        .filter((branch) => this.#kindsOf(branch).includes("object"))
        .map((branch) => this.#required(branch, depth + 1));
      return first === undefined ? [] : [...first].filter((name) => rest.every((each) => each.has(name)));
    });
    return new Set([...own, ...all, ...shared]);
  }

  /**
   * Whether a member that is not listed can be meant. JSON Schema objects are open by default, but a rule that names a
   * member which the schema does not list is a typing mistake: only `additionalProperties` (`true` or a schema),
   * `patternProperties` and an object of which no member is listed leave it open.
   */
  #isOpen(schema: Schema, isListed: boolean, depth: number): boolean {
    const at = resolved(schema, this.#root);
    const { additionalProperties, patternProperties } = at;
    if (additionalProperties === false) return isSchema(patternProperties);
    if (additionalProperties === true || isSchema(additionalProperties) || isSchema(patternProperties)) return true;
    return !isListed || this.#branches(at, depth).some((branch) => this.#isOpen(branch, true, depth + 1));
  }

  #boundOf(schema: Schema, keyword: "maxItems" | "maxProperties", depth: number): number | undefined {
    const at = resolved(schema, this.#root);
    const own = at[keyword];
    if (depth > MAX_DEPTH) return undefined;
    const all = branchesOf(at, "allOf").map((branch) => this.#boundOf(branch, keyword, depth + 1));
    const some = (["anyOf", "oneOf"] as const).flatMap((key) => {
      const bounds = branchesOf(at, key).map((branch) => this.#boundOf(branch, keyword, depth + 1));
      return bounds.length === 0 || bounds.includes(undefined) ? [] : [Math.max(...bounds.map((each) => each ?? 0))];
    });
    const bounds = [own, ...all, ...some].filter((each): each is number => typeof each === "number" && each >= 0);
    return bounds.length === 0 ? undefined : Math.min(...bounds);
  }
}

/** Alternatives nested deeper than this say nothing. */
const MAX_DEPTH = 4;

/** Stands for a member that a schema does not list. */
const UNLISTED = "\u0000";

function ownKinds(schema: Schema, root: Schema): readonly JsonKind[] {
  const constants = constantsOf(schema)?.map(kindOf);
  const names = typeNames(schema, root)?.map((name) => (name === "integer" ? "number" : name));
  const isNullable = schema["nullable"] === true;
  return EVERY_KIND.filter(
    (kind) =>
      (isNullable && kind === "null") ||
      ((constants === undefined || constants.includes(kind)) && (names === undefined || names.includes(kind))),
  );
}

function constantsOf(schema: Schema): readonly unknown[] | undefined {
  if ("const" in schema) return [schema["const"]];
  return Array.isArray(schema["enum"]) ? schema["enum"] : undefined;
}

function kindOf(value: unknown): JsonKind {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  const kind = typeof value;
  return kind === "boolean" || kind === "number" || kind === "string" ? kind : "object";
}
