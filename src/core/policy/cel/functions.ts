// Decides what our own CEL functions answer: exact minor units, and what a session did within a window.
import { celFunc, celMethod, CelScalar, mapType, type CelFunc, type CelMap } from "@bufbuild/cel";
import { DURATION } from "./well-known.ts";
import { readWindow } from "../../units/window.ts";
import { matchesAny } from "../constraints.ts";
import { sessionSource } from "./world.ts";
import type { HistoryEntry } from "./vocabulary.ts";

const { BOOL, DOUBLE, INT, STRING, DYN } = CelScalar;
const SESSION = mapType(STRING, DYN);

/** Decimals of currencies that have not two (ISO 4217, 2026); the others have two. */
const DECIMALS: ReadonlyMap<string, number> = new Map([
  ..."BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(" ").map((code) => [code, 0] as const),
  ..."BHD IQD JOD KWD LYD OMR TND".split(" ").map((code) => [code, 3] as const),
]);

/** How many decimals a currency's amounts have; `undefined` for what is no currency code. */
export function currencyDecimals(code: string): number | undefined {
  return /^[A-Z]{3}$/.test(code) ? (DECIMALS.get(code) ?? 2) : undefined;
}

/** Integer minor units of an amount's shortest decimal text; throws where that is not exact. */
function minor(amount: number | bigint | string, currency: string): bigint {
  const decimals = currencyDecimals(currency);
  if (decimals === undefined) throw new Error("the currency is no ISO 4217 code");
  const match = /^(-?)(\d{1,15})(?:\.(\d+))?$/.exec(String(amount).trim());
  if (match === null) throw new Error("the amount is no plain decimal");
  const fraction = (match[3] ?? "").replace(/0+$/, "");
  if (fraction.length > decimals) throw new Error(`the amount has more than ${decimals} decimals`);
  const units = BigInt(`${match[2] ?? "0"}${fraction.padEnd(decimals, "0")}`);
  return match[1] === "-" ? -units : units;
}

const MICRO_PER_CENT = 10_000;

interface Past {
  readonly entries: readonly HistoryEntry[];
}

/** The earlier calls of tools that a pattern names, within a window before now; `undefined` for the whole session. */
function past(session: CelMap, tool: string, windowMs: number | undefined): Past {
  const source = sessionSource(session);
  if (source === undefined) throw new Error("history is known of `session` only");
  const { history, now } = source;
  return {
    entries: history.filter(
      (entry) => matchesAny(entry.tool, [tool]) && (windowMs === undefined || now - entry.at < windowMs),
    ),
  };
}

function sumOf({ entries }: Past): bigint {
  return BigInt(Math.ceil(entries.reduce((sum, entry) => sum + (entry.amount ?? 0), 0) / MICRO_PER_CENT));
}

function distinctOf({ entries }: Past, path: string): bigint {
  const key = path.replace(/^args\./, "");
  const values = entries.flatMap((entry) => entry.values?.[key] ?? []);
  return BigInt(new Set(values).size);
}

function hasHappened({ entries }: Past): boolean {
  return entries.some((entry) => entry.status === "succeeded");
}

function msOfText(text: string): number {
  const window = readWindow(text);
  if (window === undefined || window.type !== "sliding") throw new Error('the window is none such as "15m" or "24h"');
  return window.ms;
}

function msOfDuration({ message }: { readonly message: { readonly seconds: bigint; readonly nanos: number } }): number {
  return Number(message.seconds) * 1000 + message.nanos / 1_000_000;
}

/** Our functions, for the environment in which every rule is planned. */
export const FUNCTIONS: CelFunc[] = [
  celFunc("minor", [DOUBLE, STRING], INT, minor),
  celFunc("minor", [INT, STRING], INT, minor),
  celFunc("minor", [STRING, STRING], INT, minor),
  celMethod("count_within", SESSION, [STRING, STRING], INT, function (tool, window) {
    return BigInt(past(this, tool, msOfText(window)).entries.length);
  }),
  celMethod("count_within", SESSION, [STRING, DURATION], INT, function (tool, window) {
    return BigInt(past(this, tool, msOfDuration(window)).entries.length);
  }),
  celMethod("sum_within", SESSION, [STRING, STRING], INT, function (tool, window) {
    return sumOf(past(this, tool, msOfText(window)));
  }),
  celMethod("sum_within", SESSION, [STRING, DURATION], INT, function (tool, window) {
    return sumOf(past(this, tool, msOfDuration(window)));
  }),
  celMethod("count_distinct_within", SESSION, [STRING, STRING, STRING], INT, function (tool, path, window) {
    return distinctOf(past(this, tool, msOfText(window)), path);
  }),
  celMethod("count_distinct_within", SESSION, [STRING, STRING, DURATION], INT, function (tool, path, window) {
    return distinctOf(past(this, tool, msOfDuration(window)), path);
  }),
  celMethod("formerly", SESSION, [STRING], BOOL, function (tool) {
    return hasHappened(past(this, tool, undefined));
  }),
  celMethod("formerly", SESSION, [STRING, STRING], BOOL, function (tool, window) {
    return hasHappened(past(this, tool, msOfText(window)));
  }),
  celMethod("formerly", SESSION, [STRING, DURATION], BOOL, function (tool, window) {
    return hasHappened(past(this, tool, msOfDuration(window)));
  }),
];
