// Decides the buckets in which latencies, costs and tokens are counted: fixed, each about twice as wide as the one below.

/** What is counted in buckets. */
export type Measure = "latency" | "cost" | "input" | "output";

/** Every measure. */
export const MEASURES: readonly Measure[] = ["latency", "cost", "input", "output"];

const doubling = (first: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_, power) => first * 2 ** power);

/**
 * Upper ends of the buckets, each included in its bucket; above the last there is one more. Latency in milliseconds:
 * from 10 on the boundaries that the GenAI semantic conventions advise for `gen_ai.client.operation.duration`. Cost in
 * micro-USD: free calls apart, then from $0.000016 to $67. Tokens: from 1 to 4 million, among them the boundaries that the
 * conventions advise for `gen_ai.client.token.usage`.
 */
export const EDGES: Readonly<Record<Measure, readonly number[]>> = {
  latency: [2, 5, ...doubling(10, 14)],
  cost: [0, ...doubling(16, 23)],
  input: [0, ...doubling(1, 23)],
  output: [0, ...doubling(1, 23)],
};

/** Counts per bucket: one more than there are edges. */
export type Histogram = readonly number[];

/** A histogram that has counted nothing. */
export function emptyHistogram(measure: Measure): Histogram {
  return Array.from({ length: EDGES[measure].length + 1 }, () => 0);
}

/** The bucket of a value. */
export function bucketOf(measure: Measure, value: number): number {
  const at = EDGES[measure].findIndex((edge) => value <= edge);
  return at === -1 ? EDGES[measure].length : at;
}

/** The histogram with one value more. */
export function withValue(histogram: Histogram, measure: Measure, value: number): Histogram {
  return histogram.with(bucketOf(measure, value), (histogram[bucketOf(measure, value)] ?? 0) + 1);
}

/** Both together. */
export function mergedHistogram(left: Histogram, right: Histogram): Histogram {
  const longer = left.length >= right.length ? left : right;
  return longer.map((_, bucket) => (left[bucket] ?? 0) + (right[bucket] ?? 0));
}
