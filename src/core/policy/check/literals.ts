// Decides whether a text that stands in a rule can be right where it stands: a window, a currency, a tool, an instant.
import { didYouMean } from "../../config/mistakes.ts";
import { readWindow } from "../../units/window.ts";
import { currencyDecimals } from "../cel/functions.ts";
import { stringConstant } from "../cel/syntax.ts";
import { matchesAny } from "../constraints.ts";
import type { Expr } from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";

/** A mistake in one argument of a call. */
export interface ArgumentMistake {
  readonly at: Expr;
  readonly message: string;
}

type Check = (text: string, toolNames: readonly string[]) => string | undefined;

const ARGUMENT_PATH = /^(args\.)?[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*$/;
const TIMESTAMP = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;
const DURATION = /^[+-]?(0|(\d+(\.\d*)?|\.\d+)(h|m|s|ms|us|µs|ns)((\d+(\.\d*)?|\.\d+)(h|m|s|ms|us|µs|ns))*)$/;

const isWindow: Check = (text) =>
  readWindow(text)?.type === "sliding" ? undefined : `"${text}" is no window such as "15m", "24h" or "7d"`;

const isCurrency: Check = (text) =>
  currencyDecimals(text) === undefined ? `"${text}" is no ISO 4217 currency code such as "USD"` : undefined;

const isTool: Check = (text, toolNames) =>
  text === "*" || toolNames.some((name) => matchesAny(name, [text]))
    ? undefined
    : `"${text}" names no tool of the config${didYouMean(text, toolNames)}`;

const isPath: Check = (text) =>
  ARGUMENT_PATH.test(text) ? undefined : `"${text}" is no path of the arguments such as "customer_id"`;

const isTimestamp: Check = (text) =>
  TIMESTAMP.test(text) ? undefined : `"${text}" is no RFC 3339 instant such as "2026-01-05T12:00:00Z"`;

const isDuration: Check = (text) =>
  DURATION.test(text) ? undefined : `"${text}" is no duration such as "90s" or "1h30m"`;

const CHECKS: Readonly<Record<string, readonly (Check | undefined)[]>> = {
  minor: [undefined, isCurrency],
  count_within: [isTool, isWindow],
  sum_within: [isTool, isWindow],
  formerly: [isTool, isWindow],
  count_distinct_within: [isTool, isPath, isWindow],
  timestamp: [isTimestamp],
  duration: [isDuration],
};

/** Mistakes in the texts that a call is given literally. What is no literal is checked when the rule is evaluated. */
export function literalMistakes(
  name: string,
  args: readonly Expr[],
  toolNames: readonly string[],
): readonly ArgumentMistake[] {
  const checks = Object.hasOwn(CHECKS, name) ? (CHECKS[name] ?? []) : [];
  return args.flatMap((at, index) => {
    const text = stringConstant(at);
    const message = text === undefined ? undefined : checks[index]?.(text, toolNames);
    return message === undefined ? [] : [{ at, message }];
  });
}

/** What distinct values are counted of must stand in the rule: it is written down while calls run. */
export function distinctMistakes(args: readonly Expr[]): readonly ArgumentMistake[] {
  return args
    .slice(0, 2)
    .filter((at) => stringConstant(at) === undefined)
    .map((at) => ({ at, message: "count_distinct_within() takes its tool and its argument path literally" }));
}
