// Decides what an erasure is: whose records it takes away, which records are theirs, how far it is, and what its receipt says.
import * as z from "zod/mini";
import { sha256Hex } from "../json/digest.ts";
import type { IndexRow } from "./record.ts";

/** Whose records are erased: all of a tenant's, a session's, or those of one end user. */
export const ERASURE_SCOPES = ["tenant", "session", "user"] as const;

/** One scope. */
export type ErasureScope = (typeof ERASURE_SCOPES)[number];

/** Whose records are erased. `subject`: the session's id, or the user as records have them; `null` for a tenant. */
export interface ErasureSubject {
  readonly scope: ErasureScope;
  readonly subject: string | null;
}

/** What an erasure removes, each counted in its receipt. */
export const ERASED_KINDS = [
  "index_rows",
  "segment_lines",
  "segments",
  "payloads",
  "raw_records",
  "responses",
  "dead_letters",
  "outcomes",
  "admissions",
  "tool_calls",
  "approvals",
  "sessions",
  "eval_cases",
] as const;

/** One of them. */
export type ErasedKind = (typeof ERASED_KINDS)[number];

/** How many of each kind were removed. */
export type ErasedCounts = Readonly<Partial<Record<ErasedKind, number>>>;

const LeftOver = z.object({
  kind: z.enum(["tool_call", "session"]),
  id: z.string(),
  why: z.string(),
  /** When nothing will stand against it any more, in epoch milliseconds, where that is known. */
  until: z.optional(z.number()),
});

/** Something that was left where it is, and why. */
export type LeftOver = z.infer<typeof LeftOver>;

const Receipt = z.object({
  counts: z.partialRecord(z.enum(ERASED_KINDS), z.number()),
  left: z.array(LeftOver),
});

/** What was removed so far, and what had to stay. */
export type ErasureReceipt = z.infer<typeof Receipt>;

const Progress = z.object({
  /** The first pass removes what is stored; the second what was still on its way. */
  pass: z.union([z.literal(1), z.literal(2)]),
  phase: z.enum(["rows", "lists", "segments", "letters", "evals", "compact"]),
  /** Not before this instant, in epoch milliseconds. */
  not_before: z.number(),
  /** Traces that are wholly the subject's, and its tool calls: what is stored of them is the subject's too. */
  traces: z.array(z.string()),
  calls: z.array(z.string()),
  /** The first day (yyyy-mm-dd) whose segments are looked through; all of them where it is `null`. */
  from_day: z.nullable(z.string()),
  day: z.nullable(z.string()),
  cursor: z.nullable(z.string()),
});

/** Where the work of an erasure goes on. */
export type ErasureProgress = z.infer<typeof Progress>;

/** Where an erasure stands: asked for, at work, waiting for its second pass, done. */
export const ERASURE_STATUSES = ["requested", "running", "waiting", "done"] as const;
/** Where an erasure stands. */
export type ErasureStatus = (typeof ERASURE_STATUSES)[number];

/** One erasure. Times are epoch milliseconds. */
export interface Erasure extends ErasureSubject {
  readonly tenant: string;
  readonly id: string;
  readonly reason: string | null;
  readonly status: ErasureStatus;
  /** Everything that began before this instant is erased. */
  readonly requestedAt: number;
  /** The id of the key. */
  readonly requestedBy: string;
  readonly finishedAt: number | null;
  readonly progress: ErasureProgress;
  readonly receipt: ErasureReceipt;
}

/** How long after the first pass what was still on its way is looked for. */
export const SECOND_PASS_MS = 60 * 60_000;

/** What has to stay until an instant is waited for with the second pass, but no longer than this. */
const LONGEST_WAIT_MS = 26 * 60 * 60_000;

/** When the second pass begins: an hour after the first, or once what had to stay for a known time need not. */
export function secondPassAt({ left }: ErasureReceipt, now: number): number {
  const latest = Math.max(0, ...left.flatMap(({ until }) => until ?? []));
  return Math.max(now + SECOND_PASS_MS, Math.min(latest, now + LONGEST_WAIT_MS));
}

/** Traces and calls that are remembered between a look at the index and one at the segments. */
export const MAX_KNOWN = 1_000;
/** Left-overs that a receipt names. */
const MAX_LEFT = 200;

/** The progress of an erasure that has not begun. */
export const NOT_BEGUN: ErasureProgress = {
  pass: 1,
  phase: "rows",
  not_before: 0,
  traces: [],
  calls: [],
  from_day: null,
  day: null,
  cursor: null,
};

/** The receipt of an erasure that has removed nothing. */
export const NOTHING_ERASED: ErasureReceipt = { counts: {}, left: [] };

/** Stored progress and receipt. Throws for what is none. */
export function readErasure(
  progress: string,
  receipt: string,
): { readonly progress: ErasureProgress; readonly receipt: ErasureReceipt } {
  return { progress: Progress.parse(JSON.parse(progress)), receipt: Receipt.parse(JSON.parse(receipt)) };
}

/** A receipt with more removed, and with what had to stay; each left-over is named once, with the latest reason. */
export function addTo(
  { counts, left }: ErasureReceipt,
  more: ErasedCounts,
  stays: readonly LeftOver[] = [],
): ErasureReceipt {
  const summed = ERASED_KINDS.flatMap((kind) => {
    const sum = (counts[kind] ?? 0) + (more[kind] ?? 0);
    return sum === 0 ? [] : [[kind, sum] as const];
  });
  const byName = new Map([...left, ...stays].map((each) => [`${each.kind}/${each.id}`, each]));
  return { counts: Object.fromEntries(summed), left: [...byName.values()].slice(-MAX_LEFT) };
}

/** What is the subject's beside what names it. */
export interface KnownOfSubject {
  readonly traces: ReadonlySet<string>;
  readonly calls: ReadonlySet<string>;
}

type Named = Pick<IndexRow, "kind" | "session_id" | "user" | "trace_hex" | "call_id" | "started_at">;

/** Whether a record names the subject itself. Records of erasures are nobody's: they are the proof that it was done. */
export function namesSubject({ scope, subject }: ErasureSubject, row: Named): boolean {
  if (row.kind === "erasure") return false;
  if (scope === "tenant") return true;
  return scope === "session" ? row.session_id === subject : row.user === subject;
}

/** Whether a record names another subject of the same scope. */
export function namesAnother({ scope, subject }: ErasureSubject, row: Named): boolean {
  if (scope === "tenant") return false;
  if (scope === "session") return row.session_id !== "*" && row.session_id !== subject;
  return row.user !== null && row.user !== subject;
}

/**
 * Whether a record is the subject's: it names the subject, or it names nobody and belongs to a trace that is wholly the
 * subject's or to one of its tool calls (an approval, an outcome, an agent's own span).
 */
export function isOfSubject(subject: ErasureSubject, row: Named, known: KnownOfSubject): boolean {
  if (namesSubject(subject, row)) return true;
  if (row.kind === "erasure" || namesAnother(subject, row)) return false;
  return known.traces.has(row.trace_hex) || (row.call_id !== null && known.calls.has(row.call_id));
}

/** What stands in a finished erasure for whom it was about: enough to recognise them, not to name them. */
export function digestOfSubject(tenant: string, { scope, subject }: ErasureSubject): string | null {
  return subject === null ? null : `digest:${sha256Hex(`${tenant}\n${scope}\n${subject}`).slice(0, 32)}`;
}
