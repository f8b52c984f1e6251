// Performs the effect of a tool call whose intent is on disk, and records its outcome: once, whoever started it.
import type { ActiveConfig, ResolvedTool } from "../core/config/published.ts";
import type { Effect } from "../core/policy/decision.ts";
import { ABANDON_GRACE_MS, callTerms } from "../core/policy/retry.ts";
import { switchReasons } from "../core/policy/switches.ts";
import type { ToolOutcome } from "../core/policy/tool-outcome.ts";
import type { ToolCallRecord } from "../core/state/tool-call-record.ts";
import { scrubValue } from "../core/trace/scrub.ts";
import { writeTraceparent, type TraceContext } from "../core/trace/trace-context.ts";
import type { Ports } from "./ports.ts";
import type { McpExchange } from "./ports/mcp.ts";
import { changedPolicy } from "./recheck.ts";
import { sendUntilSettled, type Attempt } from "./tool-attempts.ts";

/** An effect about to happen. */
export interface Execution {
  readonly config: ActiveConfig;
  readonly tool: ResolvedTool;
  readonly record: ToolCallRecord;
  /** When the caller no longer waits, in epoch milliseconds; `null` for as long as the tool may take. */
  readonly notAfter: number | null;
  /** Keys of the breakers that let the call through as a probe. */
  readonly probes: readonly string[];
  readonly flags: Pick<TraceContext, "isSampled" | "isRandom" | "state">;
  /** What passes between the caller and an MCP server meanwhile; absent where the caller is gone. */
  readonly exchange?: McpExchange | undefined;
}

/** The call as it ended, and the credentials that took part, for scrubbing. */
export interface Executed {
  readonly record: ToolCallRecord;
  readonly attempts: readonly Attempt[];
  readonly credentials: readonly string[];
}

/**
 * Performs the effect. Kill switches are looked at once more, at most as old as their bound, before every attempt: a
 * call they stop before anything is sent has surely failed. The outcome is recorded before the answer leaves.
 */
export async function execute(ports: Ports, execution: Execution): Promise<Executed> {
  const { config, tool, record, probes, flags } = execution;
  const { request } = record;
  const { tenant, ask } = request;
  const terms = callTerms(tool.entry);
  // What the caller allowed, and what the call's object waits for, was fixed when the call was recorded.
  const allowedMs = Math.min(terms.deadlineMs, request.abandonAfterMs - ABANDON_GRACE_MS);
  const sent = await sendUntilSettled(ports, {
    execution: {
      tenant,
      callId: request.id,
      tool,
      args: ask.args,
      tracestate: flags.state,
      allowedHosts: config.published.document.egress.allow,
      exchange: execution.exchange,
    },
    terms,
    allowedMs,
    // Nothing runs once its object counts it as abandoned.
    notAfter: Math.min(execution.notAfter ?? Infinity, record.deadlineAt ?? Infinity),
    probes,
    traceparentOf: (attempt) => writeTraceparent(request.traceHex, attempt, flags),
    stoppedBy: () => stoppedBy(ports, execution),
  });
  const { attempts, credentials, told } = sent;
  // A tool that echoes its credential must not hand it to the agent, to a replay or to the record.
  const outcome = scrubValue(sent.outcome, credentials);
  const finish = (): Promise<ToolCallRecord | undefined> =>
    ports.toolCalls.finish(tenant, request.id, outcome, attempts.length);
  // A call that ends gives its place as a probe back: its breaker must have heard of it by then.
  if (probes.length > 0) await told;
  // The effect has happened: whatever fails now, the caller learns the outcome and is never told to try again.
  const [finished] = await Promise.all([
    finish()
      .catch(finish)
      .catch(() => undefined),
    told,
  ]);
  const known = { ...record, status: outcome.status, outcome, attempts: attempts.length };
  return { record: finished ?? known, attempts, credentials };
}

/** What a switch that was set, or a policy that was published, since the decision makes of the call: nothing is sent. */
export async function stoppedBy(
  ports: Ports,
  { config, tool, record }: Pick<Execution, "config" | "tool" | "record">,
): Promise<ToolOutcome | undefined> {
  const { request, approval } = record;
  const failed = (code: "halted" | "writes_disabled" | "approval_required", message: string): ToolOutcome => ({
    status: "failed",
    code,
    message,
    httpStatus: null,
    result: null,
  });
  try {
    const controls = await ports.controls.current(request.tenant);
    const { switches } = controls;
    const around = { isRead: tool.entry.effect === "read", now: ports.system.now(), terms: config.terms };
    const reasons = switchReasons(switches, request.ask, around);
    const of = (effect: Effect): string | undefined => reasons.find((each) => each.effect === effect)?.message;
    const [halt, disabled, forced] = [of("deny"), of("draft"), of("require_approval")];
    if (halt !== undefined) return failed("halted", halt);
    if (disabled !== undefined) return failed("writes_disabled", disabled);
    if (forced !== undefined && approval === null) return failed("approval_required", forced);
    return await changedPolicy(ports, { config, record }, controls);
  } catch {
    return failed("halted", "the kill switches or the policy could not be read, so nothing was sent");
  }
}
