// Fills gaps in what is recorded: a tool call whose record was lost is told again by the object that owns the call.
import { accept, refuse, type Outcome } from "../core/errors.ts";
import type { AdmittedIn } from "../core/trace/coverage.ts";
import type { ActiveConfig } from "../core/config/published.ts";
import type { Ports, Recorder } from "./ports.ts";
import { readCoverage } from "./read-coverage.ts";
import { recordToolCall } from "./record-tool-call.ts";
import { callOf } from "./stored-call.ts";

/** Calls that one request tells again. */
export const MAX_RETOLD = 200;

/** What is asked for: a span in epoch milliseconds, and whether hours that are not settled take part. */
export interface GapOrder {
  readonly tenant: string;
  readonly from: number;
  readonly to: number;
  readonly isEarly: boolean;
}

/** Calls that were told again, and those that nothing can tell any more. `hasMore`: others were not looked at. */
export interface Retold {
  readonly retold: number;
  readonly untold: number;
  readonly hasMore: boolean;
}

/**
 * Tells missing tool calls again. Their objects know what was asked, decided and answered for as long as they keep the
 * call; a model call has no such object. Refuses `precondition_failed` while dead letters are parked: what lies there
 * would be recorded twice.
 */
export async function retellGaps(ports: Ports, recorder: Recorder, order: GapOrder): Promise<Outcome<Retold>> {
  const parked = await ports.deadLetters.list(order.tenant, { limit: 1 });
  if (parked.letters.length > 0)
    return refuse(
      "precondition_failed",
      "dead letters are parked: send them again first, what is missing may be there",
    );
  const config = await ports.configs.active(order.tenant);
  const hours = (await readCoverage(ports, order.tenant, order)).filter((hour) => order.isEarly || hour.isSettled);
  const missing = hours.flatMap((hour) => hour.missing);
  const looked = missing.slice(0, MAX_RETOLD);
  let retold = 0;
  for (const call of looked)
    if (config !== undefined && (await retell(ports, recorder, { tenant: order.tenant, config, call }))) retold += 1;
  return accept({ retold, untold: looked.length - retold, hasMore: missing.length > looked.length });
}

interface Gap {
  readonly tenant: string;
  readonly config: ActiveConfig;
  readonly call: AdmittedIn;
}

/** Whether the call's object could tell it. One that still runs tells itself once it is over. */
async function retell(ports: Ports, recorder: Recorder, { tenant, config, call }: Gap): Promise<boolean> {
  if (call.call_id === null) return false;
  const record = await ports.toolCalls.read(tenant, call.call_id);
  if (record === undefined || record.seq !== call.seq || record.status === "executing") return false;
  const { request, decision, createdAt: startedAt } = record;
  const stored = callOf(record);
  const told = { ...stored, context: { ...stored.context, parent: undefined } };
  const tool = config.tool(request.ask.tool);
  recordToolCall(
    ports,
    recorder,
    { call: told, ask: request.ask, tool, decision, spanId: call.span_id, callId: request.id, startedAt },
    { type: "retold", record },
  );
  return true;
}
