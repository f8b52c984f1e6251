// Names what the gateway tells of its attempts at tools, and to whom.
import type { BreakerSettings } from "../../core/state/breaker.ts";

/** What one attempt says about one breaker. */
export interface BreakerSample {
  /** `tool:<name>` or `host:<host>`. */
  readonly key: string;
  readonly settings: BreakerSettings;
  readonly hasFailed: boolean;
  readonly isSlow: boolean;
  /** The call that was let through as a probe, or `null`. */
  readonly probe: string | null;
}

/** Who wants to probe which breaker, and for how long at most. */
export interface ProbeAsk {
  readonly key: string;
  readonly settings: BreakerSettings;
  readonly id: string;
  readonly holdMs: number;
}

/** Breakers, owned by the tenant's ledger: one for every tool and host, whichever isolate calls it. */
export interface Breakers {
  /** Tells what an attempt came to: failures and probes at once, the rest in batches. Never throws. */
  report(tenant: string, samples: readonly BreakerSample[]): Promise<void>;
  /**
   * Asks for leave to find out whether a half-open upstream is back: `null` where it is given, else how long to wait.
   * Never throws: without an answer, nobody probes.
   */
  probe(tenant: string, asked: ProbeAsk): Promise<{ readonly retryAfterMs: number | null }>;
  /** Gives leave back that told nothing of the upstream. Never throws: leave that stays out ends by itself. */
  abandon(tenant: string, probe: Pick<ProbeAsk, "key" | "id">): Promise<void>;
}
