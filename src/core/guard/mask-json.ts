// Decides what of a JSON text is masked: strings, members' names, numbers long enough to be somebody's, and whatever the tenant's paths say.
import { sha256Hex } from "../json/digest.ts";
import { rewriteJson, type JsonLeaf } from "../json/rewrite.ts";
import { covers } from "./mask-rules.ts";
import { secretMark, type MaskTokens } from "./mask-tokens.ts";
import type { TextMasker, TextPlace } from "./mask-text.ts";
import { labelOf, leastTelling } from "./pii.ts";
import { isSecretName } from "./secrets.ts";

/** The kind of a value that is masked for where it stands. */
export const AT_PATH = "value";

/** JSON within strings of JSON is looked into so often. */
const MAX_WITHIN = 4;
/** Text without a space of this length is bytes of something: what cannot be looked into is not kept. */
const BYTES_AT_LEAST = 2_048;

/** The path by which the tenant's rules know a place in a text. */
export type PathOf = (path: readonly string[]) => readonly string[];

/**
 * A JSON text with everything masked that the rules name; it stays JSON of the same shape, where numbers that were
 * masked have become strings. `where` answers the path of a place in it. A string that is itself JSON is masked as
 * JSON, its path goes on. Throws for what is not JSON, or nested too deep.
 */
export function maskJson(masker: TextMasker, text: string, where: PathOf): string {
  return maskWithin(masker, text, { where, depth: 0 });
}

interface Within {
  readonly where: PathOf;
  readonly depth: number;
}

function maskWithin(masker: TextMasker, text: string, within: Within): string {
  return rewriteJson(text, (leaf) => {
    const masked = maskLeaf(masker, leaf, within);
    return masked === leaf.text ? undefined : masked;
  });
}

function maskLeaf(masker: TextMasker, leaf: JsonLeaf, within: Within): string {
  const { always, never } = masker.rules;
  const hasPaths = always.length > 0 || never.length > 0;
  const mayBeUser = leaf.path.length === 1 && leaf.kind === "string";
  if (leaf.text === "") return leaf.text;
  const path = hasPaths || mayBeUser ? within.where(leaf.path) : NOWHERE;
  if (mayBeUser && USERS.has(path.join("."))) return maskUser(masker, leaf.text);
  const isAlways = leaf.kind !== "key" && always.some((pattern) => covers(pattern, path));
  if (isAlways) return maskWhole(masker, leaf.text, AT_PATH);
  const isPlain = hasPaths && never.some((pattern) => covers(pattern, path));
  return leaf.kind === "number" ? numberOf(masker, leaf, isPlain) : stringOf(masker, leaf, { isPlain, within });
}

const NOWHERE: readonly string[] = [];

/** Where a record or a provider's API names the end user. */
const USERS: ReadonlySet<string> = new Set(["ask.user", "request.user", "request.safety_identifier"]);

/** The token of an end user: the same in every record, so that it can be searched for. */
export function maskUser(tokens: MaskTokens, user: string): string {
  return maskWhole(tokens, user, "user");
}

/** A value masked for where it stands; what is one token already stays. */
function maskWhole(tokens: MaskTokens, text: string, kind: string): string {
  return tokens.open(text) === undefined ? tokens.seal(kind, text) : text;
}

function nameOf({ path }: JsonLeaf): string {
  return path.findLast((step) => !/^\d+$/.test(step)) ?? "";
}

function stringOf(
  masker: TextMasker,
  leaf: JsonLeaf,
  { isPlain, within }: { readonly isPlain: boolean; readonly within: Within },
): string {
  const { text } = leaf;
  if (leaf.kind === "key") return masker.mask(text, { label: "", piiLabel: "", isPlain });
  if (isBytes(text)) return withoutBytes(text);
  const isNested = within.depth < MAX_WITHIN && isJsonText(text);
  if (isNested) {
    const above = [...leaf.path];
    return maskWithin(masker, text, {
      where: (path) => within.where([...above, ...path]),
      depth: within.depth + 1,
    });
  }
  return masker.mask(
    text.includes(";base64,") ? text.replaceAll(DATA_URI, withoutBytes) : text,
    placeOf(nameOf(leaf), isPlain),
  );
}

/** What a field's name says of its value. */
export function placeOf(name: string, isPlain = false): TextPlace {
  return { label: name, piiLabel: labelOf(name), isPlain };
}

/** Digits that are somebody's card or, under a name that says so, their telephone number or the like. */
function numberOf(masker: TextMasker, leaf: JsonLeaf, isPlain: boolean): string {
  const name = nameOf(leaf);
  if (isSecretName(name)) return secretMark("named-secret");
  if (isPlain || !/^\d+$/.test(leaf.text) || Number(leaf.text) < leastTelling(name)) return leaf.text;
  return masker.mask(leaf.text, placeOf(name));
}

function isJsonText(text: string): boolean {
  if (!/^\s*[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether a text is encoded bytes, such as a picture: no detector reads those. */
function isBytes(text: string): boolean {
  if (text.length < BYTES_AT_LEAST || !/^[A-Za-z0-9+/_-]{60}/.test(text)) return false;
  return /^[A-Za-z0-9+/_\r\n-]+={0,2}\s*$/.test(text);
}

/** A picture or a file within a text (RFC 2397). */
const DATA_URI = /data:[\w.+/-]{0,80}(?:;[\w=.-]{1,60}){0,4};base64,[A-Za-z0-9+/=_-]{64,}/g;

/** What stands in place of bytes: what they were, how many characters, and their digest. */
function withoutBytes(text: string): string {
  const kind = /^data:([\w.+/-]{0,80})/.exec(text)?.[1] ?? "";
  return `[bytes:${kind === "" ? "unknown" : kind},${text.length},sha256:${sha256Hex(text)}]`;
}
