// Makes one try of a call: one candidate, worded for it, on one admission; and ends the admission with what it came to.
import { refuse, type Outcome, type Refusal } from "../../core/errors.ts";
import { OVER, UNSENT, type Verdict } from "../../core/routing/failover.ts";
import type { Candidate } from "../../core/routing/plan.ts";
import type { ModelPorts } from "../ports.ts";
import type { ModelAnswer, PlannedCall } from "./admitted-call.ts";
import { answerStream } from "./answer-stream.ts";
import { answerWhole } from "./answer-whole.ts";
import { AttemptClock } from "./attempt-clock.ts";
import { makeAttempt, type Attempt, type AttemptResult, type Failure } from "./attempt.ts";
import type { Wordings } from "./exchange.ts";
import type { ProviderHealth } from "./provider-health.ts";
import type { ModelCallTally } from "./settle-model-call.ts";

/** What the attempts of one call need. */
export interface Attempts {
  readonly planned: PlannedCall;
  readonly wordings: Wordings;
  readonly health: ProviderHealth;
  /** Opens a further admission for what is still to be tried. */
  readonly admitAgain: (candidates: readonly Candidate[]) => Promise<Outcome<ModelCallTally>>;
}

/** An attempt with what it came to, and the admission that pays for it. */
export interface Made {
  readonly tally: ModelCallTally;
  readonly candidate: Candidate;
  readonly attempt: Attempt | undefined;
  readonly result: AttemptResult;
}

/** One try: who is asked, on which admission. */
export interface Try {
  readonly tally: ModelCallTally;
  readonly candidate: Candidate;
  /** Whether its failure has to stand: then nothing of its answer is held back. */
  readonly isLast: boolean;
  /** Told once it is under way. */
  readonly onStart?: (attempt: Attempt) => void;
}

/** Makes one try. */
export async function attemptOnce(
  ports: ModelPorts,
  { planned, wordings, health }: Attempts,
  { tally, candidate, isLast, onStart }: Try,
): Promise<Made> {
  const { call, config, watch } = planned;
  const isGranted = await health.mayAsk(candidate);
  if (!isGranted.ok) return { tally, candidate, attempt: undefined, result: unsent(isGranted) };
  const most = candidate.model.entry.max_output_tokens;
  const granted = most === undefined ? tally.grantedUnits : Math.min(most, tally.grantedUnits);
  const startedAt = ports.system.now();
  const worded = wordings.for(candidate, {
    maxOutput: granted === 0 ? undefined : granted,
    seed: tally.spanId,
    nowMs: startedAt,
  });
  if (!worded.ok) {
    health.abandon(candidate);
    return { tally, candidate, attempt: undefined, result: unsent(worded) };
  }
  const clock = new AttemptClock(candidate.timeouts, watch.signal);
  const attempt: Attempt = { spanId: ports.system.randomHex(8), candidate, exchange: worded.value, startedAt, clock };
  onStart?.(attempt);
  if (clock.signal.aborted) {
    health.abandon(candidate);
    return { tally, candidate, attempt: undefined, result: unsent(refuse("caller_left", "nobody waits for it"), OVER) };
  }
  tally.isSending();
  const result = await makeAttempt(ports, attempt, { call, config, mayFailOver: !isLast });
  health.tell(candidate, result, ports.system.now() - startedAt);
  return { tally, candidate, attempt, result };
}

/** Nothing was sent to this candidate: another one may still take the call. */
function unsent(refusal: Refusal, verdict = UNSENT): AttemptResult {
  const failure: Failure = {
    refusal,
    verdict,
    isUnbilled: true,
    httpStatus: undefined,
    credential: undefined,
    retryAfterMs: null,
    text: undefined,
    usage: undefined,
    stop: undefined,
  };
  return { type: "failed", failure };
}

/** What a failure means; `undefined` for an answer that stands. */
export function verdictOf(result: AttemptResult): Verdict | undefined {
  if (result.type === "stream") return undefined;
  return result.type === "failed" ? result.failure.verdict : result.verdict;
}

/** Ends an admission with what its attempt came to. */
export function deliver(planned: PlannedCall, { tally, attempt, result }: Made): ModelAnswer {
  if (result.type === "failed" || attempt === undefined) {
    const failure = result.type === "failed" ? result.failure : undefined;
    if (attempt !== undefined) tally.answeredBy(attempt, failure?.httpStatus, failure?.credential);
    return deliverFailure(tally, failure);
  }
  tally.answeredBy(attempt, result.answered.status, result.answered.credential);
  return result.type === "whole"
    ? answerWhole(planned, tally, attempt, result)
    : answerStream(planned, tally, attempt, result);
}

function deliverFailure(tally: ModelCallTally, failure: Failure | undefined): ModelAnswer {
  const refusal = failure?.refusal ?? refuse("internal", "the attempt was never made");
  const { meta } = tally;
  if (failure === undefined) tally.settleUnsent(refusal);
  else settleFailure(tally, failure);
  return { ok: false, refusal, meta };
}

/** Closes an admission with a failure: at what it says was used, at nothing where it surely cost nothing, else at its hold. */
export function settleFailure(tally: ModelCallTally, failure: Failure): void {
  const { refusal } = failure;
  if (failure.text !== undefined)
    tally.settleLearnt("failed", {
      usage: failure.usage,
      responseText: failure.text,
      contentType: "text/event-stream",
      errorType: refusal.code,
      isUnbilled: failure.isUnbilled,
    });
  else if (failure.isUnbilled) tally.settleUnsent(refusal);
  else tally.settleAtHold(failure.stop === "caller_left" ? "caller_left" : "failed", refusal);
}
