// Touches erasures in D1: what was asked, how far it is, and its receipt.
import { and, desc, eq, ne, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import * as z from "zod/mini";
import { ERASURE_SCOPES, ERASURE_STATUSES, readErasure, type Erasure } from "../../core/trace/erasure.ts";
import type { Erasures } from "../../gateway/ports/trace-keeping.ts";
import { erasures } from "./schema.ts";

const MAX_LISTED = 200;

/** Erasures in a D1 database. */
export function d1Erasures(database: D1Database): Erasures {
  const db = drizzle(database);
  return {
    create: async ({ progress, receipt, ...erasure }) => {
      await db
        .insert(erasures)
        .values({ ...erasure, progress: JSON.stringify(progress), receipt: JSON.stringify(receipt) });
    },
    get: async (tenant, id) => {
      const [row] = await db
        .select()
        .from(erasures)
        .where(and(eq(erasures.tenant, tenant), eq(erasures.id, id)));
      return row === undefined ? undefined : erasureOf(row);
    },
    list: async (tenant) => {
      const rows = await db
        .select()
        .from(erasures)
        .where(eq(erasures.tenant, tenant))
        .orderBy(desc(erasures.requestedAt), desc(erasures.id))
        .limit(MAX_LISTED);
      return rows.map(erasureOf);
    },
    due: async (now, limit) => {
      const rows = await db
        .select()
        .from(erasures)
        .where(and(ne(erasures.status, "done"), sql`json_extract(${erasures.progress}, '$.not_before') <= ${now}`))
        .orderBy(erasures.requestedAt)
        .limit(limit);
      return rows.map(erasureOf);
    },
    save: async (was, { progress, receipt, ...next }) => {
      const { meta } = await db
        .update(erasures)
        .set({ ...next, progress: JSON.stringify(progress), receipt: JSON.stringify(receipt) })
        .where(
          and(
            eq(erasures.tenant, was.tenant),
            eq(erasures.id, was.id),
            eq(erasures.progress, JSON.stringify(was.progress)),
          ),
        );
      return meta.changes > 0;
    },
  };
}

const Scope = z.enum(ERASURE_SCOPES);
const Status = z.enum(ERASURE_STATUSES);

function erasureOf(row: typeof erasures.$inferSelect): Erasure {
  return {
    ...row,
    scope: Scope.parse(row.scope),
    status: Status.parse(row.status),
    ...readErasure(row.progress, row.receipt),
  };
}
