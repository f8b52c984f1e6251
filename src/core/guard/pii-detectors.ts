// Finds personal data in a text: every detector in turn, the first claim on a stretch of text wins.
import { ibans, paymentCards } from "./pii-accounts.ts";
import { emailAddresses, ipAddresses } from "./pii-addresses.ts";
import { nationalIds, socialSecurityNumbers } from "./pii-identity.ts";
import { phoneNumbers } from "./pii-phone.ts";
import type { Detector, PiiFinding } from "./pii-text.ts";

export type { PiiFinding, PiiKind } from "./pii-text.ts";

/** The longest text that is looked at, in characters: what an API body may hold. */
export const MAX_SCANNED = 1024 * 1024;

/** Most certain first: what one claims, the next cannot. */
const DETECTORS: readonly Detector[] = [
  emailAddresses,
  ibans,
  ipAddresses,
  paymentCards,
  socialSecurityNumbers,
  nationalIds,
  phoneNumbers,
];

/**
 * Personal data in a text, in order, without overlaps: e-mail and IP addresses, telephone numbers, payment cards, bank
 * accounts, identity numbers that carry a checksum. Linear in the text. Names, postal addresses and dates of birth are
 * not found: no pattern tells them from other words. `label` is what the text is called, such as a field's name.
 * Throws a RangeError for a text longer than `MAX_SCANNED`: whoever asks must not take silence for absence.
 */
export function findPii(text: string, label = ""): readonly PiiFinding[] {
  if (text.length > MAX_SCANNED) throw new RangeError(`a text of more than ${MAX_SCANNED} characters`);
  if (!/[@\d:]/.test(text)) return [];
  const scanned = { text, label };
  let claimed: readonly PiiFinding[] = [];
  for (const detector of DETECTORS) claimed = claim(claimed, detector(scanned));
  return claimed;
}

/** What is claimed, with what is found elsewhere; where readings overlap the earlier and then the longer one counts. */
function claim(claimed: readonly PiiFinding[], found: readonly PiiFinding[]): readonly PiiFinding[] {
  if (found.length === 0) return claimed;
  const free: PiiFinding[] = [];
  let next = 0;
  for (const finding of found.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
    while ((claimed[next]?.end ?? Infinity) <= finding.start) next += 1;
    const isFree = finding.start >= (free.at(-1)?.end ?? 0) && finding.end <= (claimed[next]?.start ?? Infinity);
    if (isFree) free.push(finding);
  }
  return [...claimed, ...free].toSorted((a, b) => a.start - b.start);
}
