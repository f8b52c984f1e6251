// Decides how a captured fact is named: `customer_tier`, or `orders[result.id].status` with a part that the call itself fills in.
import type { Json, JsonObject } from "../json/canonical.ts";
import { valueAt } from "./values.ts";

/** One part of a fact's path: a name, or a value of the call that becomes one. */
export type FactPart =
  | { readonly type: "name"; readonly name: string }
  | { readonly type: "value"; readonly of: "result" | "args"; readonly path: string };

const FIRST = /^([A-Za-z_]\w{0,62})/;
const NEXT = /^(?:\.([A-Za-z_]\w{0,62})|\[(result|args)\.([A-Za-z_][\w.]{0,126})\])/;
const MAX_PARTS = 6;

/** The parts of a fact's path; `undefined` for one that is none. It begins with a name, and has six parts at most. */
export function readFactPath(text: string): readonly FactPart[] | undefined {
  const [first = ""] = FIRST.exec(text) ?? [];
  if (first === "") return undefined;
  const parts: FactPart[] = [{ type: "name", name: first }];
  let rest = text.slice(first.length);
  while (rest !== "") {
    const match = NEXT.exec(rest);
    if (match === null || parts.length >= MAX_PARTS) return undefined;
    parts.push(partOf(match));
    rest = rest.slice(match[0].length);
  }
  return parts;
}

function partOf([, name, of, path = ""]: RegExpExecArray): FactPart {
  return name === undefined ? { type: "value", of: of === "args" ? "args" : "result", path } : { type: "name", name };
}

/** The names that a path comes to for one call; `undefined` where a value it needs is missing or is no short text or number. */
export function factNames(
  parts: readonly FactPart[],
  call: { readonly args: JsonObject; readonly result: JsonObject },
): readonly string[] | undefined {
  const names = parts.map((part) => (part.type === "name" ? part.name : nameOf(valueAt(call[part.of], part.path))));
  return names.every((each) => each !== undefined) ? names : undefined;
}

const MAX_NAME = 128;

function nameOf(value: Json | undefined): string | undefined {
  if (typeof value === "number") return String(value);
  return typeof value === "string" && value !== "" && value.length <= MAX_NAME ? value : undefined;
}
