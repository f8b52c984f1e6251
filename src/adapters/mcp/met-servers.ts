// Remembers of MCP servers what spares round trips: which revision they speak, and the sessions that they gave to callers.
import type { PriorDiscovery } from "@modelcontextprotocol/client";

/** A session of a server of the 2025 revisions, as its transport goes on with it. */
export interface KnownSession {
  readonly id: string;
  readonly protocolVersion: string;
  /** The log level that its caller has set there. */
  readonly logLevel: string | undefined;
}

/** How long anything is remembered, in milliseconds: a server that was upgraded is found out by then. */
const MAX_AGE_MS = 300_000;
const MAX_ENTRIES = 500;

interface Kept<T> {
  readonly value: T;
  readonly at: number;
}

/** One isolate's memory of servers, by keys in which tenants and callers are apart. The oldest is forgotten first. */
export class MetServers {
  readonly #verdicts = new Map<string, Kept<PriorDiscovery>>();
  readonly #sessions = new Map<string, Kept<KnownSession>>();

  verdict(place: string, now: number): PriorDiscovery | undefined {
    return find(this.#verdicts, place, now);
  }

  keepVerdict(place: string, prior: PriorDiscovery, now: number): void {
    keep(this.#verdicts, place, { value: prior, at: now });
  }

  forgetVerdict(place: string): void {
    this.#verdicts.delete(place);
  }

  session(key: string, now: number): KnownSession | undefined {
    return find(this.#sessions, key, now);
  }

  keepSession(key: string, session: KnownSession, now: number): void {
    keep(this.#sessions, key, { value: session, at: now });
  }

  forgetSession(key: string): void {
    this.#sessions.delete(key);
  }
}

function find<T>(kept: ReadonlyMap<string, Kept<T>>, key: string, now: number): T | undefined {
  const found = kept.get(key);
  return found === undefined || now - found.at > MAX_AGE_MS ? undefined : found.value;
}

function keep<T>(kept: Map<string, Kept<T>>, key: string, entry: Kept<T>): void {
  kept.delete(key);
  kept.set(key, entry);
  const [oldest] = kept.keys();
  if (kept.size > MAX_ENTRIES && oldest !== undefined) kept.delete(oldest);
}
