// Decides whether a tool's request can be made of its arguments: every template names one, and what must be there is required.
import type { Mistake } from "../errors.ts";
import { memberSchema, resolved, isSchema, type Schema } from "../policy/cel/schema-walk.ts";
import { absoluteUrl, isBodiless, mappedArguments } from "../tools/request.ts";
import { readTemplate, soleArgument, stringsIn } from "../tools/template.ts";
import type { ToolEntry } from "./document.ts";
import { didYouMean } from "./mistakes.ts";
import { headersOfAuth } from "./request-document.ts";

/** Headers that belong to the connection, the gateway or the credential. */
const RESERVED = new Set(
  "authorization connection content-length content-type cookie expect forwarded host keep-alive proxy-authenticate proxy-authorization te trailer traceparent tracestate transfer-encoding upgrade via".split(
    " ",
  ),
);
const RESERVED_PREFIX = /^(cf-|sec-|proxy-|x-forwarded-|interlock-)/;

/** Whether a header may be filled from a template. */
export function isSafeHeader(name: string): boolean {
  return !RESERVED.has(name.toLowerCase()) && !RESERVED_PREFIX.test(name.toLowerCase());
}

/** Mistakes in a tool's URL, query, headers, body and redirects, against its method, credential and schema. */
export function requestMistakes(path: string, entry: ToolEntry): readonly Mistake[] {
  return [
    ...urlMistakes(path, entry),
    ...templateMistakes(path, entry),
    ...headerMistakes(path, entry),
    ...bodyMistakes(path, entry),
    ...redirectMistakes(path, entry),
  ];
}

/** Arguments that the schema knows and the request leaves out. */
export function requestWarnings(path: string, entry: ToolEntry): readonly Mistake[] {
  const isQueryWhole = entry.query !== undefined || !isBodiless(entry.method) || entry.body !== undefined;
  const isBodyWhole = entry.body !== undefined || isBodiless(entry.method);
  if (!isQueryWhole || !isBodyWhole) return [];
  const sent = new Set(mappedArguments(entry).flatMap((each) => [each, each.split(".")[0] ?? each]));
  return propertiesOf(entry.input_schema)
    .filter((name) => !sent.has(name))
    .map((name) => ({
      path: `${path}.input_schema.properties.${name}`,
      message: "is sent nowhere: no template names it",
    }));
}

/** A tool's URL with something in the place of each argument. */
export function probeUrl(entry: Pick<ToolEntry, "kind" | "url">, filler = "x"): string {
  return absoluteUrl(entry).replaceAll(/\{[^{}]*\}/g, filler);
}

function urlMistakes(path: string, entry: ToolEntry): readonly Mistake[] {
  const at = `${path}.url`;
  if (entry.kind === "service") {
    return [
      ...(entry.service === undefined
        ? [{ path: `${path}.service`, message: "expected the name of a service binding" }]
        : []),
      ...(/^\/(?!\/)/.test(entry.url)
        ? []
        : [{ path: at, message: "expected a path such as `/orders/{id}`: the binding is the host" }]),
    ];
  }
  const [one, other] = [probeUrl(entry, "x"), probeUrl(entry, "y")];
  const isElsewhere = URL.canParse(one) && URL.canParse(other) && new URL(one).origin !== new URL(other).origin;
  return isElsewhere ? [{ path: at, message: "an argument may stand in the path and the query, not in the host" }] : [];
}

function templateMistakes(path: string, entry: ToolEntry): readonly Mistake[] {
  const [beforeQuery = ""] = entry.url.split("?");
  const templates: readonly (readonly [string, string])[] = [
    [`${path}.url`, entry.url],
    ...Object.entries(entry.query ?? {}).map(([name, text]) => [`${path}.query.${name}`, text] as const),
    ...Object.entries(entry.headers ?? {}).map(([name, text]) => [`${path}.headers.${name}`, text] as const),
    ...stringsIn(entry.body, `${path}.body`),
  ];
  return templates.flatMap(([at, text]) => {
    const parts = readTemplate(text);
    if (parts === undefined)
      return [{ path: at, message: "a brace has no partner; write `{{` and `}}` for braces that are meant" }];
    const isUrl = at === `${path}.url`;
    const mayBeMissing = !isUrl && soleArgument(text) !== undefined;
    return parts.flatMap((part) => {
      if (part.type === "text") return [];
      const mistake = argumentMistake(entry, part.path);
      if (mistake !== undefined) return [{ path: at, message: mistake }];
      if (mayBeMissing || isRequired(entry.input_schema, part.path)) return [];
      const where = isUrl
        ? `it is part of the URL${beforeQuery.includes(`{${part.path}}`) ? "" : "'s query"}`
        : `it is part of a longer text in \`${at.slice(path.length + 1)}\``;
      return [{ path: `${path}.input_schema.required`, message: `expected "${part.path}": ${where}` }];
    });
  });
}

/** What is wrong with a placeholder's name, or `undefined`. */
function argumentMistake({ input_schema: root }: ToolEntry, argument: string): string | undefined {
  const names = propertiesOf(root);
  if (names.includes(argument)) return undefined;
  let at: Schema = root;
  const walked: string[] = [];
  for (const key of argument.split(".")) {
    const { properties, additionalProperties } = resolved(at, root);
    const known = isSchema(properties) ? Object.keys(properties) : [];
    const isOpen = walked.length > 0 && (known.length === 0 || isSchema(additionalProperties));
    if (!known.includes(key) && !isOpen)
      return `"${argument}" is not an argument of the tool${suggestion([...walked, key].join("."), known, walked)}`;
    walked.push(key);
    at = memberSchema(at, root, key);
  }
  return undefined;
}

function suggestion(name: string, known: readonly string[], walked: readonly string[]): string {
  return didYouMean(
    name,
    known.map((each) => [...walked, each].join(".")),
  );
}

function isRequired(root: Schema, argument: string): boolean {
  if (requiredOf(root).includes(argument)) return true;
  let at: Schema = root;
  for (const key of argument.split(".")) {
    if (!requiredOf(resolved(at, root)).includes(key)) return false;
    at = memberSchema(at, root, key);
  }
  return true;
}

function requiredOf({ required }: Schema): readonly unknown[] {
  return Array.isArray(required) ? required : [];
}

function propertiesOf({ properties }: Schema): readonly string[] {
  return isSchema(properties) ? Object.keys(properties) : [];
}

function headerMistakes(path: string, entry: ToolEntry): readonly Mistake[] {
  const taken = [
    ...headersOfAuth(entry.auth),
    ...(entry.idempotency?.header === undefined ? [] : [entry.idempotency.header]),
  ];
  return Object.entries(entry.headers ?? {}).flatMap(([name, text]) => {
    const at = `${path}.headers.${name}`;
    if (!isSafeHeader(name)) return [{ path: at, message: "this header is the gateway's own" }];
    if (taken.some((each) => each.toLowerCase() === name.toLowerCase()))
      return [{ path: at, message: "`auth` or `idempotency` fills this header" }];
    return /^[\x20-\x7e]*$/.test(text) ? [] : [{ path: at, message: "expected visible ASCII characters" }];
  });
}

function bodyMistakes(path: string, { method, body, content_type }: ToolEntry): readonly Mistake[] {
  if (body !== undefined && body !== null && (method === "GET" || method === "HEAD"))
    return [{ path: `${path}.body`, message: `a ${method} request has no body` }];
  const isForm = content_type === "application/x-www-form-urlencoded";
  const isTable = isSchema(body) || (typeof body === "string" && soleArgument(body) !== undefined);
  if (isForm && body !== undefined && body !== null && !isTable)
    return [{ path: `${path}.body`, message: "expected a table of fields: that is what a form is" }];
  return [];
}

function redirectMistakes(path: string, { redirects, effect, method, auth }: ToolEntry): readonly Mistake[] {
  if (redirects !== "follow") return [];
  const at = `${path}.redirects`;
  if (effect !== "read" || (method !== "GET" && method !== "HEAD"))
    return [{ path: at, message: "expected `refuse`: only reads by GET or HEAD follow redirects" }];
  return auth?.kind === "hmac" ? [{ path: at, message: "expected `refuse`: a signature is for one address" }] : [];
}
