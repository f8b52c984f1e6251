// Erases a subject's index rows batch by batch, with everything that hangs on them; the facts are read before their rows go.
import { hourOf } from "../../core/trace/admissions.ts";
import {
  addTo,
  isOfSubject,
  MAX_KNOWN,
  namesAnother,
  type Erasure,
  type ErasedCounts,
  type KnownOfSubject,
} from "../../core/trace/erasure.ts";
import { dayOf } from "../../core/units/utc-day.ts";
import type { NumberedRow } from "../ports/trace-keeping.ts";
import {
  eraseRaw,
  eraseResponses,
  forgetCalls,
  forgetSessions,
  tracesAtOnce,
  type ErasurePorts,
  type Forgotten,
} from "./forget-objects.ts";

/** Rows that one transaction deletes. */
const PER_DELETE = 500;
const HOUR_MS = 3_600_000;

/** One step through the index. Its phase stays `rows` until no row is left, or as much is known as a look at the segments takes. */
export async function eraseRows(ports: ErasurePorts, erasure: Erasure): Promise<Erasure> {
  const { tenant, requestedAt: before, progress } = erasure;
  const days = await ports.raw.days(tenant);
  // Rows that one step begins with: as many as there may be traces to look for.
  const rows = await ports.keeping.rowsOf(tenant, erasure, { before, limit: tracesAtOnce(days) });
  if (rows.length === 0) return { ...erasure, progress: { ...progress, phase: "lists", cursor: null } };
  const { known, victims } = await hangingOn(ports, erasure, rows);
  const calls = await forgetCalls(ports, tenant, known.calls);
  const sessions = await forgetSessions(ports, tenant, await sessionsOver(ports, erasure, victims));
  const raw = await eraseRaw(ports, tenant, { traces: victims.map(({ index }) => index.trace_hex), days });
  const responses = await eraseResponses(
    ports,
    tenant,
    victims.map(({ index }) => index.session_id),
  );
  const admissions = await nameless(ports, erasure, { victims, known });
  const counts = await deleteVictims(ports, erasure, { victims, known, calls });
  const receipt = addTo(
    erasure.receipt,
    { ...counts, raw_records: raw, responses, admissions, sessions: sessions.forgotten.length },
    [...calls.left, ...sessions.left],
  );
  return { ...erasure, receipt, progress: learnt(erasure, { victims, known }) };
}

interface Found {
  readonly victims: readonly NumberedRow[];
  readonly known: KnownOfSubject;
}

/** The rows that go with these: of traces that are wholly the subject's, and of its tool calls. */
async function hangingOn(ports: ErasurePorts, erasure: Erasure, rows: readonly NumberedRow[]): Promise<Found> {
  const traces = [...new Set(rows.map(({ index }) => index.trace_hex))];
  const calls = new Set(rows.flatMap(({ index }) => index.call_id ?? []));
  if (erasure.scope === "tenant") return { victims: rows, known: { traces: new Set(traces), calls } };
  const names = { traces, calls: [...calls] };
  const related = await ports.keeping.related(erasure.tenant, names, erasure.requestedAt);
  const shared = new Set(
    related.filter(({ index }) => namesAnother(erasure, index)).map(({ index }) => index.trace_hex),
  );
  const known = { traces: new Set(traces.filter((hex) => !shared.has(hex))), calls };
  const own = related.filter(({ index }) => isOfSubject(erasure, index, known));
  return { victims: [...new Map([...rows, ...own].map((row) => [row.id, row])).values()], known };
}

/** Sessions of which no other row is left: a session that others share keeps its ledger. */
async function sessionsOver(
  { keeping }: ErasurePorts,
  { tenant, scope }: Erasure,
  victims: readonly NumberedRow[],
): Promise<readonly string[]> {
  const sessions = [...new Set(victims.map(({ index }) => index.session_id))].filter((id) => id !== "*");
  if (scope !== "user") return sessions;
  const ids = victims.map(({ id }) => id);
  const others = await Promise.all(sessions.map((session) => keeping.hasOthers(tenant, session, ids)));
  return sessions.filter((_, at) => others[at] === false);
}

async function nameless(ports: ErasurePorts, erasure: Erasure, { victims, known }: Found): Promise<number> {
  const sessions = [...new Set(victims.map(({ index }) => index.session_id))].filter((id) => id !== "*");
  const names = new Set(victims.map(({ index }) => `${index.trace_hex}/${index.span_id}`));
  const asked = { sessions, before: hourOf(erasure.requestedAt) + HOUR_MS, isRenamed: erasure.scope !== "user" };
  return ports.keeping.eraseAdmissions(erasure.tenant, asked, ({ trace_hex: hex = "", span_id: span = "", at = 0 }) => {
    if (at >= erasure.requestedAt) return false;
    return erasure.scope !== "user" || known.traces.has(hex) || names.has(`${hex}/${span}`);
  });
}

async function deleteVictims(
  { keeping }: ErasurePorts,
  erasure: Erasure,
  { victims, known, calls }: Found & { readonly calls: Forgotten },
): Promise<ErasedCounts> {
  const total = { index_rows: 0, outcomes: 0, tool_calls: 0, approvals: 0 };
  for (let at = 0; at < victims.length; at += PER_DELETE) {
    // The subject's own rows go last: until then the rest can be found through them.
    const ids = victims.toReversed().slice(at, at + PER_DELETE);
    const done = await keeping.erase(erasure.tenant, {
      ids: ids.map(({ id }) => id),
      traces: at === 0 ? [...known.traces] : [],
      calls: at === 0 ? calls.forgotten : [],
    });
    total.index_rows += done.rows;
    total.outcomes += done.outcomes;
    total.tool_calls += done.calls;
    total.approvals += done.approvals;
  }
  return total;
}

function learnt({ scope, progress }: Erasure, { victims, known }: Found): Erasure["progress"] {
  const first = dayOf(Math.min(...victims.map(({ index }) => index.started_at)));
  const from_day = progress.from_day === null || first < progress.from_day ? first : progress.from_day;
  if (scope === "tenant") return { ...progress, from_day };
  const traces = [...new Set([...progress.traces, ...known.traces])];
  const calls = [...new Set([...progress.calls, ...known.calls])];
  const isFull = traces.length >= MAX_KNOWN || calls.length >= MAX_KNOWN;
  return {
    ...progress,
    from_day,
    traces,
    calls,
    ...(isFull ? { phase: "segments" as const, day: null, cursor: null } : {}),
  };
}
