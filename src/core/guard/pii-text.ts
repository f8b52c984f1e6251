// Names what a detector of personal data is given and answers, and reads the words that stand before a number.

/** What a finding is taken for. */
export type PiiKind =
  | "email_address"
  | "phone_number"
  | "payment_card"
  | "iban"
  | "us_ssn"
  | "ip_address"
  | "national_id";

/** Personal data in a text: UTF-16 offsets, `end` exclusive. */
export interface PiiFinding {
  readonly kind: PiiKind;
  readonly start: number;
  readonly end: number;
}

/** A text and what it is called, where that is known: the name of a field counts like words before its value. */
export interface Scanned {
  readonly text: string;
  readonly label: string;
}

/** A detector: pure, linear in the text. Its findings may overlap those of others. */
export type Detector = (scanned: Scanned) => readonly PiiFinding[];

/** Words count as context up to this far before a number. */
const LOOK_BACK = 48;

/** What stands before an offset, within reach, with the text's own label before its beginning. */
export function leadTo({ text, label }: Scanned, start: number): string {
  const from = Math.max(0, start - LOOK_BACK);
  return from === 0 ? `${label}: ${text.slice(0, start)}` : text.slice(from, start);
}

/** Where in a text the last of some words ends, or -1. The pattern has the flag `g`. */
export function lastEndOf(words: RegExp, text: string): number {
  let end = -1;
  for (const match of text.matchAll(words)) end = match.index + match[0].length;
  return end;
}

/** The digits of a text. */
export function digitsOf(text: string): string {
  return text.replaceAll(/\D/g, "");
}

/** Whether digits pass the Luhn check (ISO/IEC 7812-1). */
export function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let at = 0; at < digits.length; at += 1) {
    const digit = Number(digits[digits.length - 1 - at]);
    const doubled = at % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** Every match of a pattern that a check accepts, as findings of one kind. */
export function matchesOf(
  { text }: Scanned,
  { pattern, kind }: { readonly pattern: RegExp; readonly kind: PiiKind },
  accepts: (match: RegExpExecArray) => boolean,
): readonly PiiFinding[] {
  return [...text.matchAll(pattern)]
    .filter((match) => accepts(match))
    .map((match) => ({ kind, start: match.index, end: match.index + match[0].length }));
}
