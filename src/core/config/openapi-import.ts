// Decides which tools an OpenAPI 3.0 or 3.1 document becomes, and says of every operation it leaves out why.
import type { Mistake } from "../errors.ts";
import { schemaMistakes } from "../policy/arguments.ts";
import { isSchema, type Schema } from "../policy/cel/schema-walk.ts";
import { isName } from "../units/identifier.ts";
import { didYouMean } from "./mistakes.ts";
import { Gathering, takeBody, takeParameter } from "./openapi-arguments.ts";
import type { OpenApiEntry } from "./openapi-document.ts";
import { dereferenced, SchemaTranslation } from "./openapi-schema.ts";

/** How a document is imported; all of `openapi.<name>` but the document. */
export type ImportTerms = Omit<Partial<OpenApiEntry>, "document">;

/** A tool as it is written into a config. */
export type ImportedTool = Readonly<Record<string, unknown>>;

/** What became of one operation. */
export interface ImportedOperation {
  /** Its `operationId`, or method and path. */
  readonly operation: string;
  readonly name: string;
  readonly tool: ImportedTool;
  /** What of it was left out, or wants a look; empty for nothing. */
  readonly notes: readonly string[];
}

/** An operation that is no tool, and why. */
export interface SkippedOperation {
  readonly operation: string;
  readonly reason: string;
}

/** The tools of a document and what is missing among them; or what is wrong with the document or the terms. */
export type OpenApiImport =
  | {
      readonly ok: true;
      readonly tools: readonly ImportedOperation[];
      readonly skipped: readonly SkippedOperation[];
    }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };

const METHODS = ["get", "head", "post", "put", "patch", "delete", "options", "trace"] as const;
const SENDABLE = new Set<string>(["get", "head", "post", "put", "patch", "delete"]);
const MAX_DESCRIPTION = 4096;

interface Operation {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly item: Schema;
  readonly value: Schema;
}

interface Importing {
  readonly root: Schema;
  readonly terms: ImportTerms;
}

/**
 * Reads an OpenAPI document that its caller has parsed. Each operation becomes a tool, with the effect its method
 * suggests, or stands among the skipped with a reason. Local references are followed; remote ones are never fetched.
 */
export function importOpenApi(document: unknown, terms: ImportTerms = {}): OpenApiImport {
  const described = describedPaths(document);
  if (!described.ok) return described;
  const { root, paths } = described;
  const listed = operationsOf(root, paths);
  const known = [...listed.operations, ...listed.skipped].map(({ id }) => id);
  const mistakes = [
    ...unknownIn("only", terms.only ?? [], known),
    ...unknownIn("effects", Object.keys(terms.effects ?? {}), known),
  ];
  if (mistakes.length > 0) return { ok: false, mistakes };
  const isWanted = ({ id }: { readonly id: string }): boolean => terms.only === undefined || terms.only.includes(id);
  const tools = new Map<string, ImportedOperation>();
  const skipped = listed.skipped.filter(isWanted).map(({ id, reason }) => ({ operation: id, reason }));
  for (const operation of listed.operations.filter(isWanted)) {
    const imported = importOperation({ root, terms }, operation);
    if (!imported.ok) skipped.push({ operation: operation.id, reason: imported.reason });
    else if (tools.has(imported.tool.name))
      skipped.push({ operation: operation.id, reason: `another operation is called "${imported.tool.name}" already` });
    else tools.set(imported.tool.name, imported.tool);
  }
  return { ok: true, tools: [...tools.values()], skipped };
}

function describedPaths(
  document: unknown,
):
  | { readonly ok: true; readonly root: Schema; readonly paths: Schema }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] } {
  const wrong = (path: string, message: string): { readonly ok: false; readonly mistakes: readonly Mistake[] } => ({
    ok: false,
    mistakes: [{ path, message }],
  });
  const version = isSchema(document) ? document["openapi"] : undefined;
  if (!isSchema(document) || typeof version !== "string" || !/^3\.[01](\.|$)/.test(version))
    return wrong("document.openapi", "expected an OpenAPI document of version 3.0 or 3.1");
  const { paths } = document;
  return isSchema(paths) ? { ok: true, root: document, paths } : wrong("document.paths", "expected a table of paths");
}

function unknownIn(field: string, names: readonly string[], known: readonly string[]): readonly Mistake[] {
  return names
    .filter((each) => !known.includes(each))
    .map((each) => ({ path: field, message: `the document has no operation "${each}"${didYouMean(each, known)}` }));
}

interface Listed {
  readonly operations: readonly Operation[];
  readonly skipped: readonly { readonly id: string; readonly reason: string }[];
}

function operationsOf(root: Schema, paths: Schema): Listed {
  const operations: Operation[] = [];
  const skipped: { readonly id: string; readonly reason: string }[] = [];
  for (const [path, given] of Object.entries(paths)) {
    if (!path.startsWith("/")) continue;
    const found = dereferenced(root, given);
    const item = found.ok && isSchema(found.value) ? found.value : undefined;
    if (item === undefined) skipped.push({ id: path, reason: found.ok ? "it is no object" : found.reason });
    for (const method of METHODS) {
      const value = item?.[method];
      if (item === undefined || value === undefined) continue;
      if (isSchema(value)) operations.push({ id: idOf(value, method, path), method, path, item, value });
      else skipped.push({ id: `${method} ${path}`, reason: "it is no object" });
    }
  }
  return { operations, skipped };
}

function idOf({ operationId }: Schema, method: string, path: string): string {
  return typeof operationId === "string" && operationId !== "" ? operationId : `${method} ${path}`;
}

type Imported =
  | { readonly ok: true; readonly tool: ImportedOperation }
  | { readonly ok: false; readonly reason: string };

function importOperation(importing: Importing, operation: Operation): Imported {
  const { root, terms } = importing;
  const reject = (reason: string): Imported => ({ ok: false, reason });
  if (!SENDABLE.has(operation.method))
    return reject(`the method ${operation.method.toUpperCase()} is not one of tools`);
  const name = terms.prefix === undefined ? nameOf(operation) : `${terms.prefix}.${nameOf(operation)}`;
  if (!isName(name)) return reject(`"${name}" is no tool name: expected a letter, then up to 63 of \`A-Za-z0-9_.-\``);
  const schemas = new SchemaTranslation(root);
  const gathering = new Gathering(root, schemas);
  const reason = gather(gathering, operation) ?? schemas.problems[0];
  if (reason !== undefined) return reject(reason);
  const url = urlOf(importing, operation, gathering);
  if (!url.ok) return reject(url.reason);
  const input_schema = inputSchemaOf(gathering);
  const mistake = schemaMistakes(input_schema)[0];
  if (mistake !== undefined) return reject(`its schema is not valid: ${mistake.path} ${mistake.message}`);
  const tool = { ...requestOf(importing, operation, gathering), url: url.value, input_schema, ...limitsOf(terms) };
  const notes = [...gathering.notes, ...securityNotes(importing, operation)];
  return { ok: true, tool: { operation: operation.id, name, tool: inOrder(tool), notes } };
}

function requestOf({ terms }: Importing, { id, method, value }: Operation, { request }: Gathering): ImportedTool {
  const { query, headers, body = null, contentType } = request;
  const hasBody = method !== "get" && method !== "head" && (method !== "delete" || body !== null);
  return {
    kind: terms.service === undefined ? "http" : "service",
    ...described(value),
    method: method.toUpperCase(),
    ...filledTables({ query, headers }),
    ...(hasBody ? { body } : {}),
    ...(hasBody && contentType !== undefined ? { content_type: contentType } : {}),
    effect: terms.effects?.[id] ?? proposedEffect(method),
  };
}

function filledTables(tables: Readonly<Record<string, object>>): ImportedTool {
  return Object.fromEntries(Object.entries(tables).filter(([, table]) => Object.keys(table).length > 0));
}

function limitsOf({ service, timeout_ms, auth }: ImportTerms): ImportedTool {
  return Object.fromEntries(Object.entries({ service, timeout_ms, auth }).filter(([, value]) => value !== undefined));
}

const ORDER =
  "kind description method url service query headers body content_type effect timeout_ms auth input_schema".split(" ");

/** A tool as a person would write it: what it is and does before the long schema. */
function inOrder(tool: ImportedTool): ImportedTool {
  return Object.fromEntries(ORDER.flatMap((key) => (Object.hasOwn(tool, key) ? [[key, tool[key]] as const] : [])));
}

/** What an operation does, as far as its method tells. */
function proposedEffect(method: string): "read" | "write" | "irreversible" {
  if (method === "get" || method === "head") return "read";
  return method === "delete" ? "irreversible" : "write";
}

function nameOf({ id }: Operation): string {
  return id.replaceAll(/[^A-Za-z0-9_.-]+/g, "_").replaceAll(/^[_.-]+|[_.-]+$/g, "");
}

function gather(gathering: Gathering, { item, value, method }: Operation): string | undefined {
  for (const parameter of parametersOf(gathering.root, item, value)) {
    const reason = takeParameter(gathering, parameter);
    if (reason !== undefined) return reason;
  }
  const { requestBody } = value;
  if (requestBody === undefined) return undefined;
  return method === "get" || method === "head"
    ? gathering.leaveOut(
        `a ${method.toUpperCase()} request has no body`,
        isSchema(requestBody) && requestBody["required"] === true,
      )
    : takeBody(gathering, requestBody);
}

/** The parameters of path and operation; the operation's own replace those of the same name and place. */
function parametersOf(root: Schema, item: Schema, value: Schema): readonly unknown[] {
  const listed = (of: Schema): readonly unknown[] => (Array.isArray(of["parameters"]) ? of["parameters"] : []);
  const byKey = new Map<string, unknown>();
  for (const parameter of [...listed(item), ...listed(value)]) {
    const found = dereferenced(root, parameter);
    const of = found.ok && isSchema(found.value) ? found.value : {};
    const key = typeof of["name"] === "string" ? `${String(of["in"])} ${of["name"]}` : `unknown ${byKey.size}`;
    byKey.set(key, parameter);
  }
  return [...byKey.values()];
}

type Url = { readonly ok: true; readonly value: string } | { readonly ok: false; readonly reason: string };

function urlOf({ root, terms }: Importing, { path, item, value }: Operation, { request }: Gathering): Url {
  let missing: string | undefined;
  const filled = path.replaceAll(/\{([^{}]*)\}/g, (_, name: string) => {
    const argument = request.path.get(name);
    if (argument === undefined) missing ??= name;
    return `{${argument ?? name}}`;
  });
  if (missing !== undefined) return { ok: false, reason: `its path names "${missing}", which is no parameter` };
  const server = terms.server ?? serverOf(value) ?? serverOf(item) ?? serverOf(root) ?? "/";
  if (terms.service !== undefined) {
    const base = URL.canParse(server) ? new URL(server).pathname : server;
    return { ok: true, value: `${base.replace(/\/+$/, "")}${filled}` };
  }
  if (!URL.canParse(server))
    return { ok: false, reason: `its server is "${server}", which is no absolute URL: say which with \`server\`` };
  return { ok: true, value: `${server.replace(/\/+$/, "")}${filled}` };
}

function serverOf({ servers }: Schema): string | undefined {
  const first: unknown = Array.isArray(servers) ? servers[0] : undefined;
  if (!isSchema(first) || typeof first["url"] !== "string") return undefined;
  const variables = isSchema(first["variables"]) ? first["variables"] : {};
  return first["url"].replaceAll(/\{([^{}]*)\}/g, (whole, name: string) => {
    const variable = variables[name];
    return isSchema(variable) && typeof variable["default"] === "string" ? variable["default"] : whole;
  });
}

function inputSchemaOf({ args, schemas }: Gathering): Schema {
  const members = [...args.values()];
  const required = members.filter(({ isRequired }) => isRequired).map(({ name }) => name);
  const { defs } = schemas;
  return {
    type: "object",
    properties: Object.fromEntries(members.map(({ name, schema }) => [name, schema])),
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: false,
    ...(Object.keys(defs).length === 0 ? {} : { $defs: defs }),
  };
}

function described({ summary, description }: Schema): { readonly description?: string } {
  const parts = [summary, description].filter((part): part is string => typeof part === "string" && part.trim() !== "");
  const text = [...new Set(parts.map((part) => part.trim()))].join("\n\n").slice(0, MAX_DESCRIPTION);
  return text === "" ? {} : { description: text };
}

function securityNotes({ root, terms }: Importing, { value }: Operation): readonly string[] {
  const security = value["security"] ?? root["security"];
  const named = (Array.isArray(security) ? security : []).flatMap((each: unknown) =>
    isSchema(each) ? Object.keys(each) : [],
  );
  return named.length === 0 || terms.auth !== undefined
    ? []
    : [`asks for ${[...new Set(named)].join(" or ")}: give it an \`auth\``];
}
