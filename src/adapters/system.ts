// Touches the clock and the random source.
import type { System } from "../gateway/ports.ts";

/** Two hex digits of every byte. */
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** The runtime's clock and dice. */
export const runtimeSystem: System = {
  now: () => Date.now(),
  randomHex: (bytes) => {
    let out = "";
    for (const byte of crypto.getRandomValues(new Uint8Array(bytes))) out += HEX[byte] ?? "";
    return out;
  },
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};
