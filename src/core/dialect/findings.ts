// Decides how what is wrong with a request, or has no counterpart, is told: everything at once, by path.
import { accept, refuse, type Mistake, type Outcome } from "../errors.ts";
import { isJsonObject, type Json, type JsonObject } from "../json/canonical.ts";

/** Collects what a reader or writer finds; nothing stops at the first. */
export class Findings {
  readonly #invalid: Mistake[] = [];
  readonly #foreign: Mistake[] = [];
  readonly #hints = new Set<string>();
  readonly #isLenient: boolean;

  /** `isLenient` reads what can be read, whatever else was found: for what was answered long ago. */
  constructor({ isLenient }: { readonly isLenient: boolean } = { isLenient: false }) {
    this.#isLenient = isLenient;
  }

  /** Something that no dialect would take. */
  invalid(path: string, message: string): void {
    this.#invalid.push({ path, message });
  }

  /** Something that has no counterpart. */
  foreign(path: string, message = "has no counterpart at this model's provider"): void {
    this.#foreign.push({ path, message });
  }

  /** A wish that changes no answer and is left out. */
  hint(path: string): void {
    this.#hints.add(path);
  }

  get hints(): readonly string[] {
    return [...this.#hints];
  }

  /** Names the members that nobody here knows; `null` counts as not said. */
  only(object: JsonObject, path: string, known: ReadonlySet<string>): void {
    for (const [key, value] of Object.entries(object))
      if (value !== null && !known.has(key)) this.foreign(at(path, key));
  }

  /** The value, unless something was found. */
  outcome<T>(value: T): Outcome<T> {
    if (this.#isLenient) return accept(value);
    if (this.#invalid.length > 0) return refuse("invalid_request", told(this.#invalid), { mistakes: this.#invalid });
    if (this.#foreign.length > 0) return refuse("untranslatable", told(this.#foreign), { mistakes: this.#foreign });
    return accept(value);
  }
}

function told(mistakes: readonly Mistake[]): string {
  return mistakes.map(({ path, message }) => `${path}: ${message}`).join("; ");
}

/** The path of a member. */
export function at(path: string, key: string | number): string {
  return path === "" ? String(key) : `${path}.${key}`;
}

/** One member, left out when there is nothing to say. */
export function present<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  // A computed key widens to `string`; it is `K`.
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: V };
}

/** A member that is a text; empty where it is none. */
export function wordOf(object: JsonObject, key: string): string {
  const value = object[key];
  return typeof value === "string" ? value : "";
}

/** An object, or `undefined`. */
export function objectOf(value: Json | undefined): JsonObject | undefined {
  return isJsonObject(value) ? value : undefined;
}

/** A list's items; none for anything else. */
export function itemsOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}
