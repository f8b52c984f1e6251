// Measures trace search over a million recorded calls in a local D1: every filter, pages deep down, full text.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { d1TraceIndex } from "../../src/adapters/d1/trace-index.ts";
import { oneShard } from "../../src/adapters/d1/trace-shards.ts";
import { readTerms } from "../../src/core/trace/full-text.ts";
import { NO_CALLER, type TraceRecord } from "../../src/core/trace/record.ts";
import type { TraceFilter, TraceIndex } from "../../src/gateway/ports/trace-store.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const ROWS = Number(process.env["ROWS"] ?? 1_000_000);
const RUNS = 15;
const PER_BATCH = 2_000;
const TENANT = "bench";
const START = Date.UTC(2026, 9, 1);
/** Calls are this far apart: a million are about a month. */
const APART_MS = 2_600;
const TARGET_P95_MS = 150;

const WORDS = readFileSync(path.join(ROOT, "src/core/trace/searchable.ts"), "utf8").match(/[a-z]{4,}/g) ?? [];

function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const random = numbers(7);
const text = (words: number): string =>
  Array.from({ length: words }, () => WORDS[Math.floor(random() * WORDS.length)] ?? "").join(" ");

function recordOf(at: number): TraceRecord {
  const isTool = random() < 0.4;
  const roll = random();
  const status = roll < 0.93 ? "succeeded" : roll < 0.97 ? "failed" : roll < 0.999 ? "denied" : "unknown";
  const hex = Math.floor(at / 5)
    .toString(16)
    .padStart(32, "0");
  const span = at.toString(16).padStart(16, "0");
  const needle = at % 100_000 === 0 ? " heliotrope" : "";
  return {
    v: 1,
    index: {
      tenant: TENANT,
      trace_hex: hex,
      span_id: span,
      trace_id: `tr_${hex}`,
      started_at: START + at * APART_MS,
      duration_ms: Math.floor(random() * 4_000),
      kind: isTool ? "execute_tool" : "chat",
      session_id: `session-${Math.floor(at / 20)}`,
      task_id: null,
      actor: `agent_${Math.floor(random() * 12)}`,
      subject: isTool ? `tool.${Math.floor(random() * 30)}` : `model-${Math.floor(random() * 6)}`,
      status,
      decision: status === "denied" ? "deny" : "allow",
      error_code: status === "succeeded" ? null : "upstream_failed",
      policy_version: "v1-000000000000",
      cost_micro_usd: isTool ? 0 : Math.floor(random() ** 6 * 2_000_000),
      input_tokens: 900,
      output_tokens: 120,
      seq: at,
      call_id: null,
      ...NO_CALLER,
      release: `r${Math.floor(at / 250_000)}`,
      rules: status === "denied" ? [`rule-${at % 40}`] : [],
    },
    spans: [],
    payloads: [
      {
        name: "response",
        span_id: span,
        content_type: "text/plain",
        bytes: 1,
        digest: "",
        body: `${text(24)}${needle}`,
      },
    ],
  };
}

const END = START + ROWS * APART_MS;
const DAY = 86_400_000;
const QUERIES: readonly (readonly [string, Omit<TraceFilter, "limit">])[] = [
  ["no filter", {}],
  ["actor", { actor: "agent_3" }],
  ["session", { session: "session-777" }],
  ["tool", { tool: "tool.7" }],
  ["model", { model: "model-2" }],
  ["decision deny", { decision: "deny" }],
  ["status unknown", { status: "unknown" }],
  ["status unknown, actor, tool", { status: "unknown", actor: "agent_3", tool: "tool.7" }],
  ["nothing matches: two common filters", { model: "model-2", tool: "tool.7" }],
  ["release, the oldest", { release: "r0" }],
  ["from and to, one day", { from: START + 3 * DAY, to: START + 4 * DAY }],
  ["one old day, denied", { from: START + 3 * DAY, to: START + 4 * DAY, decision: "deny" }],
  ["cost at least $1.90", { minCostMicro: 1_900_000 }],
  ["cost at least $1.90, failed", { minCostMicro: 1_900_000, status: "failed" }],
  ["outcome escalated (few)", { outcome: "escalated" }],
  ["outcome resolved (a tenth)", { outcome: "resolved" }],
  ["outcome resolved, denied", { outcome: "resolved", decision: "deny" }],
  ["rare word", { terms: readTerms("heliotrope") ?? [] }],
  ["two common words", { terms: readTerms("record text") ?? [] }],
  ["phrase", { terms: readTerms('"value depth"') ?? [] }],
  ["word, actor, status", { terms: readTerms("record") ?? [], actor: "agent_3", status: "failed" }],
  ["page from the middle", { cursor: String(BigInt(START + (END - START) / 2 - 1_577_836_800_000) << 22n) }],
  [
    "actor, page from the end",
    { actor: "agent_3", cursor: String(BigInt(START + 5_000_000 - 1_577_836_800_000) << 22n) },
  ],
];

async function fill(database: D1Database, index: TraceIndex): Promise<void> {
  const directory = path.join(ROOT, "migrations");
  const journal = JSON.parse(readFileSync(path.join(directory, "meta/_journal.json"), "utf8")) as {
    entries: { tag: string }[];
  };
  for (const { tag } of journal.entries)
    for (const statement of readFileSync(path.join(directory, `${tag}.sql`), "utf8").split("--> statement-breakpoint"))
      await database.prepare(statement.replaceAll(/^--.*$/gm, "").trim()).run();
  const startedAt = Date.now();
  for (let from = 0; from < ROWS; from += PER_BATCH) {
    const stored = Array.from({ length: Math.min(PER_BATCH, ROWS - from) }, (_, at) => ({
      record: recordOf(from + at),
      segment: "segments/bench/2026-10-01/x.ndjson.gz",
      line: at,
    }));
    await index.insert(TENANT, stored);
    if (from % 100_000 === 0) console.log(`${from} rows after ${Math.round((Date.now() - startedAt) / 1000)} s`);
  }
  const outcome = (name: string, every: number): Promise<unknown> =>
    database
      .prepare(
        `INSERT INTO outcomes (tenant, trace_hex, id, outcome, labels, scores, at, recorded_at, recorded_by, digest)
         SELECT DISTINCT tenant, trace_hex, ?1, ?1, '{}', '{}', started_at, started_at, 'k', '' FROM calls WHERE seq % ?2 = 0`,
      )
      .bind(name, every)
      .run();
  await outcome("escalated", 20_000);
  await outcome("resolved", 50);
}

const directory = mkdtempSync(path.join(tmpdir(), "interlock-search-"));
const miniflare = new Miniflare(
  convertV4MiniflareOptions({
    modules: true,
    script: "export default { fetch: () => new Response() }",
    compatibilityDate: "2026-10-01",
    d1Databases: { DB: "bench" },
    d1Persist: directory,
  }),
);
try {
  const database = await miniflare.getD1Database("DB");
  const index = d1TraceIndex(oneShard(database));
  await fill(database, index);
  console.log(`${ROWS} calls; ${RUNS} runs of each query; target: p95 at most ${TARGET_P95_MS} ms`);
  const all: number[] = [];
  for (const [name, filter] of QUERIES) {
    const times: number[] = [];
    let found = 0;
    for (let run = 0; run < RUNS; run += 1) {
      const at = performance.now();
      const page = await index.list(TENANT, { ...filter, limit: 50 });
      times.push(performance.now() - at);
      found = page.rows.length;
    }
    all.push(...times);
    times.sort((a, b) => a - b);
    console.log(`${name.padEnd(40)} p50 ${ms(times, 0.5)} p95 ${ms(times, 0.95)} ms, ${found} found`);
  }
  all.sort((a, b) => a - b);
  console.log(`${"all".padEnd(40)} p50 ${ms(all, 0.5)} p95 ${ms(all, 0.95)} p99 ${ms(all, 0.99)} ms`);
} finally {
  await miniflare.dispose();
  rmSync(directory, { recursive: true, force: true });
}

function ms(sorted: readonly number[], quantile: number): string {
  return (sorted[Math.min(sorted.length - 1, Math.floor(quantile * sorted.length))] ?? 0).toFixed(1).padStart(7);
}
