// Touches the figures of exports in D1: one row per exporter, counted up.
import { eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { ExportLedger } from "../../gateway/ports/exports.ts";
import { exportFigures } from "./schema.ts";

/** The figures of exports in a D1 database. */
export function d1ExportLedger(database: D1Database): ExportLedger {
  const db = drizzle(database);
  return {
    add: async (tenant, exporter, { sent, failed, failure, at }) => {
      await db
        .insert(exportFigures)
        .values({ tenant, exporter, sent, failed, lastFailure: failure, changedAt: at })
        .onConflictDoUpdate({
          target: [exportFigures.tenant, exportFigures.exporter],
          set: {
            sent: sql`${exportFigures.sent} + excluded.sent`,
            failed: sql`${exportFigures.failed} + excluded.failed`,
            lastFailure: sql`coalesce(excluded.last_failure, ${exportFigures.lastFailure})`,
            changedAt: sql`excluded.changed_at`,
          },
        });
    },
    list: async (tenant) => {
      const rows = await db
        .select()
        .from(exportFigures)
        .where(eq(exportFigures.tenant, tenant))
        .orderBy(exportFigures.exporter);
      return rows.map(({ exporter, sent, failed, lastFailure, changedAt }) => ({
        exporter,
        sent,
        failed,
        last_failure: lastFailure,
        changed_at: changedAt,
      }));
    },
  };
}
