// Names what masking needs from the world: the tenants' keys, and the short-lived store of what was not masked.
import type { TraceRecord } from "../../core/trace/record.ts";

/** Keys that turn values into tokens and back. */
export interface MaskingKeys {
  /**
   * The tenant's masking keys, never none: the first makes tokens, all open them. The first call for a tenant makes
   * its key. Throws where the store does not answer, or a key cannot be unwrapped.
   */
  keysOf(tenant: string): Promise<readonly Uint8Array[]>;
}

/** A record's bodies and texts as they were, without credentials. */
export interface RawRecord {
  readonly span_id: string;
  readonly spans: TraceRecord["spans"];
  readonly payloads: TraceRecord["payloads"];
  /** Epoch milliseconds at which it is gone. */
  readonly expires_at: number;
}

/** What was not masked, encrypted under the tenant's data key, for as long as the tenant asked. */
export interface RawStore {
  /** Keeps a record until an instant; the day of it names the object, so that a day can be purged. */
  put(record: TraceRecord, expiresAt: number): Promise<void>;
  /** What is still kept of a trace; one whose time is over is not answered, whether or not it is purged. */
  read(tenant: string, traceHex: string, now: number): Promise<readonly RawRecord[]>;
  /** The days of which something of a tenant is kept: places where records of any trace may lie. */
  days(tenant: string): Promise<readonly string[]>;
  /** Deletes what is kept of a trace on these days, one request for each of them; answers how many records. */
  remove(tenant: string, traceHex: string, days: readonly string[]): Promise<number>;
  /** Deletes records of a tenant whose time is over, at most so many; answers how many. */
  purge(tenant: string, now: number, limit: number): Promise<number>;
}
