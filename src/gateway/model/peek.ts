// Looks at a stream until its first event shows whether it is an answer, then gives it back unread from there.
import type { Opening, Wire } from "../../core/dialect/dialect.ts";
import { together } from "./chunk-transform.ts";

/** What was seen of a stream's beginning. */
export interface Peeked {
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly opening: Opening;
  /** Whether reading failed. */
  readonly isBroken: boolean;
}

/** A beginning of more bytes than this counts as content, whatever it says. */
const MAX_PEEK_BYTES = 64 * 1024;

/** Reads until an event says something; with `untilContent`, until one holds content, so that nothing is shown before. */
export async function peek(
  body: ReadableStream<Uint8Array>,
  wire: Pick<Wire, "opening">,
  untilContent: boolean,
): Promise<Peeked> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const chunks: Uint8Array[] = [];
  let text = "";
  let size = 0;
  let opening: Opening = { type: "waiting" };
  const isOpen = (): boolean => opening.type === "waiting" || (untilContent && opening.type === "preamble");
  try {
    while (size < MAX_PEEK_BYTES && isOpen()) {
      const next = await reader.read();
      if (next.done) break;
      chunks.push(next.value);
      size += next.value.byteLength;
      text += decoder.decode(next.value, { stream: true });
      opening = wire.opening(text);
    }
  } catch {
    return { bytes: new Uint8Array(), text, opening, isBroken: true };
  } finally {
    reader.releaseLock();
  }
  return { bytes: together(chunks) ?? new Uint8Array(), text, opening, isBroken: false };
}
