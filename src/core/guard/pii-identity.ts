// Finds national identity numbers in a text: those that carry a checksum, and US social security numbers by their ranges.
import { digitsOf, leadTo, matchesOf, passesLuhn, type PiiFinding, type Scanned } from "./pii-text.ts";

const SSN = /(?<![\w.-])(\d{3})([-. ]?)(\d{2})\2(\d{4})(?![\w-]|\.\d)/g;
const SSN_BEFORE = /\b(?:ssn|social security)\b/i;

/** US social security numbers: written in three groups, or bare after a word that says so; never an unused range. */
export function socialSecurityNumbers(scanned: Scanned): readonly PiiFinding[] {
  return matchesOf(scanned, { pattern: SSN, kind: "us_ssn" }, (match) => {
    const [, area = "", separator = "", group = "", serial = ""] = match;
    if (area === "000" || area === "666" || area.startsWith("9") || group === "00" || serial === "0000") return false;
    return separator !== "" || SSN_BEFORE.test(leadTo(scanned, match.index));
  });
}

interface Identity {
  readonly pattern: RegExp;
  /** Words that must stand before it, where digits alone do not tell. */
  readonly before?: RegExp;
  readonly accepts: (written: string) => boolean;
}

const LETTERS_ES = "TRWAGMYFPDXBNJZSQVHLCKE";
const LETTERS_FI = "0123456789ABCDEFHJKLMNPRSTUVWXY";

/** Sum of digits times weights. */
function weighted(digits: string, weights: readonly number[]): number {
  return weights.reduce((sum, weight, at) => sum + weight * Number(digits[at] ?? 0), 0);
}

/** Identity numbers of other countries (each by its issuer's published check). */
const IDENTITIES: readonly Identity[] = [
  {
    // Spain: NIF and NIE.
    pattern: /(?<![\w-])(?:\d{8}|[XYZ]\d{7})-?[A-Z](?!\w)/g,
    accepts: (text) => {
      const plain = text.replace("-", "");
      const digits = plain.slice(0, -1).replace("X", "0").replace("Y", "1").replace("Z", "2");
      return LETTERS_ES[Number(digits) % 23] === plain.at(-1);
    },
  },
  {
    // Finland: henkilötunnus.
    pattern: /(?<![\w-])\d{6}[-+A-FU-Y]\d{3}[0-9A-Y](?!\w)/g,
    accepts: (text) =>
      isDayMonth(text.slice(0, 4)) && LETTERS_FI[Number(text.slice(0, 6) + text.slice(7, 10)) % 31] === text.at(-1),
  },
  {
    // United Kingdom: National Insurance number.
    pattern: /(?<![\w-])(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D](?!\w)/g,
    accepts: () => true,
  },
  {
    // Italy: codice fiscale.
    pattern: /(?<!\w)[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z](?!\w)/g,
    accepts: isFiscalCode,
  },
  {
    // Singapore: NRIC and FIN.
    pattern: /(?<!\w)[STFG]\d{7}[A-Z](?!\w)/g,
    accepts: (text) => {
      const offset = /^[TG]/.test(text) ? 4 : 0;
      const rest = (weighted(text.slice(1, 8), [2, 7, 6, 5, 4, 3, 2]) + offset) % 11;
      return (/^[ST]/.test(text) ? "JZIHGFEDCBA" : "XWUTRQPNMLK")[rest] === text.at(-1);
    },
  },
  {
    // Sweden: personnummer, with its separator.
    pattern: /(?<![\w-])(?:19|20)?\d{6}[-+]\d{4}(?![\w-])/g,
    accepts: (text) => {
      const digits = digitsOf(text).slice(-10);
      const month = Number(digits.slice(2, 4));
      return month >= 1 && month <= 12 && Number(digits.slice(4, 6)) >= 1 && passesLuhn(digits);
    },
  },
  {
    // United States: individual taxpayer number.
    pattern: /(?<![\w.-])9\d{2}-(?:5\d|6[0-5]|7\d|8[0-8]|9[0-2]|9[4-9])-\d{4}(?![\w-])/g,
    accepts: () => true,
  },
  {
    // Canada: social insurance number.
    pattern: /(?<![\w.-])\d{3}([- ]?)\d{3}\1\d{3}(?![\w-])/g,
    before: /\b(?:sin|nas|social insurance|assurance sociale)\b/i,
    accepts: (text) => passesLuhn(digitsOf(text)) && !text.startsWith("0"),
  },
  {
    // United Kingdom: NHS number.
    pattern: /(?<![\w.-])\d{3}([- ]?)\d{3}\1\d{4}(?![\w-])/g,
    before: /\bnhs\b/i,
    accepts: (text) => {
      const check = 11 - (weighted(digitsOf(text), [10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11);
      return (check === 11 ? 0 : check) === Number(text.at(-1));
    },
  },
  {
    // Poland: PESEL.
    pattern: /(?<![\w.-])\d{11}(?![\w-])/g,
    before: /\bpesel\b/i,
    accepts: (text) => (10 - (weighted(text, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10)) % 10 === Number(text.at(-1)),
  },
  {
    // India: Aadhaar.
    pattern: /(?<![\w.-])[2-9]\d{3}([- ]?)\d{4}\1\d{4}(?![\w-])/g,
    before: /\b(?:aadhaar|aadhar|uidai)\b/i,
    accepts: (text) => passesVerhoeff(digitsOf(text)),
  },
  {
    // Germany: Steuer-Identifikationsnummer.
    pattern: /(?<![\w.-])[1-9]\d(?: ?\d{3}){3}(?![\w-])/g,
    before: /\b(?:steuer\S*|tax id|tin|idnr)\b/i,
    accepts: (text) => passesMod11And10(digitsOf(text)),
  },
];

const NONE: readonly Identity[] = [];
/** What every number has that stands without words, and the beginnings of the words for the others: most texts have neither. */
const MAY_TELL = /\d[-+A-Z]|[A-Z] ?\d/;
const MAY_NAME = /\b(?:sin|nas|soci|assur|nhs|pesel|aadha|uidai|steuer|tax id|tin|idnr)/i;

/** National identity numbers other than the US one. */
export function nationalIds(scanned: Scanned): readonly PiiFinding[] {
  const { text, label } = scanned;
  const mayBe = MAY_TELL.test(text);
  const mayBeNamed = MAY_NAME.test(text) || MAY_NAME.test(label);
  return (mayBe || mayBeNamed ? IDENTITIES : NONE)
    .filter(({ before }) => (before === undefined ? mayBe : mayBeNamed))
    .flatMap(({ pattern, before, accepts }) =>
      matchesOf(scanned, { pattern, kind: "national_id" }, (match) => {
        const isNamed = before === undefined || before.test(leadTo(scanned, match.index));
        return isNamed && accepts(match[0]);
      }),
    );
}

function isDayMonth(text: string): boolean {
  const [day, month] = [Number(text.slice(0, 2)), Number(text.slice(2, 4))];
  return day >= 1 && day <= 31 && month >= 1 && month <= 12;
}

/** Values of the characters at odd places of a codice fiscale, `0`-`9` and `A`-`Z` (DM 23/12/1976). */
const ODD_PLACES = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];

function isFiscalCode(text: string): boolean {
  const valueOf = (character: string): number =>
    /\d/.test(character) ? Number(character) : character.charCodeAt(0) - 65;
  const sum = Array.from(text.slice(0, 15)).reduce((all, character, at) => {
    const value = valueOf(character);
    return all + (at % 2 === 0 ? (ODD_PLACES[value] ?? 0) : value);
  }, 0);
  return String.fromCharCode(65 + (sum % 26)) === text.at(-1);
}

/** ISO/IEC 7064 MOD 11,10. */
function passesMod11And10(digits: string): boolean {
  let product = 10;
  for (const digit of digits.slice(0, -1)) {
    const sum = (Number(digit) + product) % 10;
    product = ((sum === 0 ? 10 : sum) * 2) % 11;
  }
  return (11 - product) % 10 === Number(digits.at(-1));
}

const DIHEDRAL = [
  "0123456789",
  "1234067895",
  "2340178956",
  "3401289567",
  "4012395678",
  "5987604321",
  "6598710432",
  "7659821043",
  "8765932104",
  "9876543210",
];
const PERMUTED = [
  "0123456789",
  "1576283094",
  "5803796142",
  "8916043527",
  "9453126870",
  "4286573901",
  "2793806415",
  "7046913258",
];

function passesVerhoeff(digits: string): boolean {
  let check = 0;
  for (let at = 0; at < digits.length; at += 1) {
    const digit = Number(digits[digits.length - 1 - at]);
    check = Number(DIHEDRAL[check]?.[Number(PERMUTED[at % 8]?.[digit] ?? 0)] ?? 0);
  }
  return check === 0;
}
