// Proves audits and calibrations in D1: nothing is asked twice, no word is lost, labels stay blind, and a judge that drifts is suspended.
import { describe, expect, it } from "vitest";
import { d1EvalPeople } from "../../src/adapters/d1/eval-people.ts";
import type { JudgeEntry } from "../../src/core/config/eval-document.ts";
import type { Audit } from "../../src/core/eval/audit/audit.ts";
import { calibrate } from "../../src/core/eval/judge/calibration.ts";
import { judgeDigest } from "../../src/core/eval/judge/judge-digest.ts";
import type { TraceRecord } from "../../src/core/trace/record.ts";
import { readAudit, sayToAudit } from "../../src/gateway/evals/audits.ts";
import { calibrateJudge, readStanding } from "../../src/gateway/evals/judge-standing.ts";
import type { Ports, Recorder } from "../../src/gateway/ports.ts";
import { bindings, createKey, createTenant, request } from "./tenant.ts";

const ENTRY: JudgeEntry = {
  models: ["m"],
  samples: 1,
  rubric: { version: "1", text: "Passes where it is right.", scale: "pass_fail" },
  budget_usd: 0.1,
  max_output_tokens: 512,
  kappa_floor: 0.6,
  min_labels: 50,
  expires_in: "90d",
};
const people = d1EvalPeople(bindings.DB);
const tenant = (): string => `t-${crypto.randomUUID()}`;

function audit(of: string, at: number, more: Partial<Audit> = {}): Audit {
  return {
    tenant: of,
    id: `aud_${at.toString(16).padStart(24, "0")}`,
    run: "run_1",
    caseId: `case-${at}`,
    side: "candidate",
    repeat: 0,
    judge: "quality",
    grader: "good",
    judgeDigest: "d1",
    rubricVersion: "1",
    judged: "pass",
    status: "open",
    priority: 0,
    isRandom: false,
    createdAt: 1,
    settledAt: null,
    settled: null,
    labels: [],
    ...more,
  };
}

/** Kept as somebody has settled it. */
async function settle(one: Audit, settled: string, settledAt: number): Promise<void> {
  await people.ask([one]);
  const labels = ["ann", "ben"].map((by) => ({
    by,
    label: settled,
    note: null,
    at: settledAt,
    is_adjudication: false,
  }));
  expect(await people.save(one, { ...one, status: "settled", settled, settledAt, labels })).toBe(true);
}

interface Around {
  readonly ports: Pick<Ports, "evalPeople" | "evalRuns" | "evalDatasets" | "system" | "configs">;
  readonly recorder: Recorder;
  readonly told: TraceRecord[];
}

/** The gateway's ports with D1's own audits; of a run it knows its judges alone. */
function around(now: () => number = () => 5): Around {
  const told: TraceRecord[] = [];
  const config = { document: { models: {}, routes: {}, evals: { judges: { quality: ENTRY } } }, prices: {} };
  const ports = {
    evalPeople: people,
    evalRuns: { plan: () => Promise.resolve({ judges: { quality: ENTRY } }), get: () => Promise.resolve(undefined) },
    evalDatasets: {},
    configs: { current: () => Promise.resolve(config) },
    system: { now, randomHex: (bytes: number) => "ab".repeat(bytes) },
  } as unknown as Around["ports"];
  const recorder = { write: (record: TraceRecord) => told.push(record) } as unknown as Recorder;
  return { ports, recorder, told };
}
const said = (
  of: string,
  id: string,
  by: string,
  label: string,
  isAdjudication = false,
): Parameters<typeof sayToAudit>[1] => ({
  tenant: of,
  id,
  by,
  label,
  note: null,
  isAdjudication,
});

describe("audits in D1", () => {
  it("are asked once: a run that ends twice changes nothing that people said", async () => {
    const t = tenant();
    const [one, other] = [audit(t, 1, { isRandom: true, priority: 7 }), audit(t, 2)];
    await people.ask([one, other]);
    expect(await people.get(t, one.id)).toEqual(one);
    const labelled = {
      ...one,
      status: "labelled" as const,
      labels: [{ by: "ann", label: "pass", note: "x", at: 2, is_adjudication: false }],
    };
    expect(await people.save(one, labelled)).toBe(true);
    await people.ask([one, other, audit(t, 3)]);
    expect(await people.get(t, one.id)).toEqual(labelled);
    expect(await people.ofRun(t, "run_1", 10)).toHaveLength(3);
  });

  it("are listed page by page, the most urgent first, each once, of the tenant alone", async () => {
    const t = tenant();
    const all = Array.from({ length: 23 }, (_, at) =>
      audit(t, at, { priority: (at * 7) % 5, judge: at % 2 === 0 ? "quality" : "other" }),
    );
    await people.ask([...all, audit(tenant(), 99)]);
    const seen: Audit[] = [];
    for (let page = 0; page < 10; page += 1) {
      const last = seen.at(-1);
      const after = last === undefined ? {} : { after: { priority: last.priority, id: last.id } };
      const next = await people.list(t, { limit: 5, ...after });
      seen.push(...next);
      if (next.length < 5) break;
    }
    expect(seen.map(({ id }) => id).toSorted()).toEqual(all.map(({ id }) => id).toSorted());
    expect(seen.map(({ priority }) => priority)).toEqual(
      seen.map(({ priority }) => priority).toSorted((a, b) => b - a),
    );
    expect(await people.list(t, { judge: "other", limit: 50 })).toHaveLength(11);
    expect(await people.list(t, { status: "disputed", limit: 50 })).toEqual([]);
  });

  it("keep no change that was made from what somebody else has changed meanwhile", async () => {
    const t = tenant();
    const one = audit(t, 1);
    await people.ask([one]);
    const by = (who: string): Audit => ({
      ...one,
      status: "labelled",
      labels: [{ by: who, label: "pass", note: null, at: 2, is_adjudication: false }],
    });
    const kept = await Promise.all([people.save(one, by("ann")), people.save(one, by("ben"))]);
    expect(kept.toSorted()).toEqual([false, true]);
  });
});

describe("people who speak at the same time", () => {
  it("lose no word: both are kept, whichever comes first", async () => {
    const t = tenant();
    const all = Array.from({ length: 8 }, (_, at) => audit(t, at));
    await people.ask(all);
    const { ports, recorder, told } = around();
    const came = await Promise.all(
      all.flatMap(({ id }) => [
        sayToAudit(ports, said(t, id, "ann", "pass"), recorder),
        sayToAudit(ports, said(t, id, "ben", "fail"), recorder),
      ]),
    );
    expect(came.every(({ ok }) => ok)).toBe(true);
    for (const { id } of all) {
      const kept = await people.get(t, id);
      expect(kept).toMatchObject({ status: "disputed" });
      expect(kept?.labels.map(({ by }) => by).toSorted()).toEqual(["ann", "ben"]);
    }
    expect(told).toHaveLength(16);
  });

  it("are two at most: of five, three are told that it takes no such word", async () => {
    const t = tenant();
    await people.ask([audit(t, 1)]);
    const { ports, recorder } = around();
    const names = ["ann", "ben", "cid", "dan", "eve"];
    const came = await Promise.all(names.map((by) => sayToAudit(ports, said(t, audit(t, 1).id, by, "pass"), recorder)));
    expect(came.filter(({ ok }) => ok)).toHaveLength(2);
    expect(came.flatMap((each) => (each.ok ? [] : [each.code]))).toEqual([
      "audit_closed",
      "audit_closed",
      "audit_closed",
    ]);
    expect(await people.get(t, audit(t, 1).id)).toMatchObject({ status: "settled", settled: "pass", settledAt: 5 });
  });
});

describe("what people say", () => {
  it("is refused where the rubric has no such label, and where there is no such audit", async () => {
    const t = tenant();
    await people.ask([audit(t, 1)]);
    const { ports, recorder, told } = around();
    expect(await sayToAudit(ports, said(t, audit(t, 1).id, "ann", "5"), recorder)).toMatchObject({
      ok: false,
      code: "invalid_request",
    });
    expect(await sayToAudit(ports, said(t, "aud_0", "ann", "pass"), recorder)).toMatchObject({
      ok: false,
      code: "not_found",
    });
    expect(await sayToAudit(ports, said(tenant(), audit(t, 1).id, "ann", "pass"), recorder)).toMatchObject({
      ok: false,
      code: "not_found",
    });
    expect(told).toEqual([]);
  });

  it("is hidden until two have said it, and the judge's word until it is settled", async () => {
    const t = tenant();
    const { id } = audit(t, 1);
    await people.ask([audit(t, 1)]);
    const { ports, recorder } = around();
    const seen = async (): Promise<unknown> => {
      const found = await readAudit(ports, t, id);
      return found.ok ? found.value.disclosed : found;
    };
    await sayToAudit(ports, said(t, id, "ann", "pass"), recorder);
    expect(await seen()).toEqual({ judged: null, said: [] });
    await sayToAudit(ports, said(t, id, "ben", "fail"), recorder);
    expect(await seen()).toMatchObject({ judged: null, said: [{ label: "pass" }, { label: "fail" }] });
    await sayToAudit(ports, said(t, id, "cid", "fail", true), recorder);
    expect(await seen()).toMatchObject({ judged: "pass", said: [{}, {}, { label: "fail", is_adjudication: true }] });
  });

  it("is told as one trace per audit: by whom and what it came to, not which label", async () => {
    const t = tenant();
    await people.ask([audit(t, 1), audit(t, 2)]);
    const { ports, recorder, told } = around();
    await sayToAudit(ports, said(t, audit(t, 1).id, "ann", "fail"), recorder);
    await sayToAudit(ports, said(t, audit(t, 1).id, "ben", "fail"), recorder);
    await sayToAudit(ports, said(t, audit(t, 2).id, "ann", "fail"), recorder);
    expect(told.map(({ index }) => [index.kind, index.subject, index.status])).toEqual([
      ["eval", "quality", "labelled"],
      ["eval", "quality", "settled"],
      ["eval", "quality", "labelled"],
    ]);
    const [first, second, third] = told.map(({ index }) => index.trace_hex);
    expect(first).toBe(second);
    expect(first).not.toBe(third);
    expect(told[0]?.spans[0]?.attributes).toMatchObject({
      "interlock.act.by": "ann",
      "interlock.eval.audit": audit(t, 1).id,
    });
    expect(JSON.stringify(told)).not.toContain('"fail"');
  });
});

describe("a judge", () => {
  it("is held against what people settled of exactly its digest, with both blind words", async () => {
    const t = tenant();
    await settle(audit(t, 1, { isRandom: true }), "fail", 10);
    await settle(audit(t, 2), "pass", 20);
    await settle(audit(t, 3, { judgeDigest: "d2" }), "pass", 30);
    await settle(audit(t, 4, { judge: "other" }), "pass", 30);
    await people.ask([
      audit(t, 5),
      audit(t, 6, { status: "disputed" }),
      audit(t, 7, { status: "disputed", judgeDigest: "d2" }),
    ]);
    expect(await people.settled(t, "quality", "d1", 10)).toEqual([
      { judged: "pass", settled: "pass", blind: ["pass", "pass"], is_random: false, at: 20 },
      { judged: "pass", settled: "fail", blind: ["fail", "fail"], is_random: true, at: 10 },
    ]);
    expect(await people.settled(t, "quality", "d1", 1)).toHaveLength(1);
    expect(await people.disputed(t, "quality", "d1")).toBe(1);
    expect(await people.disputed(tenant(), "quality", "d1")).toBe(0);
  });

  it("has its calibrations newest first, as they were made", async () => {
    const t = tenant();
    const at = (now: number): ReturnType<typeof calibrate> => calibrate(ENTRY, [], { now, digest: "d1" });
    for (const now of [10, 30, 20]) await people.keepCalibration(t, "quality", at(now));
    await people.keepCalibration(t, "other", at(40));
    expect(await people.calibrations(t, "quality", 2)).toEqual([at(30), at(20)]);
  });

  it("gates once it is calibrated, is suspended when it drifts, and is not calibrated back by its old labels", async () => {
    const t = tenant();
    let now = 100;
    const { ports, recorder, told } = around(() => now);
    const config = await ports.configs.current(t);
    if (config === undefined) throw new Error("no config");
    const digest = judgeDigest(config, ENTRY);
    const standing = async (): Promise<unknown> =>
      (await readStanding(ports, t, { judge: "quality", entry: ENTRY, digest })).standing;
    const label = async (from: number, count: number, settled: (at: number) => string): Promise<void> => {
      const judged = (at: number): string => (at % 2 === 0 ? "pass" : "fail");
      for (let at = from; at < from + count; at += 1)
        await settle(audit(t, at, { judgeDigest: digest, isRandom: true, judged: judged(at) }), settled(at), now - 1);
    };
    expect(await standing()).toMatchObject({ status: "uncalibrated", may_gate: false });

    await label(0, 60, (at) => (at % 2 === 0 ? "pass" : "fail"));
    const asked = { tenant: t, judge: "quality", by: "key_1" };
    expect(await calibrateJudge(ports, asked, recorder)).toMatchObject({ ok: true, value: { status: "fit", n: 60 } });
    expect(await standing()).toMatchObject({ status: "fit", may_gate: true });
    expect(told.at(-1)?.index).toMatchObject({ kind: "eval", subject: "quality", status: "fit" });

    now = 200;
    await label(60, 24, (at) => (at % 3 === 0 ? "pass" : "fail"));
    expect(await standing()).toMatchObject({ status: "suspended", may_gate: false });

    now = 300;
    expect(await calibrateJudge(ports, asked, recorder)).toMatchObject({
      ok: true,
      value: { status: "suspended", n: 24 },
    });
    expect(await standing()).toMatchObject({ status: "suspended", may_gate: false });
    expect(await calibrateJudge(ports, { ...asked, judge: "qualty" }, recorder)).toMatchObject({
      ok: false,
      code: "not_found",
    });
    expect(told).toHaveLength(2);

    // Another config's judge takes its place, and goes again: the calibration of this one is still there.
    await people.keepCalibration(t, "quality", calibrate(ENTRY, [], { now: 400, digest: "else" }));
    expect(await standing()).toMatchObject({ status: "suspended" });
  });
});

describe("over HTTP audits", () => {
  const json = async (answer: Promise<Response>): Promise<readonly [number, Record<string, unknown>]> => {
    const response = await answer;
    return [response.status, await response.json<Record<string, unknown>>()];
  };

  it("are paged by a cursor that names neither a side nor what the judge said", async () => {
    const { id, auditor, agent } = await createTenant({});
    await people.ask([0, 1, 2].map((at) => audit(id, at, { priority: at === 1 ? 900 : 100, judged: "fail" })));
    const [, first] = await json(request("/v1/evals/audits?limit=2", auditor));
    const [, rest] = await json(request(`/v1/evals/audits?limit=2&cursor=${String(first["next_cursor"])}`, auditor));
    const ids = [first, rest].flatMap(({ data }) => (data as { id: string }[]).map((each) => each.id));
    expect(ids).toEqual([1, 2, 0].map((at) => audit(id, at).id));
    expect(rest["next_cursor"]).toBeNull();
    expect(JSON.stringify([first, rest])).not.toMatch(/candidate|baseline|"fail"/);
    for (const query of ["cursor=x", "cursor=5~", "cursor=x~aud_1", "status=gone", "page=2"])
      expect((await request(`/v1/evals/audits?${query}`, auditor)).status).toBe(400);
    expect((await request("/v1/evals/audits", agent)).status).toBe(403);
  });

  it("take a third's word only with a reason, and nobody's word who may not label", async () => {
    const { id, auditor, agent } = await createTenant({});
    await people.ask([audit(id, 1)]);
    const path = `/v1/evals/audits/${audit(id, 1).id}`;
    const post = (key: string, verb: string, body: object): Promise<Response> =>
      request(`${path}/${verb}`, key, { method: "POST", body: JSON.stringify(body) });
    expect(await json(post(auditor, "adjudicate", { label: "pass" }))).toMatchObject([
      400,
      { code: "invalid_request", errors: [{ path: "note" }] },
    ]);
    expect((await post(auditor, "labels", { label: "pass", sway: 1 })).status).toBe(400);
    expect((await post(agent, "labels", { label: "pass" })).status).toBe(403);
    expect((await post(await createKey(id, ["admin"]), "labels", { label: "pass" })).status).toBe(403);
    // Its run is gone, and with it the rubric.
    expect((await post(auditor, "labels", { label: "pass" })).status).toBe(404);
  });
});
