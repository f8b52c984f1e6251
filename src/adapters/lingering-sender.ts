// Decides when what an isolate has gathered is sent: a moment after the first of it, in work deferred behind one answer.
import type { Defer, System } from "../gateway/ports.ts";

/** A sender that has not sent for this long is taken for lost. */
const LOST_MS = 5_000;

/** Sends what has been gathered, once per linger, whichever request happens to be first. */
export class LingeringSender {
  readonly #system: System;
  readonly #lingerMs: number;
  readonly #send: () => Promise<void>;
  #since: number | undefined;

  constructor(system: System, lingerMs: number, send: () => Promise<void>) {
    this.#system = system;
    this.#lingerMs = lingerMs;
    this.#send = send;
  }

  /** Makes sure that something sends soon. A sender whose request the runtime ended never reports back: another takes over. */
  wake(defer: Defer): void {
    const now = this.#system.now();
    if (this.#since !== undefined && now - this.#since < LOST_MS) return;
    this.#since = now;
    defer(this.#sendSoon());
  }

  async #sendSoon(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, this.#lingerMs));
    this.#since = undefined;
    await this.#send();
  }
}
