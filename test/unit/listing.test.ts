// Proves the listing of tools: what is hidden is denied when called, what can be allowed is shown, and list rules only hide.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkConfig } from "../../src/core/config/check.ts";
import { diffConfigs } from "../../src/core/config/diff.ts";
import { ConfigDocument } from "../../src/core/config/document.ts";
import type { ActiveConfig } from "../../src/core/config/published.ts";
import type { ToolCallAsk } from "../../src/core/policy/ask.ts";
import { sessionOf } from "../../src/core/policy/earlier-calls.ts";
import { decideWhole } from "../../src/core/policy/evaluate.ts";
import { listTools, type ListingCaller } from "../../src/core/policy/listing.ts";
import { decideTest, runPolicyTests } from "../../src/core/policy/policy-tests.ts";
import type { Switch } from "../../src/core/policy/switches.ts";
import { ANYWHERE, published, unchecked } from "./policy-fixture.ts";

const NOON = 1_767_614_400_000;
const tool = (more: object = {}): object => ({
  kind: "http",
  method: "POST",
  url: "https://x.test/",
  effect: "write",
  input_schema: {
    type: "object",
    properties: { n: { type: "integer", minimum: 0 }, text: { type: "string" } },
    required: ["n"],
    additionalProperties: false,
  },
  ...more,
});
const TOOLS = {
  "crm.read": tool({ effect: "read" }),
  "crm.write": tool({ scopes: ["crm:write"] }),
  "pay.out": tool({ effect: "irreversible", amount: { field: "n", currency: "USD" } }),
  "pay.list": tool({ effect: "read", scopes: ["pay:read"] }),
};
const document = (rules: readonly object[], more: object = {}): object => ({
  egress: { allow: ["x.test"] },
  tools: TOOLS,
  actors: {
    clerk: { allowed_tools: ["crm.*"], scopes: ["crm:write"] },
    boss: { allowed_tools: ["*"], scopes: ["*"], tier: "execute_with_approvals" },
  },
  policy: { rules },
  ...more,
});

const caller = (more: Partial<ListingCaller> = {}): ListingCaller => ({
  actor: "boss",
  principal: { key_id: "key_1", roles: ["agent"], scopes: ["*"] },
  allowedTools: undefined,
  user: null,
  userOrigin: "declared",
  release: null,
  ...more,
});
const halt = (scope: Switch["scope"], more: Partial<Switch> = {}): Switch => ({
  id: "sw",
  kind: "halt",
  scope,
  reason: "a test",
  set_by: "key_2",
  set_at: 0,
  expires_at: null,
  ...more,
});

function shown(config: ActiveConfig, who = caller(), switches: readonly Switch[] = [], now = NOON): readonly string[] {
  return listTools(config, who, { switches, now }).flatMap(({ tool: { name }, verdict }) =>
    verdict === "visible" ? [name] : [],
  );
}

function whyHidden(config: ActiveConfig, name: string, who = caller(), switches: readonly Switch[] = []): string[] {
  const found = listTools(config, who, { switches, now: NOON }).find((each) => each.tool.name === name);
  return found?.verdict === "hidden" ? found.reasons.map(({ rule_id }) => rule_id) : [];
}

describe("the list of tools", () => {
  const ALL = ["crm.read", "crm.write", "pay.list", "pay.out"];

  it("is what the actor lists and its scopes suffice for, in the order of names", () => {
    const config = published(document([]));
    expect(shown(config)).toEqual(ALL);
    expect(shown(config, caller({ actor: "clerk" }))).toEqual(["crm.read", "crm.write"]);
    expect(shown(config, caller({ actor: "nobody" }))).toEqual([]);
    const poor = caller({ principal: { key_id: "k", roles: ["agent"], scopes: ["pay:read"] } });
    expect(shown(config, poor)).toEqual(["crm.read", "pay.list", "pay.out"]);
    expect(whyHidden(config, "crm.write", poor)).toEqual(["scopes"]);
  });

  it("is narrowed by the caller and by its release", () => {
    const agents = { helper: { live: "r1", releases: { r1: { model: "m", tools: ["crm.read", "pay.*"] } } } };
    const config = unchecked(document([], { agents }));
    expect(shown(config, caller({ release: "r1" }))).toEqual(["crm.read", "pay.list", "pay.out"]);
    expect(whyHidden(config, "crm.write", caller({ release: "r1" }))).toEqual(["release.tools"]);
    expect(shown(config, caller({ release: "r2" }))).toEqual(ALL);
    expect(shown(config, caller({ allowedTools: ["pay.*", "nothing"] }))).toEqual(["pay.list", "pay.out"]);
    expect(whyHidden(config, "crm.read", caller({ allowedTools: [] }))).toEqual(["envelope.allowed_tools"]);
  });

  it("leaves out what a switch halts, while it is set, but not for one session", () => {
    const config = published(document([]));
    expect(shown(config, caller(), [halt({})])).toEqual([]);
    expect(shown(config, caller(), [halt({ tool: "pay.out" })])).toEqual(["crm.read", "crm.write", "pay.list"]);
    expect(shown(config, caller(), [halt({ actor: "clerk" })])).toEqual(ALL);
    expect(shown(config, caller(), [halt({ session: "s" })])).toEqual(ALL);
    expect(shown(config, caller(), [halt({}, { expires_at: NOON })])).toEqual(ALL);
    expect(shown(config, caller(), [halt({}, { kind: "disable_writes" })])).toEqual(ALL);
    expect(whyHidden(config, "pay.out", caller(), [halt({ tool: "pay.out" })])).toEqual(["switch.halt"]);
  });

  it("leaves out what a rule of the call denies without a condition, and nothing for one that has a condition", () => {
    const config = published(
      document([
        { id: "never", tools: ["pay.out"], effect: "deny" },
        { id: "sometimes", tools: ["crm.write"], when: "args.n >= 0", effect: "deny" },
        { id: "ask", tools: ["pay.list"], effect: "require_approval" },
      ]),
    );
    expect(shown(config)).toEqual(["crm.read", "crm.write", "pay.list"]);
    expect(whyHidden(config, "pay.out")).toEqual(["never"]);
  });

  it("leaves out what a list rule denies, and refuses the call of it", () => {
    const rule = {
      id: "office-hours",
      tools: ["pay.*"],
      phase: "list",
      when: 'local.hour < 8 || !has(call.user) || "pay:all" in actor.scopes',
      effect: "deny",
    };
    const config = published(document([rule]));
    expect(shown(config)).toEqual(["crm.read", "crm.write"]);
    expect(shown(config, caller({ user: "u1" }))).toEqual(ALL);
    expect(shown(config, caller({ user: "u1" }), [], NOON - 5 * 3_600_000)).toEqual(["crm.read", "crm.write"]);
    const call = { actor: "boss", tool: "pay.list", args: { n: 1 } };
    const [refused, allowed] = runPolicyTests(config, [
      { name: "no user", call, expect: { effect: "deny", reasons: ["office-hours"] } },
      { name: "user", call: { ...call, user: "u1" }, expect: { effect: "allow" } },
    ]);
    expect([refused?.ok, allowed?.ok]).toEqual([true, true]);
  });

  it("sees the tier of calls without an intent, when listed and when called", () => {
    const config = published(
      document(
        [{ id: "drafters", phase: "list", tools: ["pay.out"], when: 'actor.tier == "draft_only"', effect: "deny" }],
        {
          actors: {
            boss: { allowed_tools: ["*"], tier: "draft_only", flows: { pay: { tier: "execute_with_limits" } } },
          },
        },
      ),
    );
    expect(whyHidden(config, "pay.out")).toEqual(["drafters"]);
    const outcome = decideTest(config, { call: { actor: "boss", tool: "pay.out", args: { n: 1 }, intent: "pay" } });
    expect("decision" in outcome ? outcome.decision.effect : outcome).toBe("deny");
  });

  it("lets a list rule that allows spare no approval", () => {
    const config = unchecked(document([{ id: "show", phase: "list", effect: "allow" }]));
    const outcome = decideTest(config, { call: { actor: "boss", tool: "pay.out", args: { n: 1 } } });
    expect("decision" in outcome ? outcome.decision.effect : outcome).toBe("require_approval");
    expect(shown(config)).toEqual(ALL);
  });

  it.each(["deny", "allow"])(
    "takes a list rule that cannot be evaluated, and would %s, for one that hides",
    (effect) => {
      for (const when of ["args.n > 3", "1 / 0 == 1", "call.user == 'u'", "session.id == 's'", "actor.name"]) {
        const config = unchecked(document([{ id: "faulty", phase: "list", tools: ["crm.*"], when, effect }]));
        expect(shown(config), when).toEqual(["pay.list", "pay.out"]);
        const outcome = decideTest(config, { call: { actor: "boss", tool: "crm.read", args: { n: 5 } } });
        expect("decision" in outcome ? outcome.decision.effect : outcome, when).toBe("deny");
      }
    },
  );
});

describe("publishing a list rule", () => {
  const mistakesOf = (rule: object): readonly string[] => {
    const checked = checkConfig(document([{ id: "r", phase: "list", effect: "deny", ...rule }]), ANYWHERE);
    return checked.ok ? [] : checked.mistakes.map(({ path, message }) => `${path}: ${message}`);
  };

  it.each([
    ["args.n > 3", "args", 1],
    ['has(call.user) && call.intent == "x"', "call.intent", 19],
    ["has(call.confidence)", "call.confidence", 1],
    ['session.count_within("pay.out", "1h") > 1', "session", 1],
    ["call.confirmed", "call.confirmed", 1],
    ['call["task"] == "t"', "call.task", 1],
    ['"intent" in call', "call.intent", 1],
    ["call.amount_minor > 5", "call.amount_minor", 1],
  ])("refuses `%s`, with its place and what to do", (when, name, column) => {
    const [first = ""] = mistakesOf({ when });
    expect(first).toContain(`policy.rules.0.when: rule "r", line 1, column ${column}: `);
    expect(first).toContain(`\`${name}\` is not known when tools are listed: drop \`phase: list\``);
  });

  it("still tells a misspelt name for what it is", () => {
    expect(mistakesOf({ when: "call.usr == 'u'" })[0]).toContain('unknown field "usr" (did you mean "user"?)');
    expect(mistakesOf({ when: "acto.name == 'boss'" })[0]).toContain('unknown variable "acto"');
    expect(mistakesOf({ when: "call.user == 'u'" })[0]).toContain("may be absent: test has(call.user) first");
    expect(mistakesOf({ when: 'actor.name == "chef"' })[0]).toContain('"chef" is none of');
  });

  it("refuses what nobody can do while tools are listed", () => {
    expect(mistakesOf({ effect: "require_approval" })).toEqual([
      expect.stringContaining("policy.rules.0.effect: nobody can be asked while tools are listed"),
    ]);
    expect(mistakesOf({ stop_and_ask: true })).toEqual([expect.stringContaining("policy.rules.0.stop_and_ask: ")]);
    expect(mistakesOf({ phase: "calls" })).toEqual([expect.stringContaining("policy.rules.0.phase")]);
    expect(mistakesOf({})).toEqual([]);
  });

  it("warns of one that allows, and compares no two phases but for a denial without a condition", () => {
    const warningsOf = (...rules: readonly object[]): readonly string[] => {
      const checked = checkConfig(document(rules), ANYWHERE);
      return checked.ok ? checked.warnings.map(({ message }) => message) : ["mistaken"];
    };
    const when = 'principal.key_id == "k"';
    expect(warningsOf({ id: "a", phase: "list", when, effect: "allow" })).toEqual([
      expect.stringContaining('rule "a" never matters'),
    ]);
    expect(warningsOf({ id: "a", phase: "list", when, effect: "deny" }, { id: "b", when, effect: "deny" })).toEqual([]);
    expect(warningsOf({ id: "a", phase: "list", when, effect: "deny" }, { id: "b", effect: "deny" })).toEqual([
      expect.stringContaining('rule "a" never matters'),
    ]);
  });

  it("tells in words that a rule's phase changes", () => {
    const rule = { id: "r", effect: "deny", when: 'principal.key_id == "k"' };
    const diff = (before: object, after: object): readonly (readonly [string, boolean, boolean])[] =>
      diffConfigs(ConfigDocument.parse(document([before])), ConfigDocument.parse(document([after]))).map(
        ({ says, widens, narrows }) => [says, widens, narrows],
      );
    const list = { ...rule, phase: "list" };
    expect(diff(rule, list)).toEqual([
      [
        'rule "r" is now decided when tools are listed: what it denies is hidden, and refused when it is called all the same',
        false,
        false,
      ],
    ]);
    expect(diff(list, { ...rule, phase: "call" })).toEqual([
      ['rule "r" is now decided at the call alone: it hides no tool', false, false],
    ]);
    expect(diff(rule, { ...rule, phase: "call" })).toEqual([]);
    expect(diff({ ...list, effect: "allow" }, { ...rule, effect: "allow" })[0]?.[1]).toBe(true);
    expect(diff({ ...rule, effect: "allow" }, { ...list, effect: "allow" })[0]?.[2]).toBe(true);
  });
});

const CALL_CONDITIONS = [
  undefined,
  "true",
  "false",
  "args.n > 5",
  'has(call.intent) && call.intent == "i"',
  "args.n / 0 == 1",
];
const LIST_CONDITIONS = [
  undefined,
  "true",
  "false",
  'has(call.user) && call.user == "u1"',
  'has(call.user) && call.user_origin == "token"',
  '"crm:write" in principal.scopes',
  'actor.tier == "draft_only"',
  'tool.effect == "read"',
  "local.hour < 12",
  "args.n > 5",
  "1 / 0 == 1",
];
const patterns = fc.option(fc.subarray(["crm.*", "crm.read", "pay.out", "*"], { minLength: 1 }), { nil: undefined });
interface GeneratedRule {
  readonly phase?: string;
  readonly tools: readonly string[] | undefined;
  readonly when: string | undefined;
  readonly effect: string;
}
const anyRule: fc.Arbitrary<GeneratedRule> = fc.oneof(
  fc.record({
    tools: patterns,
    when: fc.constantFrom(...CALL_CONDITIONS),
    effect: fc.constantFrom("allow", "require_approval", "deny"),
  }),
  fc.record({
    phase: fc.constant("list"),
    tools: patterns,
    when: fc.constantFrom(...LIST_CONDITIONS),
    effect: fc.constantFrom("allow", "deny"),
  }),
);
const given = fc.record({
  rules: fc.array(anyRule, { maxLength: 4 }),
  tier: fc.constantFrom("draft_only", "execute_with_limits", "execute_with_approvals"),
  who: fc.record({
    actor: fc.constantFrom("clerk", "boss", "nobody"),
    principal: fc.record({
      key_id: fc.constant("k"),
      roles: fc.constant(["agent" as const]),
      scopes: fc.subarray(["crm:write", "pay:read", "*"]),
    }),
    allowedTools: fc.option(fc.subarray(["crm.*", "pay.out", "*"]), { nil: undefined }),
    user: fc.option(fc.constantFrom("u1", "u2"), { nil: null }),
    userOrigin: fc.constantFrom("declared" as const, "token" as const),
    release: fc.constant(null),
  }),
  switches: fc.array(
    fc.record({
      kind: fc.constantFrom("halt" as const, "disable_writes" as const, "force_approvals" as const),
      scope: fc.constantFrom({}, { tool: "crm.read" }, { actor: "boss" }, { session: "s" }),
    }),
    { maxLength: 1 },
  ),
  now: fc.constantFrom(NOON, NOON - 3_600_000),
});
const said = fc.record({
  n: fc.integer({ min: 0, max: 10 }),
  text: fc.constantFrom("a", "jo@example.org"),
  intent: fc.option(fc.constantFrom("i", "j"), { nil: null }),
  confirmed: fc.boolean(),
  session: fc.constantFrom("s", "t"),
});
type Given = typeof given extends fc.Arbitrary<infer T> ? T : never;

function worldOf({ rules, tier, switches }: Given): { readonly config: ActiveConfig; readonly set: readonly Switch[] } {
  const flows = { i: { tier: "execute_with_limits" } };
  const config = unchecked(
    document(
      rules.map((rule, at) => ({ id: `r${at}`, ...rule })),
      {
        actors: {
          clerk: { allowed_tools: ["crm.*"], scopes: ["crm:write"], tier, flows },
          boss: { allowed_tools: ["*"], scopes: ["*"], tier, flows },
        },
      },
    ),
  );
  return { config, set: switches.map(({ kind, scope }) => halt(scope, { kind })) };
}

describe("every listing", () => {
  it("hides only what is denied whatever it is called with, and shows all that has a call that is allowed", () => {
    let [hidden, allowed] = [0, 0];
    fc.assert(
      fc.property(given, said, fc.constantFrom(...Object.keys(TOOLS)), (at, call, name) => {
        const { config, set } = worldOf(at);
        const isShown = shown(config, at.who, set, at.now).includes(name);
        const resolved = config.tool(name);
        if (resolved === undefined) throw new Error(name);
        const { allowedTools, ...who } = at.who;
        const ask: ToolCallAsk = {
          ...decidedAsk(call),
          actor: who.actor,
          principal: who.principal,
          user: who.user,
          user_origin: who.userOrigin,
          tool: name,
          constraints: allowedTools === undefined ? {} : { allowed_tools: allowedTools },
        };
        const facts = config.facts(resolved, ask, { switches: set, now: at.now });
        const { effect } = decideWhole(facts, emptySession(config, ask));
        if (!isShown) expect(effect).toBe("deny");
        if (effect !== "deny") expect(isShown).toBe(true);
        hidden += isShown ? 0 : 1;
        allowed += effect === "allow" ? 1 : 0;
      }),
      { numRuns: 400 },
    );
    expect(hidden).toBeGreaterThan(20);
    expect(allowed).toBeGreaterThan(20);
  });

  it("shows no more for a list rule that denies, and the same for the same", () => {
    fc.assert(
      fc.property(given, patterns, fc.constantFrom(...LIST_CONDITIONS), (at, tools, when) => {
        const before = worldOf(at);
        const added = { phase: "list", tools, when, effect: "deny" };
        const after = worldOf({ ...at, rules: [...at.rules, added] });
        const was = shown(before.config, at.who, before.set, at.now);
        expect(was).toEqual(expect.arrayContaining([...shown(after.config, at.who, after.set, at.now)]));
        expect(shown(worldOf(at).config, at.who, before.set, at.now)).toEqual(was);
      }),
      { numRuns: 200 },
    );
  });
});

function decidedAsk({ n, text, intent, confirmed, session }: typeof said extends fc.Arbitrary<infer T> ? T : never) {
  return {
    args: { n, text },
    intent,
    confirmed,
    session,
    task: null,
    user_prompt: null,
    confidence: null,
    release: null,
  };
}

function emptySession(config: ActiveConfig, ask: ToolCallAsk): ReturnType<typeof sessionOf> {
  const used = { usd: 0, tokens: 0, calls: 0, tool_calls: 0, tool_usd: 0 };
  const nothing = { failures: 0, consecutiveFailures: 0, taint: [], facts: {} };
  return sessionOf({ id: ask.session, ageS: 0, limits: config.limits(ask.actor).session, used, ...nothing }, []);
}
