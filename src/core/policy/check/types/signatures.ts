// Decides which functions and operators there are, what each takes and what it gives: those of the engine, and ours.
import { ASSUMED_ITEMS, listOf, scalar, unionOf, type Kind, type Scalar, type ValueType } from "./value-type.ts";

/** One form of a function. `any` takes every kind. */
interface Signature {
  readonly name: string;
  readonly receiver: Kind | undefined;
  readonly takes: readonly (Kind | "any")[];
  readonly gives: string;
}

const NUMBERS = ["int", "uint", "double"] as const;
const ORDERED = ["bool", "string", "bytes", "timestamp", "duration"] as const;

const KINDS: ReadonlySet<string> = new Set([...NUMBERS, ...ORDERED, "null", "type", "list", "map"]);

const ORDERINGS = ["_<_", "_<=_", "_>_", "_>=_"].flatMap((operator) => [
  ...NUMBERS.flatMap((left) => NUMBERS.map((right) => `${operator}(${left}, ${right}): bool`)),
  ...ORDERED.map((kind) => `${operator}(${kind}, ${kind}): bool`),
]);

const ARITHMETIC = ["_+_", "_-_", "_*_", "_/_"].flatMap((operator) =>
  NUMBERS.map((kind) => `${operator}(${kind}, ${kind}): ${kind}`),
);

const CLOCK_PARTS = "FullYear Month Date DayOfMonth DayOfWeek DayOfYear Hours Minutes Seconds Milliseconds";
const CLOCK_READINGS = CLOCK_PARTS.split(" ").flatMap((part) => [
  `timestamp.get${part}(): int`,
  `timestamp.get${part}(string): int`,
]);

const TABLE = [
  ...ORDERINGS,
  ...ARITHMETIC,
  ...CLOCK_READINGS,
  "_%_(int, int): int",
  "_%_(uint, uint): uint",
  "-_(int): int",
  "-_(double): double",
  "_+_(string, string): string",
  "_+_(bytes, bytes): bytes",
  "_+_(list, list): joined",
  "_+_(duration, duration): duration",
  "_+_(timestamp, duration): timestamp",
  "_+_(duration, timestamp): timestamp",
  "_-_(timestamp, timestamp): duration",
  "_-_(duration, duration): duration",
  "_-_(timestamp, duration): timestamp",
  ...["bytes", "list", "string", "map"].flatMap((kind) => [`size(${kind}): int`, `${kind}.size(): int`]),
  ...["contains", "endsWith", "startsWith", "matches"].map((name) => `string.${name}(string): bool`),
  ...["int", "uint", "double", "string", "timestamp", "duration"].map((kind) => `int(${kind}): int`),
  ...["int", "uint", "double", "string"].flatMap((kind) => [`uint(${kind}): uint`, `double(${kind}): double`]),
  "bool(bool): bool",
  "bool(string): bool",
  "bytes(bytes): bytes",
  "bytes(string): bytes",
  ...["string", "bool", "int", "uint", "double", "bytes", "timestamp", "duration"].map(
    (kind) => `string(${kind}): string`,
  ),
  ...["timestamp", "string", "int"].map((kind) => `timestamp(${kind}): timestamp`),
  ...["duration", "string", "int"].map((kind) => `duration(${kind}): duration`),
  "type(any): type",
  "dyn(any): dyn",
  "strings.quote(string): string",
  ...["Seconds", "Minutes", "Hours", "Milliseconds"].map((part) => `duration.get${part}(): int`),
  "string.charAt(int): string",
  "string.lowerAscii(): string",
  "string.upperAscii(): string",
  "string.trim(): string",
  ...["indexOf", "lastIndexOf"].flatMap((name) => [`string.${name}(string): int`, `string.${name}(string, int): int`]),
  "string.replace(string, string): string",
  "string.replace(string, string, int): string",
  "string.split(string): texts",
  "string.split(string, int): texts",
  "string.substring(int): string",
  "string.substring(int, int): string",
  "list.join(): string",
  "list.join(string): string",
  "string.format(list): string",
  ...["double", "int", "string"].map((kind) => `minor(${kind}, string): int`),
  ...["string", "duration"].flatMap((window) => [
    `map.count_within(string, ${window}): int`,
    `map.sum_within(string, ${window}): int`,
    `map.count_distinct_within(string, string, ${window}): int`,
    `map.formerly(string, ${window}): bool`,
  ]),
  "map.formerly(string): bool",
];

const SIGNATURES = byName(TABLE.map(signatureOf));

function byName(signatures: readonly Signature[]): ReadonlyMap<string, readonly Signature[]> {
  const named = new Map<string, Signature[]>();
  for (const signature of signatures) named.set(signature.name, [...(named.get(signature.name) ?? []), signature]);
  return named;
}

function signatureOf(text: string): Signature {
  const match = /^(?:(bool|string|bytes|list|map|timestamp|duration)\.)?(\S+?)\((.*)\): (\w+)$/.exec(text);
  const [, receiver, name = "", takes = "", gives = ""] = match ?? [];
  return {
    name,
    receiver: receiver === undefined ? undefined : kindNamed(receiver),
    takes: takes === "" ? [] : takes.split(", ").map((each) => (each === "any" ? each : kindNamed(each))),
    gives,
  };
}

function kindNamed(text: string): Kind {
  if (!isKind(text)) throw new Error(`"${text}" is no kind of value`);
  return text;
}

function isKind(text: string): text is Kind {
  return KINDS.has(text);
}

/** The functions that people call by name, for suggestions; macros among them. */
export const FUNCTION_NAMES: readonly string[] = [
  ...[...SIGNATURES.keys()].filter((name) => /^[\w.]+$/.test(name) && /^[a-z]/i.test(name)),
  "has",
  "exists",
  "all",
  "exists_one",
  "filter",
  "map",
];

/** A call as the checker sees it. */
export interface CallTypes {
  readonly name: string;
  readonly receiver: ValueType | undefined;
  readonly args: readonly ValueType[];
}

/** What a call gives, or why it is none. */
export type Resolution =
  | { readonly ok: true; readonly type: ValueType }
  | {
      readonly ok: false;
      readonly reason: "unknown" | "receiver" | "count" | "kinds";
      readonly expected: readonly string[];
    };

/** Finds the forms of a function that take what a call gives it: one for every combination of what the values can be. */
export function resolveCall(call: CallTypes): Resolution {
  const named = SIGNATURES.get(call.name);
  if (named === undefined) return { ok: false, reason: "unknown", expected: [] };
  const isMethod = call.receiver !== undefined;
  const placed = named.filter((each) => (each.receiver !== undefined) === isMethod);
  if (placed.length === 0) return { ok: false, reason: "receiver", expected: named.map(written) };
  const counted = placed.filter((each) => each.takes.length === call.args.length);
  if (counted.length === 0) return { ok: false, reason: "count", expected: placed.map(written) };
  const results = resultsOf(counted, call);
  if (results === undefined) return { ok: false, reason: "kinds", expected: counted.map(written) };
  return { ok: true, type: unionOf(results) };
}

function resultsOf(signatures: readonly Signature[], { receiver, args }: CallTypes): readonly ValueType[] | undefined {
  const given = receiver === undefined ? args : [receiver, ...args];
  const choices = given.reduce<readonly (readonly ValueType[])[]>(
    (before, type) => {
      const options = type.isLoose ? [type] : type.shapes.map((shape) => ({ shapes: [shape], isLoose: false }));
      return before.flatMap((chosen) => options.map((option) => [...chosen, option]));
    },
    [[]],
  );
  const results = choices.map((chosen) =>
    signatures.filter((signature) => fits(signature, chosen)).map((signature) => resultOf(signature, chosen)),
  );
  return results.some((each) => each.length === 0) ? undefined : results.flat();
}

function fits({ receiver, takes }: Signature, given: readonly ValueType[]): boolean {
  const wanted = receiver === undefined ? takes : [receiver, ...takes];
  return wanted.every((kind, at) => kind === "any" || given[at]?.shapes.some((shape) => shape.kind === kind) === true);
}

function resultOf({ gives }: Signature, given: readonly ValueType[]): ValueType {
  if (gives === "dyn") return given[0] === undefined ? scalar("null") : { ...given[0], isLoose: true };
  if (gives === "texts") return listOf(scalar("string"), ASSUMED_ITEMS);
  if (gives === "joined") return joinedLists(given);
  return isScalarName(gives) ? scalar(gives) : scalar("null");
}

function isScalarName(text: string): text is Scalar {
  return KINDS.has(text) && text !== "list" && text !== "map";
}

function joinedLists(given: readonly ValueType[]): ValueType {
  const lists = given.flatMap(({ shapes }) => shapes.filter((shape) => shape.kind === "list"));
  return listOf(
    unionOf(lists.map((list) => list.items())),
    lists.reduce((sum, list) => sum + list.maxItems, 0),
  );
}

function written({ name, receiver, takes }: Signature): string {
  const owner =
    receiver === undefined ? "" : `${name.endsWith("_within") || name === "formerly" ? "session" : receiver}.`;
  return `${owner}${name}(${takes.join(", ")})`;
}
