// Decides where one stretch of an agent's work ends and the next begins: at each new message of its user.
import type { ToolCallPart, ToolResultPart } from "../../dialect/conversation.ts";
import type { TraceRecord } from "../../trace/record.ts";
import { readModelCall, type ReadCall, type UnreadableCall } from "./read-call.ts";

/** Why a stretch is no case, as far as its model calls tell. */
export type UncutStretch = UnreadableCall | "not_answered" | "begins_midway";

/** One stretch: a message of the user, and every model call until the agent had no more to do for it. */
export interface Stretch {
  /** Its first model call, whatever came of it. */
  readonly record: TraceRecord;
  /** Its model calls that can be read, in order. */
  readonly calls: readonly ReadCall[];
  readonly records: readonly TraceRecord[];
  /** `null`: nothing stands against a case. */
  readonly why: UncutStretch | null;
}

/** One tool call of a stretch and what a later request showed as its result. */
export interface AnsweredTool {
  readonly asked: ToolCallPart;
  readonly result: ToolResultPart;
}

interface Growing {
  readonly record: TraceRecord;
  readonly calls: ReadCall[];
  readonly records: TraceRecord[];
  why: UncutStretch | null;
}

/**
 * The stretches of some model calls, in order of time. A call begins one where the last turn that is not the model's own
 * says something besides bringing results. Any other call goes on with the stretch of the same message; of several, with
 * the latest whose last answer asked for tools, so that a second conversation in the same session stays apart. Where
 * there is none, what came before is not stored (`begins_midway`). A message that got no answer and is sent again is one
 * stretch. A call that cannot be read spoils the stretch that waits for it, else stands alone.
 */
export function stretchesOf(models: readonly TraceRecord[]): readonly Stretch[] {
  const stretches: Growing[] = [];
  for (const record of models.toSorted((a, b) => a.index.started_at - b.index.started_at)) {
    const read = readModelCall(record);
    if (typeof read === "string") addUnreadable(stretches, record, read);
    else add(stretches, read);
  }
  return stretches.map(({ calls, why, ...rest }) => ({
    ...rest,
    calls,
    why: why ?? (calls.some(({ call }) => call !== null) ? null : "not_answered"),
  }));
}

function add(stretches: Growing[], read: ReadCall): void {
  const known = stretches.filter((each) => isOfMessage(each, read));
  const waiting = known.findLast(isWaiting) ?? known.findLast((each) => !isAnswered(each));
  const found = read.shown.beginsTurn ? known.findLast((each) => !isAnswered(each)) : (waiting ?? known.at(-1));
  if (found === undefined) {
    const why = read.shown.beginsTurn ? null : "begins_midway";
    stretches.push({ record: read.record, calls: [read], records: [read.record], why });
    return;
  }
  found.calls.push(read);
  found.records.push(read.record);
}

function addUnreadable(stretches: Growing[], record: TraceRecord, why: UnreadableCall): void {
  const open = stretches.findLast(isWaiting);
  if (open === undefined) {
    stretches.push({ record, calls: [], records: [record], why });
    return;
  }
  open.records.push(record);
  open.why ??= why;
}

function isOfMessage({ calls }: Growing, { shown }: ReadCall): boolean {
  const first = calls[0]?.shown.messages;
  return first !== undefined && first.length === shown.messages.length && first.at(-1) === shown.messages.at(-1);
}

function isAnswered({ calls }: Growing): boolean {
  return calls.some(({ call }) => call !== null);
}

/** Whether the last answer asks for something to go on with: tools, or to be sent again. An unknown answer may. */
function isWaiting({ calls }: Growing): boolean {
  const last = calls.findLast(({ call }) => call !== null)?.call;
  if (last === undefined || last === null) return false;
  if (last.reply === null) return true;
  return last.reply.finish === "paused" || last.reply.parts.some((part) => part.type === "tool_call");
}

/**
 * The tool calls of a stretch with the results that later requests showed, in the order in which they were asked for.
 * A result counts as it was first shown, be it in a request of the next message (`later`). Calls without one are left
 * out: nothing is known that could answer them.
 */
export function answeredTools(stretch: Stretch, later: readonly ReadCall[]): readonly AnsweredTool[] {
  const [first] = stretch.calls;
  if (first === undefined) return [];
  const count = first.shown.messages.length;
  const message = first.shown.messages.at(-1);
  const names = namesAsked(stretch);
  const parts = [...stretch.calls, ...later]
    .filter(({ shown }) => shown.messages[count - 1] === message)
    .flatMap(({ shown }) => shown.after[count] ?? []);
  const found = new Map<string, { readonly asked: ToolCallPart; result?: ToolResultPart }>();
  for (const part of parts) {
    if (part.type === "tool_call") {
      const isOurs = names === null || names.has(part.name);
      if (isOurs && !found.has(part.id)) found.set(part.id, { asked: part });
    } else {
      const known = found.get(part.callId);
      if (known !== undefined) known.result ??= part;
    }
  }
  const written = argsWritten(stretch);
  return [...found.values()].flatMap(({ asked, result }) =>
    result === undefined ? [] : [{ asked: { ...asked, args: written.get(asked.id) ?? asked.args }, result }],
  );
}

/** The names that the answers asked for; `null` where an answer is not known. */
function namesAsked({ calls }: Stretch): ReadonlySet<string> | null {
  const names = new Set<string>();
  for (const { call } of calls) {
    if (call === null) continue;
    if (call.reply === null) return null;
    for (const part of call.reply.parts) if (part.type === "tool_call") names.add(part.name);
  }
  return names;
}

/** Arguments as the model wrote them, by call: a caller may have written them anew. */
function argsWritten({ calls }: Stretch): ReadonlyMap<string, string> {
  return new Map(
    calls.flatMap(({ call }) =>
      (call?.reply?.parts ?? []).flatMap((part) => (part.type === "tool_call" ? [[part.id, part.args] as const] : [])),
    ),
  );
}
