// Holds the usage frame of a chat stream back that its caller did not ask for; every other byte passes as it came.
import { isUsageOnlyFrame, lastBoundary } from "../../core/stream/frames.ts";
import { together, type ChunkTransform } from "./chunk-transform.ts";

/** A frame longer than this is passed on as it comes. */
const MAX_FRAME_BYTES = 2 * 1024 * 1024;

/** Lets whole frames pass and keeps the part of a frame that a chunk cut off until the rest is there. */
export class FrameFilter implements ChunkTransform {
  #rest: Uint8Array | undefined;
  // A byte order mark is the caller's to see, like every other byte.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: false });

  pass(chunk: Uint8Array): Uint8Array | undefined {
    const all = together([this.#rest, chunk]) ?? chunk;
    const cut = lastBoundary(all);
    // Copied: the chunk's own buffer goes back to the next read.
    this.#rest = cut === all.byteLength ? undefined : all.slice(cut);
    if (cut === 0 && all.byteLength > MAX_FRAME_BYTES) return this.flush();
    return cut === 0 ? undefined : this.#without(all.subarray(0, cut));
  }

  flush(): Uint8Array | undefined {
    const rest = this.#rest;
    this.#rest = undefined;
    return rest === undefined ? undefined : this.#without(rest);
  }

  #without(frames: Uint8Array): Uint8Array | undefined {
    const text = this.#decoder.decode(frames);
    if (!/"usage"\s*:\s*\{/.test(text)) return frames;
    const kept = text.split(/(?<=\r?\n\r?\n)/).filter((frame) => !isUsageOnlyFrame(frame));
    return kept.length === 0 ? undefined : new TextEncoder().encode(kept.join(""));
  }
}
