// Decides what an `Idempotency-Key` header names (draft-ietf-httpapi-idempotency-key-header; RFC 9651 strings).
import { accept, refuse, type Outcome } from "../errors.ts";
import { telltaleId } from "../guard/caller-id.ts";

const MAX_LENGTH = 255;

/**
 * Reads the header: a structured-field string (`"8e03…"`, escapes undone), or the bare token that most clients send.
 * Absent is fine and answers `undefined`. Refuses an empty key, one over 255 characters, malformed strings, and a key that tells who somebody is.
 */
export function readIdempotencyKey(header: string | undefined): Outcome<string | undefined> {
  if (header === undefined) return accept(undefined);
  const text = header.trim();
  const key = text.startsWith('"') ? unquoted(text) : /^[\x21-\x7e]+$/.test(text) ? text : undefined;
  const told = key === undefined ? undefined : telltaleId(key);
  if (key !== undefined && key.length > 0 && key.length <= MAX_LENGTH && told === undefined) return accept(key);
  const message =
    told === undefined
      ? "expected a quoted string or a token of 1 to 255 visible ASCII characters"
      : `expected a key that holds no ${told.replace(/^an? /, "")}`;
  return refuse("idempotency_key_invalid", `Idempotency-Key: ${message}`, {
    mistakes: [{ path: "Idempotency-Key", message }],
  });
}

/** The content of a structured-field string (RFC 9651 §4.2.5), or `undefined` when it is malformed. */
export function unquoted(text: string): string | undefined {
  let out = "";
  for (let at = 1; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '"') return at === text.length - 1 ? out : undefined;
    if (character === "\\") {
      at += 1;
      const escaped = text.charAt(at);
      if (escaped !== '"' && escaped !== "\\") return undefined;
      out += escaped;
      continue;
    }
    if (character < " " || character > "~") return undefined;
    out += character;
  }
  return undefined;
}
