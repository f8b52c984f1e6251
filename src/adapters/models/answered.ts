// Decides what of a provider's HTTP response the gateway gets: status, headers, and a body that is read once, within a bound.
import type { ModelResponse } from "../../gateway/ports/models.ts";

/** Answers larger than this are a fault of the provider: nothing whole is larger than a context window. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

/** A response as the gateway reads it, with the credential that must not be seen in it. */
export function answered(response: Response, credential: string | undefined): ModelResponse {
  return {
    type: "answered",
    status: response.status,
    headers: response.headers,
    body: response.body,
    bytes: () => boundedBytes(response),
    credential,
  };
}

/** What a request that threw came to. */
export function unanswered(error: unknown, signal: AbortSignal): ModelResponse {
  if (signal.aborted) return { type: "aborted" };
  return {
    type: "unreachable",
    message:
      error instanceof Error ? "the model provider's connection failed" : "the model provider could not be reached",
  };
}

/** The whole body, read natively when its length is known, chunk by chunk when only reading tells; throws past the bound. */
async function boundedBytes(response: Response): Promise<ArrayBuffer> {
  const declared = response.headers.get("content-length");
  const isPlain = response.headers.get("content-encoding") === null;
  if (declared !== null && isPlain && Number(declared) <= MAX_ANSWER_BYTES) return response.arrayBuffer();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_ANSWER_BYTES) throw new RangeError("the answer is larger than 32 MiB");
    chunks.push(chunk);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole.buffer;
}
