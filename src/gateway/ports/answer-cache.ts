// Names what keeping answers for exact repeats needs from the world.
import type { Dialect } from "../../core/dialect/names.ts";

/** An answer that is given again, as its provider gave it. */
export interface KeptAnswer {
  readonly dialect: Dialect;
  /** The config's name of the model that gave it. */
  readonly model: string;
  readonly contentType: string;
  readonly isStream: boolean;
  readonly text: string;
  /** Epoch milliseconds. */
  readonly keptAt: number;
  readonly expiresAt: number;
}

/** Answers by the digest of everything they rest on. */
export interface AnswerCache {
  /** What is kept and not over; `undefined` also where the store does not answer. Never throws. */
  find(tenant: string, digest: string, now: number): Promise<KeptAnswer | undefined>;
  /** Keeps an answer, encrypted under the tenant's key. Never throws: what is not kept is asked for again. */
  keep(tenant: string, digest: string, answer: KeptAnswer): Promise<void>;
}
