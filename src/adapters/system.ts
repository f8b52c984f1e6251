// Touches the clock and the random source.
import type { System } from "../gateway/ports.ts";

/** The runtime's clock and dice. */
export const runtimeSystem: System = {
  now: () => Date.now(),
  randomHex: (bytes) => {
    let out = "";
    for (const byte of crypto.getRandomValues(new Uint8Array(bytes))) out += byte.toString(16).padStart(2, "0");
    return out;
  },
};
