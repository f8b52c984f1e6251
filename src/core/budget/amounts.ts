// Decides how the dimensions of a budget are counted and compared.

/** What a budget counts: micro-USD, tokens, model calls, tool calls, and micro-USD moved by tools. */
export const DIMENSIONS = ["usd", "tokens", "calls", "tool_calls", "tool_usd"] as const;

/** One dimension of a budget. */
export type Dimension = (typeof DIMENSIONS)[number];

/** A non-negative integer per dimension. */
export type Amounts = Readonly<Record<Dimension, number>>;

/** A limit per dimension where there is one, and the wall time of the scope in milliseconds. */
export type Limits = Readonly<Partial<Record<Dimension, number>>> & { readonly wall_time_ms?: number };

/** Nothing in any dimension. */
export const NOTHING: Amounts = { usd: 0, tokens: 0, calls: 0, tool_calls: 0, tool_usd: 0 };

/** Amounts with the named dimensions set and the others at zero. */
export function amounts(parts: Partial<Amounts>): Amounts {
  return { ...NOTHING, ...parts };
}

/** Combines two amounts dimension by dimension. */
export function combine(left: Amounts, right: Amounts, how: (a: number, b: number) => number): Amounts {
  return {
    usd: how(left.usd, right.usd),
    tokens: how(left.tokens, right.tokens),
    calls: how(left.calls, right.calls),
    tool_calls: how(left.tool_calls, right.tool_calls),
    tool_usd: how(left.tool_usd, right.tool_usd),
  };
}

/** Sum, dimension by dimension. */
export function plus(left: Amounts, right: Amounts): Amounts {
  return combine(left, right, (a, b) => a + b);
}

/** Difference, dimension by dimension, never below zero. */
export function minus(left: Amounts, right: Amounts): Amounts {
  return combine(left, right, (a, b) => Math.max(0, a - b));
}
