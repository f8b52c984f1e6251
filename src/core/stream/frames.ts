// Decides where event-stream frames end and which of them carry usage alone (WHATWG HTML §9.2, OpenAI stream_options).
import { isJsonObject, type Json } from "../json/canonical.ts";

const LF = 10;
const CR = 13;

/** Offset behind the last blank line of some bytes: what stands before it is whole frames. 0 when none is whole. */
export function lastBoundary(bytes: Uint8Array): number {
  for (let at = bytes.byteLength - 1; at > 0; at -= 1) {
    if (bytes[at] !== LF && bytes[at] !== CR) continue;
    const before = bytes[at - 1];
    if (bytes[at] === LF && before === LF) return at + 1;
    if (bytes[at] === CR && before === CR) return at + 1;
    if (bytes[at] === LF && before === CR && at >= 2 && bytes[at - 2] === LF) return at + 1;
  }
  return 0;
}

/** The data of a frame: its `data:` lines joined by newlines; empty for a comment. */
export function dataOf(frame: string): string {
  return frame
    .split(/\r\n|\r|\n/)
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(5).replace(/^ /, ""))
    .join("\n");
}

/** Whether a frame is the last chunk that `stream_options.include_usage` adds: no choices, only usage. */
export function isUsageOnlyFrame(frame: string): boolean {
  try {
    const value = JSON.parse(dataOf(frame)) as Json;
    return (
      isJsonObject(value) &&
      Array.isArray(value["choices"]) &&
      value["choices"].length === 0 &&
      isJsonObject(value["usage"])
    );
  } catch {
    return false;
  }
}
