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
  const claimed: PiiFinding[] = [];
  for (const detector of DETECTORS) claim(claimed, detector(scanned));
  return claimed;
}

/** Adds what overlaps nothing claimed so far; both lists are merged in order, so that this stays linear. */
function claim(claimed: PiiFinding[], found: readonly PiiFinding[]): void {
  const all = [
    ...claimed.map((finding) => ({ finding, isClaimed: true })),
    ...found.map((finding) => ({ finding, isClaimed: false })),
  ].toSorted((a, b) => a.finding.start - b.finding.start || Number(b.isClaimed) - Number(a.isClaimed));
  const kept: PiiFinding[] = [];
  for (const [at, { finding, isClaimed }] of all.entries()) {
    const next = all.slice(at + 1, at + 9).find((each) => each.isClaimed);
    const isFree =
      finding.start >= (kept.at(-1)?.end ?? 0) && (next === undefined || finding.end <= next.finding.start);
    if (isClaimed || isFree) kept.push(finding);
  }
  claimed.splice(0, claimed.length, ...kept);
}
