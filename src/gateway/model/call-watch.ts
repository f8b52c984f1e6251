// Watches a running call: a caller that leaves, a kill switch that is set, or a switch owner that does not answer, ends it.
import { haltOf } from "../../core/policy/switches.ts";
import type { CallContext } from "../../core/call.ts";
import type { ModelPorts } from "../ports.ts";

/** How often a running call looks at the kill switches. */
const LOOK_EVERY_MS = 500;
/** A running call goes on without an answer from the switches' owner for this many looks. */
const MAX_BLIND_LOOKS = 3;

/** The watch over one call, whatever attempts it makes. */
export class CallWatch {
  readonly #ports: ModelPorts;
  readonly #context: CallContext;
  readonly #callerSignal: AbortSignal;
  readonly #abort = new AbortController();
  #timer: ReturnType<typeof setInterval> | null = null;
  #failures = 0;

  constructor(ports: ModelPorts, context: CallContext, callerSignal: AbortSignal) {
    this.#ports = ports;
    this.#context = context;
    this.#callerSignal = callerSignal;
  }

  /** Aborted with `caller_left` or `halted`. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Begins to watch. */
  start(): void {
    if (this.#callerSignal.aborted) this.#leave();
    else this.#callerSignal.addEventListener("abort", this.#leave, { once: true });
    this.#timer = setInterval(() => void this.#look(), LOOK_EVERY_MS);
  }

  /** The call is over. */
  over(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#callerSignal.removeEventListener("abort", this.#leave);
  }

  /** Whether a switch halts the call at this instant. */
  async isHaltedNow(): Promise<boolean> {
    const { principal, actor, release, session } = this.#context;
    const { switches } = await this.#ports.controls.current(principal.tenant);
    return haltOf(switches, { actor, release, session, tool: null }, this.#ports.system.now()) !== undefined;
  }

  readonly #leave = (): void => this.#abort.abort("caller_left");

  async #look(): Promise<void> {
    try {
      if (await this.isHaltedNow()) this.#abort.abort("halted");
      this.#failures = 0;
    } catch {
      this.#failures += 1;
      if (this.#failures >= MAX_BLIND_LOOKS) this.#abort.abort("halted");
    }
  }
}
