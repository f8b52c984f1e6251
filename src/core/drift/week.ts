// Decides which seven days a week is: Monday to Sunday in UTC, named as ISO 8601 does.

import { civilOf, dayOf } from "../units/local-time.ts";

const DAY_MS = 86_400_000;

/** One ISO week; days are counted from 1970-01-01. */
export interface Week {
  /** Such as `2026-W48`. */
  readonly name: string;
  readonly firstDay: number;
}

/** The day of an instant (epoch milliseconds), counted from 1970-01-01 in UTC. */
export function dayAt(ms: number): number {
  return Math.floor(ms / DAY_MS);
}

/** The week that a day belongs to. */
export function weekOf(day: number): Week {
  // 1970-01-01 was a Thursday.
  const firstDay = day - ((((day + 3) % 7) + 7) % 7);
  // A week belongs to the year of its Thursday.
  const year = civilOf(firstDay + 3).year;
  const number = (firstDay - firstOfYear(year)) / 7 + 1;
  return { name: `${String(year).padStart(4, "0")}-W${String(number).padStart(2, "0")}`, firstDay };
}

/** The week before. */
export function weekBefore(week: Week): Week {
  return weekOf(week.firstDay - 7);
}

/** The last week that has ended by an instant. */
export function lastClosedWeek(now: number): Week {
  return weekBefore(weekOf(dayAt(now)));
}

/** The week of a name such as `2026-W48`, or of any of its dates (`2026-11-25`); `undefined` for anything else. */
export function readWeek(text: string): Week | undefined {
  const [, year, number] = /^(\d{4})-W(\d{2})$/.exec(text) ?? [];
  if (year !== undefined && number !== undefined) {
    const week = weekOf(firstOfYear(Number(year)) + (Number(number) - 1) * 7);
    return week.name === text ? week : undefined;
  }
  const [, ...date] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text) ?? [];
  const [ofYear = 0, month = 0, ofMonth = 0] = date.map(Number);
  const day = dayOf(ofYear, month, ofMonth);
  const civil = civilOf(day);
  return ofYear > 0 && civil.month === month && civil.day === ofMonth ? weekOf(day) : undefined;
}

/** The Monday of a year's first week: that of its fourth of January. */
function firstOfYear(year: number): number {
  const fourth = dayOf(year, 1, 4);
  return fourth - ((((fourth + 3) % 7) + 7) % 7);
}
