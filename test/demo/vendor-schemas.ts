// Checks bodies and stream events against the vendors' own schemas.
import { readFileSync } from "node:fs";
import { Ajv, type ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import formats from "ajv-formats";

type Vendor = "openai" | "anthropic";

const validators = new Map<string, ValidateFunction>();

/** What a schema has against a value; nothing when it is valid. */
export function complaints(vendor: Vendor, name: string, value: unknown): readonly string[] {
  const validate = validatorOf(vendor, name);
  return validate(value)
    ? []
    : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

function validatorOf(vendor: Vendor, name: string): ValidateFunction {
  const key = `${vendor}/${name}`;
  const known = validators.get(key);
  if (known !== undefined) return known;
  const ajv = vendor === "openai" ? openai : anthropic;
  const folder = vendor === "openai" ? "$defs" : "definitions";
  const compiled = ajv.compile({ $ref: `${vendor}#/${folder}/${name}` });
  validators.set(key, compiled);
  return compiled;
}

// OpenAI's own formats, `unixtime` among them, are in no list of formats: what is not known is not checked.
const options = { strict: false, logger: false } as const;
const openai = formats.default(new Ajv2020(options)).addSchema(read("openai"), "openai");
const anthropic = formats.default(new Ajv(options)).addSchema(read("anthropic"), "anthropic");

function read(vendor: Vendor): Record<string, unknown> {
  const { $schema: _, ...schemas } = JSON.parse(
    readFileSync(new URL(`../corpus/${vendor}-schemas.json`, import.meta.url), "utf8"),
  ) as Record<string, unknown>;
  return schemas;
}
