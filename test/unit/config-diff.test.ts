// Proves how config changes are told: what widens, what narrows, and where decisions differ at the edges of constants.
import { describe, expect, it } from "vitest";
import { diffConfigs } from "../../src/core/config/diff.ts";
import { ConfigDocument } from "../../src/core/config/document.ts";
import { diffBoundaries } from "../../src/core/policy/analysis/boundary-diff.ts";
import { published } from "./policy-fixture.ts";

const tool = (more: object = {}): object => ({
  kind: "http",
  method: "POST",
  url: "https://x.test/",
  effect: "write",
  amount: { field: "amount_usd", currency: "USD" },
  input_schema: {
    type: "object",
    properties: { amount_usd: { type: "number" }, kind: { enum: ["a", "b"] } },
    required: ["amount_usd", "kind"],
  },
  ...more,
});
const rule = (more: object = {}): object => ({
  id: "r",
  tools: ["t.a"],
  when: "call.amount_minor > 5000",
  effect: "deny",
  ...more,
});
const base = {
  egress: { allow: ["x.test"] },
  tools: { "t.a": tool(), "t.b": tool() },
  actors: { a: { allowed_tools: ["t.a"], max_amount_usd: 100, scopes: ["s:one"], budgets: { session: { usd: 5 } } } },
  policy: { rules: [rule()], limits: [{ id: "l", sum: "amount_usd", window: "24h", max: 500, per: "actor" }] },
};
type Base = typeof base;

const with_ = (change: (document: Base) => object): object => change(structuredClone(base));
const actor = (more: object): object => ({ ...base, actors: { a: { ...base.actors.a, ...more } } });
const rules = (...all: readonly object[]): object => ({ ...base, policy: { ...base.policy, rules: all } });
const limit = (more: object): object => ({
  ...base,
  policy: { ...base.policy, limits: [{ ...base.policy.limits[0], ...more }] },
});
const toolA = (more: object): object => ({ ...base, tools: { ...base.tools, "t.a": tool(more) } });

/** Before, after, the path, and the direction; the other way round it must be the opposite. */
const CASES: readonly (readonly [string, object, object, string, "widens" | "narrows" | "unclear"])[] = [
  ["a denying rule goes", base, rules(), "policy.rules.r", "widens"],
  ["an allowing rule goes", rules(rule({ effect: "allow" })), rules(), "policy.rules.r", "narrows"],
  ["deny becomes approval", base, rules(rule({ effect: "require_approval" })), "policy.rules.r.effect", "widens"],
  ["a denying rule covers more tools", base, rules(rule({ tools: ["t.*"] })), "policy.rules.r.tools", "narrows"],
  [
    "an allowing rule covers more tools",
    rules(rule({ effect: "allow" })),
    rules(rule({ effect: "allow", tools: ["t.*"] })),
    "policy.rules.r.tools",
    "widens",
  ],
  ["a denying rule loses its condition", base, rules(rule({ when: undefined })), "policy.rules.r.when", "narrows"],
  ["a condition changes", base, rules(rule({ when: "call.amount_minor > 6000" })), "policy.rules.r.when", "unclear"],
  ["a message changes", base, rules(rule({ message: "no" })), "policy.rules.r.message", "unclear"],
  [
    "fewer people must agree",
    rules(rule({ effect: "require_approval", approval: { count: 2 } })),
    rules(rule({ effect: "require_approval", approval: { count: 1 } })),
    "policy.rules.r.approval.count",
    "widens",
  ],
  ["a rule no longer stops", rules(rule({ stop_and_ask: true })), base, "policy.rules.r.stop_and_ask", "widens"],
  ["a limit rises", base, limit({ max: 600 }), "policy.limits.l.max", "widens"],
  ["a limit's window shrinks", base, limit({ window: "12h" }), "policy.limits.l.window", "widens"],
  ["a limit counts per tenant", base, limit({ per: "tenant" }), "policy.limits.l.per", "unclear"],
  [
    "a limit goes",
    base,
    with_(({ policy, ...rest }) => ({ ...rest, policy: { ...policy, limits: [] } })),
    "policy.limits.l",
    "widens",
  ],
  ["an actor's cap rises", base, actor({ max_amount_usd: "100.01" }), "actors.a.max_amount_usd", "widens"],
  ["an actor's cap goes", base, actor({ max_amount_usd: undefined }), "actors.a.max_amount_usd", "widens"],
  ["an actor lists another tool", base, actor({ allowed_tools: ["t.a", "t.b"] }), "actors.a.allowed_tools", "widens"],
  ["an actor lists a prefix", base, actor({ allowed_tools: ["t.*"] }), "actors.a.allowed_tools", "widens"],
  ["an actor swaps a tool", base, actor({ allowed_tools: ["t.b"] }), "actors.a.allowed_tools", "unclear"],
  ["an actor gains a scope", base, actor({ scopes: ["s:one", "s:two"] }), "actors.a.scopes", "widens"],
  ["an actor drafts only", base, actor({ tier: "draft_only" }), "actors.a.tier", "narrows"],
  ["an actor asks for approvals", base, actor({ tier: "execute_with_approvals" }), "actors.a.tier", "narrows"],
  [
    "an actor becomes autonomous on a flow, and asks elsewhere",
    base,
    actor({ tier: "autonomous", flows: ["f"] }),
    "actors.a.tier",
    "unclear",
  ],
  [
    "a flow becomes autonomous",
    actor({ flows: { f: { tier: "execute_with_approvals" } } }),
    actor({ flows: { f: { tier: "autonomous" } } }),
    "actors.a.flows",
    "widens",
  ],
  ["a budget falls", base, actor({ budgets: { session: { usd: 4 } } }), "actors.a.budgets.session.usd", "narrows"],
  ["personal data is forbidden", base, actor({ pii_write_allowed: false }), "actors.a.pii_write_allowed", "narrows"],
  [
    "the floor of confidence falls",
    actor({ stop_and_ask: { min_confidence: 0.8 } }),
    actor({ stop_and_ask: { min_confidence: 0.5 } }),
    "actors.a.stop_and_ask.min_confidence",
    "widens",
  ],
  [
    "more repeats pass",
    actor({ stop_and_ask: { repeated_calls: 3 } }),
    actor({ stop_and_ask: { repeated_calls: 5 } }),
    "actors.a.stop_and_ask.repeated_calls",
    "widens",
  ],
  ["a rate is set", base, actor({ rate_limit: { requests: 5, per: "1m" } }), "actors.a.rate_limit", "narrows"],
  [
    "a rate rises",
    actor({ rate_limit: { requests: 5, per: "1m" } }),
    actor({ rate_limit: { requests: 10, per: "1m" } }),
    "actors.a.rate_limit",
    "widens",
  ],
  ["a write becomes a read", base, toolA({ effect: "read" }), "tools.t.a.effect", "widens"],
  ["a tool asks for a scope", base, toolA({ scopes: ["s:one"] }), "tools.t.a.scopes", "narrows"],
  ["a tool's amount goes", base, toolA({ amount: undefined }), "tools.t.a.amount", "widens"],
  ["a tool's address changes", base, toolA({ url: "https://x.test/2" }), "tools.t.a.url", "unclear"],
  [
    "a listed tool goes",
    base,
    with_(({ tools: { "t.b": b }, ...rest }) => ({ ...rest, tools: { "t.b": b } })),
    "tools.t.a",
    "narrows",
  ],
  ["a host is allowed", base, { ...base, egress: { allow: ["x.test", "y.test"] } }, "egress.allow", "widens"],
  [
    "links are enough",
    base,
    { ...base, approvals: { links_without_account: true } },
    "approvals.links_without_account",
    "widens",
  ],
  [
    "the zone changes",
    base,
    { ...base, policy: { ...base.policy, time_zone: "Asia/Tokyo" } },
    "policy.time_zone",
    "unclear",
  ],
];

const parsed = (document: object): ConfigDocument => ConfigDocument.parse(JSON.parse(JSON.stringify(document)));
const OPPOSITE = { widens: "narrows", narrows: "widens", unclear: "unclear" } as const;

function directionAt(before: object, after: object, path: string): string {
  const change = diffConfigs(parsed(before), parsed(after)).find((each) => each.path === path);
  if (change === undefined) return "no such change";
  return change.widens ? "widens" : change.narrows ? "narrows" : "unclear";
}

describe("a config's changes", () => {
  it.each(CASES)("when %s", (_what, before, after, path, direction) => {
    expect(directionAt(before, after, path)).toBe(direction);
    expect(directionAt(after, before, path)).toBe(OPPOSITE[direction]);
  });

  it("are none between equal documents, whatever was left to defaults", () => {
    expect(diffConfigs(parsed(base), parsed({ ...base, models: {}, providers: {} }))).toEqual([]);
    expect(diffConfigs(undefined, parsed({}))).toEqual([]);
  });

  it("are told in sentences, by group, with both values", () => {
    const changes = diffConfigs(parsed(base), parsed({ ...actor({ max_amount_usd: 150 }), policy: {} }));
    expect(changes.map(({ group, says }) => [group, says])).toEqual([
      ["rules", 'rule "r" (deny on t.a when call.amount_minor > 5000) is removed'],
      ["limits", 'limit "l" (at most 500 of amount_usd per actor and 24h) is removed'],
      ["actors", 'actor "a": max_amount_usd rises from 100 to 150'],
    ]);
    expect(changes[2]).toMatchObject({ path: "actors.a.max_amount_usd", before: 100, after: 150, kind: "changed" });
  });
});

describe("decisions at the edges", () => {
  const edges = (before: object, after: object): readonly string[] =>
    diffBoundaries(published(before), published(after)).changes.map((each) => {
      expect(each.args).toMatchObject({ kind: "a" });
      return `${each.probe}: ${each.before} → ${each.after}`;
    });

  it("differ exactly where a threshold moved", () => {
    const found = edges(base, rules(rule({ when: "call.amount_minor > 5001" })));
    expect(found).toEqual(["call.amount_minor = 5001: deny → allow"]);
  });

  it("differ where a comparison became inclusive", () => {
    expect(edges(base, rules(rule({ when: "call.amount_minor >= 5000" })))).toEqual([
      "call.amount_minor = 5000: allow → deny",
    ]);
  });

  it("differ around an actor's cap", () => {
    const open = { ...base, policy: {} };
    const raised = { ...open, actors: { a: { allowed_tools: ["t.a"], max_amount_usd: 200 } } };
    const found = edges(open, raised);
    expect(found).toEqual(
      expect.arrayContaining(["args.amount_usd = 100.01: deny → allow", "args.amount_usd = 200: deny → allow"]),
    );
    expect(found).not.toContain("args.amount_usd = 100: deny → allow");
  });

  it("are not tried where nothing that decides on the tool differs", () => {
    expect(diffBoundaries(published(base), published(structuredClone(base)))).toEqual({
      changes: [],
      probes: 0,
      truncated: false,
    });
  });
});
