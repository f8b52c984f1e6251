// Decides what a part of an expression sees where it stands: variables, and what the conditions around it have told.
import { both, isThere, keyOf, memberKey, type BoundNames, type Facts } from "./guards.ts";
import type { Macro } from "./macro.ts";
import type { ValueType } from "./types/value-type.ts";

/** Where a part stands. */
export interface Scope {
  readonly variables: ReadonlyMap<string, ValueType>;
  readonly names: BoundNames;
  readonly facts: Facts;
}

/** The scope of a macro's body. Items of a map are its keys, so that the members they name are there. */
export function bound(
  { variables, names, facts }: Scope,
  { macro, id, item }: { readonly macro: Macro; readonly id: bigint; readonly item: ValueType },
): Scope {
  const { range, variable } = macro;
  const [key, name] = [keyOf(range, names), `${variable}#${id}`];
  return {
    variables: new Map([...variables, [variable, item]]),
    names: new Map([...names, [variable, name]]),
    facts: key === undefined ? facts : both(facts, new Set([isThere(memberKey(key, name))])),
  };
}

/** The same place with more known. */
export function knowing(scope: Scope, facts: Facts): Scope {
  return { ...scope, facts: both(scope.facts, facts) };
}
