// Decides what never enters a record: every credential that took part in the call, wherever its text turns up.

/** What stands in place of a credential. */
export const SCRUBBED = "[scrubbed:credential]";

/** Shortest text that is taken for a credential: shorter ones would eat ordinary words. */
const SHORTEST = 6;

/**
 * Replaces each credential in a text, also where it stands percent-encoded, base64-encoded or JSON-escaped.
 * O(text × credentials); credentials shorter than six characters are not looked for.
 */
export function scrub(text: string, credentials: readonly string[]): string {
  let out = text;
  for (const credential of credentials) {
    if (credential.length < SHORTEST) continue;
    for (const form of formsOf(credential)) out = out.replaceAll(form, SCRUBBED);
  }
  return out;
}

function formsOf(credential: string): ReadonlySet<string> {
  const escaped = JSON.stringify(credential).slice(1, -1);
  const forms = [credential, escaped, encodeURIComponent(credential)];
  if (/^[\x20-\x7e]*$/.test(credential)) forms.push(btoa(credential), btoa(credential).replace(/=+$/, ""));
  return new Set(forms);
}
