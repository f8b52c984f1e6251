// Names what going on from a response needs from the world.
import type { JsonObject } from "../../core/json/canonical.ts";

/** Whose a response is. Nobody else finds it. */
export interface ResponseOwner {
  readonly tenant: string;
  readonly actor: string;
  readonly session: string;
  /** Whether the caller named the session; otherwise it finds what was answered in sessions that nobody named. */
  readonly isNamed: boolean;
}

/** A response that others go on from. */
export interface KeptResponse {
  /** The session it was answered in. */
  readonly session: string;
  /** As its caller was shown it. */
  readonly response: JsonObject;
  /** The whole input that it answered, with everything it went on from. */
  readonly input: readonly JsonObject[];
  /** Why there is nothing to go on from although it was to be kept. */
  readonly lost?: "too_long" | undefined;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/** Responses by their ids, encrypted under their tenant's key. */
export interface ResponseStates {
  /** Keeps a response, and each item of its output by its own id. */
  keep(owner: ResponseOwner, id: string, kept: KeptResponse): Promise<void>;
  /** What is kept and not over. */
  find(owner: ResponseOwner, id: string, now: number): Promise<KeptResponse | undefined>;
  /** One item of a response's output. */
  item(owner: ResponseOwner, id: string, now: number): Promise<JsonObject | undefined>;
  /** Whether there was one. */
  remove(owner: ResponseOwner, id: string, now: number): Promise<boolean>;
  /** Deletes everything of a session, or of a tenant where it is `null`; answers how many responses. */
  forget(tenant: string, session: string | null): Promise<number>;
  /** Deletes what is over of a tenant, at most so many responses; answers how many. */
  purge(tenant: string, now: number, limit: number): Promise<number>;
}
