// Makes a call's attempts, one provider after another, until one of them begins to answer; what was charged for nothing is told.
import { accept, GatewayFault, refuse, type Outcome, type Refusal } from "../../core/errors.ts";
import { nextAttempt } from "../../core/policy/retry.ts";
import type { Candidate, RoutePlan } from "../../core/routing/plan.ts";
import type { ModelPorts } from "../ports.ts";
import type { ModelAnswer, PlannedCall } from "./admitted-call.ts";
import { stopOf } from "./attempt-clock.ts";
import { retryAfterOf, type AttemptResult, type Failure } from "./attempt.ts";
import { raceHedge, type Hedge } from "./hedge.ts";
import type { ModelCallTally } from "./settle-model-call.ts";
import { attemptOnce, deliver, settleFailure, verdictOf, type Attempts, type Made } from "./try.ts";

/**
 * Tries candidates in order, each as often as the route says, until one answers. The last failure is the answer where
 * none does. After an attempt that may have been billed the next one has an admission of its own.
 */
export async function tryCandidates(
  ports: ModelPorts,
  attempts: Attempts,
  { tally: first, candidates }: { readonly tally: ModelCallTally; readonly candidates: readonly Candidate[] },
): Promise<ModelAnswer> {
  const { planned } = attempts;
  const deadlineAt = first.startedAt + (candidates[0]?.timeouts.totalMs ?? 0);
  let tally = first;
  let left = candidates;
  for (let made = 1; ; made += 1) {
    const refusal = await stoppedRefusal(planned, left);
    if (refusal !== undefined) {
      tally.settleUnsent(refusal);
      return { ok: false, refusal, meta: tally.meta };
    }
    const one = await tryFirst(ports, attempts, { tally, left, made });
    left = left.slice(Math.max(0, left.indexOf(one.candidate)));
    const next = nextTry(ports, planned, one, { made, left, deadlineAt });
    if (next === undefined) return deliver(planned, one);
    const followed = await passOn(attempts, one, next.left);
    if (!followed.ok) return { ok: false, refusal: followed, meta: one.tally.meta };
    tally = followed.value;
    if (next.left.length < left.length) made = 0;
    left = next.left;
    await ports.system.wait(next.waitMs);
  }
}

/** Who is asked besides the first when it is slow. */
function hedgeOf({ hedgeMs }: RoutePlan, [first, second]: readonly Candidate[]): Hedge | undefined {
  if (hedgeMs === undefined || first === undefined || second === undefined) return undefined;
  return { first, second, afterMs: hedgeMs };
}

async function stoppedRefusal({ watch }: PlannedCall, left: readonly Candidate[]): Promise<Refusal | undefined> {
  if (await watch.isHaltedNow()) return refuse("halted", "a person has stopped these calls");
  if (watch.signal.aborted) return stoppedBefore(watch.signal);
  return left.length === 0 ? refuse("internal", "no candidate was left to try") : undefined;
}

/** What ended the call before its next attempt was sent. */
function stoppedBefore(signal: AbortSignal): Refusal {
  return stopOf(signal) === "halted"
    ? refuse("halted", "a person has stopped this call while it ran")
    : refuse("caller_left", "the caller has left");
}

/** Tries the first that is left, and the second too where the route hedges and the first is slow. */
async function tryFirst(
  ports: ModelPorts,
  attempts: Attempts,
  { tally, left, made }: { readonly tally: ModelCallTally; readonly left: readonly Candidate[]; readonly made: number },
): Promise<Made> {
  const { plan } = attempts.planned;
  const hedge = made === 1 ? hedgeOf(plan, left) : undefined;
  if (hedge !== undefined) return raceHedge(ports, attempts, { tally, ...hedge });
  const [candidate] = left;
  if (candidate === undefined) throw new GatewayFault("internal", "no candidate was left to try");
  return attemptOnce(ports, attempts, {
    tally,
    candidate,
    isLast: left.length === 1 && plan.retry.maxAttempts <= made,
  });
}

/** Who is tried next, and after how long; `undefined` where what the last attempt came to has to stand. */
function nextTry(
  ports: ModelPorts,
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

function retryAfter(result: AttemptResult): number | null {
  if (result.type === "failed") return result.failure.retryAfterMs;
  if (result.type !== "whole") return null;
  return retryAfterOf(result.answered.status, result.answered.headers, result.answer.text);
}

/** Notes a failure that another attempt follows; one that may have been billed is closed at its hold, and a further admission opened. */
async function passOn(
  { admitAgain }: Attempts,
  { tally, attempt, result }: Made,
  remaining: readonly Candidate[],
): Promise<Outcome<ModelCallTally>> {
  const failure = failureOf(result);
  if (attempt === undefined) return accept(tally);
  if (failure.isUnbilled) {
    tally.failed(attempt, failure);
    return accept(tally);
  }
  tally.answeredBy(attempt, failure.httpStatus, failure.credential);
  if (result.type === "failed") settleFailure(tally, result.failure);
  else tally.settleAtHold("failed", failure.refusal);
  return admitAgain(remaining);
}

function failureOf(result: AttemptResult): Pick<Failure, "refusal" | "isUnbilled" | "httpStatus" | "credential"> {
  if (result.type === "failed") return result.failure;
  const { answered } = result;
  return {
    refusal: refuse("upstream_failed", `the model provider answered ${answered.status}`),
    isUnbilled: result.type === "whole" && result.isUnbilled,
    httpStatus: answered.status,
    credential: answered.credential,
  };
}
