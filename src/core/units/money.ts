// Decides how money is read, added and shown: integer micro-USD in, decimal text out, never a float in between.

/** One millionth of a US dollar; every amount inside the gateway is an integer count of these. */
export const MICRO_PER_USD = 1_000_000;

/** Pico-USD per micro-USD: token prices are integers of pico-USD per token, so that sums stay exact. */
export const PICO_PER_MICRO = 1_000_000;

const DECIMAL = /^(\d{1,10})(?:\.(\d{1,20}))?$/;

/**
 * Reads a decimal dollar amount from its source text into micro-USD.
 * Answers `undefined` for a sign, an exponent, more than ten integer digits, or a non-zero seventh
 * decimal: an amount that cannot be held exactly is refused rather than rounded.
 */
export function parseUsd(text: string): number | undefined {
  const match = DECIMAL.exec(text.trim());
  if (match === null) return undefined;
  const whole = match[1] ?? "0";
  const fraction = (match[2] ?? "").replace(/0+$/, "");
  if (fraction.length > 6) return undefined;
  return Number(whole) * MICRO_PER_USD + Number(fraction.padEnd(6, "0"));
}

/**
 * Reads a JSON number or decimal string as micro-USD, through the shortest decimal text of the number.
 * Exact whenever the JSON was read by `parseExactJson`, which refuses numbers a double cannot hold.
 */
export function usdFromJson(value: unknown): number | undefined {
  if (typeof value === "number" && Number.isFinite(value)) return parseUsd(String(value));
  if (typeof value === "string") return parseUsd(value);
  return undefined;
}

/** Decimal dollars of a micro-USD amount with at least two and at most six decimals: 42000000 → "42.00". */
export function formatUsd(micro: number): string {
  const sign = micro < 0 ? "-" : "";
  const size = Math.abs(micro);
  const whole = Math.floor(size / MICRO_PER_USD);
  const fraction = String(size % MICRO_PER_USD).padStart(6, "0");
  const shown = fraction.replace(/0{1,4}$/, "");
  return `${sign}${whole}.${shown}`;
}

/** Micro-USD that cover a pico-USD amount: rounded up, so that a ledger never under-counts. */
export function microFromPico(pico: number): number {
  return Math.ceil(pico / PICO_PER_MICRO);
}
