// Decides which metrics the gateway shows of the daily counts, and how many series they may be.
import { EDGES, mergedHistogram, type Histogram } from "../trace/histogram.ts";
import { isModelKind } from "../trace/record.ts";
import { mergedCounts, type RollupRow } from "../trace/rollup.ts";
import { MICRO_PER_USD } from "../units/money.ts";
import type { HistogramValue, Labels, MetricFamily } from "./open-metrics.ts";

/** What is known of one tenant. */
export interface TenantCounts {
  readonly tenant: string;
  /** The daily counts since the counters began. */
  readonly rows: readonly RollupRow[];
  /** Switches that are set, by kind. */
  readonly switches: Readonly<Record<string, number>>;
  /** Share of the calls admitted in the last settled hour that are stored; `null` where nothing was admitted. */
  readonly coverage: number | null;
}

/** Names of tools and models of one tenant that have series of their own; the rest share `other`. */
export const OWN_SUBJECTS = 100;
/** The same for releases. */
export const OWN_RELEASES = 20;
const OTHER = "other";

/** Every family, over all these tenants. `leftOut` is how many more tenants there are. */
export function metricFamilies(tenants: readonly TenantCounts[], leftOut: number): readonly MetricFamily[] {
  const bounded = tenants.map((each) => ({ ...each, rows: boundedRows(each.rows) }));
  const rows = bounded.flatMap((each) => each.rows);
  return [
    {
      name: "interlock_calls",
      type: "counter",
      help: "Recorded calls, and what people did, since the start of the UTC month.",
      metrics: counters(rows, callLabels, ({ calls }) => calls),
    },
    {
      name: "interlock_cost_usd",
      type: "counter",
      unit: "usd",
      help: "Dollars that calls cost since the start of the UTC month.",
      metrics: counters(rows.filter(isCall), subjectLabels, (row) => row.cost_micro_usd).map(({ labels, value }) => ({
        labels,
        value: value / MICRO_PER_USD,
      })),
    },
    {
      name: "interlock_attempts",
      type: "counter",
      help: "Attempts at upstreams since the start of the UTC month.",
      metrics: counters(rows.filter(isCall), subjectLabels, (row) => row.attempts),
    },
    {
      name: "interlock_masked_entities",
      type: "counter",
      help: "Personal data and secrets that were masked since the start of the UTC month.",
      metrics: counters(rows.filter(isCall), subjectLabels, (row) => row.masked),
    },
    {
      name: "gen_ai_client_token_usage",
      type: "histogram",
      help: "Tokens of model calls by type (gen_ai.client.token.usage), since the start of the UTC month.",
      metrics: (["input", "output"] as const).flatMap((type) =>
        histograms(rows.filter(isModel), (row) => ({ ...modelLabels(row), gen_ai_token_type: type }), {
          edges: EDGES[type],
          counts: (row) => row[type],
          sum: (row) => (type === "input" ? row.input_tokens : row.output_tokens),
        }),
      ),
    },
    {
      name: "gen_ai_client_operation_duration_seconds",
      type: "histogram",
      unit: "seconds",
      help: "How long calls took (gen_ai.client.operation.duration), since the start of the UTC month.",
      metrics: histograms(rows.filter(isCall), operationLabels, {
        edges: EDGES.latency.map((ms) => ms / 1_000),
        counts: (row) => row.latency,
        sum: (row) => row.duration_ms / 1_000,
      }),
    },
    ...gauges(bounded, leftOut),
  ];
}

function gauges(tenants: readonly TenantCounts[], leftOut: number): readonly MetricFamily[] {
  return [
    {
      name: "interlock_switches",
      type: "gauge",
      help: "Kill switches that are set.",
      metrics: tenants.flatMap(({ tenant, switches }) =>
        Object.entries(switches).map(([kind, value]) => ({ labels: { tenant, kind }, value })),
      ),
    },
    {
      name: "interlock_trace_coverage_ratio",
      type: "gauge",
      unit: "ratio",
      help: "Share of the calls admitted in the last settled hour whose record is stored.",
      metrics: tenants.flatMap(({ tenant, coverage }) =>
        coverage === null ? [] : [{ labels: { tenant }, value: coverage }],
      ),
    },
    {
      name: "interlock_tenants_left_out",
      type: "gauge",
      help: "Tenants that this answer does not show.",
      metrics: [{ labels: {}, value: leftOut }],
    },
  ];
}

/** Rows over all days together, whose subjects and releases are the busiest ones of their tenant, or `other`. */
function boundedRows(rows: readonly RollupRow[]): readonly RollupRow[] {
  const subjects = busiest(rows, ({ kind, subject }) => `${kind}\n${subject}`, OWN_SUBJECTS);
  const releases = busiest(rows, ({ release }) => release, OWN_RELEASES);
  // Each of the families goes over all rows: days are added up once.
  const summed = new Map<string, RollupRow>();
  for (const row of rows) {
    const subject = subjects.has(`${row.kind}\n${row.subject}`) ? row.subject : OTHER;
    const release = releases.has(row.release) ? row.release : OTHER;
    const key = [row.kind, subject, release, row.status, row.decision].join("\n");
    const before = summed.get(key);
    summed.set(key, { ...row, subject, release, ...(before === undefined ? {} : mergedCounts(before, row)) });
  }
  return [...summed.values()];
}

function busiest(rows: readonly RollupRow[], nameOf: (row: RollupRow) => string, most: number): ReadonlySet<string> {
  const calls = new Map<string, number>();
  for (const row of rows) calls.set(nameOf(row), (calls.get(nameOf(row)) ?? 0) + row.calls);
  const sorted = [...calls].toSorted(([left, few], [right, many]) => many - few || left.localeCompare(right));
  return new Set(sorted.slice(0, most).map(([name]) => name));
}

function isCall({ kind }: RollupRow): boolean {
  return isModelKind(kind) || kind === "execute_tool" || kind === "ledger";
}

function isModel({ kind }: RollupRow): boolean {
  return isModelKind(kind);
}

function callLabels(row: RollupRow): Labels {
  return { ...subjectLabels(row), status: row.status, decision: row.decision };
}

function subjectLabels({ tenant, kind, subject, release }: RollupRow): Labels {
  return { tenant, kind, subject, release };
}

function modelLabels({ tenant, kind, subject }: RollupRow): Labels {
  const operation = isModelKind(kind) && kind !== "replay" ? kind : "chat";
  return { tenant, gen_ai_operation_name: operation, gen_ai_request_model: subject };
}

function operationLabels(row: RollupRow): Labels {
  if (isModelKind(row.kind) || row.kind === "ledger") return modelLabels(row);
  return { tenant: row.tenant, gen_ai_operation_name: row.kind, gen_ai_tool_name: row.subject };
}

type Counted = Extract<MetricFamily, { type: "counter" | "gauge" }>["metrics"];

function counters(
  rows: readonly RollupRow[],
  labelsOf: (row: RollupRow) => Labels,
  valueOf: (row: RollupRow) => number,
): Counted {
  return grouped(rows, labelsOf).map(({ labels, group }) => ({
    labels,
    value: group.reduce((sum, row) => sum + valueOf(row), 0),
  }));
}

interface Measured {
  readonly edges: readonly number[];
  readonly counts: (row: RollupRow) => Histogram;
  readonly sum: (row: RollupRow) => number;
}

function histograms(
  rows: readonly RollupRow[],
  labelsOf: (row: RollupRow) => Labels,
  { edges, counts, sum }: Measured,
): readonly { readonly labels: Labels; readonly value: HistogramValue }[] {
  return grouped(rows, labelsOf).map(({ labels, group }) => ({
    labels,
    value: {
      edges,
      counts: group.reduce<Histogram>((all, row) => mergedHistogram(all, counts(row)), []),
      sum: group.reduce((all, row) => all + sum(row), 0),
    },
  }));
}

function grouped(
  rows: readonly RollupRow[],
  labelsOf: (row: RollupRow) => Labels,
): readonly { readonly labels: Labels; readonly group: readonly RollupRow[] }[] {
  const groups = Map.groupBy(
    rows.map((row) => ({ row, labels: labelsOf(row) })),
    ({ labels }) => JSON.stringify(labels),
  );
  return [...groups.values()].flatMap((each) =>
    each[0] === undefined ? [] : [{ labels: each[0].labels, group: each.map(({ row }) => row) }],
  );
}
