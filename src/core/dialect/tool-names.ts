// Decides how a tool's name reads where only letters, digits, `_` and `-` are allowed, and which tool such a name stands for.
import { sha256Hex } from "../json/digest.ts";

const ALLOWED = /^[A-Za-z0-9_-]{1,64}$/;
const MAX_LENGTH = 64;
/** Hex digits of the name's own digest that keep altered names apart. */
const MARK = 10;

/** A name that OpenAI and Anthropic take: itself where they do, else with other characters as `_` and a mark of its own behind. */
export function safeName(name: string): string {
  if (ALLOWED.test(name)) return name;
  const kept = name.replaceAll(/[^A-Za-z0-9_-]/g, "_").slice(0, MAX_LENGTH - MARK - 1);
  return `${kept}_${sha256Hex(name).slice(0, MARK)}`;
}

/** The offered name that a model's word for it stands for; the word itself where it is none of theirs. */
export function originalName(name: string, offered: readonly string[]): string {
  return offered.find((each) => each === name) ?? offered.find((each) => safeName(each) === name) ?? name;
}
