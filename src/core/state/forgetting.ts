// Decides whether what an object remembers can be forgotten, or has to stay because something of it is open.
import { EMPTY_LEDGER } from "./session-ledger.ts";
import type { Charge, SessionLedgerState } from "./session-messages.ts";
import type { ToolCallRecord, ToolCallState, ToolCallStatus } from "./tool-call-record.ts";

/** What an object answers when it is to forget. */
export type Forgetting =
  | { readonly type: "forgotten" }
  /** It remembered nothing. */
  | { readonly type: "nothing" }
  /** `until`: when nothing will stand against it any more, in epoch milliseconds, where that is known. */
  | { readonly type: "left"; readonly why: string; readonly until?: number };

const OPEN: ReadonlyMap<ToolCallStatus, string> = new Map([
  ["pending_approval", "it waits for people's approval"],
  ["drafted", "it is a draft that waits for people"],
  ["held", "it is held and can still be withdrawn"],
  ["executing", "it is being executed"],
  ["unknown", "its outcome is unknown: it may have had an effect"],
  ["compensating", "it is being undone"],
]);

/** Statuses of calls that had their effect: a repeat of the key must not have it once more. */
const EFFECTIVE: ReadonlySet<ToolCallStatus> = new Set(["succeeded", "compensated", "compensation_failed"]);

/** Why a tool call cannot be forgotten; `undefined` where it can. */
export function whyCallStays(
  { record, admitting }: ToolCallState,
  outboxDepth: number,
  now: number,
): Omit<Forgetting & { readonly type: "left" }, "type"> | undefined {
  if (admitting !== null) return { why: "its session is being asked" };
  if (record === null) return undefined;
  const open = OPEN.get(record.status);
  if (open !== undefined) return { why: open };
  if (record.work !== null) return { why: "something of it is still to be done" };
  if (owesSomething(record) || outboxDepth > 0) return { why: "what became of it has yet to be told" };
  const until = record.changedAt + record.request.retentionMs;
  const isGuard = record.request.effect !== "read" && EFFECTIVE.has(record.status) && now < until;
  return isGuard ? { why: "its key still answers repeats, so that they have no second effect", until } : undefined;
}

function owesSomething(record: ToolCallRecord): boolean {
  return [record.owesConclusion, record.owesInbox, record.owesListing, record.owesNotice, record.owesReport].some(
    Boolean,
  );
}

/** Why a session cannot be forgotten; `undefined` where it can. */
export function whySessionStays(
  state: SessionLedgerState,
  charges: readonly Charge[],
  outboxDepth: number,
): string | undefined {
  if (Object.keys(state.holds).length > 0) return "a call holds money of its budget";
  if (charges.some(({ outcome }) => outcome === undefined || outcome === "unknown"))
    return "it has a tool call that runs, waits, or whose outcome is unknown";
  if (Object.keys(state.leases).length > 0) return "it holds a share of the tenant's limits";
  if (outboxDepth > 0) return "records wait in its outbox";
  if (state.unstated.length + state.uncertain.length > 0) return "it has yet to state which calls it admitted";
  return state.pause?.kind === "paused" ? "it is paused and waits for a person" : undefined;
}

/** What a session still has to know once it is forgotten: that a person ended it, so that its id does not begin anew. */
export function remembersEnd({ pause }: SessionLedgerState): SessionLedgerState | undefined {
  if (pause?.kind !== "ended") return undefined;
  return { ...EMPTY_LEDGER, pause: { ...pause, message: "erased" } };
}
