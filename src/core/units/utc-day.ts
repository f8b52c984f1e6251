// Decides on which day of the calendar in UTC an instant lies.

const DAY_MS = 86_400_000;
/** Days from 0000-03-01 to 1970-01-01, and those of 400 years of the Gregorian calendar. */
const EPOCH_DAYS = 719_468;
const ERA_DAYS = 146_097;

/** The UTC day that an instant (epoch milliseconds) lies in, as yyyy-mm-dd. Years count from March within, so that leap days are last. */
export function dayOf(at: number): string {
  const days = Math.floor(at / DAY_MS) + EPOCH_DAYS;
  const era = Math.floor(days / ERA_DAYS);
  const ofEra = days - era * ERA_DAYS;
  const yearOfEra = Math.floor(
    (ofEra - Math.floor(ofEra / 1_460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  );
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * ofYear + 2) / 153);
  const day = ofYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return [String(year).padStart(4, "0"), String(month).padStart(2, "0"), String(day).padStart(2, "0")].join("-");
}
