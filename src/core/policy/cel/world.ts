// Binds what a rule may look at: plain JSON becomes CEL values by its schema, integers exact, walks counted.
import { celMap, type CelInput, type CelMap } from "@bufbuild/cel";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Json, JsonObject } from "../../json/canonical.ts";
import { Meter, MeteredList, MeteredMap } from "./meter.ts";
import { integerSchema, itemSchema, memberSchema, type Schema } from "./schema-walk.ts";
import { VOCABULARY, type HistoryEntry } from "./vocabulary.ts";

/** Figures of one budget dimension, as rules see them. */
interface Figures {
  readonly limit?: number;
  readonly used: number;
  readonly remaining?: number;
}

/** A session as rules see it; money in minor units. */
export interface SessionInput {
  readonly id: string;
  readonly age_s: number;
  readonly budget: {
    readonly usd: Figures;
    readonly tokens: Figures;
    readonly calls: Figures;
    readonly tool_calls: Figures;
    readonly tool_usd: Figures;
  };
  readonly counters: {
    readonly calls: number;
    readonly tool_calls: number;
    readonly failures: number;
    readonly consecutive_failures: number;
  };
  readonly taint: readonly string[];
  readonly facts: JsonObject;
  /** Oldest first. */
  readonly history: readonly HistoryEntry[];
}

/** Everything a rule may look at, as plain data: what is stored of a decision, and what it is decided on again. */
export interface WorldInput {
  readonly args: JsonObject;
  /** The tool's `input_schema`: says which numbers are integers. */
  readonly argsSchema: Schema;
  readonly tool: JsonObject;
  readonly call: JsonObject;
  readonly actor: JsonObject;
  readonly principal: JsonObject;
  readonly session?: SessionInput;
  /** Epoch milliseconds. */
  readonly now: number;
  readonly local: { readonly hour: number; readonly minute: number; readonly weekday: number; readonly date: string };
}

/** Bound variables, and the meter on which walking through them counts. */
export interface World {
  readonly input: WorldInput;
  readonly meter: Meter;
  readonly variables: Readonly<Record<string, CelInput>>;
}

/** Texts longer than this are refused: regular expressions and `contains` are linear in them. */
const MAX_TEXT = 64 * 1024;
const MAX_DEPTH = 64;

/**
 * Binds a world. A variable is converted when a rule first reads it. Integers are those the schema calls so, checked
 * against int64; every other number is a double, whatever its value, so that a rule's types do not depend on it.
 */
export function bindWorld(input: WorldInput): World {
  const meter = new Meter();
  const variables = bare();
  const define = (name: string, bind: () => CelInput): void => {
    let bound: { readonly value: CelInput } | undefined;
    Object.defineProperty(variables, name, {
      enumerable: true,
      get: () => (bound ??= { value: bind() }).value,
    });
  };
  define("args", () => bindJson(input.args, { schema: input.argsSchema, root: input.argsSchema, meter, depth: 0 }));
  for (const name of ["tool", "call", "actor", "principal", "local"] as const) {
    const schema = VOCABULARY[name] ?? {};
    define(name, () => bindJson(input[name], { schema, root: schema, meter, depth: 0 }));
  }
  define("now", () => timestampFromMs(input.now));
  const { session } = input;
  if (session !== undefined) define("session", () => bindSession(session, input.now, meter));
  return { input, meter, variables };
}

/** Binds what a probe's conditions look at: its result, whose numbers are doubles, and the call it is about. */
export function bindFinding(
  seen: { readonly result: Json; readonly status: number; readonly args: JsonObject; readonly call: JsonObject },
  argsSchema: Schema,
): Pick<World, "meter" | "variables"> {
  const meter = new Meter();
  const bound = (value: Json, schema: Schema): CelInput => bindJson(value, { schema, root: schema, meter, depth: 0 });
  const variables = bare();
  variables["result"] = bound(seen.result, {});
  variables["status"] = BigInt(seen.status);
  variables["args"] = bound(seen.args, argsSchema);
  variables["call"] = bound(seen.call, {});
  return { meter, variables };
}

/** Binds plain values under names of their own, each by its schema; a number that one calls a timestamp is epoch milliseconds. */
export function bindValues(
  values: Readonly<Record<string, Json>>,
  schemas: Readonly<Record<string, Schema>>,
): Pick<World, "meter" | "variables"> {
  const meter = new Meter();
  const variables = bare();
  for (const [name, value] of Object.entries(values)) {
    const schema = schemas[name] ?? {};
    const isInstant = schema["x-cel"] === "timestamp" && typeof value === "number";
    variables[name] = isInstant ? timestampFromMs(value) : bindJson(value, { schema, root: schema, meter, depth: 0 });
  }
  return { meter, variables };
}

/** An object that inherits nothing: the engine looks variables up by whatever name a rule has. */
function bare(): Record<string, CelInput> {
  const none: Record<string, CelInput> = {};
  Object.setPrototypeOf(none, null);
  return none;
}

interface Binding {
  readonly schema: Schema;
  readonly root: Schema;
  readonly meter: Meter;
  readonly depth: number;
}

function bindJson(value: Json | undefined, binding: Binding): CelInput {
  if (value === undefined || value === null || typeof value === "boolean") return value ?? null;
  if (typeof value === "number") return bindNumber(value, binding);
  if (typeof value === "object") return bindNested(value, binding);
  if (value.length > MAX_TEXT) throw new Error(`a text of more than ${MAX_TEXT} characters`);
  return value;
}

function bindNumber(value: number, { schema, root }: Binding): CelInput {
  if (!Number.isInteger(value) || !integerSchema(schema, root)) return value;
  if (!Number.isSafeInteger(value)) throw new Error("an integer that JSON does not carry exactly");
  return BigInt(value);
}

function bindNested(value: readonly Json[] | JsonObject, binding: Binding): CelInput {
  const { schema, root, meter } = binding;
  const depth = binding.depth + 1;
  if (depth > MAX_DEPTH) throw new Error(`values nested deeper than ${MAX_DEPTH}`);
  if (isList(value)) {
    const items = value.map((item, at) => bindJson(item, { schema: itemSchema(schema, root, at), root, meter, depth }));
    return MeteredList.of_(items, meter);
  }
  const map = new MeteredMap<CelInput>(meter);
  for (const [key, member] of Object.entries(value))
    map.set(key, bindJson(member, { schema: memberSchema(schema, root, key), root, meter, depth }));
  return celMap(map);
}

function isList(value: readonly Json[] | JsonObject): value is readonly Json[] {
  return Array.isArray(value);
}

/** What a bound session was made of, for the functions that look at its history. */
interface SessionSource {
  readonly history: readonly HistoryEntry[];
  readonly now: number;
}

const sources = new WeakMap<CelMap, SessionSource>();

/** The history behind a bound session; `undefined` for any other map. */
export function sessionSource(session: CelMap): SessionSource | undefined {
  return sources.get(session);
}

function bindSession(session: SessionInput, now: number, meter: Meter): CelMap {
  const schema = VOCABULARY["session"] ?? {};
  const map = new MeteredMap<CelInput>(meter);
  const { history, ...rest } = session;
  for (const [key, value] of Object.entries(rest))
    map.set(key, bindJson(value as Json, { schema: memberSchema(schema, schema, key), root: schema, meter, depth: 1 }));
  // A long history is dear to bind, and most rules ask for its sums only.
  map.defer("history", () =>
    MeteredList.of_(
      history.map((entry) => bindEntry(entry, meter)),
      meter,
    ),
  );
  const bound = celMap(map);
  sources.set(bound, { history, now });
  return bound;
}

const MICRO_PER_CENT = 10_000;

function bindEntry({ tool, at, status, amount }: HistoryEntry, meter: Meter): CelMap {
  const map = new MeteredMap<CelInput>(meter);
  map.set("tool", tool);
  map.set("at", timestampFromMs(at));
  map.set("status", status);
  if (amount !== undefined) map.set("amount_minor", BigInt(Math.ceil(amount / MICRO_PER_CENT)));
  return celMap(map);
}
