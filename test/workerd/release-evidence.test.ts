// Proves inside workerd what a release needs before it is put in use: verdicts on the very digest that becomes live, or a broken glass.
import { afterEach, describe, expect, it, vi } from "vitest";
import { compose } from "../../src/compose.ts";
import type { EvalRun, RunPlan } from "../../src/core/eval/run.ts";
import { suiteDigest } from "../../src/core/eval/suite-digest.ts";
import { moveRelease } from "../../src/gateway/move-release.ts";
import type { Ports, Recorder } from "../../src/gateway/ports.ts";
import { bindings, createKey, createTenant, request, testConfig } from "./tenant.ts";

afterEach(() => vi.restoreAllMocks());

const AGENT = "helper";
const DAY_MS = 86_400_000;
const model = (upstream: string): Readonly<Record<string, unknown>> => ({
  provider: "up",
  upstream,
  context: 1_000,
  max_output_tokens: 100,
  price: { input_per_mtok_usd: 1, output_per_mtok_usd: 1 },
});
const suite = {
  agent: AGENT,
  actor: "agent",
  dataset: "refunds",
  graders: [{ id: "completed", kind: "completed" }],
  budgets: { run_usd: 5, case_usd: 0.02 },
};
const RELEASES = { r1: { model: "m", tools: ["refund"] }, r2: { model: "large", tools: ["refund"] } };
const sections = (more: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> => ({
  models: { m: model("m"), large: model("large-1") },
  evals: { suites: { refunds: suite } },
  agents: { [AGENT]: { releases: RELEASES, live: "r1", evidence: { suites: ["refunds"], max_age: "7d" } } },
  ...more,
});

interface Opened {
  readonly id: string;
  readonly auditor: string;
  readonly ports: Ports;
  move(verb: string, body: unknown): Promise<Response>;
  publish(next: Readonly<Record<string, unknown>>): Promise<void>;
  /** Keeps a finished run of the suite on a release as it resolves at this instant. */
  ran(verdict: string, more?: Partial<EvalRun>): Promise<string>;
  digestOf(release: string): Promise<string>;
}

interface Listing {
  readonly live: { readonly release: string };
  readonly data: readonly { readonly release: string; readonly digest: string; readonly evidence: readonly object[] }[];
  readonly history: readonly {
    readonly status: string;
    readonly break_glass: boolean;
    readonly evidence: readonly string[];
  }[];
}

async function listed(tenant: Pick<Opened, "auditor">): Promise<Listing> {
  return (await request(`/v1/agents/${AGENT}/releases`, tenant.auditor)).json<Listing>();
}

async function open(): Promise<Opened> {
  const tenant = await createTenant({}, {}, { sections: sections() });
  const operator = await createKey(tenant.id, ["operator"]);
  const { ports } = compose({ ...bindings });
  const opened: Opened = {
    id: tenant.id,
    auditor: tenant.auditor,
    ports,
    move: (verb, body) =>
      request(`/v1/agents/${AGENT}/${verb}`, operator, { method: "POST", body: JSON.stringify(body) }),
    publish: async (next) => {
      const answer = await request("/v1/config", "root-key-of-the-tests", {
        method: "PUT",
        body: JSON.stringify(testConfig({}, {}, { sections: next })),
        headers: { "interlock-tenant": tenant.id, "if-match": "*" },
      });
      expect(answer.status, await answer.clone().text()).toBe(200);
    },
    digestOf: async (release) => (await listed(tenant)).data.find((each) => each.release === release)?.digest ?? "",
    ran: async (verdict, more = {}) =>
      keepRun(ports, tenant.id, { verdict, digest: await opened.digestOf("r2"), more }),
  };
  return opened;
}

async function keepRun(
  ports: Ports,
  tenant: string,
  { verdict, digest, more }: { readonly verdict: string; readonly digest: string; readonly more: Partial<EvalRun> },
): Promise<string> {
  const document = (await ports.configs.current(tenant))?.document;
  const at = more.finishedAt ?? Date.now();
  const run: EvalRun = {
    tenant,
    id: `run_${crypto.randomUUID().slice(0, 8)}`,
    suite: "refunds",
    agent: AGENT,
    dataset: "refunds",
    version: 1,
    mode: "trajectory",
    trigger: "api",
    requestedBy: "key_1",
    reason: null,
    createdAt: at,
    finishedAt: null,
    status: "running",
    verdict: null,
    candidate: "r2",
    candidateDigest: digest,
    baseline: "r1",
    baselineDigest: "b",
    suiteDigest: (document === undefined ? undefined : suiteDigest(document, "refunds")) ?? "",
    cases: 40,
    budgetMicroUsd: 1,
    movedAt: at,
    ...more,
  };
  // Nothing carries this run on: its plan is never read.
  await ports.evalRuns.create({ ...run, finishedAt: null }, {} as RunPlan, []);
  const closed = { status: "finished", verdict: verdict as "SHIP", at, summary: { counts: { done: 40 } } } as const;
  expect(await ports.evalRuns.close(tenant, run.id, closed)).toBe(true);
  return run.id;
}

interface Refused {
  readonly code: string;
  readonly detail: string;
  readonly errors: readonly { readonly message: string }[];
  readonly evidence: readonly { readonly suite: string; readonly found: string; readonly run: string | null }[];
}

async function refused(answer: Promise<Response>): Promise<Refused> {
  const response = await answer;
  expect(response.status, await response.clone().text()).toBe(409);
  const body = await response.json<Refused>();
  expect(body.code).toBe("evidence_missing");
  return body;
}

const nobody: Recorder = { write: () => undefined, writeNow: () => Promise.resolve(true) };

describe("a release of an agent that asks for evidence", () => {
  it("is not put in use without, and the refusal names suite, what was found, and the command that gets it", async () => {
    const tenant = await open();
    const none = await refused(tenant.move("promote", { release: "r2" }));
    expect(none.detail).toContain("refunds: no finished run");
    expect(none.errors[0]?.message).toContain("`interlock eval run --suite refunds --candidate r2`");
    expect(none.evidence).toMatchObject([{ suite: "refunds", found: "no_run", run: null }]);
    await refused(tenant.move("canary", { release: "r2", weight: 5 }));
    const run = await tenant.ran("BLOCK");
    const blocked = await refused(tenant.move("promote", { release: "r2" }));
    expect(blocked.evidence).toMatchObject([{ found: "not_ship", run, verdict: "BLOCK" }]);
    expect(blocked.detail).toContain(`${run} said BLOCK`);
    expect((await listed(tenant)).live.release).toBe("r1");
  });

  it("is put in use with the verdict on its digest, and the history says on which", async () => {
    const tenant = await open();
    await tenant.ran("INCONCLUSIVE", { finishedAt: Date.now() - 1_000 });
    const run = await tenant.ran("SHIP");
    expect((await listed(tenant)).data).toMatchObject([
      { release: "r1", evidence: [{ suite: "refunds", met: false, gap: "no_run" }] },
      {
        release: "r2",
        evidence: [{ suite: "refunds", met: true, gap: null, verdict: "SHIP", run, cases: 40, counts: { done: 40 } }],
      },
    ]);
    expect((await tenant.move("canary", { release: "r2", weight: 5 })).status).toBe(200);
    expect((await tenant.move("promote", { release: "r2" })).status).toBe(200);
    const { live, history } = await listed(tenant);
    expect(live.release).toBe("r2");
    expect(history[0]).toMatchObject({ status: "promoted", break_glass: false, evidence: [`refunds ${run}`] });
  });

  it("goes back, and its canary ends, without any", async () => {
    const tenant = await open();
    await tenant.ran("SHIP");
    await tenant.move("promote", { release: "r2" });
    await tenant.ran("BLOCK", { finishedAt: Date.now() + 5 });
    expect((await tenant.move("rollback", {})).status).toBe(200);
    expect(
      (await tenant.move("canary", { release: "r2", weight: 5, break_glass: true, reason: "a drill" })).status,
    ).toBe(200);
    expect((await tenant.move("canary", { weight: 0 })).status).toBe(200);
  });

  it("lacks it again once it resolves to something else, the suite was changed, or the verdict is old", async () => {
    const tenant = await open();
    const run = await tenant.ran("SHIP");
    await tenant.publish(sections({ models: { m: model("m"), large: model("large-2") } }));
    const moved = await refused(tenant.move("promote", { release: "r2" }));
    expect(moved.evidence).toMatchObject([{ found: "other_digest", run }]);
    await tenant.publish(sections({ evals: { suites: { refunds: { ...suite, repeats: 3 } } } }));
    const changed = await refused(tenant.move("promote", { release: "r2" }));
    expect(changed.evidence).toMatchObject([{ found: "other_suite", run }]);
    const old = await tenant.ran("SHIP", { finishedAt: Date.now() - 8 * DAY_MS });
    const late = await refused(tenant.move("promote", { release: "r2" }));
    expect(late.evidence).toMatchObject([{ found: "too_old", run: old }]);
  });

  it("is not another tenant's, another agent's or a running run's to speak for", async () => {
    const [tenant, stranger] = [await open(), await open()];
    const digest = await tenant.digestOf("r2");
    await keepRun(stranger.ports, stranger.id, { verdict: "SHIP", digest, more: {} });
    await tenant.ran("SHIP", { agent: "another" });
    await refused(tenant.move("promote", { release: "r2" }));
  });

  it("cannot slip through when it is changed between the look and the move", async () => {
    const tenant = await open();
    await tenant.ran("SHIP");
    const latest: Ports["evidence"]["latest"] = async (...asked) => {
      const found = await tenant.ports.evidence.latest(...asked);
      await tenant.publish(sections({ models: { m: model("m"), large: model("large-2") } }));
      return found;
    };
    const racing: Ports = { ...tenant.ports, evidence: { ...tenant.ports.evidence, latest } };
    const order = {
      agent: AGENT,
      type: "promote",
      release: "r2",
      weight: null,
      expected: null,
      by: "key_1",
      reason: null,
    } as const;
    const answer = await moveRelease(racing, tenant.id, order, nobody);
    expect(answer).toMatchObject({ ok: false, code: "evidence_missing" });
    expect((await listed(tenant)).live.release).toBe("r1");
  });

  it("goes through a broken glass with a reason only, which act, history and chain tell", async () => {
    const tenant = await open();
    const silent = await tenant.move("promote", { release: "r2", break_glass: true });
    expect(silent.status).toBe(400);
    expect(await silent.text()).toContain("reason");
    const broken = await tenant.move("promote", { release: "r2", break_glass: true, reason: "the old model is gone" });
    expect(broken.status).toBe(200);
    expect((await listed(tenant)).history[0]).toMatchObject({ status: "promoted", break_glass: true, evidence: [] });
    await vi.waitFor(
      async () => {
        const found = await request("/v1/audit?kind=release", tenant.auditor);
        const { data } = await found.json<{ data: readonly { event: { what: unknown } }[] }>();
        expect(data.map(({ event }) => event.what)).toMatchObject([
          { status: "promoted_without_evidence", break_glass: true, evidence_missing: ["refunds no_run"], live: "r2" },
        ]);
      },
      { timeout: 15_000, interval: 200 },
    );
  });

  it("breaks no glass where the evidence is there", async () => {
    const tenant = await open();
    await tenant.ran("SHIP");
    await tenant.move("promote", { release: "r2", break_glass: true, reason: "to be sure" });
    expect((await listed(tenant)).history[0]).toMatchObject({ status: "promoted", break_glass: false });
  });
});
