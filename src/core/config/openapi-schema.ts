// Decides how a schema of an OpenAPI document reads as JSON Schema 2020-12: references local, dialect words translated.
import { isSchema, type Schema } from "../policy/cel/schema-walk.ts";

/** Formats of JSON Schema; OpenAPI's own (`int64`, `binary`, …) say nothing here and are dropped. */
const FORMATS = new Set(
  "date-time date time duration email idn-email hostname idn-hostname ipv4 ipv6 uri uri-reference iri iri-reference uuid json-pointer relative-json-pointer regex".split(
    " ",
  ),
);
/** Keywords of OpenAPI that are for people or for answers. */
const DROPPED = new Set(
  "nullable example examples xml externalDocs discriminator deprecated readOnly writeOnly $schema".split(" "),
);
const ONE = new Set(
  "items additionalProperties not contains propertyNames if then else unevaluatedProperties unevaluatedItems".split(
    " ",
  ),
);
const LISTS = new Set("allOf anyOf oneOf prefixItems".split(" "));
const TABLES = new Set("properties patternProperties dependentSchemas $defs definitions".split(" "));
const MAX_DEPTH = 64;

/** What a document's reference leads to, or why it leads nowhere. */
export type Found = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly reason: string };

/** Follows a chain of local references; a remote one is refused by its name. */
export function dereferenced(root: Schema, value: unknown): Found {
  let at = value;
  for (let steps = 0; steps < 16; steps += 1) {
    const reference = isSchema(at) ? at["$ref"] : undefined;
    if (typeof reference !== "string") return { ok: true, value: at };
    const found = pointed(root, reference);
    if (!found.ok) return found;
    at = found.value;
  }
  return { ok: false, reason: "its references lead in a circle" };
}

function pointed(root: Schema, reference: string): Found {
  if (!reference.startsWith("#/"))
    return { ok: false, reason: `the reference "${reference}" leads out of the document, and nothing is fetched` };
  let at: unknown = root;
  for (const part of reference.slice(2).split("/")) {
    const key = decoded(part).replaceAll("~1", "/").replaceAll("~0", "~");
    if (!(isSchema(at) || Array.isArray(at)) || !Object.hasOwn(at, key))
      return { ok: false, reason: `the reference "${reference}" leads nowhere` };
    at = (at as Schema)[key];
  }
  return { ok: true, value: at };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Translates the schemas of one tool: what they refer to gathers as `$defs`, what cannot be translated as problems. */
export class SchemaTranslation {
  readonly problems: string[] = [];
  readonly #root: Schema;
  readonly #defs = new Map<string, unknown>();
  readonly #names = new Map<string, string>();

  constructor(root: Schema) {
    this.#root = root;
  }

  /** The schemas that others refer to, by name; translated already. */
  get defs(): Readonly<Record<string, unknown>> {
    return Object.fromEntries(this.#defs);
  }

  /** One schema. */
  translate(schema: unknown, depth = 0): unknown {
    if (typeof schema === "boolean" || !isSchema(schema)) return schema ?? true;
    if (depth > MAX_DEPTH) {
      this.problems.push("its schema is nested too deeply");
      return true;
    }
    const { $ref: reference } = schema;
    const translated = this.#keywords(schema, depth);
    if (typeof reference === "string") translated["$ref"] = this.#referred(reference, depth);
    return nullable(schema, exclusive(schema, translated));
  }

  #keywords(schema: Schema, depth: number): Record<string, unknown> {
    const hidden = readOnlyIn(schema);
    const out: Record<string, unknown> = {};
    for (const [keyword, value] of Object.entries(schema)) {
      if (keyword === "$ref" || DROPPED.has(keyword) || keyword.startsWith("x-")) continue;
      if (keyword === "format" && !FORMATS.has(String(value))) continue;
      out[keyword] = this.#keyword(keyword, value, { depth, hidden });
    }
    return out;
  }

  #keyword(
    keyword: string,
    value: unknown,
    { depth, hidden }: { readonly depth: number; readonly hidden: ReadonlySet<string> },
  ): unknown {
    if (keyword === "required" && Array.isArray(value)) return value.filter((each) => !hidden.has(String(each)));
    if (ONE.has(keyword)) return this.translate(value, depth + 1);
    if (LISTS.has(keyword) && Array.isArray(value)) return value.map((each) => this.translate(each, depth + 1));
    if (!TABLES.has(keyword) || !isSchema(value)) return value;
    const members = Object.entries(value).filter(([key]) => keyword !== "properties" || !hidden.has(key));
    return Object.fromEntries(members.map(([key, each]) => [key, this.translate(each, depth + 1)]));
  }

  /** The reference as it stands in the tool's schema; what it leads to becomes one of `$defs`. */
  #referred(reference: string, depth: number): string {
    const known = this.#names.get(reference);
    if (known !== undefined) return `#/$defs/${known}`;
    const found = pointed(this.#root, reference);
    if (!found.ok) {
      this.problems.push(found.reason);
      return "#";
    }
    const name = this.#nameFor(reference);
    this.#names.set(reference, name);
    this.#defs.set(name, true);
    this.#defs.set(name, this.translate(found.value, depth + 1));
    return `#/$defs/${name}`;
  }

  #nameFor(reference: string): string {
    const last = (reference.split("/").at(-1) ?? "").replaceAll(/[^A-Za-z0-9_.-]/g, "_");
    let name = last;
    for (let count = 2; this.#defs.has(name); count += 1) name = `${last}_${count}`;
    return name;
  }
}

/** Members that only answers have: nobody may send them. */
function readOnlyIn({ properties }: Schema): ReadonlySet<string> {
  if (!isSchema(properties)) return new Set();
  return new Set(
    Object.entries(properties).flatMap(([key, each]) => (isSchema(each) && each["readOnly"] === true ? [key] : [])),
  );
}

/** `exclusiveMinimum: true` of 3.0 as the number it excludes. */
function exclusive(schema: Schema, out: Record<string, unknown>): Record<string, unknown> {
  for (const [flag, bound] of [
    ["exclusiveMinimum", "minimum"],
    ["exclusiveMaximum", "maximum"],
  ] as const) {
    if (typeof schema[flag] !== "boolean") continue;
    if (schema[flag] && typeof schema[bound] === "number") {
      out[flag] = schema[bound];
      delete out[bound];
    } else delete out[flag];
  }
  return out;
}

/** `nullable: true` of 3.0 as a type that may be null. */
function nullable(schema: Schema, out: Record<string, unknown>): Record<string, unknown> {
  if (schema["nullable"] !== true) return out;
  if (typeof out["type"] === "string" && !Array.isArray(out["enum"])) return { ...out, type: [out["type"], "null"] };
  return { anyOf: [out, { type: "null" }] };
}
