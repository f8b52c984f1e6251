// Proves the trace index on a real D1: every filter, stable pages, no row twice, no row of another tenant.
import { beforeAll, describe, expect, it } from "vitest";
import { d1TraceIndex } from "../../src/adapters/d1/trace-index.ts";
import { oneShard } from "../../src/adapters/d1/trace-shards.ts";
import { readTerms } from "../../src/core/trace/full-text.ts";
import { NO_CALLER, type IndexRow, type TraceRecord } from "../../src/core/trace/record.ts";
import { candidateIds } from "../../src/core/trace/row-id.ts";
import type { TraceFilter, TraceIndex } from "../../src/gateway/ports/trace-store.ts";
import { bindings } from "./tenant.ts";

const T0 = 1_790_000_000_000;

function record(at: number, row: Partial<IndexRow> = {}, words = ""): TraceRecord {
  const span = (row.span_id ?? at.toString(16)).padStart(16, "0");
  return {
    v: 1,
    index: {
      tenant: "t",
      trace_hex: Math.floor(at / 2)
        .toString(16)
        .padStart(32, "0"),
      trace_id: `tr_${at}`,
      started_at: T0 + at * 1_000,
      duration_ms: 5,
      kind: "chat",
      session_id: `s${at % 3}`,
      task_id: null,
      actor: at % 2 === 0 ? "even" : "odd",
      subject: "model-a",
      status: "succeeded",
      decision: "allow",
      error_code: null,
      policy_version: "v1",
      cost_micro_usd: at * 100,
      input_tokens: 1,
      output_tokens: 1,
      seq: at,
      call_id: null,
      ...NO_CALLER,
      ...row,
      span_id: span,
    },
    spans: [],
    payloads: [{ name: "response", span_id: span, content_type: "text/plain", body: words, digest: "", bytes: 1 }],
  };
}

const stored = (records: readonly TraceRecord[]): Parameters<TraceIndex["insert"]>[1] =>
  records.map((each, line) => ({ record: each, segment: "segments/t/x", line }));

async function seqs(
  index: TraceIndex,
  filter: Partial<TraceFilter>,
  tenant = "t",
): Promise<readonly (number | null)[]> {
  return (await index.list(tenant, { limit: 100, ...filter })).rows.map(({ seq }) => seq);
}

async function counted(sql: string): Promise<number> {
  return (await bindings.DB.prepare(sql).first<{ n: number }>())?.n ?? -1;
}

describe("the index", () => {
  const index = d1TraceIndex(oneShard(bindings.DB));

  beforeAll(async () => {
    await bindings.DB.batch(
      ["calls", "calls_text", "outcomes"].map((table) => bindings.DB.prepare(`DELETE FROM ${table}`)),
    );
    const records = Array.from({ length: 20 }, (_, at) =>
      record(at, {}, at === 7 ? 'lost parcel "late"' : "all is well"),
    );
    await index.insert("t", stored(records));
    await index.insert(
      "t",
      stored([
        record(20, { kind: "execute_tool", subject: "pay", status: "denied", decision: "deny", rules: ["cap"] }),
        record(21, {
          kind: "execute_tool",
          subject: "pay",
          release: "r2",
          user: "[user:x]",
          task_id: "k",
          call_id: "tc_1",
        }),
      ]),
    );
    await index.insert("u", stored([record(7, { tenant: "u" }, "lost parcel")]));
    const insert = bindings.DB.prepare(
      "INSERT INTO outcomes VALUES ('t', ?1, ?2, ?3, '{}', '{}', NULL, NULL, 0, 0, 'k', '')",
    );
    await bindings.DB.batch([
      insert.bind((3).toString(16).padStart(32, "0"), "a", "escalated"),
      ...Array.from({ length: 500 }, (_, at) => insert.bind(at.toString(16).padStart(32, "0"), "b", "resolved")),
    ]);
  });

  const newest = Array.from({ length: 22 }, (_, at) => 21 - at);
  it.each<[string, Partial<TraceFilter>, readonly number[]]>([
    ["nothing", {}, newest],
    ["actor", { actor: "odd" }, newest.filter((at) => at % 2 === 1)],
    ["session", { session: "s1" }, newest.filter((at) => at % 3 === 1)],
    ["task", { task: "k" }, [21]],
    ["user", { user: "[user:x]" }, [21]],
    ["tool", { tool: "pay" }, [21, 20]],
    ["a model that is a tool's name", { model: "pay" }, []],
    ["model and actor", { model: "model-a", actor: "even" }, newest.filter((at) => at % 2 === 0 && at < 20)],
    ["kind", { kind: "execute_tool" }, [21, 20]],
    ["decision", { decision: "deny" }, [20]],
    ["status", { status: "denied" }, [20]],
    ["rule", { rule: "cap" }, [20]],
    ["release", { release: "r2" }, [21]],
    ["from", { from: T0 + 18_000 }, [21, 20, 19, 18]],
    ["to", { to: T0 + 1_000 }, [1, 0]],
    ["a window", { from: T0 + 3_000, to: T0 + 4_000 }, [4, 3]],
    ["cost", { minCostMicro: 1_950 }, [21, 20]],
    ["cost of exactly so much", { minCostMicro: 2_100 }, [21]],
    ["a word", { terms: readTerms("parcel") ?? [] }, [7]],
    ["words in any order", { terms: readTerms("PARCEL lost") ?? [] }, [7]],
    ["a phrase", { terms: readTerms('"lost parcel"') ?? [] }, [7]],
    ["a phrase in the wrong order", { terms: readTerms('"parcel lost"') ?? [] }, []],
    ["a prefix", { terms: readTerms("parc*") ?? [] }, [7]],
    ["a word that is an operator", { terms: readTerms("parcel OR well") ?? [] }, []],
    ["an outcome of few traces", { outcome: "escalated" }, [7, 6]],
    ["an outcome of many traces", { outcome: "resolved", actor: "odd" }, newest.filter((at) => at % 2 === 1)],
    ["an outcome nobody reported", { outcome: "complaint" }, []],
  ])("finds by %s", async (_, filter, expected) => expect(await seqs(index, filter)).toEqual(expected));

  it("answers a trace oldest first, and never another tenant's", async () => {
    const hex = (3).toString(16).padStart(32, "0");
    expect((await index.ofTrace("t", hex)).map((row) => row.index.seq)).toEqual([6, 7]);
    expect((await index.ofTrace("u", hex)).map((row) => row.index.tenant)).toEqual(["u"]);
    expect(await seqs(index, { terms: readTerms("parcel") ?? [] }, "u")).toEqual([7]);
    expect(await seqs(index, {}, "v")).toEqual([]);
  });

  it("pages without a gap or a repeat while newer calls arrive", async () => {
    const seen: (number | null)[] = [];
    let cursor: string | undefined;
    for (let page = 0; ; page += 1) {
      const { rows, nextCursor } = await index.list("t", {
        limit: 4,
        actor: "even",
        ...(cursor === undefined ? {} : { cursor }),
      });
      seen.push(...rows.map(({ seq }) => seq));
      await index.insert("t", stored([record(1_000 + page * 2)]));
      if (nextCursor === null) break;
      cursor = nextCursor;
    }
    expect(seen).toEqual(newest.filter((at) => at % 2 === 0));
  });
});

describe("adding records", () => {
  const index = d1TraceIndex(oneShard(bindings.DB));

  it("adds each once, however often and however many at once it is delivered", async () => {
    const records = Array.from({ length: 40 }, (_, at) => record(at, { tenant: "once" }));
    await Promise.all(
      Array.from({ length: 4 }, (_, from) => index.insert("once", stored(records.slice(from * 5, from * 5 + 25)))),
    );
    await index.insert("once", stored([...records, ...records]));
    expect(await counted("SELECT count(*) AS n FROM calls WHERE tenant = 'once'")).toBe(40);
    expect(await seqs(index, {}, "once")).toEqual(Array.from({ length: 40 }, (_, at) => 39 - at));
  });

  it("keeps two records apart that would have the same number", async () => {
    const slotOf = (span: number): bigint =>
      (candidateIds(record(0, { span_id: span.toString(16).padStart(16, "0") }).index)[0] ?? 0n) % (1n << 22n);
    const seen = new Map<bigint, number>();
    let pair: readonly [number, number] | undefined;
    for (let span = 1; pair === undefined; span += 1) {
      const other = seen.get(slotOf(span));
      if (other !== undefined) pair = [other, span];
      seen.set(slotOf(span), span);
    }
    const [one, two] = pair.map((span, seq) =>
      record(0, { tenant: "t", session_id: "twins", span_id: span.toString(16).padStart(16, "0"), seq }),
    );
    if (one === undefined || two === undefined) throw new Error("no pair");
    await index.insert("t", stored([one]));
    await index.insert("t", stored([two, one]));
    await index.insert("t", stored([two]));
    expect(new Set(await seqs(index, { session: "twins" }))).toEqual(new Set([0, 1]));
  });

  it("writes what goes with them in the same transaction, for new records alone", async () => {
    const asked: (readonly (number | null)[])[] = [];
    let isBroken = true;
    const accompanied = d1TraceIndex(oneShard(bindings.DB), [
      async (_tenant, fresh) => {
        asked.push(fresh.map((each) => each.index.seq));
        return [bindings.DB.prepare(isBroken ? "INSERT INTO nowhere VALUES (1)" : "SELECT 1")];
      },
    ]);
    const [first, second] = [record(0, { tenant: "with" }), record(1, { tenant: "with" })];
    await expect(accompanied.insert("with", stored([first]))).rejects.toThrow(/nowhere/);
    expect(await seqs(index, {}, "with")).toEqual([]);
    isBroken = false;
    await accompanied.insert("with", stored([first]));
    await accompanied.insert("with", stored([first, second]));
    expect(asked).toEqual([[0], [0], [1]]);
  });
});
