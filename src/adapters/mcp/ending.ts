// Tells when the answer to a running request of an MCP client can no longer come.
import { UpstreamFault } from "./upstream-fetch.ts";

/** How long after the end of an answer its last event may still be on its way through the parser. */
const PARSER_GRACE_MS = 50;

/** What becomes of the answer to the request that is running. */
export class Ending {
  #reject: ((fault: UpstreamFault) => void) | undefined;
  #requests = 0;
  #broken: Promise<never> = new Promise(() => undefined);

  constructor() {
    this.begin();
  }

  /** Another request is about to run. */
  begin(): void {
    this.#broken = new Promise((_, reject) => (this.#reject = reject));
    this.#broken.catch(() => undefined);
  }

  /** Something was sent. */
  started(): void {
    this.#requests += 1;
  }

  /** An answer is over: with a fault at once, else once its last event must have come through and nothing else was sent. */
  ended(fault: UpstreamFault | null): void {
    const reject = this.#reject;
    if (fault !== null) return reject?.(fault);
    const silent = new UpstreamFault("cut", "the server ended its answer without a result");
    const requests = this.#requests;
    setTimeout(() => {
      if (requests === this.#requests) reject?.(silent);
    }, PARSER_GRACE_MS);
  }

  /** The request's own end, or the answer's. */
  race<T>(request: Promise<T>): Promise<T> {
    return Promise.race([request, this.#broken]);
  }
}
