// Decides on which day of the calendar in UTC an instant lies.
import { civilOf } from "./local-time.ts";

const DAY_MS = 86_400_000;

/** The UTC day that an instant (epoch milliseconds) lies in, as yyyy-mm-dd. */
export function dayOf(at: number): string {
  const { year, month, day } = civilOf(Math.floor(at / DAY_MS));
  return [String(year).padStart(4, "0"), String(month).padStart(2, "0"), String(day).padStart(2, "0")].join("-");
}
