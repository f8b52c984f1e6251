// Makes a call's attempts, one provider after another, until one of them begins to answer; what was charged for nothing is told.
import { refuse, type Outcome, type Refusal } from "../../core/errors.ts";
import { nextAttempt } from "../../core/policy/retry.ts";
import { isUnbilled, UNSENT, type Verdict } from "../../core/routing/failover.ts";
import type { Candidate } from "../../core/routing/plan.ts";
import type { Ports } from "../ports.ts";
import type { ModelAnswer, PlannedCall } from "./admitted-call.ts";
import { answerStream } from "./answer-stream.ts";
import { answerWhole } from "./answer-whole.ts";
import { AttemptClock } from "./attempt-clock.ts";
import { makeAttempt, retryAfterOf, type Attempt, type AttemptResult, type Failure } from "./attempt.ts";
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

/** An attempt with what it came to. */
interface Made {
  readonly attempt: Attempt | undefined;
  readonly result: AttemptResult;
}

/**
 * Tries candidates in order, each as often as the route says, until one answers. The last failure is the answer where
 * none does. After an attempt that may have been billed the next one has an admission of its own.
 */
export async function tryCandidates(
  ports: Ports,
  attempts: Attempts,
  { tally: first, candidates }: { readonly tally: ModelCallTally; readonly candidates: readonly Candidate[] },
): Promise<ModelAnswer> {
  const { planned } = attempts;
  const deadlineAt = first.startedAt + (candidates[0]?.timeouts.totalMs ?? 0);
  let tally = first;
  let left = candidates;
  for (let made = 1; ; made += 1) {
    const [candidate] = left;
    const halted = await haltedRefusal(planned);
    if (halted !== undefined || candidate === undefined) {
      const refusal = halted ?? refuse("internal", "no candidate was left to try");
      tally.settleUnsent(refusal);
      return { ok: false, refusal, meta: tally.meta };
    }
    const isLast = left.length === 1 && planned.plan.retry.maxAttempts <= made;
    const one = await attemptOnce(ports, attempts, { tally, candidate, isLast });
    const next = nextTry(ports, planned, one, { made, left, deadlineAt });
    if (next === undefined) return deliver(planned, tally, one);
    const followed = await passOn(attempts, { tally, one, remaining: next.left });
    if (!followed.ok) return { ok: false, refusal: followed, meta: tally.meta };
    tally = followed.value;
    if (next.left.length < left.length) made = 0;
    left = next.left;
    await ports.system.wait(next.waitMs);
  }
}

async function haltedRefusal({ watch }: PlannedCall): Promise<Refusal | undefined> {
  return (await watch.isHaltedNow()) ? refuse("halted", "a person has stopped these calls") : undefined;
}

/** Who is tried next, and after how long; `undefined` where what the last attempt came to has to stand. */
function nextTry(
  ports: Ports,
  { plan }: PlannedCall,
  { result }: Made,
  {
    made,
    left,
    deadlineAt,
  }: { readonly made: number; readonly left: readonly Candidate[]; readonly deadlineAt: number },
): { readonly left: readonly Candidate[]; readonly waitMs: number } | undefined {
  const verdict = verdictOf(result);
  if (verdict === undefined) return undefined;
  const now = ports.system.now();
  const again = nextAttempt(plan.retry, {
    made,
    cause: verdict.cause,
    retryAfterMs: retryAfter(result),
    now,
    deadlineAt,
    random: Number.parseInt(ports.system.randomHex(4), 16) / 2 ** 32,
  });
  if (again.again) return { left, waitMs: again.waitMs };
  return verdict.mayFailOver && left.length > 1 && now < deadlineAt ? { left: left.slice(1), waitMs: 0 } : undefined;
}

async function attemptOnce(
  ports: Ports,
  { planned, wordings, health }: Attempts,
  {
    tally,
    candidate,
    isLast,
  }: { readonly tally: ModelCallTally; readonly candidate: Candidate; readonly isLast: boolean },
): Promise<Made> {
  const { call, config, watch } = planned;
  const isGranted = await health.mayAsk(candidate);
  if (!isGranted.ok) return { attempt: undefined, result: unsent(isGranted) };
  const most = candidate.model.entry.max_output_tokens;
  const granted = most === undefined ? tally.grantedUnits : Math.min(most, tally.grantedUnits);
  const startedAt = ports.system.now();
  const worded = wordings.for(candidate, {
    maxOutput: granted === 0 ? undefined : granted,
    seed: tally.spanId,
    nowMs: startedAt,
  });
  if (!worded.ok) return { attempt: undefined, result: unsent(worded) };
  const clock = new AttemptClock(candidate.timeouts, watch.signal);
  const attempt: Attempt = { spanId: ports.system.randomHex(8), candidate, exchange: worded.value, startedAt, clock };
  const result = await makeAttempt(ports, attempt, { call, config, mayFailOver: !isLast });
  health.tell(candidate, result, ports.system.now() - startedAt);
  return { attempt, result };
}

/** Nothing was sent to this candidate: another one may still take the call. */
function unsent(refusal: Refusal): AttemptResult {
  const failure: Failure = {
    refusal,
    verdict: UNSENT,
    isUnbilled: true,
    httpStatus: undefined,
    credential: undefined,
    retryAfterMs: null,
    text: undefined,
    stop: undefined,
  };
  return { type: "failed", failure };
}

/** What a failure means; `undefined` for an answer that stands. */
function verdictOf(result: AttemptResult): Verdict | undefined {
  if (result.type === "stream") return undefined;
  return result.type === "failed" ? result.failure.verdict : result.verdict;
}

function retryAfter(result: AttemptResult): number | null {
  if (result.type === "failed") return result.failure.retryAfterMs;
  return result.type === "whole" ? retryAfterOf(result.answered.status, result.answered.headers) : null;
}

/** Notes a failure that another attempt follows; one that may have been billed is closed at its hold, and a further admission opened. */
async function passOn(
  { admitAgain }: Attempts,
  {
    tally,
    one,
    remaining,
  }: { readonly tally: ModelCallTally; readonly one: Made; readonly remaining: readonly Candidate[] },
): Promise<Outcome<ModelCallTally>> {
  const failure = failureOf(one.result);
  if (one.attempt === undefined) return { ok: true, value: tally };
  if (failure.isUnbilled) {
    tally.failed(one.attempt, failure);
    return { ok: true, value: tally };
  }
  tally.answeredBy(one.attempt, failure.httpStatus, failure.credential);
  tally.settleAtHold("failed", failure.refusal);
  return admitAgain(remaining);
}

function failureOf(result: AttemptResult): Pick<Failure, "refusal" | "isUnbilled" | "httpStatus" | "credential"> {
  if (result.type === "failed") return result.failure;
  const { answered } = result;
  return {
    refusal: refuse("upstream_failed", `the model provider answered ${answered.status}`),
    isUnbilled: isUnbilled(answered.status),
    httpStatus: answered.status,
    credential: answered.credential,
  };
}

/** Ends the call with what an attempt came to. */
function deliver(planned: PlannedCall, tally: ModelCallTally, { attempt, result }: Made): ModelAnswer {
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
  else if (failure.text !== undefined)
    tally.settleLearnt("failed", {
      usage: undefined,
      responseText: failure.text,
      contentType: "text/event-stream",
      errorType: refusal.code,
      isUnbilled: failure.isUnbilled,
    });
  else if (failure.isUnbilled) tally.settleUnsent(refusal);
  else tally.settleAtHold(failure.stop === "caller_left" ? "caller_left" : "failed", refusal);
  return { ok: false, refusal, meta };
}
