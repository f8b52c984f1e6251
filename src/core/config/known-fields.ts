// Decides which field names the config document knows, for a suggestion next to one it does not know.
import { configJsonSchema } from "./document.ts";

let fields: readonly string[] | undefined;

/** Every field name of the document's schema, each once. */
export function knownFields(): readonly string[] {
  fields ??= [...new Set(namesIn(configJsonSchema()))];
  return fields;
}

function namesIn(schema: unknown): readonly string[] {
  if (Array.isArray(schema)) return schema.flatMap(namesIn);
  if (typeof schema !== "object" || schema === null) return [];
  return Object.entries(schema).flatMap(([keyword, value]) =>
    keyword === "properties"
      ? [...Object.keys(value as object), ...Object.values(value as object).flatMap(namesIn)]
      : namesIn(value),
  );
}
