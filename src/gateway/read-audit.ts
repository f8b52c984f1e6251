// Sequences the reading of a tenant's audit chain: pages of events, the proof of one, and the lines of an export.
import type { AuditEvent, AuditKind } from "../core/audit/event.ts";
import { GENESIS, type Checkpoint, type ChainEntry, type SignedCheckpoint } from "../core/audit/chain.ts";
import { auditLine, readChain } from "../core/audit/lines.ts";
import { proofOf, type InclusionProof } from "../core/audit/proof.ts";
import type { Ports } from "./ports.ts";

/** What a listing asks for; times are epoch milliseconds, of the act. */
export interface AuditFilter {
  readonly kind?: AuditKind;
  readonly who?: string;
  readonly from?: number;
  readonly to?: number;
  /** Only entries before this one. */
  readonly before?: number;
  readonly limit: number;
}

/** One page, newest entry first. `next` is the `before` of the next page: a page may be short, even empty, and have one. */
export interface AuditPage {
  readonly entries: readonly ChainEntry[];
  readonly next: number | null;
}

type AuditPorts = Pick<Ports, "audit">;

/** Segments read for one page. */
const MAX_SCANNED = 60;
const SEGMENTS_AT_ONCE = 12;

/** One page of a tenant's chain. Bounded work: what few segments hold is answered, with where to go on. */
export async function listAudit({ audit }: AuditPorts, tenant: string, filter: AuditFilter): Promise<AuditPage> {
  const found: ChainEntry[] = [];
  let before = filter.before ?? Number.MAX_SAFE_INTEGER;
  for (let scanned = 0; scanned < MAX_SCANNED && before > 1; scanned += SEGMENTS_AT_ONCE) {
    const segments = await audit.segmentsBefore(tenant, before - 1, SEGMENTS_AT_ONCE);
    const entries = await Promise.all(segments.map(({ checkpoint }) => entriesOf(audit, checkpoint)));
    const matching = entries
      .flatMap((each) => each.toReversed())
      .filter(({ event }) => event.seq < before && isWanted(event, filter));
    for (const entry of matching) {
      found.push(entry);
      if (found.length === filter.limit) return { entries: found, next: entry.event.seq > 1 ? entry.event.seq : null };
    }
    before = segments.at(-1)?.checkpoint.first_seq ?? 1;
    if (segments.length < SEGMENTS_AT_ONCE) return { entries: found, next: null };
  }
  return { entries: found, next: before > 1 ? before : null };
}

function isWanted({ kind, who, at }: AuditEvent, filter: AuditFilter): boolean {
  return (
    (filter.kind === undefined || filter.kind === kind) &&
    (filter.who === undefined || filter.who === who) &&
    (filter.from === undefined || at >= filter.from) &&
    (filter.to === undefined || at <= filter.to)
  );
}

/** The inclusion proof of an entry; `undefined` when it is not stored. */
export async function proveAudit(
  { audit }: AuditPorts,
  tenant: string,
  seq: number,
): Promise<InclusionProof | undefined> {
  const [segment] = await audit.segmentsBefore(tenant, seq, 1);
  return segment === undefined ? undefined : proofOf(seq, await entriesOf(audit, segment.checkpoint), segment);
}

async function entriesOf(audit: Ports["audit"], checkpoint: Checkpoint): Promise<readonly ChainEntry[]> {
  return readChain((await audit.lines(checkpoint)) ?? []).entries;
}

/** Segments read ahead of an export's reader. */
const EXPORTED_AT_ONCE = 10;

/**
 * The lines of an export: where it starts and ends, the keys, then every segment that was appended between the two
 * times, and those in between, whole. The lines of a segment leave as they are stored; one whose object is gone leaves
 * its checkpoint, so that whoever verifies the export sees what is missing.
 */
export async function* exportAudit(
  ports: Pick<Ports, "audit" | "auditSigner">,
  tenant: string,
  between: { readonly from: number; readonly to: number },
): AsyncGenerator<string> {
  const { audit, auditSigner } = ports;
  const window = await audit.window(tenant, between);
  const ends = window === undefined ? [] : await endsOf(audit, tenant, window);
  const [first, last] = ends;
  yield auditLine({
    type: "start",
    v: 1,
    tenant,
    from_seq: first?.checkpoint.first_seq ?? 1,
    prev_hash: first?.checkpoint.prev_hash ?? GENESIS,
    head: last ?? null,
  });
  for (const key of await auditSigner.keys()) yield auditLine({ type: "key", key });
  if (first !== undefined && last !== undefined) yield* linesBetween(audit, first.checkpoint, last.checkpoint);
}

async function* linesBetween(audit: Ports["audit"], first: Checkpoint, last: Checkpoint): AsyncGenerator<string> {
  let fromSeq = first.first_seq;
  while (fromSeq <= last.first_seq) {
    const segments = await audit.segments(first.tenant, { fromSeq, limit: EXPORTED_AT_ONCE });
    const wanted = segments.filter(({ checkpoint }) => checkpoint.first_seq <= last.first_seq);
    const lines = await Promise.all(wanted.map((segment) => linesOf(audit, segment)));
    for (const each of lines) yield* each;
    const reached = wanted.at(-1)?.checkpoint;
    if (reached === undefined) return;
    // Whatever a row says of its last entry, the next segment is another one.
    fromSeq = Math.max(reached.first_seq, reached.seq) + 1;
  }
}

/** The first and the last segment of a window. */
async function endsOf(
  audit: Ports["audit"],
  tenant: string,
  { firstSeq, lastSeq }: { readonly firstSeq: number; readonly lastSeq: number },
): Promise<readonly SignedCheckpoint[]> {
  const [first, last] = await Promise.all([
    audit.segmentsBefore(tenant, firstSeq, 1),
    audit.segmentsBefore(tenant, lastSeq, 1),
  ]);
  return [...first, ...last];
}

async function linesOf(audit: Ports["audit"], segment: SignedCheckpoint): Promise<readonly string[]> {
  return (await audit.lines(segment.checkpoint)) ?? [auditLine({ type: "checkpoint", ...segment })];
}
