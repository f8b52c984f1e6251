// Touches findings of drift in D1: kept once per week, marked when people were told.
import { and, eq, isNull, ne } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { DriftFinding } from "../../core/drift/compare.ts";
import type { DriftWatch } from "../../gateway/ports/reports.ts";
import { driftFindings } from "./schema.ts";

/** The id of the row that says a week was looked at. */
const WEEK_ITSELF = "";

/** Findings of drift in a D1 database. */
export function d1DriftWatch(database: D1Database): DriftWatch {
  const db = drizzle(database);
  const ofWeek = (tenant: string, week: number): ReturnType<typeof and> =>
    and(eq(driftFindings.tenant, tenant), eq(driftFindings.week, week));
  return {
    isWatched: async (tenant, week) => {
      const found = await db
        .select({ id: driftFindings.id })
        .from(driftFindings)
        .where(and(ofWeek(tenant, week), eq(driftFindings.id, WEEK_ITSELF)));
      return found.length > 0;
    },
    keep: async (tenant, week, { findings, at }) => {
      const rows = [
        { id: WEEK_ITSELF, finding: "{}" },
        ...findings.map((each) => ({ id: each.id, finding: JSON.stringify(each) })),
      ];
      await database.prepare(KEEP).bind(tenant, week, at, JSON.stringify(rows)).run();
    },
    undelivered: async (tenant, week) => {
      const found = await db
        .select({ finding: driftFindings.finding })
        .from(driftFindings)
        .where(and(ofWeek(tenant, week), ne(driftFindings.id, WEEK_ITSELF), isNull(driftFindings.deliveredAt)));
      return found.map(({ finding }) => findingOf(finding));
    },
    delivered: async (tenant, { week, id, at }) => {
      await db
        .update(driftFindings)
        .set({ deliveredAt: at })
        .where(and(ofWeek(tenant, week), eq(driftFindings.id, id)));
    },
  };
}

const KEEP = `INSERT OR IGNORE INTO drift_findings (tenant, week, id, found_at, delivered_at, finding)
SELECT ?1, ?2, json_extract(value, '$.id'), ?3, NULL, json_extract(value, '$.finding') FROM json_each(?4)`;

/** A finding that this adapter wrote: of our own making, so its shape is known. */
function findingOf(text: string): DriftFinding {
  return JSON.parse(text) as DriftFinding;
}
