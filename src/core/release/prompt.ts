// Decides how a prompt's template is read and filled in: values are put in as they are and never read again.
import { accept, refuse, type Mistake, type Outcome } from "../errors.ts";
import { isJsonObject, type Json, type JsonObject } from "../json/canonical.ts";

/** The longest template, and the longest value put into one. */
export const MAX_TEMPLATE_CHARS = 65_536;
export const MAX_VALUE_CHARS = 4_096;

/** Variables that every template may use: `date` is the day in the tenant's time zone, as `2026-11-26`. */
export const BUILT_IN = ["agent", "release", "actor", "date", "time_zone"] as const;

/** What a built-in variable stands for in one call. */
export type BuiltIn = Readonly<Record<(typeof BUILT_IN)[number], string>>;

/** A piece of a template: text that stays, or a variable. */
export type Piece = { readonly text: string } | { readonly variable: string };

/** A template read, or what is wrong with it, as sentences. */
export type Template =
  | { readonly ok: true; readonly pieces: readonly Piece[] }
  | { readonly ok: false; readonly wrong: readonly string[] };

/** How a variable is declared. */
export interface Variable {
  readonly required?: boolean | undefined;
  readonly default?: string | undefined;
}

/** A version of a prompt. */
export interface PromptVersion {
  readonly system: string;
  readonly variables: Readonly<Record<string, Variable>>;
}

// An escaped pair of braces, a variable, or a pair that begins nothing.
const TOKEN = /\\\{\{|\{\{[ ]?([a-z][a-z0-9_]{0,31})[ ]?\}\}|\{\{/g;

/**
 * Reads a template: `{{name}}` is a variable, `\{{` two braces; any other `{{` is a mistake. O(length).
 */
export function readTemplate(text: string): Template {
  const pieces: Piece[] = [];
  const wrong: string[] = [];
  let from = 0;
  const keep = (literal: string): void => {
    if (literal !== "") pieces.push({ text: literal });
  };
  for (const match of text.matchAll(TOKEN)) {
    const [token, variable] = match;
    keep(text.slice(from, match.index));
    from = match.index + token.length;
    if (variable !== undefined) pieces.push({ variable });
    else if (token.startsWith("\\")) keep("{{");
    else wrong.push(`"${text.slice(match.index, match.index + 24)}" is no variable: write \`\\{{\` for two braces`);
  }
  keep(text.slice(from));
  return wrong.length > 0 ? { ok: false, wrong } : { ok: true, pieces };
}

/** What is wrong with a version: its template, variables that nothing declares, names that are built in. */
export function promptMistakes(path: string, { system, variables }: PromptVersion): readonly Mistake[] {
  const template = readTemplate(system);
  const builtIn: readonly string[] = BUILT_IN;
  const known = [...Object.keys(variables), ...builtIn];
  const used = template.ok ? template.pieces.flatMap((piece) => ("variable" in piece ? [piece.variable] : [])) : [];
  const unknown = [...new Set(used)].filter((each) => !known.includes(each));
  return [
    ...(template.ok ? [] : template.wrong.map((message) => ({ path: `${path}.system`, message }))),
    ...unknown.map((each) => ({
      path: `${path}.system`,
      message: `"{{${each}}}" is not declared: expected one of ${known.join(", ")}`,
    })),
    ...Object.entries(variables).flatMap(([each, { required, default: value }]) => [
      ...(builtIn.includes(each) ? [{ path: `${path}.variables.${each}`, message: "this variable is built in" }] : []),
      ...(required === true && value !== undefined
        ? [{ path: `${path}.variables.${each}.default`, message: "a required variable has no default" }]
        : []),
      ...(template.ok && !used.includes(each)
        ? [{ path: `${path}.variables.${each}`, message: "the template does not use it" }]
        : []),
    ]),
  ];
}

/**
 * A version's text with its variables filled in. A declared variable is the text of that name in the request's
 * `metadata`, else its default, else empty; refuses `invalid_request` for a required one without a value and for a value
 * that is no text of at most 4096 characters. Values stand as they are: what looks like a variable in one stays text.
 */
export function renderPrompt(version: PromptVersion, metadata: Json | undefined, builtIn: BuiltIn): Outcome<string> {
  const template = readTemplate(version.system);
  if (!template.ok) return refuse("internal", "the prompt's stored template cannot be read");
  const given = metadata !== undefined && isJsonObject(metadata) ? metadata : {};
  const values = new Map<string, string>(Object.entries(builtIn));
  const mistakes: Mistake[] = [];
  for (const [name, variable] of Object.entries(version.variables)) {
    const value = Object.hasOwn(given, name) ? given[name] : variable.default;
    if (typeof value === "string" && value.length <= MAX_VALUE_CHARS) values.set(name, value);
    else if (value !== undefined) mistakes.push({ path: `metadata.${name}`, message: EXPECTED_VALUE });
    else if (variable.required === true)
      mistakes.push({ path: `metadata.${name}`, message: "is missing: the agent's prompt needs it" });
  }
  if (mistakes.length > 0)
    return refuse("invalid_request", mistakes.map(({ path, message }) => `${path}: ${message}`).join("; "), {
      mistakes,
    });
  return accept(
    template.pieces.map((piece) => ("text" in piece ? piece.text : (values.get(piece.variable) ?? ""))).join(""),
  );
}

const EXPECTED_VALUE = `expected a text of at most ${MAX_VALUE_CHARS} characters`;

/**
 * A request without the members of `metadata` that a prompt has taken in: they were for us. `metadata` itself goes once
 * nothing is left in it.
 */
export function withoutTaken(body: JsonObject, taken: readonly string[]): JsonObject {
  const { metadata, ...rest } = body;
  if (taken.length === 0 || metadata === undefined || !isJsonObject(metadata)) return body;
  const left = Object.entries(metadata).filter(([name]) => !taken.includes(name));
  if (left.length === Object.keys(metadata).length) return body;
  return left.length === 0 ? rest : { ...body, metadata: Object.fromEntries(left) };
}
