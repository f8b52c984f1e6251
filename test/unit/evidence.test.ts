// Proves which runs speak for a release: the newest on exactly its digest, of the suite as it is, that said SHIP and is not old.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { auditActsOf } from "../../src/core/audit/acts-of-record.ts";
import { suiteDigest } from "../../src/core/eval/suite-digest.ts";
import {
  evidenceMissing,
  judgeEvidence,
  type EvidenceRun,
  type JudgedEvidence,
} from "../../src/core/release/evidence.ts";
import { resolveEntry } from "../../src/core/release/release.ts";
import { moveRelease, pointersUnder, type ReleaseOrder } from "../../src/core/state/tenant-releases.ts";
import { actRecord } from "../../src/core/trace/act.ts";
import { releaseAct } from "../../src/core/trace/release-act.ts";
import { checked, published, releaseDocument, withMember } from "./release-fixture.ts";

const AGENT = "support_agent";
const DAY_MS = 86_400_000;
const NOW = 100 * DAY_MS;
const suite = (more: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> => ({
  agent: AGENT,
  actor: "clerk",
  dataset: "refunds",
  graders: [{ id: "completed", kind: "completed" }],
  ...more,
});
const document = {
  ...withMember(releaseDocument(), `agents/${AGENT}/evidence`, { suites: ["refunds", "safety"], max_age: "7d" }),
  evals: { suites: { refunds: suite(), safety: suite({ dataset: "attacks" }) } },
};
const config = published(document);
const digest = resolveEntry(config, AGENT, "r2")?.digest ?? "";
const pinned = { release: "r2", digest };
const digestOfSuite = (name: string): string => suiteDigest(config.document, name) ?? "";
const run = (more: Partial<EvidenceRun> = {}): EvidenceRun => ({
  suite: "refunds",
  run: "run_1",
  verdict: "SHIP",
  release: "r2",
  digest,
  suiteDigest: digestOfSuite(more.suite ?? "refunds"),
  at: NOW - DAY_MS,
  cases: 40,
  counts: null,
  ...more,
});
const safety = run({ suite: "safety", run: "run_s" });
const judged = (runs: readonly EvidenceRun[]): JudgedEvidence =>
  judgeEvidence(config.document, { agent: AGENT, pinned }, runs, NOW);

describe("evidence of a suite", () => {
  it("is the newest finished run on the digest, of the suite as it is", () => {
    expect(judged([run(), safety])).toMatchObject({ missing: [], met: [{ run: "run_1" }, { run: "run_s" }] });
    expect(judged([run(), safety, run({ run: "run_2", verdict: "BLOCK", at: NOW })]).missing).toMatchObject([
      { suite: "refunds", gap: "not_ship", run: { run: "run_2" } },
    ]);
    expect(judged([run({ verdict: "BLOCK" }), safety, run({ run: "run_2", at: NOW })]).missing).toEqual([]);
  });

  it.each([
    ["no run", [], "no_run"],
    ["one that said INCONCLUSIVE", [run({ verdict: "INCONCLUSIVE" })], "not_ship"],
    ["one of another digest", [run({ digest: "d".repeat(64) })], "other_digest"],
    ["one of the suite as it was", [run({ suiteDigest: "s".repeat(64) })], "other_suite"],
    ["one that is a millisecond too old", [run({ at: NOW - 7 * DAY_MS - 1 })], "too_old"],
    ["a SHIP and a BLOCK of one millisecond", [run(), run({ run: "run_2", verdict: "BLOCK" })], "not_ship"],
  ])("is missing with %s", (_, runs, gap) => {
    expect(judged([...runs, safety]).missing).toMatchObject([{ suite: "refunds", gap }]);
  });

  it("counts on the last millisecond of its time", () => {
    expect(judged([run({ at: NOW - 7 * DAY_MS }), safety]).missing).toEqual([]);
  });

  it("is judged the same in whatever order runs come, and no run makes up for another suite's", () => {
    const any = fc.record({
      suite: fc.constantFrom("refunds", "safety"),
      verdict: fc.constantFrom("SHIP", "BLOCK", "INCONCLUSIVE"),
      digest: fc.constantFrom(digest, "d".repeat(64)),
      at: fc.integer({ min: NOW - 9 * DAY_MS, max: NOW }),
    });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 12 }), (parts) => {
        const runs = parts.map((each, at) =>
          run({ ...each, run: `run_${at}`, suiteDigest: digestOfSuite(each.suite) }),
        );
        const { met, missing } = judged(runs);
        expect(met.length + missing.length).toBe(2);
        expect(judged(runs.toReversed()).met.map(({ suite: name }) => name)).toEqual(
          met.map(({ suite: name }) => name),
        );
        for (const each of met) {
          expect(each).toMatchObject({ verdict: "SHIP", digest });
          expect(
            runs.some((other) => other.suite === each.suite && other.digest === digest && other.at > each.at),
          ).toBe(false);
        }
        expect(
          judged(runs.filter((each) => each.suite === "refunds")).missing.map(({ suite: name }) => name),
        ).toContain("safety");
      }),
    );
  });

  it("is not asked for where the config does not, and a suite that is not there is refused by name", () => {
    const plain = published(releaseDocument());
    expect(judgeEvidence(plain.document, { agent: AGENT, pinned }, [], NOW)).toEqual({ met: [], missing: [] });
    const wrong = checked(withMember(document, `agents/${AGENT}/evidence`, { suites: ["refund"] }));
    expect(wrong).toMatchObject({ ok: false, mistakes: [{ path: `agents.${AGENT}.evidence.suites.0` }] });
  });
});

describe("a suite's digest", () => {
  const of = (more: Readonly<Record<string, unknown>>, evals: Readonly<Record<string, unknown>> = {}): string =>
    suiteDigest(
      published({ ...releaseDocument(), evals: { suites: { refunds: suite(more) }, ...evals } }).document,
      "refunds",
    ) ?? "";

  it.each([
    ["description", { description: "Refunds." }],
    ["schedule", { schedule: { every: "1h" } }],
    ["parallel runs", { parallel: 2 }],
    ["share that people look at", { audit_share: 0.5 }],
  ])("does not rest on its %s", (_, more) => {
    expect(of(more)).toBe(of({}));
  });

  it.each([
    ["cases", { max_cases: 10 }],
    ["repeats", { repeats: 3 }],
    ["graders", { graders: [{ id: "completed", kind: "completed", gate: false }] }],
    ["way to match", { match: "fifo" }],
  ])("rests on its %s", (_, more) => {
    expect(of(more)).not.toBe(of({}));
  });

  it("rests on the judges that it asks, and on no others", () => {
    const judge = (text: string): Readonly<Record<string, unknown>> => ({
      models: ["small"],
      rubric: { version: "1", text },
    });
    const graders = [{ id: "tone", kind: "judge", judge: "tone" }];
    const asked = (tone: string, other: string): string =>
      of({ graders }, { judges: { tone: judge(tone), other: judge(other) } });
    const [kind, rude] = ["Passes if it is kind, fails if not.", "Passes if it is rude, fails if not."];
    expect(asked(kind, kind)).toBe(asked(kind, rude));
    expect(asked(kind, kind)).not.toBe(asked(rude, kind));
  });
});

describe("an order", () => {
  const pointers = pointersUnder(config, {});
  const order = (more: Partial<ReleaseOrder> = {}): ReleaseOrder => ({
    agent: AGENT,
    type: "promote",
    release: "r2",
    weight: null,
    expected: null,
    by: "key_1",
    reason: null,
    ...more,
  });
  const evidence = [run(), safety];

  it("to put a release in use rests on its runs, or says what is missing", () => {
    for (const type of ["promote", "canary"] as const) {
      const weight = type === "canary" ? 5 : null;
      expect(moveRelease(pointers, order({ type, weight }), config, NOW)).toMatchObject({
        type: "unproven",
        release: "r2",
        missing: [{ suite: "refunds" }, { suite: "safety" }],
      });
      expect(moveRelease(pointers, order({ type, weight, evidence }), config, NOW)).toMatchObject({
        type: "release_moved",
        change: {
          grounds: {
            type: "evidence",
            runs: [
              { suite: "refunds", run: "run_1" },
              { suite: "safety", run: "run_s" },
            ],
          },
        },
      });
    }
  });

  it("is judged on what the release resolves to under the config of this instant", () => {
    const changed = published(withMember(document, "models/small/upstream", "small-2"));
    expect(moveRelease(pointers, order({ evidence }), changed, NOW)).toMatchObject({
      type: "unproven",
      missing: [{ gap: "other_digest" }, { gap: "other_digest" }],
    });
    const stricter = published({
      ...document,
      evals: { suites: { refunds: suite({ repeats: 5 }), safety: suite({ dataset: "attacks" }) } },
    });
    expect(moveRelease(pointers, order({ evidence }), stricter, NOW)).toMatchObject({
      type: "unproven",
      missing: [{ suite: "refunds", gap: "other_suite" }],
    });
  });

  it("to go back, to end a canary, or that changes nothing needs no evidence", () => {
    const moved = moveRelease(pointers, order({ evidence }), config, NOW);
    if (moved.type !== "release_moved") throw new Error(moved.type);
    const now = { ...pointers, [AGENT]: moved.pointer };
    expect(moveRelease(now, order(), config, NOW)).toMatchObject({ type: "release_unchanged" });
    expect(moveRelease(now, order({ type: "rollback", release: null }), config, NOW).type).toBe("release_moved");
    const trying = moveRelease(pointers, order({ type: "canary", weight: 5, evidence }), config, NOW);
    if (trying.type !== "release_moved") throw new Error(trying.type);
    const ended = moveRelease(
      { ...pointers, [AGENT]: trying.pointer },
      order({ type: "canary", weight: 0 }),
      config,
      NOW,
    );
    expect(ended).toMatchObject({ type: "release_moved", change: { status: "canary_ended" } });
    expect(ended).not.toHaveProperty("change.grounds");
  });

  it("breaks the glass with a reason alone, and its act says so in status and chain", () => {
    expect(moveRelease(pointers, order({ breakGlass: true }), config, NOW).type).toBe("unproven");
    const broken = moveRelease(pointers, order({ breakGlass: true, reason: "the model is gone" }), config, NOW);
    if (broken.type !== "release_moved") throw new Error(broken.type);
    const record = actRecord(releaseAct("t", broken.change, broken.change.reason), {
      spanId: "b".repeat(16),
      now: NOW,
    });
    expect(record.index.status).toBe("promoted_without_evidence");
    expect(auditActsOf(record)).toMatchObject([
      {
        what: {
          status: "promoted_without_evidence",
          break_glass: true,
          evidence_missing: ["refunds no_run", "safety no_run"],
        },
      },
    ]);
  });
});

it("a refusal names each suite, what there is instead, and the command", () => {
  const { missing } = judged([run({ verdict: "BLOCK" }), run({ suite: "safety", digest: "d".repeat(64) })]);
  const refusal = evidenceMissing({ agent: AGENT, release: "r2" }, missing);
  expect(refusal).toMatchObject({ code: "evidence_missing" });
  expect(refusal.detail).toContain(
    "refunds: the last run run_1 said BLOCK; safety: run run_1 said SHIP of another digest",
  );
  expect(refusal.mistakes?.map(({ message }) => message)).toEqual([
    "the last run run_1 said BLOCK: `interlock eval run --suite refunds --candidate r2`",
    "run run_1 said SHIP of another digest: `interlock eval run --suite safety --candidate r2`",
  ]);
});
