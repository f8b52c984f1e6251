// Proves releases: what their digest covers, whom they answer, how pointers move, and what publishing may not change.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { auditActsOf } from "../../src/core/audit/acts-of-record.ts";
import { ACT_ATTR, actRecord } from "../../src/core/trace/act.ts";
import { releaseAct } from "../../src/core/trace/release-act.ts";
import { movePointer, firstPointer, type PointerMove, type ReleasePointer } from "../../src/core/release/pointer.ts";
import { compareReleases } from "../../src/core/release/compare.ts";
import { contentOf, policyDigest } from "../../src/core/release/release.ts";
import { isDrawnFor, resolveRelease, type ReleaseAsk } from "../../src/core/release/resolve.ts";
import { NO_TENANT, orderRelease, transition, type TenantLedgerState } from "../../src/core/state/tenant-ledger.ts";
import type { ReleaseOrder } from "../../src/core/state/tenant-releases.ts";
import { active, checked, published, releaseDocument, withMember } from "./release-fixture.ts";

const AGENT = "support_agent";

function digest(document: unknown, release: string): string {
  return active(document).release(AGENT, release)?.digest ?? "";
}

describe("a release's digest", () => {
  const price = { input_per_mtok_usd: 1, output_per_mtok_usd: 3 };
  const schema = { type: "object", properties: {} };
  const changes: readonly (readonly [string, string, unknown, readonly string[]])[] = [
    ["the prompt's text", "prompts/support/versions/1/system", "You are kind.", ["r1"]],
    ["a prompt's variables", "prompts/support/versions/2/variables/customer", { default: "x" }, ["r2"]],
    ["a model's upstream name", "models/small/upstream", "small-2", ["r1", "r2"]],
    ["a model's price", "models/spare/price", price, ["r2"]],
    ["a model's output limit", "models/large/max_output_tokens", 9, ["r3"]],
    ["a model's provider", "models/small/provider", "other", ["r1", "r2"]],
    ["a provider's address", "providers/other/base_url", "https://other.test/v2", ["r2"]],
    ["a route's order", "routes/both/candidates", [{ model: "spare" }, { model: "small" }], ["r2"]],
    ["a listed tool's definition", "tools/billing.refund/input_schema", schema, ["r1", "r2", "r3"]],
    ["a tool that only one may use", "tools/crm.note/input_schema", schema, ["r3"]],
    ["its tools", "agents/support_agent/releases/r1/tools", ["crm.note"], ["r1"]],
    ["its policy pin", "agents/support_agent/releases/r1/policy", { digest: "0".repeat(12) }, ["r1"]],
    ["a provider's credential", "providers/up/secret", "else", []],
    ["how long a provider may take", "providers/up/timeout_ms", 5_000, []],
    ["how long a route waits", "routes/both/timeouts", { idle_ms: 5_000 }, []],
    ["another prompt version", "prompts/support/versions/3", { system: "new" }, []],
    ["another release", "agents/support_agent/releases/r4", { model: "small" }, []],
    ["what is live", "agents/support_agent/live", "r2", []],
    ["an actor", "actors/clerk/max_amount_usd", 5, []],
    ["the policy", "policy", { time_zone: "Europe/Berlin" }, []],
  ];

  it.each(changes)("follows %s where the release resolves to it", (_, path, value, affected) => {
    const before = releaseDocument();
    const after = withMember(before, path, value);
    const changed = ["r1", "r2", "r3"].filter((release) => digest(before, release) !== digest(after, release));
    expect(changed).toEqual(affected);
  });

  it("of what routing chooses follows the routing, and every model of its tiers", () => {
    const tiers = [
      { name: "fast", model: "small" },
      { name: "slow", route: "both" },
    ];
    const rule = { id: "long", when: "request.turns > 3", tier: "slow" };
    const routing = { default: "fast", tiers, rules: [rule] };
    const document = withMember(withMember(releaseDocument(), "routing", routing), "agents/support_agent/releases/r4", {
      route: "auto",
    });
    const before = digest(document, "r4");
    expect(before).not.toBe("");
    const after = (path: string, value: unknown): string => digest(withMember(document, path, value), "r4");
    for (const [path, value] of [
      ["routing/default", "slow"],
      ["routing/rules", []],
      ["models/spare/upstream", "spare-2"],
      ["models/small/upstream", "small-2"],
      ["routes/both/candidates", [{ model: "spare" }, { model: "small" }]],
    ] as const)
      expect(after(path, value), path).not.toBe(before);
    const call = { actor: "clerk", request: { messages: [] } };
    expect(after("routing/tests", [{ name: "short", call, expect: { tier: "fast" } }])).toBe(before);
    expect(after("models/large/upstream", "large-2")).toBe(before);
    const without = checked(withMember(document, "routing", undefined));
    expect(without.ok ? [] : without.mistakes).toMatchObject([{ path: "agents.support_agent.releases.r4.route" }]);
  });

  it("does not depend on the order in which the document is written", () => {
    const document = releaseDocument();
    const turned = Object.fromEntries(Object.entries(document).toReversed());
    for (const release of ["r1", "r2", "r3"]) expect(digest(turned, release)).toBe(digest(document, release));
  });

  it("is compared by what differs", () => {
    const config = published(releaseDocument());
    const of = (release: string) => {
      const entry = config.document.agents[AGENT]?.releases[release];
      return (entry === undefined ? undefined : contentOf(config, entry)) ?? {};
    };
    expect(compareReleases(of("r1"), of("r1"))).toEqual([]);
    expect(compareReleases(of("r1"), of("r2")).map(({ path }) => path)).toEqual([
      "models.spare",
      "prompt.system",
      "prompt.variables.customer",
      "routes.both",
    ]);
  });
});

const pinned = (release: string) => ({ release, digest: `digest of ${release}` });
const standing: ReleasePointer = {
  ...firstPointer(pinned("r1"), { ...pinned("r2"), weight: 20 }),
  past: [pinned("r3")],
};
const ask = (parts: Partial<ReleaseAsk> = {}): ReleaseAsk => ({
  agent: AGENT,
  named: null,
  session: "s",
  mayTryAny: false,
  ...parts,
});

describe("whom a release answers", () => {
  const config = active(releaseDocument());
  const find = (release: string) => config.release(AGENT, release);
  const chosen = (pointer: ReleasePointer, parts: Partial<ReleaseAsk>) => {
    const found = resolveRelease(ask(parts), pointer, find);
    return found.ok ? `${found.value.release.id} ${found.value.how}` : found.code;
  };

  it("is the same for a session as long as the pointer stands", () => {
    fc.assert(
      fc.property(fc.string(), (session) => {
        expect(chosen(standing, { session })).toBe(chosen(standing, { session }));
      }),
    );
  });

  it.each([1, 5, 20, 50, 99])("is the canary for about %i percent of sessions", (weight) => {
    const canary = { ...pinned("r2"), weight, since: 3 };
    const sessions = Array.from({ length: 2_000 }, (_, at) => `session-${at}`);
    const share = sessions.filter((session) => isDrawnFor(AGENT, canary, session)).length / sessions.length;
    // Five standard deviations: one run in two million would fail if the draw were fair.
    const bound = 5 * Math.sqrt(((weight / 100) * (1 - weight / 100)) / sessions.length);
    expect(Math.abs(share - weight / 100)).toBeLessThan(bound);
  });

  it("is everyone at 100 percent, and keeps those it has when the weight rises", () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 99 }), (session, weight) => {
        const canary = { ...pinned("r2"), since: 3, weight };
        expect(isDrawnFor(AGENT, { ...canary, weight: 100 }, session)).toBe(true);
        if (isDrawnFor(AGENT, canary, session))
          expect(isDrawnFor(AGENT, { ...canary, weight: weight + 1 }, session)).toBe(true);
      }),
    );
  });

  it("is drawn anew for another canary", () => {
    const sessions = Array.from({ length: 500 }, (_, at) => `s${at}`);
    const on = (since: number) =>
      sessions.filter((session) => isDrawnFor(AGENT, { ...pinned("r2"), weight: 50, since }, session));
    expect(on(1)).not.toEqual(on(2));
  });

  it("follows a name as far as the caller may choose", () => {
    expect(chosen(standing, { named: "r1" })).toBe("r1 named");
    expect(chosen(standing, { named: "r2" })).toBe("r2 named");
    expect(chosen(standing, { named: "r3" })).toBe("release_forbidden");
    expect(chosen(standing, { named: "r9" })).toBe("release_forbidden");
    expect(chosen(standing, { named: "r3", mayTryAny: true })).toBe("r3 named");
    expect(chosen(standing, { named: "r9", mayTryAny: true })).toBe("unknown_release");
  });

  it("is nobody while pointer and config do not agree", () => {
    expect(resolveRelease(ask(), undefined, find)).toMatchObject({ code: "control_plane_down", retryAfterS: 1 });
    const gone = firstPointer(pinned("r9"), null);
    expect(resolveRelease(ask(), gone, find)).toMatchObject({ code: "control_plane_down" });
  });

  it.each([
    ["strict", "release_policy_mismatch"],
    ["loose", "r1 live"],
  ])("with a %s pin to another policy is %s", (mode, expected) => {
    const elsewhere = active(
      withMember(releaseDocument(), "agents/support_agent/releases/r1/policy", { digest: "0".repeat(12), mode }),
    );
    const found = resolveRelease(ask(), firstPointer(pinned("r1"), null), (id) => elsewhere.release(AGENT, id));
    expect(found.ok ? `${found.value.release.id} ${found.value.how}` : found.code).toBe(expected);
  });

  it("with a pin to the active policy is itself, whatever tests the policy has", () => {
    const document = withMember(releaseDocument(), "policy", { time_zone: "Europe/Berlin" });
    const digest = policyDigest(published(document).document);
    const call = { actor: "clerk", tool: "crm.note", args: {} };
    const tests = [{ name: "a note", call, expect: { effect: "allow" } }];
    const pinnedHere = withMember(
      withMember(document, "agents/support_agent/releases/r1/policy", { digest }),
      "policy/tests",
      tests,
    );
    const found = active(pinnedHere).release(AGENT, "r1");
    expect(found?.pin).toEqual({ isStrict: true, holds: true });
  });
});

describe("a pointer", () => {
  const known = (release: string) => (release.startsWith("r") ? pinned(release) : undefined);
  const move = (pointer: ReleasePointer, next: PointerMove): ReleasePointer => {
    const moved = movePointer(pointer, next, known);
    return moved.type === "moved" ? moved.pointer : pointer;
  };
  const promote = (release: string): PointerMove => ({ type: "promote", pinned: pinned(release) });
  const rollback: PointerMove = { type: "rollback", target: null };
  const start = firstPointer(pinned("r1"), null);

  it("goes back step by step, and not to what was rolled back from", () => {
    const moved = [promote("r2"), promote("r3"), rollback].reduce(move, start);
    expect(moved.live).toEqual(pinned("r2"));
    expect(move(moved, rollback).live).toEqual(pinned("r1"));
    expect(movePointer(move(moved, rollback), rollback, known)).toEqual({ type: "nothing_before" });
  });

  it("goes past releases that the config has no more", () => {
    const moved = [promote("gone"), promote("r3")].reduce(move, start);
    expect(move(moved, rollback).live).toEqual(pinned("r1"));
  });

  it("ends a canary first", () => {
    const moved = [promote("r2"), { type: "canary", pinned: pinned("r3"), weight: 5 } as const].reduce(move, start);
    const back = movePointer(moved, rollback, known);
    expect(back).toMatchObject({ status: "canary_ended", pointer: { live: pinned("r2"), canary: null } });
  });

  it("keeps the draw of a canary whose weight changes", () => {
    const canary = (weight: number): PointerMove => ({ type: "canary", pinned: pinned("r2"), weight });
    const first = move(start, canary(5));
    expect(move(first, canary(50)).canary).toMatchObject({ weight: 50, since: first.canary?.since });
    const again = [{ type: "end_canary" } as const, canary(50)].reduce(move, first);
    expect(again.canary?.since).not.toBe(first.canary?.since);
  });

  const moves = fc.oneof(
    fc.constantFrom("r1", "r2", "r3").map(promote),
    fc
      .tuple(fc.constantFrom("r1", "r2", "r3"), fc.integer({ min: 1, max: 100 }))
      .map(([release, weight]): PointerMove => ({ type: "canary", pinned: pinned(release), weight })),
    fc.constant<PointerMove>({ type: "end_canary" }),
    fc.constant(rollback),
    fc.constantFrom("r1", "r2").map((release): PointerMove => ({ type: "rollback", target: pinned(release) })),
  );

  it("counts every change, never has a canary that is live, and a promotion is undone by one rollback", () => {
    fc.assert(
      fc.property(fc.array(moves, { maxLength: 30 }), fc.constantFrom("r1", "r2", "r3"), (all, next) => {
        let pointer = start;
        for (const each of all) {
          const moved = movePointer(pointer, each, known);
          if (moved.type === "moved") {
            expect(moved.pointer.generation).toBe(pointer.generation + 1);
            pointer = moved.pointer;
          }
          expect(pointer.canary?.release).not.toBe(pointer.live.release);
          expect(pointer.past.length).toBeLessThanOrEqual(50);
        }
        const before = pointer.live;
        const after = move(pointer, promote(next));
        expect(after.live).toEqual(pinned(next));
        if (before.release !== next) expect(move(after, rollback).live).toEqual(before);
      }),
    );
  });
});

describe("the tenant's ledger", () => {
  const noSeals = (): undefined => undefined;
  const open = (
    document: unknown,
    state: TenantLedgerState = NO_TENANT,
    sealed: (key: string) => string | undefined = noSeals,
  ) => transition(state, { type: "publish", candidate: published(document), expected: state.active, sealed }, 10);
  const order = (parts: Partial<ReleaseOrder> = {}): ReleaseOrder => ({
    agent: AGENT,
    type: "promote",
    release: "r2",
    weight: null,
    expected: null,
    by: "key_1",
    reason: "better",
    ...parts,
  });
  const config = published(releaseDocument());
  const { next: state, effects } = open(releaseDocument());
  const sealedBy = (found: typeof effects) => {
    const seals = new Map(
      found.flatMap((each) => (each.type === "write_seals" ? each.seals : [])).map((each) => [each.key, each.digest]),
    );
    return (key: string) => seals.get(key);
  };

  it("makes live what a new agent's document says, once", () => {
    expect(state.releases[AGENT]).toMatchObject({ generation: 1, live: { release: "r1" }, canary: null });
    const { next: moved } = orderRelease(state, order(), config, 20);
    const again = open(withMember(releaseDocument(), "agents/support_agent/live", "r3"), moved, sealedBy(effects));
    expect(again.reply.type).toBe("published");
    expect(again.next.releases[AGENT]?.live.release).toBe("r2");
  });

  it("writes pointer and change together, and tells enforcement points by the epoch", () => {
    const { next, reply, effects: written } = orderRelease(state, order(), config, 20);
    expect(next.epoch).toBe(state.epoch + 1);
    expect(reply).toMatchObject({
      type: "release_moved",
      change: { agent: AGENT, status: "promoted", by: "key_1", at: 20, previous: { release: "r1" }, reason: "better" },
    });
    expect(written.map(({ type }) => type)).toEqual(["persist", "write_release"]);
  });

  it("is told as an act of its trace, with its reason, and in the chain without", () => {
    const { reply } = orderRelease(state, order(), config, 20);
    if (reply.type !== "release_moved") throw new Error(reply.type);
    const record = actRecord(releaseAct("t", reply.change, reply.change.reason), { spanId: "b".repeat(16), now: 20 });
    expect(record.index).toMatchObject({ kind: "release", subject: AGENT, status: "promoted", release: "r2" });
    expect(record.spans[0]?.attributes).toMatchObject({ [ACT_ATTR.reason]: "better", [ACT_ATTR.by]: "key_1" });
    const [act] = auditActsOf(record);
    expect(act).toMatchObject({
      kind: "release",
      who: "key_1",
      what: { agent: AGENT, live: "r2", digest: reply.change.live.digest, previous: "r1", generation: 2 },
    });
    expect(JSON.stringify(act)).not.toContain("better");
  });

  it.each([
    ["a generation that has passed", { expected: 7 }, "stale_release"],
    ["an agent that is not there", { agent: "nobody" }, "unknown_agent"],
    ["an agent named like a member of objects", { agent: "constructor" }, "unknown_agent"],
    ["a release that is not there", { release: "r9" }, "unknown_release"],
    ["the release that is live", { release: "r1" }, "release_unchanged"],
    ["a canary that is live", { type: "canary", release: "r1", weight: 5 }, "is_live"],
    ["the weight of no canary", { type: "canary", release: null, weight: 5 }, "no_canary"],
    ["a rollback to nowhere", { type: "rollback", release: null }, "nothing_before"],
  ] as const)("does not move for %s", (_, parts, type) => {
    const { next, reply, effects: written } = orderRelease(state, order(parts), config, 20);
    expect(reply.type).toBe(type);
    expect(next).toBe(state);
    expect(written).toEqual([]);
  });

  it("does not put in use what is pinned to another policy", () => {
    const elsewhere = withMember(releaseDocument(), "agents/support_agent/releases/r2/policy", {
      digest: "0".repeat(64),
    });
    expect(orderRelease(state, order(), published(elsewhere), 20).reply.type).toBe("pinned_elsewhere");
  });

  it.each([
    ["a prompt's text", "prompts/support/versions/1/system", "other", "prompts.support.versions.1"],
    ["a release", "agents/support_agent/releases/r2/model", "small", "agents.support_agent.releases.r2"],
    ["a live release away", "agents/support_agent/releases/r1", undefined, "agents.support_agent.releases.r1"],
  ])("refuses a publication that changes %s, by name", (_, path, value, named) => {
    const changed = withMember(
      withMember(
        path.includes("r2")
          ? withMember(releaseDocument(), "agents/support_agent/releases/r2/route", undefined)
          : releaseDocument(),
        path,
        value,
      ),
      "agents/support_agent/live",
      "r3",
    );
    const { reply, next } = open(changed, state, sealedBy(effects));
    expect(reply).toMatchObject({ type: "refused", mistakes: [{ path: named }] });
    expect(next).toBe(state);
  });

  it("takes back neither a text that was removed in between nor less than the whole agent", () => {
    const without = withMember(releaseDocument(), "agents/support_agent/releases/r2", undefined);
    const removed = open(without, state, sealedBy(effects));
    expect(removed.reply.type).toBe("published");
    const back = open(
      withMember(releaseDocument(), "agents/support_agent/releases/r2", { model: "small" }),
      removed.next,
      sealedBy(effects),
    );
    expect(back.reply.type).toBe("refused");
    const gone = open(withMember(releaseDocument(), "agents", {}), state, sealedBy(effects));
    expect(gone.next.releases).toEqual({});
  });
});

describe("a document", () => {
  const agent = "agents/support_agent";
  it.each([
    ["an unknown live release", `${agent}/live`, "r9", "agents.support_agent.live"],
    ["a canary that is live", `${agent}/canary`, { release: "r1", weight: 5 }, "agents.support_agent.canary.release"],
    ["a canary of a fraction", `${agent}/canary`, { release: "r2", weight: 0.5 }, "agents.support_agent.canary.weight"],
    ["model and route at once", `${agent}/releases/r1/route`, "both", "agents.support_agent.releases.r1.model"],
    ["neither model nor route", `${agent}/releases/r1/model`, undefined, "agents.support_agent.releases.r1.model"],
    [
      "an unknown prompt version",
      `${agent}/releases/r1/prompt`,
      "support@9",
      "agents.support_agent.releases.r1.prompt",
    ],
    ["an unknown model", `${agent}/releases/r1/model`, "smal", "agents.support_agent.releases.r1.model"],
    ["an unknown tool", `${agent}/releases/r1/tools`, ["billing.refnd"], "agents.support_agent.releases.r1.tools.0"],
    ["an agent named like a model", "agents/small", { releases: { x: { model: "large" } }, live: "x" }, "agents.small"],
    ["an agent named like a route", "agents/both", { releases: { x: { model: "large" } }, live: "x" }, "agents.both"],
    ["an id twice", "agents/other", { releases: { r1: { model: "large" } }, live: "r1" }, "agents.other.releases.r1"],
    [
      "an undeclared variable",
      "prompts/support/versions/1/system",
      "{{customer}}",
      "prompts.support.versions.1.system",
    ],
    ["braces that begin nothing", "prompts/support/versions/1/system", "{{ 1 }}", "prompts.support.versions.1.system"],
    [
      "a built-in variable declared",
      "prompts/support/versions/2/variables/date",
      {},
      "prompts.support.versions.2.variables.date",
    ],
    [
      "a variable that is not used",
      "prompts/support/versions/2/variables/unused",
      {},
      "prompts.support.versions.2.variables.unused",
    ],
  ])("with %s is refused there", (_, path, value, named) => {
    const found = checked(withMember(releaseDocument(), path, value));
    expect(found.ok ? [] : found.mistakes.map((each) => each.path)).toContain(named);
  });

  it("with a release made for another policy is warned about", () => {
    const found = checked(withMember(releaseDocument(), `${agent}/releases/r1/policy`, { digest: "0".repeat(12) }));
    expect(found.ok ? found.warnings : []).toMatchObject([{ path: "agents.support_agent.releases.r1.policy" }]);
  });
});
