// Decides whether a schema is one that answers can be held against, and whether a value fits it.
import ZSchema from "z-schema";

/** A schema that values are held against, or what is wrong with it. */
export type GraderSchema =
  | { readonly ok: true; readonly fits: (value: unknown) => boolean }
  | { readonly ok: false; readonly message: string };

/** Larger ones are refused: every answer is held against it. */
const MAX_SCHEMA_CHARS = 64 * 1024;

/**
 * JSON Schema, draft 2020-12. Interpreted, so that nothing is evaluated. Refuses what is no schema, patterns that take
 * more than linear time, references to anywhere else (nothing is ever fetched), and more than 64 KiB.
 */
export function graderSchema(schema: Readonly<Record<string, unknown>>): GraderSchema {
  if (JSON.stringify(schema).length > MAX_SCHEMA_CHARS)
    return { ok: false, message: "the schema is larger than 64 KiB" };
  const validator = ZSchema.create({ version: "draft2020-12", safe: true });
  const plain = { ...schema };
  const { valid, err } = validator.validateSchema(plain);
  if (valid) return { ok: true, fits: (value) => validator.validate(value, plain).valid };
  const said = (err?.details ?? []).map(({ message }) => message).slice(-3);
  return { ok: false, message: `is no JSON Schema of draft 2020-12: ${said.join("; ")}` };
}
