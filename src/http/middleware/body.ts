// Reads request bodies: bounded, valid UTF-8, and JSON without lost digits.
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import type { Json } from "../../core/json/canonical.ts";
import { parseExactJson, TOO_DEEP } from "../../core/json/exact.ts";
import type { HttpContext } from "../context.ts";

/** The largest body of a model call: 16 MiB. */
export const MAX_MODEL_BODY = 16 * 1024 * 1024;
/** The largest body of an API call: 1 MiB. */
export const MAX_API_BODY = 1024 * 1024;

/** A body's text and its size in bytes. */
export interface BodyText {
  readonly text: string;
  readonly bytes: number;
}

/** The body as text; refuses `body_too_large` before reading on, `invalid_request` for bytes that are not UTF-8. */
export async function readBodyText(c: HttpContext, maxBytes: number): Promise<Outcome<BodyText>> {
  const declared = Number(c.req.header("content-length") ?? Number.NaN);
  if (declared > maxBytes) return tooLarge(maxBytes);
  const bytes = Number.isNaN(declared)
    ? await readBounded(c.req.raw.body, maxBytes)
    : new Uint8Array(await c.req.raw.arrayBuffer());
  if (bytes === undefined || bytes.byteLength > maxBytes) return tooLarge(maxBytes);
  try {
    return accept({
      text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
      bytes: bytes.byteLength,
    });
  } catch {
    return refuse("invalid_request", "the body is not valid UTF-8");
  }
}

/** The body as bytes, gzip undone where the header says so; as sent and inflated it is at most `maxBytes`. */
export async function readBodyBytes(c: HttpContext, maxBytes: number): Promise<Outcome<Uint8Array>> {
  const encoding = c.req.header("content-encoding")?.trim().toLowerCase() ?? "identity";
  if (encoding !== "gzip" && encoding !== "identity")
    return refuse("invalid_request", "content-encoding: expected gzip, or none");
  if (Number(c.req.header("content-length") ?? 0) > maxBytes) return tooLarge(maxBytes);
  const sent = await readBounded(c.req.raw.body, maxBytes);
  if (sent === undefined) return tooLarge(maxBytes);
  if (encoding === "identity") return accept(sent);
  try {
    const inflated = await readBounded(
      new Blob([sent]).stream().pipeThrough(new DecompressionStream("gzip")),
      maxBytes,
    );
    return inflated === undefined ? tooLarge(maxBytes) : accept(inflated);
  } catch {
    return refuse("invalid_request", "the body is not valid gzip");
  }
}

/** The body as JSON whose every number is exact. */
export async function readBodyJson(c: HttpContext): Promise<Outcome<Json>> {
  const body = await readBodyText(c, MAX_API_BODY);
  if (!body.ok) return body;
  const parsed = parseExactJson(body.value.text);
  if (parsed.ok) return accept(parsed.value);
  if (parsed.reason === "too_deep") return refuse("invalid_request", TOO_DEEP);
  if (parsed.reason === "syntax") return refuse("invalid_request", "the body is not valid JSON");
  if (parsed.reason === "lone_surrogate") {
    return refuse("invalid_request", `the text at "${parsed.path}" holds a lone surrogate`, {
      mistakes: [{ path: parsed.path, message: "expected well-formed Unicode" }],
    });
  }
  const detail = `the number ${parsed.source} at "${parsed.path}" cannot be held exactly; send it as a string`;
  return refuse("invalid_request", detail, {
    mistakes: [{ path: parsed.path, message: "expected a number that a double holds exactly" }],
  });
}

function tooLarge(maxBytes: number): Outcome<never> {
  return refuse("body_too_large", `the body is larger than ${maxBytes} bytes`);
}

async function readBounded(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = body.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    size += next.value.byteLength;
    if (size > maxBytes) {
      await reader.cancel();
      return undefined;
    }
    chunks.push(next.value);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
