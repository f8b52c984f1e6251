// Decides whether a call's arguments hold personal data in free text, and where.
import { isJsonObject, type Json, type JsonObject } from "../json/canonical.ts";
import { isPublicAddress } from "./pii-addresses.ts";
import { findPii, MAX_SCANNED } from "./pii-detectors.ts";

/** Words of an argument's name that say what stands in it. */
const TELLING =
  /phone|mobile|telephone|\btel\b|\bcell|\bfax\b|whatsapp|\bssn\b|social security|social insurance|\bsin\b|\bnhs\b|pesel|aadhaar|tax id|\bcard|\bpan\b|iban/i;

/** A value, and where it stands: the way up is kept as links, so that depth costs nothing until something is found. */
interface Place {
  readonly parent: Place | undefined;
  readonly key: string;
  /** The nearest argument name: that of the list for an item. */
  readonly name: string;
  readonly value: Json;
}

/**
 * The first place where the arguments hold personal data in free text, and of what kind; `undefined` where none is
 * found. Every text counts, however deep, names among them, and every whole number that is long enough to be a card or
 * whose name says what it is; an argument's name counts as the words before its value. Addresses inside a network are nobody's. A text too long to be looked at counts as
 * `unread`: what cannot be looked at is not taken for clean.
 */
export function holdsPii(args: JsonObject): { readonly path: string; readonly kind: string } | undefined {
  const places = membersOf(undefined, args);
  for (let place = places.pop(); place !== undefined; place = places.pop()) {
    const { value, name, key } = place;
    // Names are texts too: `{"jane@example.com": true}` writes an address.
    const inKey = MAY_TELL.test(key) ? kindIn(key, "") : undefined;
    if (inKey !== undefined) return { path: pathOf(place), kind: inKey };
    if (typeof value === "string" || typeof value === "number") {
      const kind = kindIn(value, name);
      if (kind !== undefined) return { path: pathOf(place), kind };
    } else if (isJsonObject(value)) {
      for (const member of membersOf(place, value)) places.push(member);
    } else if (Array.isArray(value)) {
      const items: readonly Json[] = value;
      for (let at = items.length - 1; at >= 0; at -= 1)
        places.push({ parent: place, key: String(at), name, value: items[at] ?? null });
    }
  }
  return undefined;
}

/** The members of an object, last first: they are taken from the end. */
function membersOf(parent: Place | undefined, value: JsonObject): Place[] {
  return Object.entries(value)
    .toReversed()
    .map(([key, member]) => ({ parent, key, name: key, value: member }));
}

function pathOf(place: Place): string {
  const keys: string[] = [];
  for (let at: Place | undefined = place; at !== undefined; at = at.parent) keys.push(at.key);
  return keys.toReversed().join(".");
}

/** Whole numbers shorter than this are amounts, counts and ids, unless their name says what they are. */
const CARD_AT_LEAST = 1e13;
const NUMBER_AT_LEAST = 1e6;

/** The least whole number that is looked at under a name. */
export function leastTelling(name: string): number {
  return labelOf(name) === "" ? CARD_AT_LEAST : NUMBER_AT_LEAST;
}

/** A token that stands for personal data. */
const MASKED_PII =
  /\[(email_address|phone_number|payment_card|iban|us_ssn|ip_address|national_id):[A-Za-z0-9_-]{22,}\]/;

/** What a name must have to hold any of it; most have not. */
const MAY_TELL = /@|\d{6}|\d[ .-]\d|\[\w+:/;

function kindIn(value: string | number, name: string): string | undefined {
  if (typeof value === "number" && !(Number.isInteger(value) && value >= leastTelling(name))) return undefined;
  const text = String(value);
  if (text.length > MAX_SCANNED) return "unread";
  // A recorded call is decided on again as it was masked: a token says what stood there.
  const masked = MASKED_PII.exec(text)?.[1];
  if (masked !== undefined) return masked;
  return findPii(text, labelOf(name)).find(
    ({ kind, start, end }) => kind !== "ip_address" || isPublicAddress(text.slice(start, end)),
  )?.kind;
}

/** An argument's name as words, where it says what the value is. */
export function labelOf(name: string): string {
  const words = name.replaceAll(/[_\-.]+/g, " ").replaceAll(/([a-z])([A-Z])/g, "$1 $2");
  return TELLING.test(words) ? words : "";
}
