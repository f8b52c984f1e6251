// Decides how Gemini's schemas, a dialect of OpenAPI 3.0, read as JSON Schema.
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { itemsOf, objectOf } from "../findings.ts";
import { camelCase } from "./spelling.ts";

/** Counts that Google may write as texts: they are 64 bits wide there. */
const COUNTS = new Set(["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"]);

/**
 * A Gemini schema as JSON Schema: types in lower case, `nullable` as a type, counts as numbers, properties in the order that
 * `propertyOrdering` names. What neither knows stays as it is, for the provider to judge.
 */
export function jsonSchemaOf(schema: JsonObject): JsonObject {
  const found: Record<string, Json> = {};
  for (const [key, value] of Object.entries(schema)) {
    const name = camelCase(key);
    if (name === "nullable" || name === "propertyOrdering" || value === null) continue;
    const [member, translated] = memberOf(name, value);
    found[member] = translated;
  }
  const properties = orderedProperties(found, schema);
  const whole = properties === undefined ? found : { ...found, properties };
  return schema["nullable"] === true ? nullable(whole) : whole;
}

function memberOf(name: string, value: Json): readonly [string, Json] {
  if (name === "type" && typeof value === "string") return ["type", value.toLowerCase()];
  if (name === "properties" && isJsonObject(value))
    return [name, Object.fromEntries(Object.entries(value).map(([key, each]) => [key, nested(each)]))];
  if (name === "items" || name === "additionalProperties") return [name, nested(value)];
  if (name === "anyOf") return [name, itemsOf(value).map(nested)];
  if (name === "example") return ["examples", [value]];
  return COUNTS.has(name) && typeof value === "string" && /^\d{1,15}$/.test(value)
    ? [name, Number(value)]
    : [name, value];
}

function nested(value: Json): Json {
  return isJsonObject(value) ? jsonSchemaOf(value) : value;
}

/** The properties in the order that is named; JSON Schema has no word for it, but readers keep theirs. */
function orderedProperties(found: JsonObject, schema: JsonObject): JsonObject | undefined {
  const properties = objectOf(found["properties"]);
  const order = itemsOf(schema["propertyOrdering"] ?? schema["property_ordering"]);
  if (properties === undefined || order.length === 0) return undefined;
  const place = (key: string): number => (order.includes(key) ? order.indexOf(key) : order.length);
  return Object.fromEntries(Object.entries(properties).sort(([left], [right]) => place(left) - place(right)));
}

function nullable(schema: JsonObject): JsonObject {
  const { type, enum: values, anyOf, ...rest } = schema;
  return {
    ...(typeof type === "string" ? { type: [type, "null"] } : {}),
    ...(values === undefined ? {} : { enum: [...itemsOf(values), null] }),
    ...(anyOf === undefined ? {} : { anyOf: [...itemsOf(anyOf), { type: "null" }] }),
    ...rest,
  };
}

/** Whether a schema names every property that an object may have, and wants each: what other providers call strict. */
export function isClosed(schema: JsonObject): boolean {
  const properties = objectOf(schema["properties"]);
  if (properties === undefined && schema["type"] === "object") return false;
  if (properties !== undefined) {
    const required = itemsOf(schema["required"]);
    const isWhole = Object.keys(properties).every((key) => required.includes(key));
    if (schema["additionalProperties"] !== false || !isWhole) return false;
  }
  const inner = [...Object.values(properties ?? {}), ...itemsOf(schema["anyOf"]), schema["items"] ?? null];
  return inner.every((each) => !isJsonObject(each) || isClosed(each));
}
