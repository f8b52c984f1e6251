// Decides what never leaves in a record: every credential that took part in the call, wherever its text turns up.

/** What stands in place of a credential. */
export const SCRUBBED = "[scrubbed:credential]";

/** Shortest text that is taken for a credential: shorter ones would eat ordinary words. */
const SHORTEST = 6;
/** Credentials whose forms are remembered. */
const MAX_REMEMBERED = 1_024;

const remembered = new Map<string, readonly string[]>();

/**
 * Replaces each credential in a text, also where it stands percent-encoded, base64-encoded or JSON-escaped (once or
 * twice: a body that is itself JSON inside a record). O(text × forms); credentials under six characters are left.
 */
export function scrub(text: string, credentials: readonly string[]): string {
  let out = text;
  for (const credential of credentials) {
    for (const form of formsOf(credential)) if (out.includes(form)) out = out.replaceAll(form, SCRUBBED);
  }
  return out;
}

/** Whether a text holds a credential in any of those forms. */
export function holdsCredential(text: string, credentials: readonly string[]): boolean {
  return credentials.some((credential) => formsOf(credential).some((form) => text.includes(form)));
}

/** A JSON value with every string in it scrubbed. Its shape, its keys and its numbers stay: no credential can break it. */
export function scrubValue<T>(value: T, credentials: readonly string[]): T {
  return scrubbed(value, credentials) as T;
}

function scrubbed(value: unknown, credentials: readonly string[]): unknown {
  if (typeof value === "string") return scrub(value, credentials);
  if (Array.isArray(value)) return value.map((each) => scrubbed(each, credentials));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [scrub(key, credentials), scrubbed(each, credentials)]),
  );
}

/** The spellings of a credential that are looked for; none for one that is too short. */
export function formsOf(credential: string): readonly string[] {
  const known = remembered.get(credential);
  if (known !== undefined) return known;
  if (remembered.size >= MAX_REMEMBERED) remembered.clear();
  const forms = credential.length < SHORTEST ? [] : computeForms(credential);
  remembered.set(credential, forms);
  return forms;
}

function computeForms(credential: string): readonly string[] {
  const escaped = JSON.stringify(credential).slice(1, -1);
  const forms = [
    credential,
    escaped,
    JSON.stringify(escaped).slice(1, -1),
    encodeURIComponent(credential.toWellFormed()),
  ];
  // Without its padding, which a longer encoding would not have.
  if (/^[\x20-\x7e]*$/.test(credential)) forms.push(btoa(credential).replace(/=+$/, ""));
  return [...new Set(forms)];
}
