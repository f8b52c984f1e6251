// Decides what request a tool's arguments become: URL, query, headers and body, by its templates or by default.
import type { Json, JsonObject } from "../json/canonical.ts";
import { argumentAt, fillJson, fillText, readTemplate, soleArgument, stringsIn, textOf } from "./template.ts";

/** How a tool maps arguments to a request. */
export interface RequestMapping {
  readonly kind: "http" | "service" | "mcp";
  readonly method: string;
  readonly url: string;
  readonly query?: Readonly<Record<string, string>> | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: unknown;
  readonly content_type?: "application/json" | "application/x-www-form-urlencoded" | undefined;
}

/** The request, without anything of the gateway's own; or why the arguments make none. */
export type MappedRequest =
  | {
      readonly ok: true;
      readonly url: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string | null;
      readonly contentType: string;
    }
  | { readonly ok: false; readonly reason: string };

/** Stands before the path of a tool behind a service binding; it is never resolved. */
export const SERVICE_ORIGIN = "https://service.internal";

const JSON_TYPE = "application/json";
const MAX_HEADER_CHARS = 4096;

/** Whether a method sends its arguments in the query when nothing else is said. */
export function isBodiless(method: string): boolean {
  return method === "GET" || method === "HEAD" || method === "DELETE";
}

/** A tool's URL template as an absolute one. */
export function absoluteUrl({ kind, url }: Pick<RequestMapping, "kind" | "url">): string {
  return kind === "service" ? `${SERVICE_ORIGIN}${url}` : url;
}

/**
 * The request that arguments become. An argument that nothing names goes into the JSON body, or into the query of GET,
 * HEAD and DELETE; `query` and `body`, where declared, are all there is, and `body: null` is none. Refuses a path argument that is empty, `.` or
 * `..`, which URL parsers resolve even when encoded, and header values beyond visible ASCII.
 */
export function mapRequest(mapping: RequestMapping, args: JsonObject): MappedRequest {
  const url = filledUrl(absoluteUrl(mapping), args);
  if (url === undefined) return { ok: false, reason: "an argument in the URL's path is empty, `.` or `..`" };
  if (!URL.canParse(url)) return { ok: false, reason: "the arguments make no valid URL" };
  const headers = filledHeaders(mapping.headers ?? {}, args);
  if (typeof headers === "string")
    return { ok: false, reason: `an argument in the header "${headers}" is too long or not visible ASCII` };
  const rest = restOf(mapping, args);
  const query = queryOf(mapping, args, rest);
  const target = query.length === 0 ? url : withQuery(url, query);
  return {
    ok: true,
    url: target,
    headers,
    body: bodyOf(mapping, args, rest),
    contentType: mapping.content_type ?? JSON_TYPE,
  };
}

type Pair = readonly [string, string];

function filledUrl(template: string, args: JsonObject): string | undefined {
  const [path = "", ...rest] = template.split("?");
  let isTraversal = false;
  const filled = fillText(path, args, (segment) => {
    // The credential would go to another path.
    isTraversal ||= segment === "" || segment === "." || segment === "..";
    return encoded(segment);
  });
  if (isTraversal || hasDotSegment(filled)) return undefined;
  return rest.length === 0 ? filled : `${filled}?${fillText(rest.join("?"), args, encoded)}`;
}

/** Two arguments side by side could make the dots that one alone cannot. */
function hasDotSegment(path: string): boolean {
  return path.split("/").some((segment) => /^(\.|%2e){1,2}$/i.test(segment));
}

function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

/** The headers, or the name of one that cannot be sent. */
function filledHeaders(
  templates: Readonly<Record<string, string>>,
  args: JsonObject,
): Readonly<Record<string, string>> | string {
  const headers: Record<string, string> = {};
  for (const [name, template] of Object.entries(templates)) {
    const sole = soleArgument(template);
    if (sole !== undefined && argumentAt(args, sole) === undefined) continue;
    const value = fillText(template, args);
    if (value.length > MAX_HEADER_CHARS || !/^[\x20-\x7e]*$/.test(value)) return name;
    headers[name] = value;
  }
  return headers;
}

/** Arguments that no template of URL, query or headers names whole. */
function restOf({ url, query, headers }: RequestMapping, args: JsonObject): readonly (readonly [string, Json])[] {
  const used = new Set(
    [url, ...Object.values(query ?? {}), ...Object.values(headers ?? {})].flatMap((template) => argumentsOf(template)),
  );
  return Object.entries(args).filter(([name]) => !used.has(name));
}

function argumentsOf(template: string): readonly string[] {
  return (readTemplate(template) ?? []).flatMap((part) => (part.type === "argument" ? [part.path] : []));
}

function queryOf(
  mapping: RequestMapping,
  args: JsonObject,
  rest: readonly (readonly [string, Json])[],
): readonly Pair[] {
  const { query, method, body } = mapping;
  if (query !== undefined)
    return Object.entries(query).flatMap(([name, template]) => pairsOf(name, fillJson(template, args)));
  if (!isBodiless(method) || body !== undefined) return [];
  return rest.map(([name, value]) => [name, textOf(value)]);
}

/** A list is one pair an item, anything else one pair, nothing no pair. */
function pairsOf(name: string, value: Json | undefined): readonly Pair[] {
  if (value === undefined || value === null) return [];
  const items: readonly Json[] = Array.isArray(value) ? value : [value];
  return items.map((item) => [name, textOf(item)]);
}

function withQuery(text: string, pairs: readonly Pair[]): string {
  const url = new URL(text);
  for (const name of new Set(pairs.map(([name]) => name))) url.searchParams.delete(name);
  for (const [name, value] of pairs) url.searchParams.append(name, value);
  return url.href;
}

function bodyOf(
  { method, body, content_type }: RequestMapping,
  args: JsonObject,
  rest: readonly (readonly [string, Json])[],
): string | null {
  if (body === null || (body === undefined && isBodiless(method))) return null;
  // The document was JSON before zod read it.
  const value = body === undefined ? Object.fromEntries(rest) : fillJson(body as Json, args);
  if (content_type !== "application/x-www-form-urlencoded") return value === undefined ? null : JSON.stringify(value);
  const members = typeof value === "object" && value !== null ? Object.entries(value) : [];
  return new URLSearchParams(
    members.flatMap(([name, member]) => pairsOf(name, member).map((pair) => [...pair])),
  ).toString();
}

/** The paths of all arguments that a mapping's own templates name. */
export function mappedArguments({ url, query, headers, body }: RequestMapping): readonly string[] {
  const templates = [query, headers, body].flatMap((each) => stringsIn(each, "").map(([, template]) => template));
  return [url, ...templates].flatMap(argumentsOf);
}
