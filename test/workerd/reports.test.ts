// Proves outcomes, ready reports, daily counts and the watch over drift against D1 itself: what they answer, what they read, and that nothing counts twice.
import { afterEach, describe, expect, it, vi } from "vitest";
import { d1DriftWatch } from "../../src/adapters/d1/drift-findings.ts";
import { d1Outcomes } from "../../src/adapters/d1/outcomes.ts";
import { d1Reports, STATEMENTS } from "../../src/adapters/d1/reports.ts";
import { d1Rollups, READ, rollupCompanion } from "../../src/adapters/d1/rollups.ts";
import { d1TraceIndex } from "../../src/adapters/d1/trace-index.ts";
import { oneShard } from "../../src/adapters/d1/trace-shards.ts";
import { compose } from "../../src/compose.ts";
import { REPORT_NAMES, type QuestionRows, type Questions } from "../../src/core/report/questions.ts";
import { MEASURES } from "../../src/core/trace/histogram.ts";
import type { ReportedOutcome } from "../../src/core/trace/outcome.ts";
import type { IndexRow, TraceRecord } from "../../src/core/trace/record.ts";
import { rollupRows } from "../../src/core/trace/rollup.ts";
import type { Env } from "../../src/env.ts";
import { reportOutcome } from "../../src/gateway/report-outcome.ts";
import { watchDrift } from "../../src/jobs/watch-drift.ts";
import { callRow } from "../call-row.ts";
import { parseOpenMetrics } from "../unit/open-metrics-parser.ts";
import { asRoot, bindings, createKey, createTenant, request, testConfig, upstream } from "./tenant.ts";

const { DB } = bindings;
const index = d1TraceIndex(oneShard(DB), [rollupCompanion(DB)]);
const reports = d1Reports(DB);
const rollups = d1Rollups(DB);
const outcomes = d1Outcomes(DB);
const T0 = 1_790_000_000_000;
const DAY_MS = 86_400_000;

afterEach(() => vi.restoreAllMocks());

let tenants = 0;
function newTenant(): string {
  tenants += 1;
  return `reports-${tenants}`;
}

async function store(tenant: string, rows: readonly Partial<IndexRow>[]): Promise<readonly IndexRow[]> {
  const all = rows.map((row) => callRow({ tenant, started_at: T0, ...row }));
  const records: readonly TraceRecord[] = all.map((each) => ({ v: 1, index: each, spans: [], payloads: [] }));
  await index.insert(
    tenant,
    records.map((record, line) => ({ record, segment: "s", line })),
  );
  return all;
}

function ask<Name extends keyof Questions>(name: Name, tenant: string): Promise<QuestionRows<Name>> {
  return reports.ask(name, { tenant, from: T0 - DAY_MS, to: T0 + DAY_MS, limit: 50 });
}

const tool = (at: number, more: Partial<IndexRow> = {}): Partial<IndexRow> => ({
  kind: "execute_tool",
  subject: "refund",
  started_at: T0 + at,
  ...more,
});

function reported(
  tenant: string,
  row: Pick<IndexRow, "trace_hex">,
  more: Partial<ReportedOutcome> = {},
): ReportedOutcome {
  return {
    tenant,
    trace_hex: row.trace_hex,
    id: "oc_1",
    outcome: "escalated",
    labels: {},
    scores: {},
    comment: null,
    source: null,
    at: T0,
    recorded_at: T0,
    recorded_by: "k",
    digest: "d",
    ...more,
  };
}

describe("retry-loops", () => {
  it("finds the same tool failing in one session, and what was burnt meanwhile", async () => {
    const tenant = newTenant();
    await store(tenant, [
      tool(0, { status: "failed", attempts: 2, error_code: "tool_failed" }),
      { started_at: T0 + 500, cost_micro_usd: 7_000, input_tokens: 900, output_tokens: 100 },
      tool(1_000, { subject: "search" }),
      tool(2_000, { status: "denied", decision: "deny", attempts: null }),
      { started_at: T0 + 2_500, session_id: "another", cost_micro_usd: 1_000_000 },
      tool(3_000, { status: "unknown", attempts: 1 }),
      // A success ends it, and silence does.
      tool(4_000),
      tool(5_000, { status: "failed" }),
      tool(6_000, { status: "failed" }),
      tool(6_000 + 700_000, { status: "failed" }),
      // Elsewhere the same is another session's.
      tool(0, { session_id: "another", status: "failed" }),
    ]);
    expect(await ask("retry-loops", tenant)).toMatchObject([
      {
        session_id: "s",
        tool: "refund",
        calls: 3,
        attempts: 3,
        statuses: ["denied", "failed", "unknown"],
        first_at: T0,
        last_at: T0 + 3_000,
        model_calls: 1,
        model_tokens: 1_000,
        model_cost_micro_usd: 7_000,
      },
    ]);
  });
});

describe("tool-failure-escalation", () => {
  it("compares traces in which a tool failed with those in which it did not", async () => {
    const tenant = newTenant();
    const rows = await store(tenant, [
      ...Array.from({ length: 10 }, (_, at) => tool(at, { status: at < 8 ? "failed" : "unknown" })),
      ...Array.from({ length: 20 }, (_, at) => tool(100 + at)),
      ...Array.from({ length: 5 }, (_, at) => tool(200 + at, { status: "denied", decision: "deny" })),
      tool(300, { subject: "search" }),
    ]);
    // Reported late, some twice, some of a trace that is not stored.
    const escalated = [...rows.slice(0, 6), ...rows.slice(10, 12), rows[0], rows[35]].flatMap((row) => row ?? []);
    for (const [at, row] of escalated.entries()) await outcomes.put(reported(tenant, row, { id: `oc_${at}` }));
    for (const row of rows.slice(12, 15)) await outcomes.put(reported(tenant, row, { outcome: "resolved" }));
    await outcomes.put(reported(tenant, { trace_hex: "f".repeat(32) }));
    await outcomes.put(reported(newTenant(), rows[20] ?? { trace_hex: "" }));
    expect(await ask("tool-failure-escalation", tenant)).toEqual([
      { tool: "refund", failed: 10, failed_escalated: 6, other: 20, other_escalated: 2, reported: 11 },
    ]);
  });
});

describe("cost-by-release", () => {
  it("adds up calls, sessions and tasks", async () => {
    const tenant = newTenant();
    await store(tenant, [
      { release: "r1", task_id: "a", cost_micro_usd: 10 },
      { release: "r1", task_id: "a", cost_micro_usd: 20 },
      { release: "r1", task_id: "a", session_id: "s2", cost_micro_usd: 30, input_tokens: 7, output_tokens: 3 },
      { release: "r1", cost_micro_usd: 40 },
      tool(0, { release: "r1", status: "replayed", cost_micro_usd: 99 }),
      { cost_micro_usd: 5 },
    ]);
    expect(await ask("cost-by-release", tenant)).toMatchObject([
      {
        release: "r1",
        calls: 4,
        sessions: 2,
        tasks: 2,
        cost_micro_usd: 100,
        task_cost_micro_usd: 60,
        input_tokens: 307,
      },
      { release: null, calls: 1, tasks: 0, cost_micro_usd: 5 },
    ]);
  });
});

describe("denials-by-rule", () => {
  it("counts each rule of each denied call", async () => {
    const tenant = newTenant();
    const denied = { status: "denied", decision: "deny" };
    await store(tenant, [
      tool(0, { ...denied, rules: ["no-refunds", "office-hours"] }),
      tool(1, { ...denied, rules: ["no-refunds"], actor: "other" }),
      tool(2, { ...denied, rules: [] }),
      tool(3, { decision: "require_approval", status: "pending_approval", rules: ["no-refunds"] }),
    ]);
    expect(await ask("denials-by-rule", tenant)).toMatchObject([
      { rule: "no-refunds", denials: 2, all_denials: 3, actors: ["agent", "other"], subjects: ["refund"] },
      { rule: null, denials: 1, all_denials: 3 },
      { rule: "office-hours", denials: 1, all_denials: 3, actors: ["agent"] },
    ]);
  });
});

describe("slowest-upstreams", () => {
  it("has exact percentiles by nearest rank", async () => {
    const tenant = newTenant();
    await store(tenant, [
      ...Array.from({ length: 200 }, (_, at) =>
        tool(at, {
          upstream: "slow.test",
          duration_ms: ((at * 37) % 200) + 1,
          status: at < 10 ? "failed" : "succeeded",
        }),
      ),
      tool(300, { upstream: "one.test", duration_ms: 5 }),
      tool(301, { upstream: "one.test", duration_ms: 900, status: "denied", decision: "deny" }),
    ]);
    expect(await ask("slowest-upstreams", tenant)).toMatchObject([
      { upstream: "slow.test", calls: 200, failed: 10, p50_ms: 100, p95_ms: 190, p99_ms: 198, slowest_ms: 200 },
      { upstream: "one.test", calls: 1, failed: 0, p50_ms: 5, p95_ms: 5, p99_ms: 5, slowest_ms: 5 },
    ]);
  });
});

describe("every report", () => {
  it("reads the numbers of its window, and nothing of another tenant or time", async () => {
    const [tenant, other] = [newTenant(), newTenant()];
    const all = Array.from({ length: 3 }, (_, at) =>
      tool(at, { status: "failed", upstream: "up.test", rules: ["r"], decision: "deny" }),
    );
    await store(other, all);
    await store(
      tenant,
      all.map((row) => ({ ...row, started_at: T0 + 30 * DAY_MS })),
    );
    for (const name of REPORT_NAMES) expect(await ask(name, tenant)).toEqual([]);
  });

  it.each(REPORT_NAMES)("%s scans no table", async (name) => {
    const { results } = await DB.prepare(`EXPLAIN QUERY PLAN ${STATEMENTS[name]}`)
      .bind("t", "1", "2", 10)
      .all<{ detail: string }>();
    const details = results.map(({ detail }) => detail);
    const stored = details.filter((detail) => /\b(c|calls|o|outcomes)\b/.test(detail) && /^(SCAN|SEARCH)/.test(detail));
    expect(stored.length).toBeGreaterThan(0);
    for (const detail of stored)
      expect(detail).toMatch(
        /SEARCH (c USING INTEGER PRIMARY KEY \(rowid>\? AND rowid<\?\)|o USING (PRIMARY KEY|INDEX|COVERING INDEX))/,
      );
  });

  it("answers 100,000 calls of a window within a second or two", async () => {
    const tenant = newTenant();
    const from = T0 + 400 * DAY_MS;
    await fill(tenant, from, 100_000);
    const took: Record<string, number> = {};
    for (const name of REPORT_NAMES) {
      const started = performance.now();
      const rows = await reports.ask(name, { tenant, from, to: from + 8 * DAY_MS, limit: 20 });
      took[name] = Math.round(performance.now() - started);
      expect(rows.length).toBeGreaterThan(0);
      expect(took[name]).toBeLessThan(5_000);
    }
    console.log(`100,000 rows, ms: ${JSON.stringify(took)}`);
    await DB.prepare("DELETE FROM calls WHERE tenant = ?1").bind(tenant).run();
  });
});

/** Calls of a week, made by the database itself: every third of a model, one tool call in six failing. */
async function fill(tenant: string, from: number, count: number): Promise<void> {
  await DB.prepare(
    `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?3)
     INSERT INTO calls (id, tenant, trace_hex, span_id, trace_id, started_at, duration_ms, kind, session_id, task_id, actor, subject, status, decision,
       error_code, policy_version, cost_micro_usd, input_tokens, output_tokens, seq, call_id, release, user, rules, upstream, attempts, masked, segment, line)
     SELECT ((?2 + i * 6000 - 1577836800000) << 22) + i, ?1, printf('%032x', i / 4), printf('%016x', i), printf('tr_%032x', i / 4), ?2 + i * 6000, (i * 7919) % 3000,
       CASE i % 3 WHEN 0 THEN 'chat' ELSE 'execute_tool' END, 's' || (i / 20), 't' || (i / 10), 'agent-' || (i % 7), CASE i % 3 WHEN 0 THEN 'm' ELSE 'tool-' || (i % 5) END,
       CASE (i / 100) % 6 WHEN 0 THEN 'failed' WHEN 1 THEN 'denied' ELSE 'succeeded' END, CASE (i / 100) % 6 WHEN 1 THEN 'deny' ELSE 'allow' END,
       NULL, 'v1', i % 900, i % 4000, i % 700, i, NULL, 'r' || (i % 4), NULL, CASE (i / 100) % 6 WHEN 1 THEN '["rule-' || (i % 9) || '"]' ELSE '[]' END,
       'host-' || (i % 12), 1, 0, 's', 0 FROM n`,
  )
    .bind(tenant, from, count)
    .run();
}

describe("daily counts", () => {
  it("add up over batches, and a record that is delivered again adds nothing", async () => {
    const tenant = newTenant();
    const rows = Array.from({ length: 60 }, (_, at) =>
      callRow({
        tenant,
        started_at: T0 + at * 3_600_000,
        duration_ms: at * 100,
        cost_micro_usd: at * 10,
        input_tokens: at,
        status: at % 5 === 0 ? "failed" : "succeeded",
        masked: at % 2,
      }),
    );
    const stored = rows.map((each, line) => ({
      record: { v: 1, index: each, spans: [], payloads: [] } as const,
      segment: "s",
      line,
    }));
    await index.insert(tenant, stored.slice(0, 40));
    await index.insert(tenant, stored.slice(20));
    await index.insert(tenant, stored);
    const day = Math.floor(T0 / DAY_MS);
    const found = await rollups.between(tenant, day, day + 10);
    const sorted = (all: readonly { readonly day: number; readonly status: string }[]): readonly unknown[] =>
      all.toSorted((left, right) => left.day - right.day || left.status.localeCompare(right.status));
    expect(sorted(found)).toEqual(sorted(rollupRows(rows)));
  });

  it("of several consumers at once are counted once", async () => {
    const tenant = newTenant();
    const rows = Array.from({ length: 30 }, () => callRow({ tenant, started_at: T0 }));
    const stored = rows.map((each, line) => ({
      record: { v: 1, index: each, spans: [], payloads: [] } as const,
      segment: "s",
      line,
    }));
    await Promise.all([
      index.insert(tenant, stored),
      index.insert(tenant, stored.slice(10)),
      index.insert(tenant, stored),
    ]);
    const day = Math.floor(T0 / DAY_MS);
    const found = await rollups.between(tenant, day, day + 1);
    expect(found.map(({ calls }) => calls)).toEqual([30]);
    for (const measure of MEASURES) expect(found[0]?.[measure].reduce((sum, each) => sum + each, 0)).toBe(30);
  });

  it("cost a batch one row for each key, and are read by their table's order", async () => {
    const companion = rollupCompanion(DB);
    const fresh = Array.from({ length: 100 }, (_, at) => ({
      v: 1 as const,
      index: callRow({ tenant: "keys", subject: `m${at % 3}` }),
      spans: [],
      payloads: [],
    }));
    const results = await DB.batch([...(await companion("t", fresh))]);
    expect(results.reduce((sum, { meta }) => sum + meta.rows_written, 0)).toBe(3);
    const { results: plan } = await DB.prepare(`EXPLAIN QUERY PLAN ${READ}`).bind("t", 1, 2).all<{ detail: string }>();
    expect(plan[0]?.detail).toMatch(/SEARCH rollups USING PRIMARY KEY \(tenant=\? AND day>\? AND day<\?\)/);
  });
});

const HEX = "0af7651916cd43dd8448eb211c80319c";

describe("an outcome", () => {
  const report = (key: string, body: unknown, trace = `tr_${HEX}`): Promise<Response> =>
    request(`/v1/traces/${trace}/outcome`, key, { method: "POST", body: JSON.stringify(body) });

  it("is kept before its trace is, once for its id, and read in the order in which it came about", async () => {
    const tenant = await createTenant({});
    const body = {
      outcome: "escalated",
      labels: { queue: "tier-2" },
      scores: { csat: 0.25 },
      id: "case-17",
      at: "2026-03-01T10:00:00Z",
    };
    const first = await report(tenant.agent, body);
    expect(first.status).toBe(201);
    const kept = await first.json();
    expect(kept).toMatchObject({
      id: "case-17",
      trace_id: `tr_${HEX}`,
      outcome: "escalated",
      at: "2026-03-01T10:00:00.000Z",
    });
    const again = await report(tenant.agent, body);
    expect([again.status, await again.json()]).toEqual([201, kept]);
    const other = await report(tenant.agent, { ...body, outcome: "resolved" });
    expect([other.status, await other.json()]).toMatchObject([422, { code: "idempotency_key_reused" }]);
    expect((await report(tenant.agent, { labels: { topic: "billing" }, at: "2026-02-01T00:00:00Z" })).status).toBe(201);
    const read = await request(`/v1/traces/tr_${HEX}/outcomes`, tenant.auditor);
    const { data } = await read.json<{ data: readonly { outcome: string | null }[] }>();
    expect(data.map(({ outcome }) => outcome)).toEqual([null, "escalated"]);
    // Another tenant's trace of the same id is another trace.
    const stranger = await createTenant({});
    const elsewhere = await request(`/v1/traces/tr_${HEX}/outcomes`, stranger.auditor);
    expect(await elsewhere.json()).toEqual({ data: [] });
  });

  it("is stored with its comment masked, by the tenant's rules, and refuses other personal data by its field", async () => {
    const sections = { trace: { masking: { patterns: { badge: "BADGE-[0-9]{6}" } } } };
    const tenant = await createTenant({}, {}, { sections });
    const comment = "jane.roe@example.com called about BADGE-123456";
    const sent = await report(tenant.agent, { outcome: "complaint", comment, id: "c1" });
    const { comment: kept } = await sent.json<{ comment: string }>();
    expect([sent.status, kept]).toEqual([201, expect.stringMatching(/ called about /)]);
    expect(kept).not.toMatch(/jane|example\.com|123456/);
    const again = await report(tenant.agent, { outcome: "complaint", comment, id: "c1" });
    expect(await again.json()).toMatchObject({ comment: kept });
    const { results } = await DB.prepare("SELECT * FROM outcomes WHERE tenant = ?1").bind(tenant.id).all();
    expect(results).toHaveLength(1);
    expect(JSON.stringify(results)).not.toMatch(/jane|BADGE-1/);
    const labelled = await report(tenant.agent, { labels: { badge: "BADGE-123456" } });
    expect([labelled.status, await labelled.json()]).toMatchObject([400, { errors: [{ path: "labels" }] }]);
  });

  it("that cannot be recorded is not answered, and reported again it is one", async () => {
    const tenant = await createTenant({});
    const { ports } = compose(bindings as unknown as Env);
    const told: TraceRecord[] = [];
    let isReachable = false;
    const recorder = {
      write: () => undefined,
      writeNow: (record: TraceRecord) => Promise.resolve(isReachable && told.push(record) > 0),
    };
    const scope = { tenant: tenant.id, traceHex: HEX, by: "k" };
    const nothing = { labels: {}, scores: {}, comment: null, source: null, at: null };
    const first = await reportOutcome(
      ports,
      { scope, report: { ...nothing, outcome: "resolved", id: null } },
      recorder,
    );
    expect(first).toMatchObject({ ok: false, code: "trace_store_down" });
    const id = /oc_[0-9a-f]+/.exec(first.ok ? "" : first.detail)?.[0] ?? "";
    isReachable = true;
    for (let again = 0; again < 2; again += 1)
      expect(
        await reportOutcome(ports, { scope, report: { ...nothing, outcome: "resolved", id } }, recorder),
      ).toMatchObject({ ok: true });
    expect(new Set(told.map(({ index: row }) => `${row.span_id} ${row.started_at}`)).size).toBe(1);
    expect((await outcomes.outcomesOf(tenant.id, [HEX])).get(HEX)).toHaveLength(1);
  });

  it("of the same id reported by many at once is one", async () => {
    const tenant = await createTenant({});
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => report(tenant.agent, { outcome: "resolved", id: "once" })),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
    expect(await outcomes.outcomesOf(tenant.id, [HEX])).toHaveProperty("size", 1);
    expect((await outcomes.outcomesOf(tenant.id, [HEX])).get(HEX)).toHaveLength(1);
  });

  it.each([
    [{}, "outcome"],
    [{ outcome: "happy" }, "outcome"],
    [{ outcome: "resolved", note: "x" }, "note"],
    [{ labels: { "a b": "x" } }, "labels"],
    [{ labels: { a: 1 } }, "labels.a"],
    [{ scores: { a: "high" } }, "scores.a"],
    [{ outcome: "resolved", at: "2999-01-01T00:00:00Z" }, "at"],
    [{ outcome: "resolved", at: "yesterday" }, "at"],
    [{ outcome: "resolved", id: "a b" }, "id"],
    [{ labels: { customer: "jane.roe@example.com" } }, "labels.customer"],
    [{ outcome: "resolved", source: "jane.roe@example.com" }, "source"],
  ])("%j is refused by its field %s", async (body, field) => {
    const tenant = await createTenant({});
    const answer = await report(tenant.agent, body);
    const { errors = [] } = await answer.json<{ errors?: readonly { path: string }[] }>();
    expect([answer.status, errors.map(({ path }) => path)]).toEqual([
      400,
      expect.arrayContaining([expect.stringContaining(field)]),
    ]);
  });

  it("is joined for many traces at once", async () => {
    const tenant = newTenant();
    const hexes = Array.from({ length: 250 }, (_, at) => at.toString(16).padStart(32, "c"));
    for (const hex of [hexes[0] ?? "", hexes[100] ?? "", hexes[249] ?? ""])
      await outcomes.put(reported(tenant, { trace_hex: hex }, { labels: { a: "b" }, scores: { x: 0.5 } }));
    const found = await outcomes.outcomesOf(tenant, hexes);
    expect(new Set(found.keys())).toEqual(new Set([hexes[0], hexes[100], hexes[249]]));
    expect(found.get(hexes[100] ?? "")).toMatchObject([{ labels: { a: "b" }, scores: { x: 0.5 } }]);
  });
});

describe("the routes", () => {
  it("refuse windows, names and weeks by their field", async () => {
    const tenant = await createTenant({});
    const refused = async (path: string): Promise<readonly unknown[]> => {
      const answer = await request(path, tenant.auditor);
      const { errors = [] } = await answer.json<{ errors?: readonly { path: string }[] }>();
      return [answer.status, ...errors.map((each) => each.path)];
    };
    expect(await refused("/v1/reports/retry-loop")).toEqual([404]);
    expect(await refused("/v1/reports/retry-loops?from=2026-01-01&to=2026-09-01")).toEqual([400, "from"]);
    expect(await refused("/v1/reports/retry-loops?from=2026-02-01&to=2026-01-01")).toEqual([400, "from"]);
    expect(await refused("/v1/reports/retry-loops?limit=0&days=3")).toEqual([400, "days", "limit"]);
    expect(await refused("/v1/reports/drift?week=2026-W60")).toEqual([400, "week"]);
    expect(await refused("/v1/reports/drift?week=2999-01-01")).toEqual([400, "week"]);
  });

  it("answer metrics of one tenant to its key and of all to the root key", async () => {
    const [one, two] = [await createTenant({}), await createTenant({})];
    await store(one.id, [{ started_at: Date.now() }]);
    await store(two.id, [{ started_at: Date.now() }]);
    const read = async (key: string): Promise<ReadonlySet<string | undefined>> => {
      const answer = await request("/metrics", key);
      expect(answer.headers.get("content-type")).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
      const families = parseOpenMetrics(new TextDecoder().decode(await answer.arrayBuffer()));
      const calls = families.find(({ name }) => name === "interlock_calls")?.samples ?? [];
      return new Set(calls.map(({ labels }) => labels["tenant"]));
    };
    expect(await read(one.auditor)).toEqual(new Set([one.id]));
    expect((await request("/metrics", one.agent)).status).toBe(403);
    const root = await read("root-key-of-the-tests");
    expect(root.has(one.id) && root.has(two.id)).toBe(true);
  });
});

describe("the watch over drift", () => {
  const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  const THURSDAY = Date.UTC(2026, 10, 26);
  const WEEK = Date.UTC(2026, 10, 16);

  async function watched(): Promise<{
    readonly id: string;
    readonly auditor: string;
    readonly run: () => Promise<number>;
  }> {
    const sections = {
      trace: { drift: { min_calls: 50 }, alerts: { webhook: "https://tool.test/alerts", secret: "alerts" } },
    };
    const { id, auditor } = await createTenant({});
    await asRoot(id, "/v1/secrets/alerts", "PUT", { value: SECRET });
    const current = await request("/v1/config", auditor);
    const etag = current.headers.get("etag") ?? "";
    const published = await request("/v1/config", "root-key-of-the-tests", {
      method: "PUT",
      headers: { "interlock-tenant": id, "if-match": etag },
      body: JSON.stringify(testConfig({}, {}, { sections })),
    });
    if (!published.ok) throw new Error(await published.text());
    const { ports } = compose(bindings as unknown as Env);
    const acts: TraceRecord[] = [];
    const only = {
      ...ports,
      tenants: { ...ports.tenants, ids: () => Promise.resolve([id]) },
      system: { ...ports.system, now: () => THURSDAY },
    };
    const run = async (): Promise<number> => {
      await watchDrift(only, {
        write: (record) => void acts.push(record),
        writeNow: (record) => Promise.resolve(acts.push(record) > 0),
      });
      return new Set(acts.map((each) => `${each.index.span_id} ${each.index.started_at}`)).size;
    };
    return { id, auditor, run };
  }

  const calls = (monday: number, duration_ms: number): readonly Partial<IndexRow>[] =>
    Array.from({ length: 80 }, (_, at) => ({ started_at: monday + at * 1_000, duration_ms: duration_ms + at }));

  it("tells of a closed week once, whatever runs and fails, and records it", async () => {
    const { id, auditor, run } = await watched();
    await store(id, [...calls(WEEK - 7 * DAY_MS, 100), ...calls(WEEK, 4_000)]);
    let status = 500;
    const { sent } = upstream(() => new Response(null, { status }));
    expect(await run()).toBe(1);
    status = 200;
    for (let again = 0; again < 3; again += 1) expect(await run()).toBe(1);
    const ids = sent.map(({ headers }) => headers.get("webhook-id"));
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(1);
    const told = await sent[1]?.json();
    expect(told).toMatchObject({
      type: "drift.found",
      data: { metric: "latency", subject: "m", drifted: true, week: "2026-W47" },
    });
    const answer = await request("/v1/reports/drift?week=2026-W47", auditor);
    expect(await answer.json()).toMatchObject({
      week: "2026-W47",
      compared: [{ metric: "latency", drifted: true }, {}, {}, {}, {}, {}, {}],
    });
    expect(await d1DriftWatch(DB).isWatched(id, Math.floor(WEEK / DAY_MS))).toBe(true);
  });

  it("tells nobody of a week in which nothing moved", async () => {
    const { id, run } = await watched();
    await store(id, [...calls(WEEK - 7 * DAY_MS, 100), ...calls(WEEK, 100)]);
    const { sent } = upstream(() => new Response(null));
    expect(await run()).toBe(0);
    expect(sent).toHaveLength(0);
  });
});

describe("keys", () => {
  it("of agents report outcomes and read no reports", async () => {
    const tenant = await createTenant({});
    const operator = await createKey(tenant.id, ["operator"]);
    for (const [key, status] of [
      [tenant.agent, 403],
      [operator, 200],
    ] as const)
      expect((await request("/v1/reports/retry-loops", key)).status).toBe(status);
    const post = (key: string): Promise<Response> =>
      request(`/v1/traces/tr_${HEX}/outcome`, key, { method: "POST", body: JSON.stringify({ outcome: "resolved" }) });
    expect((await post(tenant.auditor)).status).toBe(403);
    expect((await post(operator)).status).toBe(201);
  });
});
