// Decides what a server's definition of a tool is worth: whether it can be a tool, what names it, and how it differs from the accepted one.
import type { McpOrigin } from "../config/mcp-document.ts";
import { isJsonObject, type Json, type JsonObject } from "../json/canonical.ts";
import { digestOf } from "../json/digest.ts";
import { schemaMistakes } from "../policy/arguments.ts";
import { diffDefinitions, type DefinitionChange } from "./definition-diff.ts";
import { shownStart } from "./shown-text.ts";

/** A tool as a server describes it. */
export interface McpDefinition {
  /** What the server calls it; empty where it says nothing. */
  readonly name: string;
  /** SHA-256 over every member that the server sent, known here or not. */
  readonly digest: string;
  /** Every member, as JSON that has one canonical text. */
  readonly sent: JsonObject;
  readonly title: string | null;
  readonly description: string | null;
  readonly inputSchema: JsonObject | null;
  readonly outputSchema: JsonObject | null;
  /** Hints that anybody may give. */
  readonly annotations: JsonObject | null;
  /** Why it cannot be a tool; `null` where it can. */
  readonly unusable: string | null;
}

/** How a definition stands against the accepted ones. */
export interface ComparedDefinition {
  readonly name: string;
  readonly state: "added" | "removed" | "changed" | "unchanged";
  /** The accepted and the current one; `null` where there is none. */
  readonly accepted: McpDefinition | null;
  readonly current: McpDefinition | null;
  /** What differs, place by place; of a changed one alone. */
  readonly changes: readonly DefinitionChange[];
}

const MAX_DEFINITIONS = 1_000;
const MAX_CHARS = 1024 * 1024;
const MAX_DEPTH = 64;
const MAX_SCHEMA_CHARS = 64 * 1024;
const NAME = /^[A-Za-z0-9_./-]{1,128}$/;

/** Why so many or so long definitions are not looked at; `null` for at most 1,000 of 1 MiB together. */
export function definitionsExcess(sent: readonly JsonObject[]): string | null {
  if (sent.length > MAX_DEFINITIONS) return `the server describes ${sent.length} tools: expected at most 1,000`;
  const chars = sent.reduce((total, each) => total + textOf(each).length, 0);
  return chars > MAX_CHARS ? "the server's tool definitions are larger than 1 MiB together" : null;
}

/** Nested so deep that no text can be made of it, it is as large as can be. */
function textOf(value: JsonObject): string {
  try {
    return JSON.stringify(value);
  } catch {
    return " ".repeat(MAX_CHARS + 1);
  }
}

/**
 * The definitions that a server sent, in its order, each with its digest and whether it can be a tool. Two of one name
 * are none. Unknown members are kept. Lone surrogates, numbers that JSON has not, and what is nested deeper than 64
 * levels are replaced, so that every definition has a canonical text.
 */
export function readDefinitions(sent: readonly JsonObject[]): readonly McpDefinition[] {
  const named = new Map<string, number>();
  const read = sent.map((each) => {
    const { value, digest } = identified(each);
    const name = textIn(value["name"]) ?? "";
    named.set(name, (named.get(name) ?? 0) + 1);
    return { value, digest, name };
  });
  return read.map(({ value, digest, name }) => ({
    name,
    digest,
    sent: value,
    title: textIn(value["title"]),
    description: textIn(value["description"]),
    inputSchema: objectIn(value["inputSchema"]),
    outputSchema: objectIn(value["outputSchema"]),
    annotations: objectIn(value["annotations"]),
    unusable: unusableReason(value, (named.get(name) ?? 0) > 1),
  }));
}

/** SHA-256 of a set of definitions, whatever their order: another name, text or number of them makes another set. */
export function definitionSetDigest(definitions: readonly Pick<McpDefinition, "digest">[]): string {
  return digestOf(["mcp-definitions", ...definitions.map(({ digest }) => digest).toSorted()]);
}

/** The digest of the set that a server sent, without a look at whether its members can be tools. */
export function sentSetDigest(sent: readonly JsonObject[]): string {
  return definitionSetDigest(sent.map(identified));
}

/**
 * Whether what a server sends now still is what was accepted of a tool: its own definition and, where the origin names
 * a set, every other one too. Resources and prompts have no definition: they rest on the set alone. The list is looked
 * at once, however often it is asked about.
 */
export function isAccepted(origin: McpOrigin, current: readonly JsonObject[]): boolean {
  const known = standing.get(current) ?? standingOf(current);
  standing.set(current, known);
  if (origin.set !== undefined && origin.set !== known.set) return false;
  if (origin.kind !== "tool") return true;
  const digests = known.byName.get(origin.name) ?? [];
  return digests.length === 1 && digests[0] === origin.digest;
}

interface Standing {
  readonly set: string;
  readonly byName: ReadonlyMap<string, readonly string[]>;
}

const standing = new WeakMap<readonly JsonObject[], Standing>();

function standingOf(sent: readonly JsonObject[]): Standing {
  const byName = new Map<string, string[]>();
  const digests = sent.map((each) => {
    const { value, digest } = identified(each);
    const name = textIn(value["name"]) ?? "";
    byName.set(name, [...(byName.get(name) ?? []), digest]);
    return { digest };
  });
  return { set: definitionSetDigest(digests), byName };
}

/** How the current definitions stand against the accepted ones: in the server's order, then those that are gone. */
export function compareDefinitions(
  accepted: readonly McpDefinition[],
  current: readonly McpDefinition[],
): readonly ComparedDefinition[] {
  const [was, is] = [byNameOf(accepted), byNameOf(current)];
  return [...new Set([...is.keys(), ...was.keys()])].map((name) => compared(name, was.get(name), is.get(name)));
}

function byNameOf(definitions: readonly McpDefinition[]): ReadonlyMap<string, readonly McpDefinition[]> {
  return Map.groupBy(definitions, ({ name }) => name);
}

function compared(
  name: string,
  was: readonly McpDefinition[] = [],
  is: readonly McpDefinition[] = [],
): ComparedDefinition {
  const [accepted = null, current = null] = [was[0], is[0]];
  const both = { name, accepted, current };
  if (accepted === null || current === null)
    return { ...both, state: accepted === null ? "added" : "removed", changes: [] };
  if (definitionSetDigest(was) === definitionSetDigest(is)) return { ...both, state: "unchanged", changes: [] };
  return { ...both, state: "changed", changes: diffDefinitions(accepted.sent, current.sent) };
}

function identified(sent: JsonObject): { readonly value: JsonObject; readonly digest: string } {
  // An object stays one.
  const value = plain(sent, 0) as JsonObject;
  return { value, digest: digestOf(value) };
}

/** A value that has a canonical text and can be stored. */
function plain(value: Json, depth: number): Json {
  if (typeof value === "string") return value.toWellFormed();
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= MAX_DEPTH) return "…";
  if (Array.isArray(value)) return (value as readonly Json[]).map((each) => plain(each, depth + 1));
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== "__proto__")
      .map(([name, each]) => [name.toWellFormed(), plain(each, depth + 1)]),
  );
}

function unusableReason(value: JsonObject, isDouble: boolean): string | null {
  const { name, title, description, inputSchema, outputSchema, annotations } = value;
  if (typeof name !== "string" || !NAME.test(name))
    return `${shownStart(JSON.stringify(name ?? null), 80)} is no tool name: expected 1 to 128 letters, digits, \`_\`, \`.\`, \`/\` or \`-\``;
  if (isDouble) return "two definitions have this name";
  for (const [member, text] of Object.entries({ title, description }))
    if (text !== undefined && typeof text !== "string") return `${member}: expected a text`;
  if (annotations !== undefined && !isJsonObject(annotations)) return "annotations: expected an object";
  if (!isJsonObject(inputSchema)) return "inputSchema: expected an object";
  return schemaReason("inputSchema", inputSchema) ?? outputReason(outputSchema);
}

function outputReason(schema: Json | undefined): string | null {
  if (schema === undefined) return null;
  return isJsonObject(schema) ? schemaReason("outputSchema", schema) : "outputSchema: expected an object";
}

function schemaReason(member: "inputSchema" | "outputSchema", schema: JsonObject): string | null {
  const remote = remoteReference(schema);
  if (remote !== undefined)
    return `${member}: "${shownStart(remote, 80)}" refers to another document, and nothing is fetched`;
  // A result need not be an object; arguments are named.
  if (member === "outputSchema" && schema["type"] !== "object")
    return JSON.stringify(schema).length > MAX_SCHEMA_CHARS ? `${member}: the schema is larger than 64 KiB` : null;
  const mistake = schemaMistakes(schema)[0];
  if (mistake === undefined) return null;
  return shownStart(`${[member, mistake.path].filter((part) => part !== "").join(".")}: ${mistake.message}`, 400);
}

const REFERENCES = new Set(["$ref", "$dynamicRef", "$recursiveRef"]);

/** A reference of a schema that does not stay within it. */
function remoteReference(value: Json): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, member] of Object.entries(value) as readonly (readonly [string, Json])[]) {
    const found =
      typeof member === "string"
        ? REFERENCES.has(key) && !member.startsWith("#")
          ? member
          : undefined
        : remoteReference(member);
    if (found !== undefined) return found;
  }
  return undefined;
}

function textIn(value: Json | undefined): string | null {
  return typeof value === "string" ? value : null;
}

function objectIn(value: Json | undefined): JsonObject | null {
  return isJsonObject(value) ? value : null;
}
