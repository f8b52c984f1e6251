// Decides a smallest set of arguments that a tool's schema asks for, to probe a policy with.
import type { Json, JsonObject } from "../../json/canonical.ts";
import { isSchema, itemSchema, resolved, type Schema } from "../cel/schema-walk.ts";

const MAX_DEPTH = 8;

/** The required members of a schema with plain values; a pattern is met where its fixed beginning is enough. */
export function sampleArguments(schema: Schema): JsonObject {
  return objectOf(schema, schema, 0);
}

function objectOf(schema: Schema, root: Schema, depth: number): JsonObject {
  const { properties, required } = resolved(schema, root);
  if (!isSchema(properties) || !Array.isArray(required) || depth > MAX_DEPTH) return {};
  return Object.fromEntries(
    required.flatMap((name): readonly (readonly [string, Json])[] => {
      const member = typeof name === "string" && Object.hasOwn(properties, name) ? properties[name] : undefined;
      return typeof name === "string" && isSchema(member) ? [[name, valueOf(member, root, depth + 1)]] : [];
    }),
  );
}

function valueOf(schema: Schema, root: Schema, depth: number): Json {
  const at = resolved(schema, root);
  const given = [at["const"], firstOf(at["enum"]), at["default"], firstOf(at["examples"])];
  const said = given.find((each) => each !== undefined);
  if (said !== undefined) return said as Json;
  const branch = [at["anyOf"], at["oneOf"], at["allOf"]].map(firstOf).find(isSchema);
  if (at["type"] === undefined && branch !== undefined && depth < MAX_DEPTH) return valueOf(branch, root, depth + 1);
  switch (firstOf(at["type"]) ?? at["type"]) {
    case "object":
      return objectOf(at, root, depth);
    case "array":
      return Array.from({ length: Math.min(countOf(at["minItems"]), 8) }, (_, index) =>
        valueOf(itemSchema(at, root, index), root, depth + 1),
      );
    case "integer":
    case "number":
      return numberOf(at);
    case "boolean":
      return false;
    case "null":
      return null;
    default:
      return textOf(at);
  }
}

function firstOf(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : undefined;
}

function countOf(value: unknown): number {
  return typeof value === "number" && value > 0 ? value : 0;
}

function numberOf({ minimum, exclusiveMinimum, maximum }: Schema): number {
  if (typeof minimum === "number") return minimum;
  if (typeof exclusiveMinimum === "number") return exclusiveMinimum + 1;
  return typeof maximum === "number" ? Math.min(maximum, 1) : 1;
}

const FORMATS: Readonly<Record<string, string>> = {
  "date-time": "2026-01-05T12:00:00Z",
  date: "2026-01-05",
  time: "12:00:00Z",
  email: "someone@example.com",
  uri: "https://example.com/",
  uuid: "00000000-0000-4000-8000-000000000000",
  ipv4: "192.0.2.1",
  hostname: "example.com",
};

function textOf({ format, pattern, minLength }: Schema): string {
  const known = typeof format === "string" ? FORMATS[format] : undefined;
  if (known !== undefined) return known;
  const begin = typeof pattern === "string" ? (/^\^([\w:/@-]*)/.exec(pattern)?.[1] ?? "") : "";
  return `${begin}x`.padEnd(Math.min(countOf(minLength), 1_000), "x");
}
