// Decides whether a stored secret can sign webhooks: base64 of 16 to 128 bytes, with or without `whsec_` (Standard Webhooks 1.0).

const PREFIX = "whsec_";
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const BYTES = { min: 16, max: 128 };

/** The base64 text of a signing key, or `undefined` for a text that is none. */
export function signingKeyText(secret: string): string | undefined {
  const trimmed = secret.trim();
  const text = trimmed.startsWith(PREFIX) ? trimmed.slice(PREFIX.length) : trimmed;
  if (!BASE64.test(text) || text.length % 4 !== 0) return undefined;
  const bytes = (text.length / 4) * 3 - (text.length - text.replace(/=+$/, "").length);
  return bytes >= BYTES.min && bytes <= BYTES.max ? text : undefined;
}
