// Decides how a config change reads: one plain sentence with the values that matter.
import type { Json } from "../json/canonical.ts";
import { canonicalJson, isJsonObject, type JsonObject } from "../json/canonical.ts";

const MAX_VALUE = 80;

/** The sentence of a change. */
export function describeChange(change: {
  readonly subject: string;
  readonly kind: "added" | "removed" | "changed";
  readonly field?: string | undefined;
  readonly before?: Json;
  readonly after?: Json;
}): string {
  const { subject, kind, field, before, after } = change;
  if (kind !== "changed") return `${subject}${gist(kind === "added" ? after : before)} is ${kind}`;
  const what = field === undefined ? subject : `${subject}: ${field}`;
  if (field === "phase") return phaseChange(subject, after);
  if (before === undefined) return `${what} is now ${shown(after)}`;
  if (after === undefined) return `${what} was ${shown(before)} and is gone`;
  if (isTexts(before) && isTexts(after)) return `${what} ${listChange(before, after)}`;
  const verb = movement(before, after);
  return `${what} ${verb} from ${shown(before)} to ${shown(after)}`;
}

function phaseChange(subject: string, after: Json | undefined): string {
  return after === "list"
    ? `${subject} is now decided when tools are listed: what it denies is hidden, and refused when it is called all the same`
    : `${subject} is now decided at the call alone: it hides no tool`;
}

function isTexts(value: Json): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

function listChange(before: readonly string[], after: readonly string[]): string {
  const gained = after.filter((each) => !before.includes(each));
  const lost = before.filter((each) => !after.includes(each));
  if (gained.length + lost.length === 0) return "changes its order";
  return [
    ...(gained.length === 0 ? [] : [`gains ${gained.join(", ")}`]),
    ...(lost.length === 0 ? [] : [`loses ${lost.join(", ")}`]),
  ].join(" and ");
}

function movement(before: Json, after: Json): string {
  const [was, is] = [Number(before), Number(after)];
  if (typeof before === "boolean" || Number.isNaN(was) || Number.isNaN(is)) return "changes";
  return is > was ? "rises" : is < was ? "falls" : "changes";
}

/** What an entry is about, in brackets: a rule's effect and tools, a limit's bound, a tool's effect, an actor's tier. */
function gist(entry: Json | undefined): string {
  if (entry === undefined || !isJsonObject(entry)) return "";
  const parts = [
    entry["phase"] === "list" ? "list" : "",
    effectOf(entry),
    boundOf(entry),
    toolsOf(entry),
    conditionOf(entry),
  ].filter((part) => part !== "");
  return parts.length === 0 ? "" : ` (${parts.join(" ")})`;
}

function effectOf({ effect, tier }: JsonObject): string {
  return typeof effect === "string" ? effect : typeof tier === "string" ? `tier ${tier}` : "";
}

function boundOf({ max, window, sum, per }: JsonObject): string {
  if (max === undefined || window === undefined) return "";
  const what = typeof sum === "string" ? `of ${sum}` : "calls";
  return `at most ${shown(max)} ${what} per ${per === undefined ? "tenant" : shown(per)} and ${shown(window)}`;
}

function toolsOf({ tools, allowed_tools }: JsonObject): string {
  const listed = tools ?? allowed_tools;
  return listed !== undefined && isTexts(listed) ? `on ${listed.join(", ")}` : "";
}

function conditionOf({ when }: JsonObject): string {
  return typeof when === "string" ? `when ${cut(when)}` : "";
}

function shown(value: Json | undefined): string {
  if (value === undefined) return "not set";
  return cut(typeof value === "string" ? value : canonicalJson(value));
}

function cut(text: string): string {
  const line = text.replaceAll(/\s+/g, " ");
  return line.length <= MAX_VALUE ? line : `${line.slice(0, MAX_VALUE)}…`;
}
