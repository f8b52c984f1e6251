// Decides what the clock says in a time zone, and where the hour, day, week or month of an instant begins and ends there.
import type { CalendarUnit } from "./window.ts";

/** A wall clock. `weekday` is 1 for Monday to 7 for Sunday (ISO 8601); `date` is `YYYY-MM-DD`. */
export interface LocalTime {
  readonly hour: number;
  readonly minute: number;
  readonly weekday: number;
  readonly date: string;
}

/** A half-open stretch of time, in epoch milliseconds. */
export interface Period {
  readonly start: number;
  readonly end: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Formatters are dear to build: one per zone. */
const formatters = new Map<string, Intl.DateTimeFormat>();
const MAX_ZONES = 64;

/** Whether a name is an IANA time zone that the runtime knows. */
export function isTimeZone(name: string): boolean {
  try {
    formatterOf(name);
    return true;
  } catch {
    return false;
  }
}

/** The wall clock of a zone at an instant. Throws for a name that is no time zone. */
export function localTime(now: number, zone: string): LocalTime {
  const local = localAsUtc(now, zone);
  const { year, month, day } = civilOf(Math.floor(local / DAY_MS));
  const ofDay = local - Math.floor(local / DAY_MS) * DAY_MS;
  return {
    hour: Math.floor(ofDay / HOUR_MS),
    minute: Math.floor((ofDay % HOUR_MS) / 60_000),
    weekday: weekdayOf(Math.floor(local / DAY_MS)),
    date: `${String(year).padStart(4, "0")}-${String(month).padStart(2, "0")}-${String(day).padStart(2, "0")}`,
  };
}

/** The calendar unit around an instant, as its zone counts it: a day of a clock change has 23 or 25 hours. */
export function periodAround(now: number, unit: CalendarUnit, zone: string): Period {
  const local = localAsUtc(now, zone);
  if (unit === "hour") {
    // Zones are offset by whole quarters of an hour, so that the hour is found without a search.
    const start = now - (local - Math.floor(local / HOUR_MS) * HOUR_MS);
    return { start, end: start + HOUR_MS };
  }
  const [first, next] = daysOf(Math.floor(local / DAY_MS), unit);
  return { start: instantOf(first * DAY_MS, zone), end: instantOf(next * DAY_MS, zone) };
}

/** The first day of the unit around a day and the first of the next one, as days since 1970-01-01. */
function daysOf(day: number, unit: Exclude<CalendarUnit, "hour">): readonly [number, number] {
  switch (unit) {
    case "day":
      return [day, day + 1];
    case "week": {
      const monday = day - (weekdayOf(day) - 1);
      return [monday, monday + 7];
    }
    case "month": {
      const { year, month } = civilOf(day);
      const after = month === 12 ? { year: year + 1, month: 1 } : { year, month: month + 1 };
      return [dayOf(year, month, 1), dayOf(after.year, after.month, 1)];
    }
    default:
      return unit satisfies never;
  }
}

/** An instant as RFC 3339 has it in UTC, with milliseconds. */
export function isoTime(ms: number): string {
  const day = Math.floor(ms / DAY_MS);
  const { year, month, day: ofMonth } = civilOf(day);
  const ofDay = Math.floor(ms - day * DAY_MS);
  const digits = (value: number, count: number): string => String(Math.floor(value)).padStart(count, "0");
  const date = `${digits(year, 4)}-${digits(month, 2)}-${digits(ofMonth, 2)}`;
  const clock = [ofDay / HOUR_MS, (ofDay / 60_000) % 60, (ofDay / 1_000) % 60].map((part) => digits(part, 2)).join(":");
  return `${date}T${clock}.${digits(ofDay % 1_000, 3)}Z`;
}

/** Monday is 1, Sunday 7. */
function weekdayOf(day: number): number {
  // 1970-01-01 was a Thursday.
  return ((((day + 3) % 7) + 7) % 7) + 1;
}

/** The wall clock at an instant, read as though it were UTC. */
function localAsUtc(now: number, zone: string): number {
  if (zone === "UTC") return now;
  const part: Record<string, number> = {};
  for (const { type, value } of formatterOf(zone).formatToParts(now)) part[type] = Number(value);
  const { year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
  const ms = now - Math.floor(now / 1_000) * 1_000;
  return dayOf(year, month, day) * DAY_MS + hour * HOUR_MS + minute * 60_000 + second * 1_000 + ms;
}

/** The first instant at which a zone's clock shows a time or, where a clock change skips it, the first after it. */
function instantOf(local: number, zone: string): number {
  if (zone === "UTC") return local;
  const offsets = [local - DAY_MS, local + DAY_MS].map((near) => localAsUtc(near, zone) - near);
  const found = offsets.map((offset) => local - offset).filter((instant) => localAsUtc(instant, zone) === local);
  return found.length > 0 ? Math.min(...found) : local - Math.min(...offsets);
}

function formatterOf(zone: string): Intl.DateTimeFormat {
  const known = formatters.get(zone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  if (formatters.size >= MAX_ZONES) formatters.clear();
  formatters.set(zone, made);
  return made;
}

/** Days since 1970-01-01 of a date of the proleptic Gregorian calendar (Hinnant, "chrono-compatible date algorithms"). */
export function dayOf(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const ofEra = y - era * 400;
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return era * 146_097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear - 719_468;
}

/** The date of a day since 1970-01-01: the inverse of `dayOf`. */
export function civilOf(day: number): { readonly year: number; readonly month: number; readonly day: number } {
  const z = day + 719_468;
  const era = Math.floor(z / 146_097);
  const ofEra = z - era * 146_097;
  const yearOfEra = Math.floor(
    (ofEra - Math.floor(ofEra / 1_460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  );
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * ofYear + 2) / 153);
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: ofYear - Math.floor((153 * shifted + 2) / 5) + 1,
  };
}
