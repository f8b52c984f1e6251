// Remembers which session a server of the 2025 revisions has given to one caller, so that not every request begins with a handshake.

/** A session of a server, as its transport goes on with it. */
export interface KnownSession {
  readonly id: string;
  readonly protocolVersion: string;
}

interface Kept extends KnownSession {
  readonly at: number;
}

/** How long a session is gone on with, at most, in milliseconds. */
const MAX_AGE_MS = 300_000;
const MAX_SESSIONS = 500;

/** Sessions by caller and server, for one isolate; the least recently begun goes first. */
export class LegacySessions {
  readonly #kept = new Map<string, Kept>();

  find(key: string, now: number): KnownSession | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined || now - kept.at <= MAX_AGE_MS) return kept;
    this.#kept.delete(key);
    return undefined;
  }

  keep(key: string, session: KnownSession, now: number): void {
    this.#kept.delete(key);
    this.#kept.set(key, { ...session, at: now });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MAX_SESSIONS && oldest !== undefined) this.#kept.delete(oldest);
  }

  forget(key: string): void {
    this.#kept.delete(key);
  }
}
