// Decides which decimal texts are amounts of money and turns them into whole cents and back.

const PLAIN_DECIMAL = /^(?<whole>0|[1-9]\d{0,8})(?:\.(?<fraction>\d{1,2}))?$/;

/**
 * Cents of a decimal written as digits with at most two places, at most nine digits before the point.
 * Undefined for a sign, an exponent, a third decimal or anything else, so nothing is ever rounded.
 */
export function parseCents(text: string): number | undefined {
  const parts = PLAIN_DECIMAL.exec(text)?.groups;
  if (parts === undefined) return undefined;
  return Number(parts["whole"]) * 100 + Number((parts["fraction"] ?? "").padEnd(2, "0"));
}

/** Cents as dollars with both decimals: 4200 is "42.00". */
export function formatDollars(cents: number): string {
  return `${Math.trunc(cents / 100)}.${String(cents % 100).padStart(2, "0")}`;
}

/** Cents as the JSON number a reader expects: 4200 is 42, 4250 is 42.5. Exact: two decimals round-trip. */
export function dollarsNumber(cents: number): number {
  return Number(formatDollars(cents));
}
