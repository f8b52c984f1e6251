// Decides whether a failed attempt at a tool is made again, when, and what several attempts say together.
import type { ToolEntry } from "../config/document.ts";
import { RETRY_CAUSES, type RetryCause } from "./retry-causes.ts";
import type { HttpAnswer, ToolOutcome } from "./tool-outcome.ts";

/** How long a tool may take when its entry names no time, in milliseconds. */
const DEFAULT_TIMEOUT_MS = 30_000;
/** How long all attempts of a call may take together when its entry names no time. */
const DEFAULT_DEADLINE_MS = 60_000;
const DEFAULT_BACKOFF_MS = 200;
const DEFAULT_MAX_BACKOFF_MS = 10_000;
/** After its deadline a running call is given this long to be recorded before it counts as abandoned. */
export const ABANDON_GRACE_MS = 5_000;

/** The repeats that one call may take. Times are milliseconds. */
export interface RetryTerms {
  readonly maxAttempts: number;
  readonly backoffMs: number;
  /** The longest wait between two attempts, also where the upstream asks for a longer one. */
  readonly maxBackoffMs: number;
  readonly on: readonly RetryCause[];
  /** Whether sending the call twice has at most one effect: it reads, or the upstream honours our idempotency key. */
  readonly isRepeatable: boolean;
}

/** The times and repeats that one call of a tool may take. */
export interface CallTerms extends RetryTerms {
  /** For one attempt: connecting, headers and body. */
  readonly timeoutMs: number;
  /** For all attempts and the waits between them. */
  readonly deadlineMs: number;
}

/** The repeats of a call that may be made again whenever it failed; one attempt where nothing is said. */
export function retryTerms(entry: RetryEntry | undefined): RetryTerms {
  return { ...backoffOf(entry ?? ONCE), isRepeatable: true };
}

/** The terms of a tool; a caller's deadline shortens them and never lengthens them. */
export function callTerms(entry: ToolEntry, callersDeadlineMs: number | null = null): CallTerms {
  const { timeout_ms: timeoutMs = DEFAULT_TIMEOUT_MS, retry = ONCE } = entry;
  const { max_attempts: maxAttempts } = retry;
  const usual = maxAttempts === 1 ? timeoutMs : Math.max(timeoutMs, DEFAULT_DEADLINE_MS);
  const { deadline_ms: deadlineMs = usual } = entry;
  return {
    timeoutMs,
    deadlineMs: callersDeadlineMs === null ? deadlineMs : Math.min(deadlineMs, callersDeadlineMs),
    ...backoffOf(retry),
    isRepeatable: entry.effect === "read" || entry.idempotency?.header !== undefined,
  };
}

type RetryEntry = NonNullable<ToolEntry["retry"]>;

const ONCE: RetryEntry = { max_attempts: 1 };

function backoffOf(retry: RetryEntry): Pick<RetryTerms, "maxAttempts" | "backoffMs" | "maxBackoffMs" | "on"> {
  const { max_attempts: maxAttempts, backoff_ms: backoffMs = DEFAULT_BACKOFF_MS, on = RETRY_CAUSES } = retry;
  return { maxAttempts, backoffMs, maxBackoffMs: retry.max_backoff_ms ?? DEFAULT_MAX_BACKOFF_MS, on };
}

/** What an attempt failed of; `null` where trying again would not help. A key that is in use is one by our own earlier attempt. */
export function causeOf(answer: HttpAnswer | undefined, isRepeat: boolean): RetryCause | null {
  switch (answer?.type) {
    case "unsent":
      return "unsent";
    case "timed_out":
      return "timeout";
    case "lost":
    case "cut":
      return "connection";
    case "answered":
      return causeOfStatus(answer.status, isRepeat);
    case "blocked":
    case undefined:
      return null;
    default:
      return answer satisfies never;
  }
}

function causeOfStatus(status: number, isRepeat: boolean): RetryCause | null {
  if (status === 429) return "rate_limited";
  if (status === 503 || (status === 409 && isRepeat)) return "unavailable";
  return status >= 500 ? "server_error" : null;
}

/** An attempt that failed, and the instant at which it did. Times are epoch milliseconds. */
export interface FailedAttempt {
  /** Attempts made so far, this one included. */
  readonly made: number;
  readonly cause: RetryCause | null;
  /** How long the upstream asks to be left alone, or `null`. */
  readonly retryAfterMs: number | null;
  readonly now: number;
  readonly deadlineAt: number;
  /** From 0 up to 1: where in the backoff the next attempt falls. */
  readonly random: number;
}

/** Whether to try again, and after how long; or why not. */
export type NextAttempt =
  | { readonly again: true; readonly waitMs: number }
  | { readonly again: false; readonly why: "no_help" | "attempts" | "unsafe" | "retry_after" | "deadline" };

/**
 * Decides what follows a failed attempt: exponential backoff with full jitter, at least as long as the upstream asks.
 * A call that may not be repeated is tried again only where the upstream surely did nothing: it was never sent, or was
 * refused for coming too often. Never waits past the deadline; an upstream that asks for a longer wait than the
 * longest backoff is left alone.
 */
export function nextAttempt(terms: RetryTerms, failed: FailedAttempt): NextAttempt {
  const { cause, made, now, deadlineAt, retryAfterMs, random } = failed;
  if (cause === null || (cause !== "unsent" && !terms.on.includes(cause))) return { again: false, why: "no_help" };
  if (!terms.isRepeatable && cause !== "unsent" && cause !== "rate_limited") return { again: false, why: "unsafe" };
  if (made >= terms.maxAttempts) return { again: false, why: "attempts" };
  if (retryAfterMs !== null && retryAfterMs > terms.maxBackoffMs) return { again: false, why: "retry_after" };
  const ceiling = Math.min(terms.maxBackoffMs, terms.backoffMs * 2 ** Math.min(made - 1, 30));
  const waitMs = Math.max(Math.floor(random * ceiling), retryAfterMs ?? 0);
  return now + waitMs < deadlineAt ? { again: true, waitMs } : { again: false, why: "deadline" };
}

/**
 * What all attempts say together. Once one of them has left it open whether the effect happened, only a success settles
 * it: that a later one was refused says nothing about the first.
 */
export function together(earlier: ToolOutcome | null, last: ToolOutcome): ToolOutcome {
  if (earlier?.status !== "unknown" || last.status === "succeeded") return last;
  if (last.status === "unknown") return last;
  return { status: "unknown", message: `${earlier.message}; a further attempt did not settle it: ${last.message}` };
}
