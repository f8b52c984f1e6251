// Proves the sequence that cuts a dataset: what it looks through, what it leaves out and counts, within its bounds.
import { describe, expect, it } from "vitest";
import type { EvalCase } from "../../src/core/eval/case.ts";
import type { ReportedOutcome } from "../../src/core/trace/outcome.ts";
import type { TraceRecord } from "../../src/core/trace/record.ts";
import {
  cutDataset,
  MAX_DATASET_BYTES,
  MAX_DATASET_ROWS,
  MAX_DATASET_UNITS,
  type CutPorts,
  type CutQuestion,
  type CutReport,
} from "../../src/gateway/evals/cut-dataset.ts";
import type { TraceFilter, TracePage } from "../../src/gateway/ports/trace-store.ts";
import { asks, CONFIG, Recording, refundStory, results, START, user } from "../unit/eval-recording.ts";

const PER_SEGMENT = 4;

interface Store {
  readonly ports: CutPorts;
  /** How many records were read at a time, in order. */
  readonly reads: number[];
}

/** A store of these records, oldest first, a few to a segment; `lost` ones have a row and no record. */
function store(records: readonly TraceRecord[], lost: ReadonlySet<TraceRecord> = new Set()): Store {
  const sorted = records.toSorted((a, b) => a.index.started_at - b.index.started_at);
  const rows = sorted.map(({ index }, line) => ({ ...index, segment: `seg${Math.floor(line / PER_SEGMENT)}`, line }));
  const reads: number[] = [];
  const isOf = (filter: TraceFilter, row: (typeof rows)[number]): boolean =>
    (filter.session === undefined || filter.session === row.session_id) &&
    (filter.tool === undefined || filter.tool === row.subject) &&
    row.started_at <= (filter.to ?? Number.POSITIVE_INFINITY) &&
    row.started_at >= (filter.from ?? 0);
  const list = async (_: string, filter: TraceFilter): Promise<TracePage> => {
    const found = rows.filter((row) => isOf(filter, row));
    const ordered = filter.order === "oldest" ? found : found.toReversed();
    const from = Number(filter.cursor ?? 0);
    const next = from + filter.limit;
    return { rows: ordered.slice(from, next), nextCursor: next < ordered.length ? String(next) : null };
  };
  const ports = {
    system: { now: () => START + 1e9 },
    configs: { active: async () => CONFIG },
    index: {
      list,
      ofTrace: async (_: string, hex: string) =>
        rows.filter((row) => row.trace_hex === hex).map(({ segment, line, ...index }) => ({ index, segment, line })),
    },
    segments: {
      read: async (_: string, __: string, lines: readonly number[]) => {
        reads.push(lines.length);
        return lines.flatMap((line) => {
          const record = sorted[line];
          return record === undefined || lost.has(record) ? [] : [record];
        });
      },
    },
    outcomes: {
      outcomesOf: async (_: string, hexes: readonly string[]) =>
        new Map(hexes.flatMap((hex) => (hex.startsWith("b") ? [[hex, [COMPLAINT]] as const] : []))),
    },
  } as unknown as CutPorts;
  return { ports, reads };
}

const COMPLAINT = { outcome: "complaint", at: 1, recorded_at: 1 } as ReportedOutcome;
const QUESTION: CutQuestion = {
  filter: {},
  sample: { size: 100, by: [], seed: 1, allocation: "proportional", minPerStratum: 0 },
  labelFromRecording: false,
};

async function dataset(
  from: Store,
  question: Partial<CutQuestion> = {},
): Promise<{ readonly cases: readonly EvalCase[]; readonly report: CutReport }> {
  const outcome = await cutDataset(from.ports, "t", { ...QUESTION, ...question });
  if (!outcome.ok) throw new Error(outcome.detail);
  return outcome.value;
}

/** Sessions that differ in what they refund. */
function stories(count: number): readonly Recording[] {
  return Array.from({ length: count }, (_, at) =>
    refundStory({ session: `s${at}`, trace: at % 2 === 0 ? "a" : "b", startsAt: START + at * 60_000 }, at + 1),
  );
}

const recordsOf = (recordings: readonly Recording[]): readonly TraceRecord[] =>
  recordings.flatMap((each) => each.records);

describe("cutting a dataset", () => {
  it("reads every session that the filter names, and tells what it found", async () => {
    const { cases, report } = await dataset(store(recordsOf(stories(6))));
    expect(cases.map(({ cluster }) => cluster)).toEqual(["s0", "s1", "s2", "s3", "s4", "s5"]);
    expect(cases[1]).toMatchObject({ outcome: "complaint", risk: "critical" });
    expect(report).toEqual({
      rows: 30,
      sessions: 6,
      sessions_incomplete: 0,
      truncated: false,
      cut: 6,
      repeats: 0,
      strata: [{ stratum: {}, seen: 6, taken: 6 }],
      taken: 6,
      adversarial: 0,
      bytes: cases.reduce((sum, each) => sum + JSON.stringify(each).length, 0),
      left_out: {},
    });
  });

  it("draws by strata, reads only what was drawn again, and is the same for the same seed", async () => {
    const from = store(recordsOf(stories(6)));
    const sample = { ...QUESTION.sample, size: 2, by: ["outcome" as const], allocation: "equal" as const };
    const first = await dataset(from, { sample });
    expect(first.report.strata).toEqual([
      { stratum: { outcome: "complaint" }, seen: 3, taken: 1 },
      { stratum: { outcome: "none" }, seen: 3, taken: 1 },
    ]);
    expect(from.reads.reduce((sum, each) => sum + each, 0)).toBe(30 + 10);
    expect(await dataset(store(recordsOf(stories(6)).toReversed()), { sample })).toEqual(first);
    const ids = async (seed: number): Promise<string> =>
      (await dataset(from, { sample: { ...sample, seed } })).cases.map(({ id }) => id).join();
    expect(new Set([await ids(1), await ids(2), await ids(3), await ids(4)]).size).toBeGreaterThan(1);
  });

  it("keeps only the stretches that a call of the filter falls into, and counts the others", async () => {
    const recording = new Recording()
      .model([user("Hello")], [{ type: "text", text: "Good day." }])
      .model(
        [user("Hello"), { role: "assistant", parts: [{ type: "text", text: "Good day." }] }, user("Note")],
        [{ type: "text", text: "Noted." }],
      )
      .tool("crm.note", {}, "succeeded");
    const { cases, report } = await dataset(store(recording.records), { filter: { tool: "crm.note" } });
    expect(cases.map(({ asks: governed }) => governed.length)).toEqual([1]);
    expect(report).toMatchObject({ rows: 1, sessions: 1, cut: 1, left_out: { outside_filter: 1 } });
  });

  it("counts repeats, and keeps the newest", async () => {
    const same = [0, 1, 2].map((at) => refundStory({ session: `s${at}`, startsAt: START + at * 60_000 }));
    const { cases, report } = await dataset(store(recordsOf(same)));
    expect(cases.map(({ cluster }) => cluster)).toEqual(["s2"]);
    expect(report).toMatchObject({ cut: 3, repeats: 2, taken: 1 });
  });

  it("tells which sessions are not wholly stored: a number is missing, or a record is", async () => {
    const [whole, gap, lost] = [0, 1, 2].map((at) => refundStory({ session: `s${at}` }, at + 1).records);
    if (whole === undefined || gap === undefined || lost === undefined) throw new Error("no story");
    const missing = gap.filter(({ index }) => index.subject !== "crm.get_customer");
    const away = lost.find(({ index }) => index.subject === "billing.refund");
    const { cases, report } = await dataset(
      store([...whole, ...missing, ...lost], new Set(away === undefined ? [] : [away])),
    );
    expect(report.sessions_incomplete).toBe(2);
    expect(new Map(cases.map(({ cluster, tags }) => [cluster, tags.includes("incomplete")]))).toEqual(
      new Map([
        ["s0", false],
        ["s1", true],
        ["s2", true],
      ]),
    );
  });

  it("cuts traces on their own, of one session still one cluster", async () => {
    const one = refundStory({ trace: "a" }, 1);
    // Of the same session: its numbers go on where those of the first end.
    const other = refundStory({ trace: "c", startsAt: START + 60_000 }, 2).records.map((record) => ({
      ...record,
      index: { ...record.index, seq: (record.index.seq ?? 0) + 5 },
    }));
    const { cases, report } = await dataset(store([...one.records, ...other]), { unit: "trace" });
    expect(cases.map(({ cluster, source }) => [cluster, source?.trace_id.slice(0, 4)])).toEqual([
      ["s1", "tr_a"],
      ["s1", "tr_c"],
    ]);
    expect(report).toMatchObject({ sessions: 2, sessions_incomplete: 0 });
  });

  it("looks for no session behind acts on the tenant and calls of evals, nor at what came after it began", async () => {
    const [call] = refundStory({ session: "s9" }, 9).records;
    if (call === undefined) throw new Error("no story");
    const act = { ...call, index: { ...call.index, session_id: "*" } };
    const replayed = { ...call, index: { ...call.index, kind: "replay" as const } };
    const late = refundStory({ session: "s8", startsAt: START + 2e9 }, 8).records;
    const { report } = await dataset(store([...refundStory().records, act, replayed, ...late]));
    expect(report).toMatchObject({ rows: 7, sessions: 1, left_out: {} });
  });

  it("drops a case that holds what looks like a credential, and counts it", async () => {
    const call = asks("c1", "search", { password: "hunter2hunter2" });
    const secret = new Recording({ session: "s9" })
      .model([user("Find it")], [call])
      .model(
        [user("Find it"), { role: "assistant", parts: [call] }, results(["c1", "search", "none"])],
        [{ type: "text", text: "ok" }],
      );
    const { cases, report } = await dataset(store([...secret.records, ...refundStory().records]));
    expect(JSON.stringify(cases)).not.toContain("hunter2");
    expect(report).toMatchObject({ taken: 1, left_out: { holds_a_credential: 1 } });
  });

  it("places attacks into what was drawn, behind all of it, and counts them apart", async () => {
    const { cases, report } = await dataset(store(recordsOf(stories(2))), { adversarial: { perCase: 2, seed: 1 } });
    expect(cases.map(({ injection }) => injection !== null)).toEqual([false, false, true, true, true, true]);
    expect(cases.slice(2).map(({ cluster }) => cluster)).toEqual(["s0", "s0", "s1", "s1"]);
    expect(report).toMatchObject({ taken: 2, adversarial: 4 });
    expect(new Set(cases.map(({ id }) => id)).size).toBe(6);
  });

  it("cuts without a config too, and refuses where nothing comes to a case, with the reasons", async () => {
    const { ports } = store(refundStory().records);
    const configs = { ...ports.configs, active: async () => undefined };
    expect(await cutDataset({ ...ports, configs }, "t", QUESTION)).toMatchObject({
      value: { cases: [{ tools: [{ tool: null }, { tool: null }] }] },
    });
    expect(await cutDataset(store(refundStory().records.slice(1)).ports, "t", QUESTION)).toMatchObject({
      ok: false,
      code: "invalid_request",
      detail: 'nothing that matches comes to a case: {"rows":4,"left_out":{"begins_midway":1}}',
    });
  });
});

describe("its bounds", () => {
  const refusal = async (records: readonly TraceRecord[]): Promise<string> => {
    const outcome = await cutDataset(store(records).ports, "t", QUESTION);
    return outcome.ok ? "cut" : outcome.detail.replace(/^.*?: /, "");
  };
  const plain = (session: string, text: string, chars = 0): readonly TraceRecord[] =>
    new Recording({ session }).model([user(text + "x".repeat(chars))], [{ type: "text", text: "ok" }]).records;

  it("are rows and sessions, and it says where there were more", async () => {
    const [row] = plain("s0", "Hello");
    if (row === undefined) throw new Error("no record");
    const sessions = Array.from({ length: MAX_DATASET_UNITS + 1 }, (_, at) => ({
      ...row,
      index: { ...row.index, session_id: `s${at}` },
    }));
    expect((await dataset(store(sessions))).report).toMatchObject({ sessions: MAX_DATASET_UNITS, truncated: true });
    expect((await dataset(store(sessions.slice(1)))).report).toMatchObject({ truncated: false });
    const rows = Array.from({ length: MAX_DATASET_ROWS + 1 }, () => row);
    expect(await refusal(rows)).toBe(`{"rows":${MAX_DATASET_ROWS},"left_out":{"session_too_large":1}}`);
  });

  it("are bodies of ten million characters of one session", async () => {
    const many = (count: number): readonly TraceRecord[] =>
      Array.from({ length: count }, (_, at) => plain("s0", `Hello ${at}`, 500_000)).flat();
    expect((await dataset(store(many(19)))).report.left_out).toEqual({});
    expect(await refusal(many(21))).toBe('{"rows":21,"left_out":{"session_too_large":1}}');
  });

  it("are the bytes of the dataset: what has no room is counted", async () => {
    const many = Array.from({ length: 52 }, (_, at) => plain(`s${at}`, `Hello ${at}`, 500_000)).flat();
    const { cases, report } = await dataset(store(many));
    expect(report.bytes).toBeLessThanOrEqual(MAX_DATASET_BYTES);
    expect(report.bytes).toBeGreaterThan(MAX_DATASET_BYTES - 600_000);
    expect(report.left_out).toEqual({ dataset_full: 52 - cases.length });
  });
});
