// Makes up a value that a simple JSON Schema accepts, the same one each time.
import { isRecord, listOf, recordOf, recordsOf, type JsonRecord } from "../json-source.ts";

/** Deep enough for any schema written by hand; a schema that refers to itself ends here. */
const MAX_DEPTH = 8;

/** Texts to try against a `pattern`, and the texts of known formats. */
const SAMPLES = ["text", "cus_123", "a", "A1", "1", "12345", "2026-01-01", "a@example.com", "https://example.com/"];
const FORMATS: Readonly<Record<string, string>> = {
  date: "2026-01-01",
  "date-time": "2026-01-01T00:00:00Z",
  time: "00:00:00Z",
  email: "a@example.com",
  uri: "https://example.com/",
  uuid: "00000000-0000-4000-8000-000000000000",
};

/** A value for a schema: all properties, the first of any choice, the least number that is allowed. */
export function instanceOf(schema: JsonRecord): unknown {
  return valueFor(schema, schema, 0);
}

function valueFor(schema: JsonRecord, root: JsonRecord, depth: number): unknown {
  const ref = schema["$ref"];
  if (typeof ref === "string") return depth > MAX_DEPTH ? null : valueFor(resolve(ref, root), root, depth + 1);
  const given = [schema["const"], schema["default"], ...listOf(schema["enum"]), ...listOf(schema["examples"])];
  const first = given.find((value) => value !== undefined);
  if (first !== undefined) return first;
  const choice = recordsOf(schema["anyOf"] ?? schema["oneOf"])[0];
  if (choice !== undefined) return valueFor(choice, root, depth + 1);
  const all = recordsOf(schema["allOf"]);
  if (all.length > 0) return valueFor(merged(schema, all), root, depth + 1);
  return valueOfType(typeOf(schema), schema, (inner) => valueFor(inner, root, depth + 1));
}

function valueOfType(type: string, schema: JsonRecord, inner: (schema: JsonRecord) => unknown): unknown {
  switch (type) {
    case "object":
      return Object.fromEntries(
        Object.entries(recordOf(schema["properties"])).map(([name, each]) => [name, inner(recordOf(each))]),
      );
    case "array":
      return Array.from({ length: Math.max(1, numberOf(schema["minItems"], 1)) }, () =>
        inner(recordOf(schema["items"] ?? listOf(schema["prefixItems"])[0])),
      );
    case "integer":
    case "number":
      return leastNumber(schema);
    case "boolean":
      return true;
    case "null":
      return null;
    default:
      return textFor(schema);
  }
}

/** Gemini writes its types in capitals; a list of types means the first. */
function typeOf(schema: JsonRecord): string {
  const type = Array.isArray(schema["type"]) ? listOf(schema["type"])[0] : schema["type"];
  if (typeof type === "string") return type.toLowerCase();
  return isRecord(schema["properties"]) ? "object" : "string";
}

function leastNumber(schema: JsonRecord): number {
  const above = schema["exclusiveMinimum"];
  const least = typeof above === "number" ? Math.floor(above) + 1 : numberOf(schema["minimum"], 1);
  const step = numberOf(schema["multipleOf"], 0);
  return step > 1 ? Math.ceil(least / step) * step : least;
}

function textFor(schema: JsonRecord): string {
  const { format, pattern } = schema;
  const known = typeof format === "string" ? FORMATS[format] : undefined;
  if (known !== undefined) return known;
  const sample = typeof pattern === "string" ? SAMPLES.find((text) => new RegExp(pattern, "u").test(text)) : undefined;
  const text = (sample ?? "text").padEnd(numberOf(schema["minLength"], 0), "x");
  return text.slice(0, numberOf(schema["maxLength"], text.length));
}

function merged(schema: JsonRecord, all: readonly JsonRecord[]): JsonRecord {
  const { allOf: _, ...own } = schema;
  const properties = Object.assign({}, ...[own, ...all].map((each) => recordOf(each["properties"]))) as JsonRecord;
  return Object.assign({}, own, ...all, { properties }) as JsonRecord;
}

function resolve(ref: string, root: JsonRecord): JsonRecord {
  const steps = ref.replace(/^#\/?/, "").split("/").filter(Boolean);
  return recordOf(steps.reduce<unknown>((at, step) => recordOf(at)[step], root));
}

function numberOf(value: unknown, otherwise: number): number {
  return typeof value === "number" ? value : otherwise;
}
