// Decides what an act looks like in the audit chain: who, on what, what became of it, in ids and digests alone.
import * as z from "zod/mini";

/** Kinds of acts. */
export const AUDIT_KINDS = [
  "decision",
  "resolution",
  "approval",
  "switch",
  "release",
  "session",
  "config",
  "key",
  "secret",
  "outcome",
  "reveal",
  "erasure",
  "eval",
] as const;

/** One kind of act. */
export type AuditKind = (typeof AUDIT_KINDS)[number];

/** What an act says of itself: never free text, which stands in the record that the event's digest binds. */
export type AuditFact = string | number | boolean | readonly string[];

/**
 * One act, as it is hashed. `seq` counts from 1 within the tenant, without a gap. `at` is when it was done (epoch ms),
 * which need not rise with `seq`: records arrive in any order. `record` is the digest of the trace record that tells
 * it whole, so that whoever changes a word of that record is found as well.
 */
export interface AuditEvent {
  readonly v: 1;
  readonly tenant: string;
  readonly seq: number;
  readonly at: number;
  readonly kind: AuditKind;
  /** The key, the approver's link, or `gateway` for what no person did. */
  readonly who: string;
  /** Ids of what it was done to. */
  readonly on: Readonly<Record<string, string>>;
  readonly what: Readonly<Record<string, AuditFact>>;
  /** SHA-256 of the record, lower-case hex. */
  readonly record: string;
}

/** An act before it has its place in the chain. */
export type AuditAct = Omit<AuditEvent, "seq">;

const Fact = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]);

/** The shape of a stored event; what it does not know is refused, for it would be hashed unread. */
export const AuditEventShape = z.strictObject({
  v: z.literal(1),
  tenant: z.string(),
  seq: z.int().check(z.gte(1)),
  at: z.int(),
  kind: z.enum(AUDIT_KINDS),
  who: z.string(),
  on: z.record(z.string(), z.string()),
  what: z.record(z.string(), Fact),
  record: z.string(),
});
