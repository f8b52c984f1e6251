// Follows a JSON Schema down to the schema of a member or an item, and tells whether its numbers are integers.

/** A JSON Schema object. */
export type Schema = Readonly<Record<string, unknown>>;

const NOTHING_KNOWN: Schema = {};
/** A member that no valid value has. */
const NEVER: Schema = { enum: [] };
const MAX_REFERENCES = 16;

/** Whether a value is a schema that can be followed. */
export function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The schema with its local references (`#/…`) followed; what cannot be followed says nothing. */
export function resolved(schema: Schema, root: Schema): Schema {
  let at = schema;
  for (let steps = 0; steps < MAX_REFERENCES; steps += 1) {
    const reference = at["$ref"];
    if (typeof reference !== "string") return at;
    const found = reference === "#" ? root : pointed(root, reference);
    if (found === undefined) return NOTHING_KNOWN;
    at = found;
  }
  return NOTHING_KNOWN;
}

function pointed(root: Schema, reference: string): Schema | undefined {
  if (!reference.startsWith("#/")) return undefined;
  let at: unknown = root;
  for (const part of reference.slice(2).split("/")) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (!isSchema(at) || !Object.hasOwn(at, key)) return undefined;
    at = at[key];
  }
  return isSchema(at) ? at : undefined;
}

/** Members and items that were looked up already, by root and schema: a schema that refers to itself costs no more. */
const found = new WeakMap<Schema, WeakMap<Schema, Map<string, Schema>>>();

function remembered(schema: Schema, root: Schema, key: string, find: () => Schema): Schema {
  const ofRoot = found.get(root) ?? new WeakMap<Schema, Map<string, Schema>>();
  found.set(root, ofRoot);
  const known = ofRoot.get(schema) ?? new Map<string, Schema>();
  ofRoot.set(schema, known);
  const before = known.get(key);
  if (before !== undefined) return before;
  known.set(key, NOTHING_KNOWN);
  const after = find();
  if (known.size < MAX_REMEMBERED) known.set(key, after);
  else known.delete(key);
  return after;
}

/** Keys come from arguments too, and those are anybody's. */
const MAX_REMEMBERED = 500;

/**
 * The schema of a member: its own or that of additional members, and what `allOf`, `anyOf` and `oneOf` say of it;
 * nothing known where none of them says anything.
 */
export function memberSchema(schema: Schema, root: Schema, key: string): Schema {
  return remembered(schema, root, `.${key}`, () =>
    combined(resolved(schema, root), ownMember(resolved(schema, root), key), (branch) =>
      memberSchema(branch, root, key),
    ),
  );
}

function ownMember({ properties, patternProperties, additionalProperties }: Schema, key: string): Schema | undefined {
  if (isSchema(properties) && Object.hasOwn(properties, key)) return schemaOr(properties[key], NOTHING_KNOWN);
  if (isSchema(patternProperties)) return undefined;
  return additionalProperties === false ? NEVER : schemaOr(additionalProperties, undefined);
}

function schemaOr<T>(value: unknown, otherwise: T): Schema | T {
  return isSchema(value) ? value : otherwise;
}

/** What a schema says itself, joined with what its branches say; a branch where the part cannot be is none. */
function combined(schema: Schema, own: Schema | undefined, partOf: (branch: Schema) => Schema): Schema {
  if (own === NEVER) return NEVER;
  const said = own === undefined || own === NOTHING_KNOWN ? [] : [own];
  const all = [...said, ...branchesOf(schema, "allOf").map(partOf)].filter((part) => part !== NOTHING_KNOWN);
  for (const key of ["anyOf", "oneOf"] as const) {
    const parts = branchesOf(schema, key).map(partOf);
    const possible = parts.filter((part) => part !== NEVER);
    if (parts.length > 0 && possible.length === 0) return NEVER;
    if (possible.some((part) => part !== NOTHING_KNOWN))
      all.push(possible.length === 1 ? firstOf(possible) : { anyOf: possible });
  }
  if (all.includes(NEVER)) return NEVER;
  return all.length > 1 ? { allOf: all } : firstOf(all);
}

function firstOf(schemas: readonly Schema[]): Schema {
  return schemas[0] ?? NOTHING_KNOWN;
}

/** The schemas under `allOf`, `anyOf` or `oneOf`. */
export function branchesOf(schema: Schema, key: "allOf" | "anyOf" | "oneOf"): readonly Schema[] {
  const branches = schema[key];
  return Array.isArray(branches) ? branches.filter(isSchema) : [];
}

/** The schema of an item at an index, likewise. */
export function itemSchema(schema: Schema, root: Schema, at: number): Schema {
  const index = Math.min(at, MAX_ITEMS_TOLD_APART);
  return remembered(schema, root, `[${index}]`, () =>
    combined(resolved(schema, root), ownItem(resolved(schema, root), index), (branch) =>
      itemSchema(branch, root, index),
    ),
  );
}

/** Items beyond this one are of one schema: tuples are short. */
const MAX_ITEMS_TOLD_APART = 64;

function ownItem({ prefixItems, items, additionalItems }: Schema, at: number): Schema | undefined {
  const listed: unknown = Array.isArray(items) ? items : prefixItems;
  const rest = Array.isArray(items) ? additionalItems : items;
  if (Array.isArray(listed) && at < listed.length) return schemaOr(listed[at], NOTHING_KNOWN);
  return schemaOr(rest, undefined);
}

/** The type names a schema allows; `undefined` when it does not say. */
export function typeNames(schema: Schema, root: Schema): readonly string[] | undefined {
  const { type } = resolved(schema, root);
  if (typeof type === "string") return [type];
  return Array.isArray(type) ? type.filter((each): each is string => typeof each === "string") : undefined;
}

const integers = new WeakMap<Schema, WeakMap<Schema, boolean>>();

/** Whether every number the schema allows is an integer: it says `integer` and not `number`, in every branch that says anything. */
export function integerSchema(schema: Schema, root: Schema): boolean {
  const ofRoot = integers.get(root) ?? new WeakMap<Schema, boolean>();
  integers.set(root, ofRoot);
  const known = ofRoot.get(schema);
  if (known !== undefined) return known;
  ofRoot.set(schema, false);
  const found = isInteger(resolved(schema, root), root);
  ofRoot.set(schema, found);
  return found;
}

function isInteger(schema: Schema, root: Schema): boolean {
  const names = typeNames(schema, root);
  if (names !== undefined) return names.includes("integer") && !names.includes("number");
  const constants = Array.isArray(schema["enum"]) ? schema["enum"] : "const" in schema ? [schema["const"]] : undefined;
  if (constants !== undefined) return constants.every((each) => typeof each !== "number" || Number.isInteger(each));
  for (const key of ["anyOf", "oneOf"] as const) {
    const branches = branchesOf(schema, key);
    const numeric = branches.filter((branch) => mayBeNumber(branch, root));
    if (branches.length > 0) return numeric.length > 0 && numeric.every((branch) => integerSchema(branch, root));
  }
  return branchesOf(schema, "allOf").some((branch) => integerSchema(branch, root));
}

function mayBeNumber(schema: Schema, root: Schema): boolean {
  const names = typeNames(schema, root);
  return names === undefined || names.includes("number") || names.includes("integer");
}
