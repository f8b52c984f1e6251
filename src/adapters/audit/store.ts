// Touches stored audit chains: lines in R2, named by where they stand and what they hash to, and one row per segment in D1.
import { and, asc, desc, eq, gte, lte, sql } from "drizzle-orm";
import { drizzle, type DrizzleD1Database } from "drizzle-orm/d1";
import { NO_ENTRIES, type AuditKey, type Checkpoint, type SignedCheckpoint } from "../../core/audit/chain.ts";
import { SignedCheckpointShape } from "../../core/audit/lines.ts";
import type { AuditSegment, AuditStore } from "../../gateway/ports/audit.ts";
import { auditKeys, auditSegments } from "../d1/schema.ts";
import type { KeyBook } from "./signer.ts";

/** Digits of an entry's number in an object's name: names sort as numbers do. */
const SEQ_DIGITS = 12;
const HASH_DIGITS = 16;

/** Audit chains in a database and a bucket. */
export function auditStore(database: D1Database, bucket: R2Bucket): AuditStore {
  const db = drizzle(database);
  return {
    tail: async (tenant) => {
      const [last] = await newestFirst(db, tenant, Number.MAX_SAFE_INTEGER, 1);
      return last === undefined ? NO_ENTRIES : { seq: last.checkpoint.seq, hash: last.checkpoint.hash };
    },
    put: async ({ checkpoint }, lines) => {
      await bucket.put(objectOf(checkpoint), lines.join("\n"), {
        httpMetadata: { contentType: "application/x-ndjson" },
      });
    },
    segments: async (tenant, { fromSeq, limit }) => {
      const [holder] = await newestFirst(db, tenant, fromSeq, 1);
      const first = holder === undefined || holder.checkpoint.seq < fromSeq ? fromSeq : holder.checkpoint.first_seq;
      const rows = await db
        .select()
        .from(auditSegments)
        .where(and(eq(auditSegments.tenant, tenant), gte(auditSegments.firstSeq, first)))
        .orderBy(asc(auditSegments.firstSeq))
        .limit(limit);
      return rows.map(signedOf);
    },
    segmentsBefore: (tenant, seq, limit) => newestFirst(db, tenant, seq, limit),
    window: async (tenant, { from, to }) => {
      const [found] = await db
        .select({
          firstSeq: sql<number | null>`min(${auditSegments.firstSeq})`,
          lastSeq: sql<number | null>`max(${auditSegments.firstSeq})`,
        })
        .from(auditSegments)
        .where(and(eq(auditSegments.tenant, tenant), gte(auditSegments.lastAt, from), lte(auditSegments.firstAt, to)));
      const { firstSeq = null, lastSeq = null } = found ?? {};
      return firstSeq === null || lastSeq === null ? undefined : { firstSeq, lastSeq };
    },
    lines: async (checkpoint) => {
      const object = await bucket.get(objectOf(checkpoint));
      return object === null ? undefined : (await object.text()).split("\n");
    },
  };
}

/** The statement that makes a segment part of its chain. Its key is taken where another consumer appended first. */
export function appendStatement(database: D1Database, { signed, firstAt, lastAt }: AuditSegment): D1PreparedStatement {
  const { tenant, first_seq, seq, prev_hash, hash } = signed.checkpoint;
  return database
    .prepare(
      "INSERT INTO audit_segments (tenant, first_seq, last_seq, first_at, last_at, prev_hash, last_hash, object, checkpoint) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(
      tenant,
      first_seq,
      seq,
      firstAt,
      lastAt,
      prev_hash,
      hash,
      objectOf(signed.checkpoint),
      JSON.stringify(signed),
    );
}

/** The keys that have signed, in a database. */
export function auditKeyBook(database: D1Database, now: () => number): KeyBook {
  const db = drizzle(database);
  return {
    add: async ({ kid, x }) => {
      await db.insert(auditKeys).values({ id: kid, publicKey: x, firstUsedAt: now() }).onConflictDoNothing();
    },
    all: async () => {
      const rows = await db.select().from(auditKeys).orderBy(asc(auditKeys.firstUsedAt), asc(auditKeys.id));
      return rows.map(({ id, publicKey }): AuditKey => ({ kty: "OKP", crv: "Ed25519", x: publicKey, kid: id }));
    },
  };
}

async function newestFirst(
  db: DrizzleD1Database,
  tenant: string,
  seq: number,
  limit: number,
): Promise<readonly SignedCheckpoint[]> {
  const rows = await db
    .select()
    .from(auditSegments)
    .where(and(eq(auditSegments.tenant, tenant), lte(auditSegments.firstSeq, seq)))
    .orderBy(desc(auditSegments.firstSeq))
    .limit(limit);
  return rows.map(signedOf);
}

/** What a row says: a column that was changed shows as a checkpoint that nobody has signed. */
function signedOf(row: typeof auditSegments.$inferSelect): SignedCheckpoint {
  const { checkpoint, signature } = readSigned(row.checkpoint) ?? UNSIGNED;
  const { tenant, firstSeq, lastSeq, prevHash, lastHash } = row;
  return {
    checkpoint: { ...checkpoint, tenant, first_seq: firstSeq, seq: lastSeq, prev_hash: prevHash, hash: lastHash },
    signature,
  };
}

const UNSIGNED = { checkpoint: { v: 1, at: 0, key_id: "" }, signature: "" } as const;

function readSigned(text: string): SignedCheckpoint | undefined {
  try {
    const parsed = SignedCheckpointShape.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

function objectOf({ tenant, first_seq, hash }: Checkpoint): string {
  return `audit/${tenant}/${String(first_seq).padStart(SEQ_DIGITS, "0")}-${hash.slice(0, HASH_DIGITS)}.ndjson`;
}
