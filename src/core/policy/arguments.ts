// Decides whether a tool's arguments match its JSON Schema, and whether a schema is one that can be decided on.
import ZSchema from "z-schema";
import type { JsonObject } from "../json/canonical.ts";
import type { Mistake } from "../errors.ts";

const MAX_SCHEMA_BYTES = 64 * 1024;
const DIALECTS: ReadonlyMap<string, "draft2020-12" | "draft2019-09" | "draft-07"> = new Map([
  ["https://json-schema.org/draft/2020-12/schema", "draft2020-12"],
  ["https://json-schema.org/draft/2019-09/schema", "draft2019-09"],
  ["http://json-schema.org/draft-07/schema", "draft-07"],
  ["http://json-schema.org/draft-07/schema#", "draft-07"],
]);

/** Arguments that were read but not yet held against their schema, and the mistakes found when they were. */
export type ArgumentCheck = (args: JsonObject) => readonly Mistake[];

interface Detail {
  readonly message: string;
  readonly path: string | readonly (string | number)[];
  readonly inner?: readonly Detail[] | undefined;
}

/**
 * Mistakes of a tool's `input_schema`, or none: a draft 2020-12, 2019-09 or 07 object schema of at most 64 KiB.
 * Remote references are never fetched.
 */
export function schemaMistakes(schema: Readonly<Record<string, unknown>>): readonly Mistake[] {
  if (JSON.stringify(schema).length > MAX_SCHEMA_BYTES)
    return [{ path: "", message: "the schema is larger than 64 KiB" }];
  const version = dialectOf(schema);
  if (version === undefined) {
    return [{ path: "$schema", message: `unsupported dialect; expected one of ${[...DIALECTS.keys()].join(", ")}` }];
  }
  if (schema["type"] !== "object") return [{ path: "type", message: 'expected "object": tool arguments are named' }];
  const answer = ZSchema.create({ version, safe: true }).validateSchema({ ...schema });
  return answer.valid ? [] : mistakesFrom(answer.err?.details);
}

/** A check of arguments against a schema that `schemaMistakes` found sound; formats are asserted. */
export function argumentCheck(schema: Readonly<Record<string, unknown>>): ArgumentCheck {
  const validator = ZSchema.create({ version: dialectOf(schema) ?? "draft2020-12", safe: true });
  const plain = { ...schema };
  return (args) => {
    const answer = validator.validate(args, plain);
    return answer.valid ? [] : mistakesFrom(answer.err?.details);
  };
}

function dialectOf(
  schema: Readonly<Record<string, unknown>>,
): "draft2020-12" | "draft2019-09" | "draft-07" | undefined {
  const named = schema["$schema"];
  if (named === undefined) return "draft2020-12";
  return typeof named === "string" ? DIALECTS.get(named) : undefined;
}

function mistakesFrom(details: readonly Detail[] | undefined): readonly Mistake[] {
  return (details ?? [{ message: "does not match the schema", path: "#/" }]).map((detail) => ({
    path: dottedPointer(detail.path),
    message: detail.inner?.[0] === undefined ? detail.message : `${detail.message} (${detail.inner[0].message})`,
  }));
}

function dottedPointer(path: string | readonly (string | number)[]): string {
  const parts = typeof path === "string" ? path.replace(/^#?\/?/, "").split("/") : path.map(String);
  return parts.filter((part) => part !== "").join(".");
}
