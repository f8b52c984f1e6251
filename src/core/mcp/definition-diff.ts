// Decides how one definition of a tool differs from another: every changed place with its path, in a line that an operator reads.
import { canonicalJson, isJsonObject, type Json, type JsonObject } from "../json/canonical.ts";
import { shownStart } from "./shown-text.ts";

/** One changed place. */
export interface DefinitionChange {
  /** Where it is, such as `inputSchema.properties.to`. */
  readonly path: string;
  readonly kind: "added" | "removed" | "changed";
  /** The values; absent where there was or is none. */
  readonly before?: Json;
  readonly after?: Json;
  /** One line for people, with everything that cannot be seen written out. */
  readonly says: string;
}

/** Changes that are told apart; of more it is only said how many there are. */
const MOST = 200;
const MOST_VALUE = 400;
/** Of two long texts only what differs is shown, with so much before it. */
const SHARED_KEPT = 24;
const LONG = 120;

/** The changes from one definition to another, in the order of their paths; none where they say the same. */
export function diffDefinitions(before: JsonObject, after: JsonObject): readonly DefinitionChange[] {
  const changes = memberChanges(before, after, "");
  if (changes.length <= MOST) return changes;
  const says = `and ${changes.length - MOST} more changes`;
  return [...changes.slice(0, MOST), { path: "", kind: "changed", says }];
}

function memberChanges(before: JsonObject, after: JsonObject, path: string): readonly DefinitionChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted();
  return names.flatMap((name) =>
    changesAt(path === "" ? name : `${path}.${name}`, ownOf(before, name), ownOf(after, name)),
  );
}

function ownOf(table: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

function changesAt(path: string, before: Json | undefined, after: Json | undefined): readonly DefinitionChange[] {
  if (before === undefined)
    return after === undefined
      ? []
      : [{ path, kind: "added", after, says: `${pathText(path)}: added ${shownValue(after)}` }];
  if (after === undefined)
    return [{ path, kind: "removed", before, says: `${pathText(path)}: removed ${shownValue(before)}` }];
  if (canonicalJson(before) === canonicalJson(after)) return [];
  if (isJsonObject(before) && isJsonObject(after)) return memberChanges(before, after, path);
  return isList(before) && isList(after) ? listChanges(path, before, after) : [changed(path, before, after)];
}

function changed(path: string, before: Json, after: Json): DefinitionChange {
  const [was, is] =
    typeof before === "string" && typeof after === "string"
      ? differingParts(before, after)
      : [shownValue(before), shownValue(after)];
  return { path, kind: "changed", before, after, says: `${pathText(path)}: ${was} → ${is}` };
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

/** A list of texts or numbers gains and loses; any other is compared item by item. */
function listChanges(path: string, before: readonly Json[], after: readonly Json[]): readonly DefinitionChange[] {
  if ([...before, ...after].some((item) => typeof item === "object" && item !== null)) {
    const length = Math.max(before.length, after.length);
    return Array.from({ length }, (_, index) => changesAt(`${path}.${index}`, before[index], after[index])).flat();
  }
  const gained = after.filter((item) => !before.includes(item));
  const lost = before.filter((item) => !after.includes(item));
  const says =
    gained.length + lost.length === 0
      ? `${pathText(path)}: ${shownValue(before)} → ${shownValue(after)}`
      : `${pathText(path)}: ${[
          ...(gained.length === 0 ? [] : [`gains ${gained.map(shownValue).join(", ")}`]),
          ...(lost.length === 0 ? [] : [`loses ${lost.map(shownValue).join(", ")}`]),
        ].join(" and ")}`;
  return [{ path, kind: "changed", before, after, says }];
}

/** Two texts, quoted; of long ones from shortly before the first difference on, to shortly after the last. */
function differingParts(before: string, after: string): readonly [string, string] {
  if (before.length <= LONG && after.length <= LONG) return [shownValue(before), shownValue(after)];
  const most = Math.min(before.length, after.length);
  let start = 0;
  while (start < most && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < most - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  const from = Math.max(0, start - SHARED_KEPT);
  const kept = Math.max(0, end - SHARED_KEPT);
  const part = (text: string): string => {
    const to = text.length - kept;
    return `"${from > 0 ? "…" : ""}${shownStart(text.slice(from, to), MOST_VALUE)}${kept > 0 ? "…" : ""}"`;
  };
  return [part(before), part(after)];
}

function pathText(path: string): string {
  return shownStart(path, MOST_VALUE);
}

function shownValue(value: Json): string {
  return typeof value === "string"
    ? `"${shownStart(value, MOST_VALUE)}"`
    : shownStart(canonicalJson(value), MOST_VALUE);
}
