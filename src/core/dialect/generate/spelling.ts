// Decides how Gemini's members are spelled: Google takes camelCase and snake_case alike, and so does the gateway.
import type { JsonObject } from "../../json/canonical.ts";
import { at, type Findings } from "../findings.ts";

/** A member's name in camelCase, however it came. */
export function camelCase(name: string): string {
  return name.replaceAll(/(?<=[A-Za-z0-9])_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** An object with its own members in camelCase, what is `null` left out; one that stands in both spellings is a mistake. */
export function camelMembers(object: JsonObject, path: string, findings: Findings): JsonObject {
  const found: Record<string, JsonObject[string]> = {};
  for (const [key, value] of Object.entries(object)) {
    const name = camelCase(key);
    if (Object.hasOwn(found, name)) findings.invalid(at(path, key), "stands twice, in two spellings");
    if (value !== null) found[name] = value;
  }
  return found;
}
