// Performs the effect of a tool call whose intent is on disk, and records its outcome: once, whoever started it.
import type { ActiveConfig, ResolvedTool } from "../core/config/published.ts";
import { haltOf } from "../core/policy/switches.ts";
import type { ToolOutcome } from "../core/policy/tool-outcome.ts";
import type { ToolCallRecord } from "../core/state/tool-call-record.ts";
import { scrubValue } from "../core/trace/scrub.ts";
import { writeTraceparent } from "../core/trace/trace-context.ts";
import type { Ports } from "./ports.ts";

/** An effect about to happen. */
export interface Execution {
  readonly config: ActiveConfig;
  readonly tool: ResolvedTool;
  readonly record: ToolCallRecord;
  /** The span under which the tool is called. */
  readonly spanId: string;
  readonly flags: { readonly isSampled: boolean; readonly isRandom: boolean };
}

/** The call as it ended, and the credentials that took part, for scrubbing. */
export interface Executed {
  readonly record: ToolCallRecord;
  readonly credentials: readonly string[];
}

/**
 * Performs the effect. Kill switches are looked at once more, at most as old as their bound, before anything is sent:
 * a call they stop has surely failed. The outcome is recorded before the answer leaves.
 */
export async function execute(ports: Ports, { config, tool, record, spanId, flags }: Execution): Promise<Executed> {
  const { request } = record;
  const { tenant, ask } = request;
  const stopped = await stoppedBy(ports, record);
  const executed =
    stopped === undefined
      ? await ports.tools.execute({
          tenant,
          callId: request.id,
          tool,
          args: ask.args,
          traceparent: writeTraceparent(request.traceHex, spanId, flags),
          allowedHosts: config.published.document.egress.allow,
        })
      : { outcome: stopped, credentials: [] };
  // A tool that echoes its credential must not hand it to the agent, to a replay or to the record.
  const outcome = scrubValue(executed.outcome, executed.credentials);
  const finish = (): Promise<ToolCallRecord | undefined> => ports.toolCalls.finish(tenant, request.id, outcome);
  // The effect has happened: whatever fails now, the caller learns the outcome and is never told to try again.
  const finished = await finish()
    .catch(finish)
    .catch(() => undefined);
  return { record: finished ?? { ...record, status: outcome.status, outcome }, credentials: executed.credentials };
}

async function stoppedBy(ports: Ports, { request }: ToolCallRecord): Promise<ToolOutcome | undefined> {
  const failed = (message: string): ToolOutcome => ({
    status: "failed",
    code: "halted",
    message,
    httpStatus: null,
    result: null,
  });
  try {
    const { switches } = await ports.controls.current(request.tenant);
    const now = ports.system.now();
    const halt = haltOf(switches, request.ask, now);
    if (halt !== undefined) return failed(`a person has stopped these calls: ${halt.reason}`);
    return undefined;
  } catch {
    return failed("the kill switches could not be read, so nothing was sent");
  }
}
