// Draws numbers that look random and are the same for the same seed: whoever repeats a run repeats its draws.

/** A generator of 32-bit numbers: sfc32 (Doty-Humphrey, PractRand), seeded through splitmix32. */
export class Dice {
  // Kept as signed integers of 32 bits: those are computed without a place in memory for each.
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    let state = seed | 0;
    const next = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      return z ^ (z >>> 16);
    };
    [this.#a, this.#b, this.#c] = [next(), next(), next()];
    for (let turn = 0; turn < 12; turn += 1) this.#next();
  }

  /** A number in [0, 1). */
  fraction(): number {
    return ((this.#next() >>> 0) * 2 ** 21 + (this.#next() >>> 11)) / 2 ** 53;
  }

  /** A whole number from 0 to below n, which is at most 2^32. */
  below(n: number): number {
    return Math.floor(((this.#next() >>> 0) / 2 ** 32) * n);
  }

  #next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum;
  }
}
