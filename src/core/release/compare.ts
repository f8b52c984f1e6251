// Decides how two releases differ in what they resolve to: every place where they do, with both values.
import { canonicalJson, isJsonObject, type Json, type JsonObject } from "../json/canonical.ts";

/** One place where two releases differ; `null` for nothing there. */
export interface ReleaseDifference {
  /** Dotted, such as `prompt.system` or `models.small.price`. */
  readonly path: string;
  readonly live: Json;
  readonly canary: Json;
}

/** Every difference, by path; none between releases that resolve to the same. O(size). */
export function compareReleases(live: JsonObject, canary: JsonObject): readonly ReleaseDifference[] {
  return differences("", live, canary);
}

function differences(path: string, left: Json, right: Json): readonly ReleaseDifference[] {
  if (isJsonObject(left) && isJsonObject(right)) {
    const names = [...new Set([...Object.keys(left), ...Object.keys(right)])].sort();
    return names.flatMap((name) =>
      differences(path === "" ? name : `${path}.${name}`, left[name] ?? null, right[name] ?? null),
    );
  }
  return canonicalJson(left) === canonicalJson(right) ? [] : [{ path, live: left, canary: right }];
}
