// Decides which arguments an OpenAPI operation takes, and where in the request each of them goes.
import { isSchema, type Schema } from "../policy/cel/schema-walk.ts";
import { isSafeHeader } from "./check-tool-request.ts";
import { dereferenced, type SchemaTranslation } from "./openapi-schema.ts";

/** One argument: its schema, and whether a call must have it. */
export interface ImportedArgument {
  readonly name: string;
  readonly schema: unknown;
  readonly isRequired: boolean;
}

/** Where arguments go: the parts of a tool's request. */
export interface ImportedRequest {
  readonly query: Record<string, string>;
  readonly headers: Record<string, string>;
  /** The argument of each name in the path. */
  readonly path: Map<string, string>;
  body?: unknown;
  contentType?: "application/x-www-form-urlencoded";
}

/** What is known of an operation while its arguments are gathered. */
export class Gathering {
  readonly args = new Map<string, ImportedArgument>();
  readonly request: ImportedRequest = { query: {}, headers: {}, path: new Map() };
  /** What was left out without harm, in words. */
  readonly notes: string[] = [];
  readonly root: Schema;
  readonly schemas: SchemaTranslation;

  constructor(root: Schema, schemas: SchemaTranslation) {
    this.root = root;
    this.schemas = schemas;
  }

  /** Adds an argument and answers its name: the given one made safe, told apart by where it goes. */
  add(
    given: string,
    where: string,
    rest: { readonly schema: unknown; readonly isRequired: boolean },
  ): string | undefined {
    // A table of ours cannot carry this key.
    if (given === "__proto__") return undefined;
    const plain = given.replaceAll(/[^A-Za-z0-9_-]/g, "_").replaceAll(/^_+|_+$/g, "") || "value";
    const name = [plain, `${where}_${plain}`].find((each) => !this.args.has(each));
    if (name !== undefined) this.args.set(name, { name, ...rest });
    return name;
  }

  /** Why an operation with this parameter cannot be imported, or `undefined`; one that is optional is only noted. */
  leaveOut(what: string, isRequired: boolean): string | undefined {
    if (isRequired) return what;
    this.notes.push(`left out: ${what}`);
    return undefined;
  }
}

/** Takes a parameter in; answers why the operation cannot be imported, or `undefined`. */
export function takeParameter(gathering: Gathering, given: unknown): string | undefined {
  const found = dereferenced(gathering.root, given);
  if (!found.ok) return found.reason;
  if (!isSchema(found.value)) return "a parameter is no object";
  const { name, in: place } = found.value;
  if (typeof name !== "string" || name === "") return "a parameter has no name";
  switch (place) {
    case "path":
      return takePath(gathering, name, found.value);
    case "query":
      return takeQuery(gathering, name, found.value);
    case "header":
      return takeHeader(gathering, name, found.value);
    default:
      return gathering.leaveOut(`the ${String(place)} parameter "${name}" cannot be sent`, isRequired(found.value));
  }
}

function takePath(gathering: Gathering, name: string, parameter: Schema): string | undefined {
  const types = typesOf(gathering, parameter);
  if (types.includes("array") || types.includes("object")) return `the path parameter "${name}" is a list or an object`;
  if (parameter["style"] !== undefined && parameter["style"] !== "simple")
    return `the path parameter "${name}" has a style that is not known`;
  const argument = gathering.add(name, "path", { schema: schemaOf(gathering, parameter), isRequired: true });
  if (argument === undefined) return `the path parameter "${name}" has no name of its own`;
  gathering.request.path.set(name, argument);
  return undefined;
}

function takeQuery(gathering: Gathering, name: string, parameter: Schema): string | undefined {
  const reason = unsupportedQuery(typesOf(gathering, parameter), parameter);
  if (reason !== undefined) return gathering.leaveOut(`the query parameter "${name}" ${reason}`, isRequired(parameter));
  return place(gathering, gathering.request.query, { name, where: "query", parameter });
}

function unsupportedQuery(
  types: readonly string[],
  { style = "form", explode = true, content }: Schema,
): string | undefined {
  if (isSchema(content)) {
    const isJson = Object.keys(content).every((type) => type.startsWith("application/json"));
    return isJson && types.length > 0 && types.every((type) => type === "object")
      ? undefined
      : "is encoded in a way that is not known";
  }
  if (style !== "form") return "has a style that is not known";
  if (types.includes("object")) return "spreads an object over the query";
  return types.includes("array") && explode === false ? "is a list in one value" : undefined;
}

const IGNORED_HEADERS = new Set(["accept", "content-type", "authorization"]);

function takeHeader(gathering: Gathering, name: string, parameter: Schema): string | undefined {
  // OpenAPI 3.1 s4.8.12.2.1: a definition of one of these is ignored.
  if (IGNORED_HEADERS.has(name.toLowerCase())) return undefined;
  const types = typesOf(gathering, parameter);
  const isScalar = !types.includes("array") && !types.includes("object");
  if (!isSafeHeader(name) || !/^[A-Za-z0-9-]{1,64}$/.test(name) || !isScalar)
    return gathering.leaveOut(`the header "${name}" cannot be filled from an argument`, isRequired(parameter));
  return place(gathering, gathering.request.headers, { name, where: "header", parameter });
}

function place(
  gathering: Gathering,
  table: Record<string, string>,
  { name, where, parameter }: { readonly name: string; readonly where: string; readonly parameter: Schema },
): string | undefined {
  const schema = schemaOf(gathering, parameter);
  const argument = gathering.add(name, where, { schema, isRequired: isRequired(parameter) });
  if (argument === undefined)
    return gathering.leaveOut(`the ${where} parameter "${name}" has no name of its own`, isRequired(parameter));
  table[name] = `{${argument}}`;
  return undefined;
}

function isRequired({ required }: Schema): boolean {
  return required === true;
}

function schemaOf({ schemas }: Gathering, parameter: Schema): unknown {
  const translated = schemas.translate(rawSchema(parameter) ?? {});
  const { description } = parameter;
  return typeof description === "string" && isSchema(translated) && translated["description"] === undefined
    ? { ...translated, description }
    : translated;
}

function rawSchema({ schema, content }: Schema): unknown {
  if (schema !== undefined || !isSchema(content)) return schema;
  const [media] = Object.values(content);
  return isSchema(media) ? media["schema"] : undefined;
}

function typesOf({ root }: Gathering, parameter: Schema): readonly string[] {
  const found = dereferenced(root, rawSchema(parameter));
  const type = found.ok && isSchema(found.value) ? found.value["type"] : undefined;
  return Array.isArray(type)
    ? type.map(String).filter((each) => each !== "null")
    : typeof type === "string"
      ? [type]
      : [];
}

/** Takes a request body in; answers why the operation cannot be imported, or `undefined`. */
export function takeBody(gathering: Gathering, given: unknown): string | undefined {
  const found = dereferenced(gathering.root, given);
  if (!found.ok) return found.reason;
  const content = isSchema(found.value) ? found.value["content"] : undefined;
  if (!isSchema(found.value) || !isSchema(content)) return "its request body has no content";
  const types = Object.keys(content);
  const json = types.find((type) => /^application\/([a-z0-9.+-]+\+)?json(;|$)|^\*\/\*$/i.test(type));
  const form = types.find((type) => type.toLowerCase().startsWith("application/x-www-form-urlencoded"));
  const chosen = json ?? form;
  if (chosen === undefined) return `its request body is ${types.join(" or ") || "of no type"}; expected JSON or a form`;
  const media = content[chosen];
  const body = dereferenced(gathering.root, isSchema(media) ? media["schema"] : undefined);
  if (!body.ok) return body.reason;
  if (json === undefined) gathering.request.contentType = "application/x-www-form-urlencoded";
  return placeBody(gathering, isSchema(media) ? media["schema"] : {}, {
    plain: body.value,
    isRequired: isRequired(found.value),
  });
}

const PLAIN_KEYWORDS =
  /^(type|properties|required|title|description|example|examples|additionalProperties|x-.*|xml|externalDocs|deprecated)$/;

/** A plain object lends its members as arguments; anything else is one argument called `body`. */
function placeBody(
  gathering: Gathering,
  schema: unknown,
  { plain, isRequired }: { readonly plain: unknown; readonly isRequired: boolean },
): string | undefined {
  const { schemas, request } = gathering;
  const translated = schemas.translate(isSchema(plain) ? plain : {});
  const members = isSchema(plain) && isSchema(translated) ? membersOf(plain, translated, isRequired) : undefined;
  if (members === undefined) {
    const argument = gathering.add("body", "request", { schema: schemas.translate(schema ?? {}), isRequired });
    if (argument === undefined) return "its request body has no name of its own";
    request.body = `{${argument}}`;
    return undefined;
  }
  const body: Record<string, string> = {};
  for (const { name, ...rest } of members) {
    const argument = gathering.add(name, "body", rest);
    if (argument === undefined) return `the member "${name}" of its body has no name of its own`;
    body[name] = `{${argument}}`;
  }
  request.body = body;
  return undefined;
}

function membersOf(plain: Schema, translated: Schema, isRequired: boolean): readonly ImportedArgument[] | undefined {
  const { properties, required } = translated;
  const needed: readonly unknown[] = Array.isArray(required) ? required : [];
  const isOpen = isSchema(plain["additionalProperties"]) || plain["additionalProperties"] === true;
  const isPlain = Object.keys(plain).every((keyword) => PLAIN_KEYWORDS.test(keyword));
  if (!isSchema(properties) || isOpen || !isPlain || (!isRequired && needed.length > 0)) return undefined;
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    schema,
    isRequired: isRequired && needed.includes(name),
  }));
}
