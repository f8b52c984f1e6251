// Decides what a failed attempt at a model provider means for the next: again, elsewhere, or the answer that stands.
import { kindOfStatus } from "../dialect/error-kinds.ts";
import type { ModelErrorKind } from "../dialect/reply.ts";
import type { RetryCause } from "../policy/retry-causes.ts";

/** What a failure means. */
export interface Verdict {
  /** What the same provider may be asked again for; `null` where that would not help. */
  readonly cause: RetryCause | null;
  /** Whether another provider may answer what this one did not. */
  readonly mayFailOver: boolean;
  /** Whether the provider's breaker hears of it. */
  readonly isFault: boolean;
}

const VERDICTS: Readonly<Record<ModelErrorKind, Verdict>> = {
  // The request itself is wrong, or too long for this model: whoever sent it has to know.
  invalid_request: { cause: null, mayFailOver: false, isFault: false },
  too_large: { cause: null, mayFailOver: false, isFault: false },
  // Wrong with our account at this provider.
  authentication: { cause: null, mayFailOver: true, isFault: false },
  permission: { cause: null, mayFailOver: true, isFault: false },
  not_found: { cause: null, mayFailOver: true, isFault: false },
  quota: { cause: null, mayFailOver: true, isFault: false },
  rate_limit: { cause: "rate_limited", mayFailOver: true, isFault: false },
  overloaded: { cause: "unavailable", mayFailOver: true, isFault: true },
  timeout: { cause: "timeout", mayFailOver: true, isFault: true },
  server: { cause: "server_error", mayFailOver: true, isFault: true },
};

/** What a provider's error means. */
export function verdictOfKind(kind: ModelErrorKind): Verdict {
  return VERDICTS[kind];
}

/** What a provider's status of 400 or more means. */
export function verdictOfStatus(status: number): Verdict {
  return VERDICTS[kindOfStatus(status)];
}

/** Nothing came back: the connection failed, or the stream broke before it said anything. */
export const LOST: Verdict = { cause: "connection", mayFailOver: true, isFault: true };
/** What came back was no answer. */
export const GARBLED: Verdict = { cause: "server_error", mayFailOver: true, isFault: true };
/** A time was up. */
export const TIMED_OUT: Verdict = { cause: "timeout", mayFailOver: true, isFault: true };
/** Nothing was sent to this provider, and nothing will be. */
export const UNSENT: Verdict = { cause: null, mayFailOver: true, isFault: false };
/** The call itself is over: nobody is asked again. */
export const OVER: Verdict = { cause: null, mayFailOver: false, isFault: false };

/**
 * Whether a provider that answered with this status has surely billed nothing: it refused or broke before working.
 * Time-outs are not among them; without usage they, like a stream that ended early, cost the whole hold, since tokens
 * that were made and never delivered (hidden reasoning among them) are billed all the same.
 */
export function isUnbilled(status: number): boolean {
  return status >= 400 && ![408, 499, 504].includes(status);
}
