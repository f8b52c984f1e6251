// Decides how durations and counting windows are written in a config, and how long each is.

/** A window in which calls are counted: the last so many milliseconds, or the current hour, day, week or month. */
export type Window =
  | { readonly type: "sliding"; readonly ms: number }
  | { readonly type: "calendar"; readonly unit: CalendarUnit };

/** A unit of the calendar; weeks begin on Monday (ISO 8601). */
export type CalendarUnit = (typeof CALENDAR_UNITS)[number];

const CALENDAR_UNITS = ["hour", "day", "week", "month"] as const;
const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DURATION = /^(\d{1,6})(s|m|h|d)$/;
/** Ten years: longer is a mistake. */
const MAX_MS = 3_650 * 86_400_000;

/** Milliseconds of `"15m"`, `"24h"`, `"7d"`, `"30s"`, or of whole seconds; `undefined` for anything else and for none. */
export function readDuration(value: string | number | undefined): number | undefined {
  if (value === undefined) return undefined;
  const ms = typeof value === "string" ? msOfText(value) : Number.isInteger(value) ? value * 1_000 : undefined;
  return ms !== undefined && Number.isSafeInteger(ms) && ms > 0 && ms <= MAX_MS ? ms : undefined;
}

function msOfText(text: string): number | undefined {
  const match = DURATION.exec(text.trim());
  const unit = match === null ? undefined : UNIT_MS[match[2] ?? ""];
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit;
}

/** The window a text names: a duration for a sliding one, `hour`, `day`, `week` or `month` for a calendar one. */
export function readWindow(value: string | number | undefined): Window | undefined {
  const unit = CALENDAR_UNITS.find((each) => each === value);
  if (unit !== undefined) return { type: "calendar", unit };
  const ms = readDuration(value);
  return ms === undefined ? undefined : { type: "sliding", ms };
}
