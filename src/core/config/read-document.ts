// Decides what a candidate config says once its OpenAPI documents and MCP servers have become tools: the document everything else looks at.
import type { Mistake } from "../errors.ts";
import { ConfigDocument } from "./document.ts";
import { knownFields } from "./known-fields.ts";
import { expandMcp, isMadeFromServer } from "./mcp-expand.ts";
import { mistakesOf } from "./mistakes.ts";
import { importOpenApi, type ImportedOperation, type SkippedOperation } from "./openapi-import.ts";
import type { OpenApiEntry } from "./openapi-document.ts";

/** A document without `openapi`, its tools in place; or every mistake of its shape. */
export type ReadDocument =
  | {
      readonly ok: true;
      readonly document: ConfigDocument;
      /** Operations and definitions that became no tool, and parts of others that were left out. */
      readonly warnings: readonly Mistake[];
      /** The path to show for a path below a tool that came from elsewhere. */
      readonly shownPath: (path: string) => string;
    }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };

/**
 * Reads a candidate: its shape, then its imports and its MCP servers, whose definitions stay those of the active
 * document where it names none. A tool that comes from elsewhere may not have the name of another.
 */
export function readDocument(candidate: unknown, active?: ConfigDocument): ReadDocument {
  const parsed = ConfigDocument.safeParse(candidate);
  if (!parsed.success) return { ok: false, mistakes: mistakesOf(parsed.error.issues, knownFields()) };
  const { openapi, ...document } = parsed.data;
  const hasServers = Object.keys(document.mcp.servers).length > 0;
  if (openapi === undefined && !hasServers) return { ok: true, document, warnings: [], shownPath: (path) => path };
  return expanded(document, openapi ?? {}, active);
}

/** What is gathered while tools are made. */
interface Gathered {
  readonly tools: Record<string, unknown>;
  readonly origins: Map<string, string>;
  readonly mistakes: Mistake[];
  readonly warnings: Mistake[];
}

function expanded(
  document: ConfigDocument,
  openapi: Readonly<Record<string, OpenApiEntry>>,
  active: ConfigDocument | undefined,
): ReadDocument {
  const own = Object.entries(document.tools).filter(([, entry]) => !isMadeFromServer(entry, document.mcp));
  const gathered: Gathered = { tools: Object.fromEntries(own), origins: new Map(), mistakes: [], warnings: [] };
  gatherImports(openapi, gathered);
  const servers = gatherServers(document, active, gathered);
  const { tools, mistakes, warnings, origins } = gathered;
  const shown = shownPathBy(origins);
  const mcp = { ...document.mcp, servers };
  const read = mistakes.length > 0 ? undefined : ConfigDocument.safeParse({ ...document, mcp, tools });
  if (read?.success === true) return { ok: true, document: read.data, warnings, shownPath: shown };
  const shape = read === undefined ? [] : mistakesOf(read.error.issues, knownFields());
  return { ok: false, mistakes: [...mistakes, ...shape.map((each) => ({ ...each, path: shown(each.path) }))] };
}

function gatherImports(
  openapi: Readonly<Record<string, OpenApiEntry>>,
  { tools, origins, mistakes, warnings }: Gathered,
): void {
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
}

function gatherServers(
  { mcp }: ConfigDocument,
  active: ConfigDocument | undefined,
  { tools, origins, mistakes, warnings }: Gathered,
): ConfigDocument["mcp"]["servers"] {
  const made = expandMcp(mcp, active?.mcp);
  for (const { name, tool, path } of made.tools) {
    if (Object.hasOwn(tools, name))
      mistakes.push({ path, message: `a tool of the server becomes "${name}", which is a tool already` });
    tools[name] = tool;
    origins.set(name, path);
  }
  mistakes.push(...made.mistakes);
  warnings.push(...made.warnings);
  return made.servers;
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
    const [, name] = /^tools\.(.+)$/.exec(path) ?? [];
    if (name === undefined) return path;
    // A name may hold dots: the longest that is one counts.
    let end = name.length;
    while (end > 0) {
      const origin = origins.get(name.slice(0, end));
      if (origin !== undefined) return `${origin} (${path})`;
      end = name.lastIndexOf(".", end - 1);
    }
    return path;
  };
}
