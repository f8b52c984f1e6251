// Finds credentials in a text: by their vendors' shapes, by the words before them, by the name of the field they stand in.
import { TEXT_RULES, TOKEN_RULES, TOKEN_RUN, type SecretRule } from "./secret-rules.ts";

/** A credential in a text: UTF-16 offsets, `end` exclusive. `rule` says what it was taken for. */
export interface SecretFinding {
  readonly rule: string;
  readonly start: number;
  readonly end: number;
}

/** Rules that are not in the table: by the words before a value, and by the name of its field. */
const NAMED = "named-secret";
const GENERIC = "generic-secret";

/** Every rule's id, as it can stand in place of a credential. */
export const SECRET_RULE_IDS: ReadonlySet<string> = new Set([
  NAMED,
  GENERIC,
  ...TEXT_RULES.map(({ id }) => id),
  ...TOKEN_RULES.map(({ id }) => id),
]);

/**
 * Credentials in a text, in order, without overlaps. `label` is the name of the field that the text fills, or empty:
 * whatever fills a field called `password` is one. Linear in the text for the texts that are given here (`MAX_SCANNED`).
 * A vendor's token counts by its shape and entropy; any other value only after words such as `api_key =`, and only
 * where it looks random. What is documentation, a reference or a variable's name is left.
 */
export function findSecrets(text: string, label = ""): readonly SecretFinding[] {
  if (text.length < SHORTEST) return [];
  const named = namedSecret(text, label);
  if (named !== undefined) return [named];
  return withoutOverlaps([...matchesOf(text, IN_TEXT), ...tokensIn(text), ...genericSecrets(text)]);
}

/** Rules with one look for all their words: most texts have none of them. */
interface RuleSet {
  readonly rules: readonly SecretRule[];
  readonly anyWord: RegExp;
}

function ruleSet(rules: readonly SecretRule[]): RuleSet {
  const words = new Set(rules.flatMap((rule) => rule.words));
  const escaped = [...words].map((word) => word.replaceAll(/[.$|/]/g, String.raw`\$&`));
  return { rules, anyWord: new RegExp(escaped.join("|")) };
}

const IN_TEXT = ruleSet(TEXT_RULES);
const TOKENS = ruleSet(TOKEN_RULES);

function matchesOf(text: string, { rules, anyWord }: RuleSet): readonly SecretFinding[] {
  if (!anyWord.test(text)) return [];
  const found: SecretFinding[] = [];
  for (const { id, words, pattern, entropy } of rules) {
    if (!words.some((word) => text.includes(word))) continue;
    for (const match of text.matchAll(pattern)) {
      const secret = match.slice(1).find((group) => group !== undefined) ?? match[0];
      if (entropyOf(secret) < entropy || isExample(secret)) continue;
      const start = match.index + match[0].lastIndexOf(secret);
      found.push({ rule: id, start, end: start + secret.length });
    }
  }
  return found;
}

/** Tokens in the stretches of a text that are long enough for one: they are looked at together, apart from the rest. */
function tokensIn(text: string): readonly SecretFinding[] {
  const runs = [...text.matchAll(TOKEN_RUN)].map((match) => ({ at: match.index, run: match[0] }));
  if (runs.length === 0) return [];
  const found = matchesOf(runs.map(({ run }) => run).join("\n"), TOKENS);
  if (found.length === 0) return found;
  const starts: number[] = [];
  let offset = 0;
  for (const { run } of runs) {
    starts.push(offset);
    offset += run.length + 1;
  }
  return found.map(({ rule, start, end }) => {
    const which = lastUpTo(starts, start);
    const shift = (runs[which]?.at ?? 0) - (starts[which] ?? 0);
    return { rule, start: start + shift, end: end + shift };
  });
}

/** Which of some growing offsets is the last that is not behind another. */
function lastUpTo(offsets: readonly number[], offset: number): number {
  let [low, high] = [0, offsets.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((offsets[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

const SHORTEST = 6;

function withoutOverlaps(found: readonly SecretFinding[]): readonly SecretFinding[] {
  const kept: SecretFinding[] = [];
  for (const each of found.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
    const last = kept.at(-1);
    if (last === undefined || each.start >= last.end) kept.push(each);
    // What overlaps is taken whole: its end would be left behind.
    else if (each.end > last.end) kept[kept.length - 1] = { ...last, end: each.end };
  }
  return kept;
}

/** Names of fields that hold nothing but a credential, in small letters and without separators. */
const NAMES =
  /^(?:.{0,24}(?:password|passwd|passphrase|apikey|accesstoken|refreshtoken|authtoken|sessiontoken|idtoken|bearertoken|clientsecret|appsecret|signingsecret|webhooksecret|sharedsecret|secretkey|privatekey|accesskey|signingkey|encryptionkey|secretaccesskey)|pwd|secret|authorization|proxyauthorization|cookie|setcookie|xauthtoken|credentials?)$/;

/** Whether a field of this name holds a credential, whatever it looks like. */
export function isSecretName(name: string): boolean {
  return name.length <= 64 && NAMES.test(name.toLowerCase().replaceAll(/[^a-z0-9]/g, ""));
}

function namedSecret(text: string, label: string): SecretFinding | undefined {
  if (label === "" || !isSecretName(label) || isReference(text)) return undefined;
  // A sentence is not a credential, but a passphrase of a few words may be one.
  if (/\s/.test(text) && text.length > 200 && !text.includes("PRIVATE KEY")) return undefined;
  return { rule: NAMED, start: 0, end: text.length };
}

const ANNOUNCED =
  /(?:(?:api|app|access|auth|account|client|consumer|private|secret|service|session|shared|signing|encryption|master|refresh|webhook|deploy|bot)[_\- ]?(?:key|token|secret)|token|secret|passw(?:or)?d|passwort|passphrase|pwd|credential)s?["'\\]{0,4}(?:\s{0,3}(?:=>|:=|=|:)|\s{1,3}is)\s{0,3}["'\\]{0,4}([^\s"'`<>[\]{},;&\\]{6,400})/gi;
const MAY_ANNOUNCE = /key|token|secret|pass|pwd|credential/i;
const IS_PASSWORD = /^(?:passw|pwd|passphrase)/i;

function genericSecrets(text: string): readonly SecretFinding[] {
  if (!MAY_ANNOUNCE.test(text)) return [];
  return [...text.matchAll(ANNOUNCED)].flatMap((match) => {
    const secret = (match[1] ?? "").replace(/[.:!?)]+$/, "");
    if (!isRandom(secret, IS_PASSWORD.test(match[0]))) return [];
    const start = match.index + match[0].length - (match[1] ?? "").length;
    return [{ rule: GENERIC, start, end: start + secret.length }];
  });
}

/** Whether a value looks made by a machine, or like a password that somebody chose. */
function isRandom(secret: string, isPassword: boolean): boolean {
  if (secret.length < SHORTEST || isExample(secret) || isReference(secret)) return false;
  const classes = [/[a-z]/, /[A-Z]/, /\d/, /[^A-Za-z0-9]/].filter((each) => each.test(secret)).length;
  if (isPassword) return classes >= 2 || secret.length >= 12;
  if (isJumbled(secret)) return true;
  const isWordy = /^[a-z]+(?:[-_.:/][a-z]+)*\d{0,3}$/i.test(secret);
  return secret.length >= 12 && classes >= 2 && /\d/.test(secret) && !isWordy && entropyOf(secret) >= 3;
}

/** Whether letters alone look drawn by lot: as many capitals as no name of code has. */
function isJumbled(secret: string): boolean {
  if (secret.length < 20 || !/^[A-Za-z]+$/.test(secret)) return false;
  const share = secret.replace(/[a-z]/g, "").length / secret.length;
  return share > 0.25 && share < 0.75 && /[a-z][A-Z]/.test(secret) && entropyOf(secret) >= 3.5;
}

/** Variables, templates and paths: they name a credential and are none. */
function isReference(text: string): boolean {
  return (
    /^(?:\$\{?\w+\}?|\{\{.{0,80}\}\}|%\w+%|<[^>]{0,80}>|process\.env\.\w+|os\.environ.{0,40}|env[.:]\w+|secrets?[.:/]\w{1,40}|\*{3,}|x{4,}|\.{3,}|\/(?:bin|etc|home|opt|tmp|usr|var)\/.{0,200})$/i.test(
      text,
    ) || /^(?:true|false|null|none|undefined|string|required|optional|number|object|redacted|hidden)$/i.test(text)
  );
}

/** Documentation's own placeholders. */
function isExample(secret: string): boolean {
  return /EXAMPLE$|abcdefghijklmnopqrstuvwxyz|^(.)\1+$|^(?:your|my|some|insert|replace)[-_ ]/i.test(secret);
}

/** Shannon entropy in bits per character. */
function entropyOf(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}
