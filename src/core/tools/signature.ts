// Decides which text a signed request signs, and how the signature stands in its header.

/** What the config says of signing. */
export interface SigningTerms {
  readonly signed: readonly ("method" | "path" | "body" | "timestamp")[];
  readonly key_id?: string | undefined;
}

/** The parts of one request that can be signed. */
export interface SignedParts {
  readonly method: string;
  /** As it is sent. */
  readonly url: string;
  readonly body: string | null;
  /** Whole seconds since the epoch. */
  readonly timestamp: number;
}

/**
 * The text that is signed: the listed parts in their order, joined by line feeds, none at the end. `method` is upper
 * case, `path` is the path with its query as sent, `body` the bytes that are sent (empty for none), `timestamp` whole
 * seconds in decimal digits.
 */
export function signedText({ signed }: SigningTerms, { method, url, body, timestamp }: SignedParts): string {
  const { pathname, search } = new URL(url);
  const parts = {
    method: method.toUpperCase(),
    path: `${pathname}${search}`,
    body: body ?? "",
    timestamp: String(timestamp),
  };
  return signed.map((part) => parts[part]).join("\n");
}

/** The header's value: the signature in lower-case hex, after `<key id>:` where there is one. */
export function signatureHeader({ key_id }: SigningTerms, mac: Uint8Array): string {
  const hex = [...mac].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return key_id === undefined ? hex : `${key_id}:${hex}`;
}
