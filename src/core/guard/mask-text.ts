// Decides what of a text is masked: credentials first, then personal data, then the tenant's own patterns, until nothing more is found.
import type { MaskingRules } from "./mask-rules.ts";
import { maskedStretches, secretMark, type MaskTokens } from "./mask-tokens.ts";
import { decodedText } from "./percent-text.ts";
import { findPii } from "./pii-detectors.ts";
import { findSecrets } from "./secrets.ts";

/** A text could not be masked: whoever asked must not keep it. */
export class Unmaskable extends Error {}

/** Masks texts of one record: counts what it masked, and remembers it for a look at the rest of the record. */
export class TextMasker implements MaskTokens {
  readonly rules: MaskingRules;
  readonly tokens: MaskTokens;
  /** How often each kind was masked. */
  readonly counts = new Map<string, number>();
  /** Values as they were written, and what stands for each: they are looked for in other spellings. */
  readonly found = new Map<string, string>();
  readonly #sealed = new Map<string, string>();
  /** Tokens of this record: no key is needed to know them again. */
  readonly #made = new Set<string>();

  constructor(rules: MaskingRules, tokens: MaskTokens) {
    this.rules = rules;
    this.tokens = tokens;
  }

  /** The text, masked. `label` is the name of the field it fills. Masking what is masked changes nothing. */
  mask(text: string, how: TextPlace = ANYWHERE): string {
    return this.maskPieces([text], how)[0] ?? "";
  }

  /**
   * Pieces of one text, masked as one: what begins in a piece and ends in another is found, its token stands where it
   * began. As many pieces come back. Throws `Unmaskable` where masking comes to no end.
   */
  maskPieces(pieces: readonly string[], how: TextPlace = ANYWHERE): readonly string[] {
    let masked = pieces;
    for (let pass = 0; pass < MAX_PASSES; pass += 1) {
      const text = masked.length === 1 ? (masked[0] ?? "") : masked.join("");
      const edits = this.#editsOf(text, how);
      if (edits.length === 0) return masked;
      masked = withEdits(masked, edits);
      for (const { kind } of edits) this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    }
    throw new Unmaskable("masking comes to no end");
  }

  /** The value of a token that the tenant's key has made. */
  open(token: string): string | undefined {
    return this.tokens.open(token);
  }

  /** The token of a value that is masked whole. */
  seal(kind: string, value: string): string {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    const token = this.#token(kind, value);
    this.#remember(value, token);
    return token;
  }

  #editsOf(text: string, how: TextPlace): readonly Edit[] {
    const masked = maskedStretches(text, (token) => this.#made.has(token) || this.tokens.open(token) !== undefined);
    const open = blanked(text, masked);
    if (masked.length > 0 && open.trim() === "") return [];
    return merged([...this.#found(open, how), ...this.#foundEncoded(open, how)])
      .flatMap((each) => outside(each, masked))
      .map((each) => this.#editOf(text, each));
  }

  /** Credentials first: where one stands, nothing else is looked for. */
  #found(text: string, { label, piiLabel, isPlain }: TextPlace): readonly Found[] {
    const secrets = findSecrets(text, label).map(({ rule, ...at }) => ({ ...at, kind: "secret", rule }));
    return isPlain ? secrets : [...secrets, ...this.#personal(blanked(text, secrets), piiLabel)];
  }

  /** What stands in a text that is percent-encoded, such as a URL's query. */
  #foundEncoded(text: string, how: TextPlace): readonly Found[] {
    const decoded = decodedText(text);
    if (decoded === undefined) return [];
    return this.#found(decoded.text, how).map((each) => ({
      ...each,
      start: decoded.offsets[each.start] ?? 0,
      end: decoded.offsets[each.end] ?? text.length,
    }));
  }

  #personal(text: string, label: string): readonly Found[] {
    const { kinds, custom } = this.rules;
    const pii = findPii(text, label).filter(({ kind }) => kinds.has(kind));
    return [...pii, ...custom.flatMap(({ kind, find }) => find(text).map((at) => ({ ...at, kind })))];
  }

  #editOf(text: string, { kind, rule, start, end }: Found): Edit {
    const written = text.slice(start, end);
    const put = kind === "secret" ? secretMark(rule ?? "generic-secret") : this.#token(kind, plainOf(kind, written));
    this.#remember(written, put);
    return { kind, start, end, put };
  }

  #remember(value: string, put: string): void {
    if (this.found.size < MAX_FOUND) this.found.set(value, put);
  }

  #token(kind: string, value: string): string {
    const key = `${kind}\n${value}`;
    const known = this.#sealed.get(key);
    if (known !== undefined) return known;
    const token = this.tokens.seal(kind, value);
    this.#sealed.set(key, token);
    this.#made.add(token);
    return token;
  }
}

/** What is known of the place a text stands in. */
export interface TextPlace {
  /** The field's name. */
  readonly label: string;
  /** The field's name as words, where it says what kind of person's data stands in it. */
  readonly piiLabel: string;
  /** Whether personal data is not looked for here. */
  readonly isPlain: boolean;
}

const ANYWHERE: TextPlace = { label: "", piiLabel: "", isPlain: false };
const MAX_PASSES = 5;
/** Values looked for in the rest of a record. */
const MAX_FOUND = 64;
interface Found {
  readonly kind: string;
  readonly rule?: string;
  readonly start: number;
  readonly end: number;
}

interface Edit {
  readonly kind: string;
  readonly start: number;
  readonly end: number;
  readonly put: string;
}

/** One after another: of what overlaps the first keeps its kind and takes the other's end with it. */
function merged(found: readonly Found[]): readonly Found[] {
  const kept: Found[] = [];
  const before = (a: Found, b: Found): number => Number(b.kind === "secret") - Number(a.kind === "secret");
  for (const each of found.toSorted((a, b) => a.start - b.start || before(a, b) || b.end - a.end)) {
    const last = kept.at(-1);
    if (last === undefined || each.start >= last.end) {
      kept.push(each);
      continue;
    }
    const strong = last.kind !== "secret" && each.kind === "secret" ? each : last;
    kept[kept.length - 1] = { ...strong, start: last.start, end: Math.max(last.end, each.end) };
  }
  return kept;
}

interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** The same text with lines of nothing where it is masked already: no detector reads on across them. */
function blanked(text: string, masked: readonly Stretch[]): string {
  if (masked.length === 0) return text;
  let out = "";
  let from = 0;
  for (const { start, end } of masked) {
    out += text.slice(from, start) + "\n".repeat(end - start);
    from = end;
  }
  return out + text.slice(from);
}

/** What of a finding is not masked already: the parts before, between and behind tokens. */
function outside(found: Found, masked: readonly Stretch[]): readonly Found[] {
  const parts: Found[] = [];
  let from = found.start;
  for (const { start, end } of masked) {
    if (end <= from || start >= found.end) continue;
    if (start > from) parts.push({ ...found, start: from, end: start });
    from = Math.max(from, end);
  }
  if (from < found.end) parts.push({ ...found, start: from });
  return parts;
}

function withEdits(pieces: readonly string[], edits: readonly Edit[]): readonly string[] {
  let offset = 0;
  let next = 0;
  return pieces.map((piece) => {
    const begin = offset;
    const end = begin + piece.length;
    offset = end;
    let out = "";
    let from = begin;
    for (let edit = edits[next]; edit !== undefined && edit.start < end; edit = edits[next]) {
      out += piece.slice(from - begin, Math.max(from, edit.start) - begin);
      if (edit.start >= begin) out += edit.put;
      from = Math.min(end, edit.end);
      if (edit.end > end) break;
      next += 1;
    }
    return out + piece.slice(from - begin);
  });
}

/** How equal values are told: without what people write differently. */
function plainOf(kind: string, written: string): string {
  const plain = decodedText(written)?.text ?? written;
  if (kind === "email_address" || kind === "ip_address") return plain.toLowerCase();
  if (kind === "phone_number") return plain.replaceAll(/[^\dx+]/gi, "");
  if (kind === "payment_card" || kind === "us_ssn") return plain.replaceAll(/\D/g, "");
  if (kind === "iban") return plain.replaceAll(/[ -]/g, "").toUpperCase();
  return plain;
}
