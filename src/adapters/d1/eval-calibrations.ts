// Touches what judges were calibrated to, in D1.
import { and, desc, eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { Calibration } from "../../core/eval/judge/calibration.ts";
import type { EvalPeople } from "../../gateway/ports/eval-people.ts";
import { evalCalibrations } from "./eval-schema.ts";

/** Calibrations in a D1 database. Of two in the same millisecond the first one stays. */
export function d1EvalCalibrations(database: D1Database): Pick<EvalPeople, "keepCalibration" | "calibrations"> {
  const db = drizzle(database);
  return {
    keepCalibration: async (tenant, judge, calibration) => {
      const { at, judge_digest: judgeDigest, rubric_version: rubricVersion, status } = calibration;
      await db
        .insert(evalCalibrations)
        .values({ tenant, judge, at, judgeDigest, rubricVersion, status, calibration: JSON.stringify(calibration) })
        .onConflictDoNothing();
    },
    calibrations: async (tenant, judge, limit) => {
      const rows = await db
        .select({ calibration: evalCalibrations.calibration })
        .from(evalCalibrations)
        .where(and(eq(evalCalibrations.tenant, tenant), eq(evalCalibrations.judge, judge)))
        .orderBy(desc(evalCalibrations.at))
        .limit(limit);
      // Of our own making: their shape is known.
      return rows.map(({ calibration }) => JSON.parse(calibration) as Calibration);
    },
  };
}
