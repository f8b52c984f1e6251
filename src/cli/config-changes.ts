// Decides how one config document differs from another: which entries came, changed and went.
import { readDocument, type ReadDocument } from "../core/config/read-document.ts";
import { canonicalJson, isJsonObject } from "../core/json/canonical.ts";

/**
 * One line per entry, `+` new, `~` changed, `-` gone, such as `~ tools.billing.refund`. `active` is left out when
 * nothing is published. Both are compared with their defaults filled in and their imports done.
 */
export function changeLines(active: unknown, candidate: unknown): readonly string[] {
  const was = readDocument(active ?? {});
  const before = entriesOf(was, active ?? {});
  const after = entriesOf(readDocument(candidate, was.ok ? was.document : undefined), candidate);
  const paths = [...new Set([...before.keys(), ...after.keys()])].toSorted();
  return paths.flatMap((path) => {
    const [was, is] = [before.get(path), after.get(path)];
    if (was === is) return [];
    return [`${was === undefined ? "+" : is === undefined ? "-" : "~"} ${path}`];
  });
}

/** The canonical text of each entry of each section. A document this version does not know is taken as it is. */
function entriesOf(read: ReadDocument, document: unknown): ReadonlyMap<string, string> {
  const shown: unknown = read.ok ? read.document : document;
  if (!isJsonObject(shown)) return new Map();
  return new Map(
    Object.entries(shown).flatMap(([section, entries]) =>
      isJsonObject(entries)
        ? Object.entries(entries).map(([name, entry]) => [`${section}.${name}`, canonicalJson(entry)] as const)
        : [[section, canonicalJson(entries)] as const],
    ),
  );
}
