// Erases a subject's lines from segments and parked letters, copies that no row points to included.
import { readRecord } from "../../core/trace/read-record.ts";
import { addTo, isOfSubject, type Erasure, type KnownOfSubject } from "../../core/trace/erasure.ts";
import type { StoredRecord } from "../ports/trace-store.ts";
import { eraseRaw, forgetCalls, tracesAtOnce, type ErasurePorts } from "./forget-objects.ts";

/** Segments that one step looks through. */
const PER_STEP = 25;

/** One step through the segments of the days concerned, the oldest day first. */
export async function eraseSegments(ports: ErasurePorts, erasure: Erasure): Promise<Erasure> {
  const { tenant, progress } = erasure;
  const day = progress.day ?? (await nextDay(ports, erasure, progress.from_day ?? ""));
  if (day === undefined) return { ...erasure, progress: { ...progress, phase: "letters", day: null, cursor: null } };
  const page = await ports.segments.list(tenant, day, { cursor: progress.cursor, limit: PER_STEP });
  const days = await ports.raw.days(tenant);
  let next = erasure;
  let { cursor } = progress;
  let room = tracesAtOnce(days);
  for (const segment of page.segments) {
    const done = await eraseIn(ports, next, { segment, days, room });
    next = done.erasure;
    room -= done.lines;
    if (done.isWhole) cursor = segment.slice(segment.indexOf(day) + day.length + 1);
    // What is left of it has its turn with the next step: lines that are blank then are no more work.
    if (!done.isWhole || (room <= 0 && segment !== page.segments.at(-1)))
      return { ...next, progress: { ...progress, day, cursor } };
  }
  if (page.cursor !== null) return { ...next, progress: { ...progress, day, cursor: page.cursor } };
  const following = await nextDay(ports, erasure, `${day}~`);
  if (following !== undefined) return { ...next, progress: { ...progress, day: following, cursor: null } };
  return { ...next, progress: { ...progress, phase: "letters", day: null, cursor: null } };
}

async function nextDay({ segments }: ErasurePorts, { tenant }: Erasure, from: string): Promise<string | undefined> {
  return (await segments.days(tenant)).find((day) => day >= from);
}

interface Look {
  readonly segment: string;
  /** Days of which something unmasked is kept. */
  readonly days: readonly string[];
  /** Lines that may still be erased in this step. */
  readonly room: number;
}

interface Looked {
  readonly erasure: Erasure;
  /** Lines that were erased. */
  readonly lines: number;
  /** Whether none of the subject's is left in the segment. */
  readonly isWhole: boolean;
}

async function eraseIn(ports: ErasurePorts, erasure: Erasure, { segment, days, room }: Look): Promise<Looked> {
  const all = (await ports.segments.scan(erasure.tenant, segment)).filter(isOwn(erasure));
  const own = all.slice(0, room);
  const isWhole = own.length === all.length;
  if (own.length === 0) return { erasure, lines: 0, isWhole };
  const { tenant } = erasure;
  // What has arrived since the index was looked through has a row, and a call that may still remember.
  const rows = await ports.keeping.rowsNamed(
    tenant,
    own.map(({ record }) => record.index),
  );
  const calls = await forgetCalls(ports, tenant, new Set(own.flatMap(({ record }) => record.index.call_id ?? [])));
  const raw = await eraseRaw(ports, tenant, { traces: own.map(({ record }) => record.index.trace_hex), days });
  const done = await ports.keeping.erase(tenant, {
    ids: rows.map(({ id }) => id),
    traces: [],
    calls: calls.forgotten,
  });
  const { lines, payloads, segments } = await ports.segments.blank(tenant, segment, own);
  const counts = {
    index_rows: done.rows,
    tool_calls: done.calls,
    approvals: done.approvals,
    raw_records: raw,
    segment_lines: lines,
    payloads,
    segments,
  };
  return { erasure: { ...erasure, receipt: addTo(erasure.receipt, counts, calls.left) }, lines: own.length, isWhole };
}

function isOwn(erasure: Erasure): (stored: StoredRecord) => boolean {
  const known: KnownOfSubject = { traces: new Set(erasure.progress.traces), calls: new Set(erasure.progress.calls) };
  return ({ record: { index } }) => index.started_at < erasure.requestedAt && isOfSubject(erasure, index, known);
}

/** Takes the subject's lines out of letters that wait to be sent again. */
export async function eraseLetters(ports: ErasurePorts, erasure: Erasure): Promise<Erasure> {
  const isOwnLine = isOwn(erasure);
  const dropped = await ports.deadLetters.drop(erasure.tenant, (line) => {
    const record = readRecord(line);
    return record !== undefined && isOwnLine({ record, segment: "", line: 0 });
  });
  const receipt = addTo(erasure.receipt, { dead_letters: dropped });
  const progress = { ...erasure.progress, traces: [], calls: [] };
  // More rows may be left than a look at the segments took.
  const rest = await ports.keeping.rowsOf(erasure.tenant, erasure, { before: erasure.requestedAt, limit: 1 });
  return { ...erasure, receipt, progress: { ...progress, phase: rest.length > 0 ? "rows" : "evals" } };
}
