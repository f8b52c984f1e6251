// Finds payment cards (ISO/IEC 7812) and bank accounts (ISO 13616) in a text: by range, length and checksum.
import { digitsOf, leadTo, passesLuhn, type PiiFinding, type Scanned } from "./pii-text.ts";

const CARD =
  /(?<![\w.-])(?:\d{12,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{1,3})?|\d{4}([ -])\d{6}\2\d{4,5})(?!\w|-\w|\.\d)/g;
const CARD_BEFORE = /\b(?:cards?|cc|pan|credit|debit|visa|master ?card|amex|maestro|discover|diners)\b/i;

/** First digits (from, to) of each card range, and the lengths it has (ISO/IEC 7812 issuers). */
const RANGES: readonly (readonly [from: number, to: number, lengths: readonly number[]])[] = [
  [4, 4, [16, 19]],
  [51, 55, [16]],
  [2221, 2720, [16]],
  [34, 34, [15]],
  [37, 37, [15]],
  [6011, 6011, [16, 17, 18, 19]],
  [644, 659, [16, 17, 18, 19]],
  [300, 305, [14, 16]],
  [36, 36, [14, 16]],
  [38, 39, [14, 16]],
  [3528, 3589, [16, 17, 18, 19]],
  [2131, 2131, [15]],
  [1800, 1800, [15]],
  [2200, 2204, [16]],
  [5018, 5020, [16]],
  [5038, 5038, [16]],
  [5893, 5893, [16]],
  [6304, 6304, [16]],
  [6759, 6763, [16, 18, 19]],
  [62, 62, [16, 17, 18, 19]],
];

/** Payment cards: a brand's range and length with a right check digit; after a word like "card" any length from 12. */
export function paymentCards(scanned: Scanned): readonly PiiFinding[] {
  const found: PiiFinding[] = [];
  const card = new RegExp(CARD);
  for (let match = card.exec(scanned.text); match !== null; match = card.exec(scanned.text)) {
    const start = match.index;
    // A group of another number may stand behind a card's own, or before them: then the next group is tried as the first.
    const written = readingsOf(match[0]).find((each) => isCard(scanned, each, start));
    if (written === undefined) card.lastIndex = start + (/[ -]/.exec(match[0])?.index ?? match[0].length);
    else {
      found.push({ kind: "payment_card", start, end: start + written.length });
      card.lastIndex = start + written.length;
    }
  }
  return found;
}

function readingsOf(written: string): readonly string[] {
  const shorter = written.replace(/[ -]\d+$/, "");
  return digitsOf(shorter).length >= 12 ? [written, shorter] : [written];
}

function isCard(scanned: Scanned, written: string, start: number): boolean {
  const digits = digitsOf(written);
  if (digits.length > 19 || !passesLuhn(digits) || /^(\d)\1+$/.test(digits)) return false;
  return isOfBrand(digits) || CARD_BEFORE.test(leadTo(scanned, start));
}

function isOfBrand(digits: string): boolean {
  return RANGES.some(([from, to, lengths]) => {
    const head = Number(digits.slice(0, String(from).length));
    return head >= from && head <= to && lengths.includes(digits.length);
  });
}

/** Looks ahead, so that what only seems to begin one hides none that begins within it. */
const IBAN = /(?<![\w-])(?=([A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}))/g;

/** Length of an account number by country (SWIFT IBAN registry). */
const IBAN_LENGTHS: Readonly<Record<string, number>> = lengthsOf(
  "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 " +
    "FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 " +
    "LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 " +
    "RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30",
);

function lengthsOf(table: string): Readonly<Record<string, number>> {
  return Object.fromEntries(table.split(" ").map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]));
}

/** International bank account numbers, cut at their country's length, whose check digits are right. */
export function ibans({ text }: Scanned): readonly PiiFinding[] {
  const found: PiiFinding[] = [];
  for (const match of text.matchAll(IBAN)) {
    const [, candidate = ""] = match;
    const length = IBAN_LENGTHS[candidate.slice(0, 2).toUpperCase()];
    const end = length === undefined ? undefined : cutAt(candidate, length);
    if (end === undefined || /^[A-Za-z0-9]/.test(text.slice(match.index + end))) continue;
    if (hasRightCheckDigits(candidate.slice(0, end).replaceAll(/[ -]/g, "").toUpperCase()))
      found.push({ kind: "iban", start: match.index, end: match.index + end });
  }
  return found;
}

/** The offset after so many letters and digits, or `undefined` when there are fewer. */
function cutAt(text: string, count: number): number | undefined {
  let seen = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] !== " " && text[at] !== "-") seen += 1;
    if (seen === count) return at + 1;
  }
  return undefined;
}

function hasRightCheckDigits(iban: string): boolean {
  let rest = 0;
  for (const character of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(character, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}
