// Decides how the arguments of a probe or a compensation are made from the call they are about: paths into it, or literals.
import type { Json, JsonObject } from "../json/canonical.ts";

/** What a mapping may read: the call's arguments and result, and its ids. */
export interface MappingSource {
  readonly args: JsonObject;
  readonly result: Json;
  readonly call: { readonly id: string; readonly idempotency_key: string };
}

/** Arguments by name: a text such as `result.id`, `args.amount_usd` or `call.idempotency_key` is a path, anything else itself. */
export type Mapping = Readonly<Record<string, unknown>>;

const PATH = /^(result|args|call)((?:\.[A-Za-z0-9_-]+)*)$/;

/** A path of a mapping, or `undefined` for a literal. */
export function readMappingPath(
  value: unknown,
): { readonly of: "result" | "args" | "call"; readonly path: readonly string[] } | undefined {
  const match = typeof value === "string" ? PATH.exec(value) : null;
  if (match === null) return undefined;
  const of = match[1] === "result" ? "result" : match[1] === "args" ? "args" : "call";
  return { of, path: (match[2] ?? "").split(".").slice(1) };
}

/** The arguments that a mapping makes of one call, or the paths at which the call has nothing. */
export function mapArguments(
  mapping: Mapping,
  source: MappingSource,
): { readonly ok: true; readonly args: JsonObject } | { readonly ok: false; readonly missing: readonly string[] } {
  const mapped = Object.entries(mapping).map(([name, value]) => {
    const read = readMappingPath(value);
    // A literal stands in a config document, which is JSON.
    const found = read === undefined ? (value as Json) : memberAt(source[read.of], read.path);
    return { name, from: value, value: found };
  });
  const missing = mapped.filter((each) => each.value === undefined).map((each) => JSON.stringify(each.from));
  if (missing.length > 0) return { ok: false, missing };
  return { ok: true, args: Object.fromEntries(mapped.map(({ name, value }) => [name, value ?? null])) };
}

/** What stands at a path, list indices included; `undefined` where nothing does. */
export function memberAt(value: Json | undefined, path: readonly string[]): Json | undefined {
  let at: Json | undefined = value;
  for (const key of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Readonly<Record<string, Json>>)[key];
  }
  return at;
}
