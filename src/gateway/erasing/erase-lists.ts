// Erases tool calls of a session or a tenant that only the list of calls knows, and what ledgers stated of them.
import { hourOf } from "../../core/trace/admissions.ts";
import { addTo, type Erasure } from "../../core/trace/erasure.ts";
import { eraseResponses, forgetCalls, forgetLeft, forgetSessions, type ErasurePorts } from "./forget-objects.ts";

/** Calls of one step. */
const PER_STEP = 100;
const HOUR_MS = 3_600_000;

/** One step through the list of calls; the users of calls are not in it. What had to stay is asked for first. */
export async function eraseLists(ports: ErasurePorts, begun: Erasure): Promise<Erasure> {
  const isFirst = begun.progress.cursor === null && begun.receipt.left.length > 0;
  return listed(ports, isFirst ? await askedAgain(ports, begun) : begun);
}

async function askedAgain(ports: ErasurePorts, erasure: Erasure): Promise<Erasure> {
  const { tenant, receipt } = erasure;
  const { calls, sessions } = await forgetLeft(ports, tenant, receipt.left);
  const done = await ports.keeping.erase(tenant, { ids: [], traces: [], calls: calls.forgotten });
  const counts = { tool_calls: done.calls, approvals: done.approvals, sessions: sessions.forgotten.length };
  return { ...erasure, receipt: addTo({ ...receipt, left: [] }, counts, [...calls.left, ...sessions.left]) };
}

async function listed(ports: ErasurePorts, erasure: Erasure): Promise<Erasure> {
  const { tenant, scope, subject, requestedAt: before, progress } = erasure;
  const done = { ...progress, phase: "segments" as const, day: null, cursor: null };
  if (scope === "user") return { ...erasure, progress: done };
  const session = scope === "session" ? subject : null;
  const ids = await ports.keeping.callsListed(tenant, {
    session,
    before,
    after: progress.cursor ?? "",
    limit: PER_STEP,
  });
  const last = ids.at(-1);
  if (last !== undefined) {
    const calls = await forgetCalls(ports, tenant, ids);
    const { calls: lines, approvals } = await ports.keeping.erase(tenant, {
      ids: [],
      traces: [],
      calls: calls.forgotten,
    });
    const receipt = addTo(erasure.receipt, { tool_calls: lines, approvals }, calls.left);
    return { ...erasure, receipt, progress: { ...progress, cursor: last } };
  }
  const bound = { before: hourOf(before) + HOUR_MS, isRenamed: true };
  const sessions = session === null ? null : [session];
  const admissions = await ports.keeping.eraseAdmissions(tenant, { sessions, ...bound }, ({ at = 0 }) => at < before);
  const ledger = session === null ? { forgotten: [], left: [] } : await forgetSessions(ports, tenant, [session]);
  const responses = await eraseResponses(ports, tenant, [session]);
  const receipt = addTo(erasure.receipt, { admissions, responses, sessions: ledger.forgotten.length }, ledger.left);
  // Of a whole tenant a page of statements is changed at once.
  const isDone = session !== null || admissions === 0;
  return { ...erasure, receipt, progress: isDone ? done : progress };
}
