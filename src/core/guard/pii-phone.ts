// Finds telephone numbers in a text: international ones by their shape, others by the words around them.
import { digitsOf, lastEndOf, leadTo, type PiiFinding, type Scanned } from "./pii-text.ts";

const EXTENSION = String.raw`(?: ?(?:x|ext\.?) ?\d{1,6})?(?!\w)`;
const BODY = String.raw`(?:[\d)]|[ .\-/\u00a0]{1,2}(?=[(\d])|\((?=\d)){6,30}`;
const NORTH_AMERICAN = new RegExp(
  String.raw`(?<![\w.+\-/(])(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[-. ])[2-9]\d{2}[-. ]\d{4}${EXTENSION}`,
  "gi",
);
const INTERNATIONAL = new RegExp(String.raw`(?<![\w.+])(?:\(?\+|00)[1-9]${BODY}${EXTENSION}`, "gi");
const ANY = new RegExp(String.raw`(?<![\w.+\-/])\(?\d${BODY}${EXTENSION}`, "gi");

/** Words that say a number is called, and where a number may be called. */
const STRONG = /(?:phone|mobile|\btel|telephone|cell|\bfax|desk|whatsapp|hotline|handy|telefon)\w*\b/gi;
const WEAK = /\b(?:call|calling|dial|reach|ring|sms|text|contact|answering|messages?)\b/gi;
const NUMBER = /\bnumber\b/gi;
const AFTER = /^[\s\-–,:(]{0,3}(?:office|fax|mobile|cell|home|work|desk)\b/i;
/** Words that say a number is something else. */
const ELSE =
  /\b(?:orders?|invoices?|ref|reference|tickets?|case|sku|items?|parts?|tracking|accounts?|acct|cards?|cc|iban|ssn|policy|ids?|serial|batch|lot|po|trace|span|build|version|epoch|timestamps?|amounts?|total|qty|quantity|zip|routing|passport|licen[cs]e|isbn|ean|upc|transactions?|txn|payments?|confirmation|booking|shipment|parcel|code|error|line|port|pid|customer)\b/gi;

/** Seven digits that nothing but a few marks stands between: most texts have none. */
const MAY_CALL = /\d(?:[^A-Za-z\d]{0,3}\d){6}/;

/** Telephone numbers. Overlapping readings of the same digits are left to whoever collects findings. */
export function phoneNumbers(scanned: Scanned): readonly PiiFinding[] {
  if (!MAY_CALL.test(scanned.text)) return [];
  return [...international(scanned), ...northAmerican(scanned), ...inContext(scanned)];
}

function international(scanned: Scanned): readonly PiiFinding[] {
  return [...scanned.text.matchAll(INTERNATIONAL)].flatMap((match) => {
    const kept = upToFifteenDigits(match[0]);
    const digits = digitsOf(kept.split(/x|ext/i)[0] ?? "").replace(/^00/, "");
    const isLong = digits.length >= 8 && digits.length <= 15;
    // Two zeros begin many a number that nobody calls.
    const isSpelled =
      kept.includes("+") || (/\d[^\d]+\d/.test(kept) && contextOf(leadTo(scanned, match.index)) !== "else");
    if (!isLong || !isSpelled || (digits.startsWith("1") && !/^1[2-9]\d{9}$/.test(digits))) return [];
    return [{ kind: "phone_number" as const, start: match.index, end: match.index + kept.length }];
  });
}

/** A number and the next one after it are two: cut where a space leaves no more than fifteen digits (ITU-T E.164). */
function upToFifteenDigits(text: string): string {
  let kept = text;
  const most = text.startsWith("00") ? 17 : 15;
  while (digitsOf(kept.split(/x|ext/i)[0] ?? "").length > most && kept.includes(" "))
    kept = kept.slice(0, kept.lastIndexOf(" "));
  return kept;
}

function northAmerican(scanned: Scanned): readonly PiiFinding[] {
  return [...scanned.text.matchAll(NORTH_AMERICAN)].flatMap((match) => {
    const lead = leadTo(scanned, match.index);
    const isSpaced = /^\d{3} \d{3} /.test(match[0]);
    const isPhone = isSpaced ? contextOf(lead) !== "none" : contextOf(lead) !== "else";
    return isPhone ? [{ kind: "phone_number" as const, start: match.index, end: match.index + match[0].length }] : [];
  });
}

function inContext(scanned: Scanned): readonly PiiFinding[] {
  return [...scanned.text.matchAll(ANY)]
    .filter((match) => isCalled(scanned, match[0], match.index))
    .map((match) => ({ kind: "phone_number", start: match.index, end: match.index + match[0].length }));
}

/** Whether the words around a number say that it is called: the less they say, the more its shape has to. */
function isCalled(scanned: Scanned, written: string, start: number): boolean {
  const { length } = digitsOf(written.split(/x|ext/i)[0] ?? "");
  if (length < 7 || length > 15 || isDate(written)) return false;
  const isSeparated = /\d[^\d]+\d/.test(written);
  const context = contextOf(leadTo(scanned, start));
  if (context === "else") return false;
  if (isSeparated && AFTER.test(scanned.text.slice(start + written.length, start + written.length + AFTER_REACH)))
    return true;
  return context !== "none" && (isSeparated || length >= LEAST_BARE[context]);
}

const AFTER_REACH = 16;
/** Digits that a number without separators must have. */
const LEAST_BARE = { strong: 8, weak: 10 } as const;

/** What the words before a number say of it; the nearest one counts. */
function contextOf(lead: string): "strong" | "weak" | "else" | "none" {
  const strong = lastEndOf(STRONG, lead);
  const weak = lastEndOf(WEAK, lead);
  const other = lastEndOf(ELSE, lead);
  const nearest = Math.max(strong, weak, other);
  if (nearest === -1) return lastEndOf(NUMBER, lead) === -1 ? "none" : "weak";
  if (nearest === other) return "else";
  return nearest === strong ? "strong" : "weak";
}

function isDate(text: string): boolean {
  return (
    /^\(?(?:19|20)\d{2}[-/. ](?:0?[1-9]|1[0-2])[-/. ](?:0?[1-9]|[12]\d|3[01])(?!\d)/.test(text) ||
    /^(?:0?[1-9]|[12]\d|3[01])[-/.](?:0?[1-9]|[12]\d|3[01])[-/.](?:19|20)?\d{2}(?!\d|[-/.]\d)/.test(text)
  );
}
