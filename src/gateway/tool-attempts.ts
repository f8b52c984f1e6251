// Sends a tool call as often as its terms allow, and tells the tenant's breakers what each attempt came to.
import type { ResolvedTool } from "../core/config/published.ts";
import type { RetryCause } from "../core/policy/retry-causes.ts";
import { causeOf, nextAttempt, together, type CallTerms } from "../core/policy/retry.ts";
import type { ToolOutcome } from "../core/policy/tool-outcome.ts";
import { breakersOf, breakerState, sampleOf } from "../core/policy/upstream.ts";
import { readRetryAfter } from "../core/units/retry-after.ts";
import type { BreakerSample, Ports, ToolExecuted, ToolExecution } from "./ports.ts";

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
  /** Epoch milliseconds. */
  readonly deadlineAt: number;
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
}

function tooLate(message: string): ToolOutcome {
  return { status: "failed", code: "tool_timeout", message, httpStatus: null, result: null };
}

/**
 * Sends the call until it succeeds, fails for good, may not be repeated, or its deadline leaves no time. What stops
 * calls is looked at before every attempt; what earlier attempts have left open stays open.
 */
export async function sendUntilSettled(ports: Ports, sending: Sending): Promise<Sent> {
  const { terms, deadlineAt } = sending;
  const attempts: Attempt[] = [];
  const credentials = new Set<string>();
  let outcome: ToolOutcome | null = null;
  for (;;) {
    const stopped = await mayNotSend(ports, sending, attempts.length > 0);
    if (stopped !== undefined) return { outcome: together(outcome, stopped), attempts, credentials: [...credentials] };
    const { attempt, executed } = await attemptOnce(ports, sending, attempts.length + 1);
    attempts.push(attempt);
    for (const credential of executed.credentials) credentials.add(credential);
    outcome = together(outcome, attempt.outcome);
    const next = nextAttempt(terms, {
      made: attempts.length,
      cause: attempt.cause,
      retryAfterMs: attempt.retryAfterMs,
      now: ports.system.now(),
      deadlineAt,
      random: Number.parseInt(ports.system.randomHex(4), 16) / 2 ** 32,
    });
    if (!next.again || (await isLeftAlone(ports, sending))) return { outcome, attempts, credentials: [...credentials] };
    await ports.system.wait(next.waitMs);
  }
}

/** What is looked at before every attempt; an attempt that would begin after the deadline is not made. */
async function mayNotSend(ports: Ports, sending: Sending, isRepeat: boolean): Promise<ToolOutcome | undefined> {
  const stopped = await sending.stoppedBy();
  if (stopped !== undefined) return stopped;
  if (ports.system.now() < sending.deadlineAt) return undefined;
  return tooLate(`the call's deadline was over before ${isRepeat ? "it could be sent again" : "anything was sent"}`);
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
  { execution, terms, deadlineAt, probes, traceparentOf }: Sending,
  number: number,
): Promise<{ readonly attempt: Attempt; readonly executed: ToolExecuted }> {
  const spanId = ports.system.randomHex(8);
  const startedAt = ports.system.now();
  const timeoutMs = Math.min(terms.timeoutMs, deadlineAt - startedAt);
  const executed = await ports.tools.execute({ ...execution, timeoutMs, traceparent: traceparentOf(spanId) });
  const endedAt = ports.system.now();
  const { answer, outcome } = executed;
  // A caller's short deadline says nothing about the tool.
  const isCutShort = answer?.type === "timed_out" && timeoutMs < terms.timeoutMs;
  const samples = isCutShort ? [] : samplesOf(execution.tool, executed, endedAt - startedAt);
  const told = samples.map((each) => ({ ...each, probe: probes.includes(each.key) ? execution.callId : null }));
  if (told.length > 0) await ports.breakers.report(execution.tenant, told);
  const answered = answer?.type === "answered" ? answer : undefined;
  const attempt: Attempt = {
    number,
    spanId,
    startedAt,
    endedAt,
    outcome,
    cause: causeOf(answer, number > 1),
    httpStatus: answered?.status ?? (answer?.type === "cut" ? answer.status : null),
    retryAfterMs: readRetryAfter(answered?.retryAfter ?? null, endedAt),
  };
  return { attempt, executed };
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
