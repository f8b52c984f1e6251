// Decides how metrics are written as text: OpenMetrics 1.0 (prometheus.io/docs/specs/om/open_metrics_spec).

/** The content type of the text. */
export const OPEN_METRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** Labels of one metric, by name. */
export type Labels = Readonly<Record<string, string>>;

/** Counts per bucket, each bucket's upper end included; the last has no end. */
export interface HistogramValue {
  readonly edges: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}

interface Described {
  /** Ends with `_` and the unit where there is one; a counter's without `_total`. */
  readonly name: string;
  readonly unit?: string;
  readonly help: string;
}

/** Metrics of one name and type. */
export type MetricFamily = Described &
  (
    | {
        readonly type: "counter" | "gauge";
        readonly metrics: readonly { readonly labels: Labels; readonly value: number }[];
      }
    | {
        readonly type: "histogram";
        readonly metrics: readonly { readonly labels: Labels; readonly value: HistogramValue }[];
      }
  );

/** The text of these families, each with its type, unit and help, closed by `# EOF`. A family without metrics is left out. */
export function openMetricsText(families: readonly MetricFamily[]): string {
  const lines = families.filter(({ metrics }) => metrics.length > 0).flatMap(linesOf);
  return [...lines, "# EOF", ""].join("\n");
}

function linesOf(family: MetricFamily): readonly string[] {
  const { name, unit, help, type } = family;
  return [
    `# TYPE ${name} ${type}`,
    ...(unit === undefined ? [] : [`# UNIT ${name} ${unit}`]),
    `# HELP ${name} ${escaped(help)}`,
    ...samplesOf(family),
  ];
}

function samplesOf(family: MetricFamily): readonly string[] {
  const { name } = family;
  if (family.type === "histogram")
    return family.metrics.flatMap(({ labels, value }) => histogramLines(name, labels, value));
  const suffix = family.type === "counter" ? "_total" : "";
  return family.metrics.map(({ labels, value }) => sample(name + suffix, labels, value));
}

function histogramLines(name: string, labels: Labels, { edges, counts, sum }: HistogramValue): readonly string[] {
  // Escaped once for all buckets: most of the text is theirs.
  const written = writtenLabels(labels);
  let below = 0;
  const buckets = [...edges.map(canonical), "+Inf"].map((le, bucket) => {
    below += counts[bucket] ?? 0;
    return `${name}_bucket{${[...written, `le="${le}"`].join(",")}} ${below}`;
  });
  return [...buckets, line(`${name}_count`, written, below), line(`${name}_sum`, written, sum)];
}

function sample(name: string, labels: Labels, value: number): string {
  return line(name, writtenLabels(labels), value);
}

function line(name: string, labels: readonly string[], value: number): string {
  return `${name}${labels.length === 0 ? "" : `{${labels.join(",")}}`} ${value}`;
}

function writtenLabels(labels: Labels): readonly string[] {
  return Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
}

/** Label values and help: backslash, quote and line feed are escaped, and half a character stands for none. */
function escaped(text: string): string {
  return text
    .toWellFormed()
    .replaceAll("\\", String.raw`\\`)
    .replaceAll("\n", String.raw`\n`)
    .replaceAll('"', String.raw`\"`);
}

/** A boundary as the specification has it: a float, so that `1` is `1.0`. */
function canonical(edge: number): string {
  return Number.isInteger(edge) ? `${edge}.0` : String(edge);
}
