// Decides what a template says: literal text, and `{argument}` places that a call's arguments fill.
import type { Json, JsonObject } from "../json/canonical.ts";
import { valueAt } from "../policy/values.ts";

/** One part of a template: text as it is, or the dotted path of an argument. */
export type TemplatePart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "argument"; readonly path: string };

const TOKEN = /\{\{|\}\}|\{([^{}]+)\}|[{}]/g;

/** The parts of a template, `{{` and `}}` standing for a brace; `undefined` where a brace has no partner. */
export function readTemplate(template: string): readonly TemplatePart[] | undefined {
  const parts: TemplatePart[] = [];
  let text = "";
  let end = 0;
  for (const match of template.matchAll(TOKEN)) {
    const [token, path] = match;
    text += template.slice(end, match.index);
    end = match.index + token.length;
    if (token === "{" || token === "}") return undefined;
    if (path === undefined) {
      text += token.slice(1);
      continue;
    }
    if (text !== "") parts.push({ type: "text", text });
    parts.push({ type: "argument", path });
    text = "";
  }
  text += template.slice(end);
  return text === "" ? parts : [...parts, { type: "text", text }];
}

/** The argument that a template is nothing but, or `undefined`: such a place keeps its type and may be left out. */
export function soleArgument(template: string): string | undefined {
  const parts = readTemplate(template) ?? [];
  const [only] = parts;
  return parts.length === 1 && only?.type === "argument" ? only.path : undefined;
}

/** The value of an argument: a member of that very name, else the one its dotted path leads to. */
export function argumentAt(args: JsonObject, path: string): Json | undefined {
  return Object.hasOwn(args, path) ? args[path] : valueAt(args, path);
}

/** A value as text: nothing for null or none, a text as it is, anything else as JSON. */
export function textOf(value: Json | undefined): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** A template with its arguments filled in as text; each passes through `encode` first. */
export function fillText(
  template: string,
  args: JsonObject,
  encode: (text: string) => string = (text) => text,
): string {
  const parts = readTemplate(template) ?? [{ type: "text", text: template } as const];
  return parts.map((part) => (part.type === "text" ? part.text : encode(textOf(argumentAt(args, part.path))))).join("");
}

/** A JSON template filled in: a place that is nothing but an argument keeps its type, and is left out with it. */
export function fillJson(template: Json, args: JsonObject): Json | undefined {
  if (typeof template === "string") {
    const sole = soleArgument(template);
    return sole === undefined ? fillText(template, args) : argumentAt(args, sole);
  }
  if (Array.isArray(template)) {
    const items: readonly Json[] = template;
    return items.flatMap((item) => {
      const filled = fillJson(item, args);
      return filled === undefined ? [] : [filled];
    });
  }
  if (template === null || typeof template !== "object") return template;
  return Object.fromEntries(
    Object.entries(template).flatMap(([key, member]) => {
      const filled = fillJson(member, args);
      return filled === undefined ? [] : [[key, filled] as const];
    }),
  );
}

/** Every string of a JSON template, with its dotted path below `path`. */
export function stringsIn(template: unknown, path: string): readonly (readonly [string, string])[] {
  if (typeof template === "string") return [[path, template]];
  if (typeof template !== "object" || template === null) return [];
  return Object.entries(template).flatMap(([key, member]) => stringsIn(member, `${path}.${key}`));
}
