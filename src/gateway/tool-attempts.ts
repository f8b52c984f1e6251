// Sends a tool call as often as its terms allow, and tells the tenant's breakers what each attempt came to.
import type { ResolvedTool } from "../core/config/published.ts";
import type { RetryCause } from "../core/policy/retry-causes.ts";
import { causeOf, nextAttempt, together, type CallTerms } from "../core/policy/retry.ts";
import type { HttpAnswer, ToolOutcome } from "../core/policy/tool-outcome.ts";
import { breakersOf, breakerState, sampleOf } from "../core/policy/upstream.ts";
import type { Ports, ToolExecuted, ToolExecution } from "./ports.ts";
import type { BreakerSample } from "./ports/breakers.ts";

/** One attempt as it went. Times are epoch milliseconds. */
export interface Attempt {
  /** From 1 on. */
  readonly number: number;
  readonly spanId: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly outcome: ToolOutcome;
  readonly cause: RetryCause | null;
  readonly httpStatus: number | null;
  readonly retryAfterMs: number | null;
}

/** A call about to be sent. */
export interface Sending {
  readonly execution: Omit<ToolExecution, "timeoutMs" | "traceparent">;
  readonly terms: CallTerms;
  /** For all attempts together, in milliseconds from when the first may begin. */
  readonly allowedMs: number;
  /** The instant at which the call ends in any case, in epoch milliseconds. */
  readonly notAfter: number;
  /** Keys of the breakers that let the call through as a probe. */
  readonly probes: readonly string[];
  /** The position in the trace that an attempt's span sends on. */
  readonly traceparentOf: (spanId: string) => string;
  /** Why nothing may be sent at this instant; `undefined` when it may. */
  readonly stoppedBy: () => Promise<ToolOutcome | undefined>;
}

/** What all attempts came to. */
export interface Sent {
  readonly outcome: ToolOutcome;
  readonly attempts: readonly Attempt[];
  readonly credentials: readonly string[];
  /** Resolves once the breakers have heard of the last attempt. */
  readonly told: Promise<void>;
}

/** An attempt that would begin after the deadline is not made. */
function tooLate(made: number): ToolOutcome {
  const message = `the call's deadline was over before ${made === 0 ? "anything was sent" : "it could be sent again"}`;
  return { status: "failed", code: "tool_timeout", message, httpStatus: null, result: null };
}

/**
 * Sends the call until it succeeds, fails for good, may not be repeated, or its deadline leaves no time. What stops
 * calls is looked at before every attempt; what earlier attempts have left open stays open.
 */
export async function sendUntilSettled(ports: Ports, sending: Sending): Promise<Sent> {
  const attempts: Attempt[] = [];
  const credentials = new Set<string>();
  let outcome: ToolOutcome | null = null;
  let told = Promise.resolve();
  let deadlineAt: number | undefined;
  for (;;) {
    const stopped = await sending.stoppedBy();
    // The tool's time begins once nothing but the tool is waited for.
    const now = ports.system.now();
    deadlineAt ??= Math.min(now + sending.allowedMs, sending.notAfter);
    const unsent = stopped ?? (now < deadlineAt ? undefined : tooLate(attempts.length));
    if (unsent !== undefined)
      return { outcome: together(outcome, unsent), attempts, credentials: [...credentials], told };
    const made = await attemptOnce(ports, sending, { number: attempts.length + 1, deadlineAt });
    attempts.push(made.attempt);
    for (const credential of made.credentials) credentials.add(credential);
    outcome = together(outcome, made.attempt.outcome);
    ({ told } = made);
    const waitMs = waitAfter(ports, sending.terms, { attempt: made.attempt, deadlineAt });
    if (waitMs === null) break;
    await told;
    if (await isLeftAlone(ports, sending)) break;
    await ports.system.wait(waitMs);
  }
  return { outcome, attempts, credentials: [...credentials], told };
}

/** How long to wait before the next attempt; `null` where there is none. */
function waitAfter(
  ports: Ports,
  terms: CallTerms,
  { attempt, deadlineAt }: { readonly attempt: Attempt; readonly deadlineAt: number },
): number | null {
  const next = nextAttempt(terms, {
    made: attempt.number,
    cause: attempt.cause,
    retryAfterMs: attempt.retryAfterMs,
    now: ports.system.now(),
    deadlineAt,
    random: Number.parseInt(ports.system.randomHex(4), 16) / 2 ** 32,
  });
  return next.again ? next.waitMs : null;
}

/** Whether a breaker has opened since the call was let through: an upstream that is down is not hammered by repeats. */
async function isLeftAlone(ports: Ports, { execution: { tool, tenant } }: Sending): Promise<boolean> {
  if (tool.entry.breaker === undefined) return false;
  try {
    const { breakers } = await ports.controls.current(tenant);
    return breakerState(tool.name, tool.entry, { breakers, now: ports.system.now() }).phase === "open";
  } catch {
    return true;
  }
}

async function attemptOnce(
  ports: Ports,
  { execution, terms, probes, traceparentOf }: Sending,
  { number, deadlineAt }: { readonly number: number; readonly deadlineAt: number },
): Promise<Made> {
  const spanId = ports.system.randomHex(8);
  const startedAt = ports.system.now();
  const timeoutMs = Math.min(terms.timeoutMs, deadlineAt - startedAt);
  const executed = await ports.tools.execute({ ...execution, timeoutMs, traceparent: traceparentOf(spanId) });
  const endedAt = ports.system.now();
  const { answer, outcome, credentials } = executed;
  // A caller's short deadline says nothing about the tool.
  const isCutShort = answer?.type === "timed_out" && timeoutMs < terms.timeoutMs;
  const samples = isCutShort ? [] : samplesOf(execution.tool, executed, endedAt - startedAt);
  const told = samples.map((each) => ({ ...each, probe: probes.includes(each.key) ? execution.callId : null }));
  return {
    attempt: { number, spanId, startedAt, endedAt, outcome, cause: causeOf(answer, number > 1), ...heardIn(answer) },
    credentials,
    told: told.length === 0 ? Promise.resolve() : ports.breakers.report(execution.tenant, told),
  };
}

interface Made {
  readonly attempt: Attempt;
  readonly credentials: readonly string[];
  /** Resolves once the breakers have heard of it. */
  readonly told: Promise<void>;
}

function heardIn(answer: HttpAnswer | undefined): Pick<Attempt, "httpStatus" | "retryAfterMs"> {
  if (answer?.type === "cut") return { httpStatus: answer.status, retryAfterMs: null };
  if (answer?.type !== "answered") return { httpStatus: null, retryAfterMs: null };
  return { httpStatus: answer.status, retryAfterMs: answer.retryAfterMs ?? null };
}

function samplesOf(
  { name, entry }: ResolvedTool,
  { answer }: ToolExecuted,
  durationMs: number,
): readonly Omit<BreakerSample, "probe">[] {
  const sample = sampleOf(answer);
  if (sample === null) return [];
  return breakersOf(name, entry).map(({ key, settings }) => ({
    key,
    settings,
    hasFailed: (key.startsWith("tool:") ? sample.tool : sample.host) === "failed",
    isSlow: settings.slowMs !== null && durationMs >= settings.slowMs,
  }));
}
