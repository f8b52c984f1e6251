// Decides what a candidate config says once its OpenAPI documents have become tools: the document everything else looks at.
import type { Mistake } from "../errors.ts";
import { ConfigDocument } from "./document.ts";
import { knownFields } from "./known-fields.ts";
import { mistakesOf } from "./mistakes.ts";
import { importOpenApi, type ImportedOperation, type SkippedOperation } from "./openapi-import.ts";
import type { OpenApiEntry } from "./openapi-document.ts";

/** A document without `openapi`, its tools in place; or every mistake of its shape. */
export type ReadDocument =
  | {
      readonly ok: true;
      readonly document: ConfigDocument;
      /** Operations that became no tool, and parts of others that were left out. */
      readonly warnings: readonly Mistake[];
      /** The path to show for a path below an imported tool. */
      readonly shownPath: (path: string) => string;
    }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };

/** Reads a candidate: its shape, then its imports. An imported tool may not have the name of another. */
export function readDocument(candidate: unknown): ReadDocument {
  const parsed = ConfigDocument.safeParse(candidate);
  if (!parsed.success) return { ok: false, mistakes: mistakesOf(parsed.error.issues, knownFields()) };
  const { openapi, ...document } = parsed.data;
  if (openapi === undefined) return { ok: true, document, warnings: [], shownPath: (path) => path };
  return expanded(document, openapi);
}

function expanded(document: ConfigDocument, openapi: Readonly<Record<string, OpenApiEntry>>): ReadDocument {
  const mistakes: Mistake[] = [];
  const warnings: Mistake[] = [];
  const tools: Record<string, unknown> = { ...document.tools };
  const origins = new Map<string, string>();
  for (const [section, { document: described, ...terms }] of Object.entries(openapi)) {
    const path = `openapi.${section}`;
    const imported = importOpenApi(described, { ...terms, prefix: terms.prefix ?? section });
    if (!imported.ok) {
      mistakes.push(...imported.mistakes.map((each) => ({ ...each, path: `${path}.${each.path}` })));
      continue;
    }
    for (const each of imported.tools) {
      if (Object.hasOwn(tools, each.name))
        mistakes.push({ path, message: `"${each.operation}" becomes "${each.name}", which is a tool already` });
      tools[each.name] = each.tool;
      origins.set(each.name, path);
    }
    const skipped = imported.skipped.map((each) => ({ path, message: skippedText(each) }));
    // What was asked for by name must come.
    (terms.only === undefined ? warnings : mistakes).push(...skipped);
    warnings.push(...imported.tools.flatMap((each) => notesOf(each).map((message) => ({ path, message }))));
  }
  const read = mistakes.length > 0 ? undefined : ConfigDocument.safeParse({ ...document, tools });
  if (read?.success === true) return { ok: true, document: read.data, warnings, shownPath: shownPathBy(origins) };
  const shown = shownPathBy(origins);
  const shape = read === undefined ? [] : mistakesOf(read.error.issues, knownFields());
  return { ok: false, mistakes: [...mistakes, ...shape.map((each) => ({ ...each, path: shown(each.path) }))] };
}

/** One skipped operation as a sentence. */
export function skippedText({ operation, reason }: SkippedOperation): string {
  return `"${operation}" is not imported: ${reason}`;
}

/** What an imported operation wants a person to know. */
export function notesOf({ operation, notes }: Pick<ImportedOperation, "operation" | "notes">): readonly string[] {
  return notes.map((note) => `"${operation}": ${note}`);
}

function shownPathBy(origins: ReadonlyMap<string, string>): (path: string) => string {
  return (path) => {
    for (const [name, origin] of origins) {
      const own = `tools.${name}`;
      if (path === own || path.startsWith(`${own}.`)) return `${origin} (${path})`;
    }
    return path;
  };
}
