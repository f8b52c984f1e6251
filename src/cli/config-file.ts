// Decides what a config file says, and on which line of it a mistake stands.
import { isAlias, isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, visit, type Document } from "yaml";
import type { Mistake } from "../core/errors.ts";
import { parseExactJson } from "../core/json/exact.ts";

/** A mistake, and the line of the file it is about where that can be told. */
export interface LocatedMistake extends Mistake {
  readonly line?: number;
}

/** A file's document with the way back from paths to lines; or why it is no document. */
export type ConfigFile =
  | {
      readonly ok: true;
      readonly document: unknown;
      /** Adds the line of the member that a mistake's path names, or of its nearest parent. */
      readonly locate: (mistake: Mistake) => LocatedMistake;
    }
  | { readonly ok: false; readonly mistakes: readonly LocatedMistake[] };

/**
 * Reads YAML 1.2, of which JSON is a part. Refuses what would not arrive as written: syntax errors, members that stand
 * twice, tags nobody resolves, numbers that JSON or a double cannot carry.
 */
export function readConfigText(text: string): ConfigFile {
  const lines = new LineCounter();
  const parsed = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: false });
  const lineAt = (offset: number): number => lines.linePos(offset).line;
  const mistakes = [
    ...[...parsed.errors, ...parsed.warnings].map((error) => ({
      path: "",
      message: error.message.replaceAll(/\s+/g, " "),
      line: lineAt(error.pos[0]),
    })),
    ...inexactNumbers(parsed, lineAt),
  ];
  if (mistakes.length > 0) return { ok: false, mistakes };
  try {
    const document: unknown = parsed.toJS();
    return { ok: true, document, locate: (mistake) => located(mistake, parsed, lineAt) };
  } catch (error) {
    // An alias that expands without end, or names no anchor.
    return { ok: false, mistakes: [{ path: "", message: error instanceof Error ? error.message : "not readable" }] };
  }
}

/** A mistake as one line: `path: message (line n)`. */
export function mistakeLine({ path, message, line }: LocatedMistake): string {
  const where = line === undefined ? "" : ` (line ${line})`;
  return `${path === "" ? "document" : path}: ${message}${where}`;
}

function inexactNumbers(parsed: Document.Parsed, lineAt: (offset: number) => number): readonly LocatedMistake[] {
  const mistakes: LocatedMistake[] = [];
  visit(parsed, {
    Scalar: (_, node, ancestors) => {
      if (typeof node.value !== "number" || survives(node.value, node.source)) return;
      const path = ancestors.flatMap((each) => (isPair(each) && isScalar(each.key) ? [String(each.key.value)] : []));
      const message = `the number ${node.source ?? String(node.value)} cannot be held exactly; write it as a string`;
      mistakes.push({ path: path.join("."), message, line: lineAt(node.range?.[0] ?? 0) });
    },
  });
  return mistakes;
}

function survives(value: number, source: string | undefined): boolean {
  if (!Number.isFinite(value)) return false;
  // YAML's own spellings (0x1f, +1, .5) are no JSON: nothing is lost by reading them.
  const exact = parseExactJson(source ?? "0");
  return exact.ok || exact.reason === "syntax";
}

function located(mistake: Mistake, parsed: Document.Parsed, lineAt: (offset: number) => number): LocatedMistake {
  const { path, message } = mistake;
  if (path === "") return { path, message };
  const found = deepest(parsed, parsed.contents, path.split("."));
  return found.offset === undefined ? { path, message } : { path, message, line: lineAt(found.offset) };
}

interface Found {
  /** How many segments of the path led here. */
  readonly depth: number;
  readonly offset: number | undefined;
}

/**
 * The node that the most segments of a dotted path lead to. Names may have dots in them (`billing.refund`), so every
 * split of the path is followed; a document's nesting bounds the search.
 */
function deepest(parsed: Document.Parsed, node: unknown, segments: readonly string[]): Found {
  const target = isAlias(node) ? node.resolve(parsed) : node;
  let best: Found = { depth: 0, offset: undefined };
  const follow = (taken: number, offset: number | undefined, child: unknown): void => {
    const further = deepest(parsed, child, segments.slice(taken));
    const depth = taken + further.depth;
    if (depth > best.depth) best = { depth, offset: further.offset ?? offset };
  };
  if (isSeq(target)) {
    const item = target.items[Number(segments[0] ?? Number.NaN)];
    if (item !== undefined) follow(1, offsetOf(item), item);
  }
  if (isMap(target)) {
    for (const { key, value } of target.items) {
      const name = isScalar(key) ? String(key.value).split(".") : [];
      const leads = name.length <= segments.length && name.every((part, at) => part === segments[at]);
      if (name.length > 0 && leads) follow(name.length, offsetOf(key), value);
    }
  }
  return best;
}

function offsetOf(node: unknown): number | undefined {
  return isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range?.[0] : undefined;
}
