// Decides what a tenant wants masked: which detectors look, at which paths everything is masked, and where numbers only look like something.
import type { PiiKind } from "./pii-text.ts";

/** Kinds of personal data that a tenant may leave unmasked. Credentials are not among them: they are never kept. */
export const PII_KINDS: readonly PiiKind[] = [
  "email_address",
  "phone_number",
  "payment_card",
  "iban",
  "us_ssn",
  "ip_address",
  "national_id",
];

/** A pattern of the tenant's own: its kind, and every stretch of a text that it matches. */
export interface CustomDetector {
  readonly kind: string;
  /** Linear in the text. */
  readonly find: (text: string) => readonly { readonly start: number; readonly end: number }[];
}

/** What is masked for a tenant. */
export interface MaskingRules {
  /** Kinds of personal data that are masked. */
  readonly kinds: ReadonlySet<string>;
  readonly custom: readonly CustomDetector[];
  /** Paths whose every value is masked, whatever it looks like. */
  readonly always: readonly MaskPath[];
  /** Paths at which no personal data is looked for: credentials still are. `always` goes before. */
  readonly never: readonly MaskPath[];
}

/** A path with its steps: a name, `*` for any one step, `**` for any number of them. */
export type MaskPath = readonly string[];

/** What is masked for a tenant that says nothing: every kind, everywhere. */
export const DEFAULT_MASKING: MaskingRules = { kinds: new Set(PII_KINDS), custom: [], always: [], never: [] };

/** The steps of a dotted path, such as `arguments.customer.name` or `**.address`. */
export function readMaskPath(text: string): MaskPath {
  return text.split(".");
}

/**
 * Whether a path leads to a place or to something that holds it: what is said of an object is said of all in it.
 * O(steps × length).
 */
export function covers(pattern: MaskPath, path: readonly string[]): boolean {
  // The places in the pattern at which a walk along the path may stand.
  let standing = withSkips(new Set([0]), pattern);
  if (standing.has(pattern.length)) return true;
  for (const step of path) {
    const next = new Set<number>();
    for (const at of standing) {
      if (pattern[at] === "**") next.add(at);
      else if (pattern[at] === "*" || pattern[at] === step) next.add(at + 1);
    }
    standing = withSkips(next, pattern);
    if (standing.has(pattern.length)) return true;
    if (standing.size === 0) return false;
  }
  return false;
}

function withSkips(places: Set<number>, pattern: MaskPath): Set<number> {
  for (const at of places) if (pattern[at] === "**") places.add(at + 1);
  return places;
}
