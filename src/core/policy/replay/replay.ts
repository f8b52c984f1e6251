// Decides recorded calls again under the active policy and under a candidate, on the same reconstruction, and counts what would change.
import type { ActiveConfig } from "../../config/published.ts";
import { amountOf } from "../built-in.ts";
import { summarise, type ReplayReport } from "./replay-report.ts";
import { RAN, ReplaySide } from "./replay-side.ts";
import type { RecordedCall, RecordedModelCall, ReplayedCall, Unreplayable } from "./recorded-call.ts";

/** What is replayed. */
export interface ReplayInput {
  readonly active: ActiveConfig;
  readonly candidate: ActiveConfig;
  readonly calls: readonly RecordedCall[];
  readonly modelCalls: readonly RecordedModelCall[];
  /** Decides only calls of this tool; the others still count as history. */
  readonly tool?: string;
  /** Calls that could not even be read, by why. */
  readonly unreadable: Readonly<Partial<Record<Unreplayable, number>>>;
}

/**
 * Replays recorded calls in time order. No switch is set, approvals are asked for anew, limits are counted within the
 * window alone; the same input always gives the same report. No tool is within reach.
 */
export function replay(input: ReplayInput): ReplayReport {
  const sides = [new ReplaySide(input.active), new ReplaySide(input.candidate)] as const;
  const isAsked = firstAsks(input.calls);
  const outcomes = inOrder(input).flatMap((event) => {
    if ("costMicro" in event) {
      for (const side of sides) side.modelCall(event);
      return [];
    }
    const isWanted = isAsked(event) && (input.tool === undefined || input.tool === event.ask.tool);
    const outcome = isWanted ? [decideBoth(event, sides)] : [];
    if (RAN.has(event.status)) for (const side of sides) side.ran(event);
    return outcome;
  });
  const lost = Map.groupBy(
    outcomes.filter((each) => typeof each === "string"),
    (why) => why,
  );
  const counts = [...lost].map(([why, each]) => [why, each.length + (input.unreadable[why] ?? 0)] as const);
  const decided = outcomes.filter((each) => typeof each !== "string");
  return summarise(decided, { ...input.unreadable, ...Object.fromEntries(counts) });
}

/** Whether a record is the first of its call: a call that people approved is recorded again when it runs. */
function firstAsks(calls: readonly RecordedCall[]): (call: RecordedCall) => boolean {
  const first = new Map<string, RecordedCall>();
  for (const call of calls.toSorted(byStart)) {
    if (call.callId !== null && !first.has(call.callId)) first.set(call.callId, call);
  }
  return (call) => call.status !== "replayed" && (call.callId === null || first.get(call.callId) === call);
}

function byStart(left: { readonly startedAt: number }, right: { readonly startedAt: number }): number {
  return left.startedAt - right.startedAt;
}

function inOrder({ calls, modelCalls }: ReplayInput): readonly (RecordedCall | RecordedModelCall)[] {
  return [...modelCalls, ...calls].toSorted(byStart);
}

function decideBoth(
  call: RecordedCall,
  [active, candidate]: readonly [ReplaySide, ReplaySide],
): ReplayedCall | Unreplayable {
  const was = active.config.tool(call.ask.tool);
  if (was === undefined) return "tool_unknown_in_active";
  const is = candidate.config.tool(call.ask.tool);
  if (is === undefined) return "tool_unknown_in_candidate";
  if (was.check(call.ask.args).length > 0) return "arguments_do_not_fit_active";
  if (is.check(call.ask.args).length > 0) return "arguments_do_not_fit_candidate";
  return {
    call,
    isWrite: is.entry.effect !== "read",
    amount: amountOf(is.entry, call.ask.args),
    before: active.decide(was, call),
    after: candidate.decide(is, call),
  };
}
