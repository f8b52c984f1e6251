// Proves publishing: every mistake at once with its path, prices pinned.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { listPrices } from "../../src/adapters/prices.ts";
import { costMicro, costPico, NO_USAGE, tierFor } from "../../src/core/budget/price.ts";
import { readOpenAiUsage } from "../../src/core/budget/usage.ts";
import { checkConfig, type Surroundings } from "../../src/core/config/check.ts";
import { ActiveConfig, storedConfig, type PublishedConfig } from "../../src/core/config/published.ts";
import { decideTest } from "../../src/core/policy/policy-tests.ts";
import { readIdempotencyKey, unquoted } from "../../src/core/units/idempotency-key.ts";

const around: Surroundings = {
  priceBook: listPrices,
  secrets: ["demo_model", "demo_crm", "demo_billing"],
  services: ["DEMO"],
  allowPrivateEgress: false,
};
const corpus = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../corpus/${name}.json`, import.meta.url), "utf8"));

describe("a config document", () => {
  it("of the demo may be published, with a price for each model", () => {
    const checked = checkConfig(
      parse(readFileSync(new URL("../../demo/interlock.yaml", import.meta.url), "utf8")),
      around,
    );
    expect(checked).toMatchObject({
      ok: true,
      prices: { "demo-large": { source: "config" }, "demo-small": { source: "config" } },
    });
  });

  it("is refused with every mistake of its shape, each with its path and the likely name", () => {
    const checked = checkConfig(
      {
        providerz: {},
        tools: {
          "9x": {},
          t: { kind: "http", method: "POST", url: "https://x.test", effect: "write", input_schema: {}, amont: {} },
        },
        actors: { a: { budgets: { session: { usd: -1, callz: 2 } } } },
      },
      around,
    );
    expect(checked.ok ? [] : checked.mistakes.map(({ path, message }) => `${path}: ${message}`).toSorted()).toEqual([
      'actors.a.budgets.session.callz: unknown field (did you mean "calls"?)',
      "actors.a.budgets.session.usd: expected dollars, at least 0, with at most six decimals",
      'providerz: unknown field (did you mean "providers"?)',
      "tools.9x: expected a letter, then up to 192 letters, digits, `_`, `.`, `/` or `-`",
      'tools.t.amont: unknown field (did you mean "amount"?)',
    ]);
  });

  it("is refused with every dangling reference, unpriced model, bad schema and blocked host at once", () => {
    const checked = checkConfig(
      {
        providers: { up: { kind: "openai-compatible", base_url: "http://api.example.com/v1", secret: "demo_modle" } },
        models: { a: { provider: "upp" }, b: { provider: "up" } },
        tools: {
          t: {
            kind: "http",
            method: "POST",
            url: "https://evil.example/{nope}",
            effect: "write",
            amount: { field: "amout", currency: "USD" },
            input_schema: { type: "object", properties: { amount: { type: "nmber" } } },
          },
          u: {
            kind: "http",
            method: "GET",
            url: "http://x",
            service: "DEM",
            effect: "read",
            input_schema: { type: "array" },
          },
        },
        actors: { a: { allowed_tools: ["tt", "t*"], models: ["a", "c"] } },
        egress: { allow: ["api.example.com"] },
      },
      around,
    );
    const paths = checked.ok ? [] : checked.mistakes.map((mistake) => mistake.path);
    expect(paths).toEqual(
      expect.arrayContaining([
        "providers.up.base_url",
        "providers.up.secret",
        "models.a.provider",
        "models.b.price",
        "tools.t.url",
        "tools.t.amount.field",
        "tools.u.service",
        "tools.u.input_schema.type",
        "actors.a.allowed_tools.0",
        "actors.a.allowed_tools.1",
        "actors.a.models.1",
      ]),
    );
    expect(paths.some((path) => path.startsWith("tools.t.input_schema"))).toBe(true);
  });
});

describe("a provider of a config", () => {
  const providerMistakes = (entry: object, more: object = {}): readonly string[] => {
    const egress = { allow: ["acme.openai.azure.com", "x.test"] };
    const checked = checkConfig({ providers: { p: entry }, egress }, { ...around, ...more });
    return checked.ok ? [] : checked.mistakes.map(({ path, message }) => `${path}: ${message}`);
  };
  const secret = "demo_model";
  const vertex = { project: "acme-prod", location: "europe-west4" };

  it.each([
    [{ kind: "openai", secret }],
    [{ kind: "openai", service: "DEMO" }],
    [{ kind: "azure-openai", base_url: "https://acme.openai.azure.com", secret, api_version: "2024-10-21" }],
    [{ kind: "anthropic", secret }],
    [{ kind: "gemini", secret }],
    [{ kind: "gemini", secret, vertex }],
    [{ kind: "openai-compatible", base_url: "https://x.test/v1", dialects: ["messages"] }],
    [{ kind: "workers-ai" }],
  ])("that has what its kind asks for may be published: %j", (entry) => {
    expect(providerMistakes(entry)).toEqual([]);
  });

  it.each([
    [{ kind: "openai" }, "secret: expected the name of the stored secret that is the key"],
    [
      { kind: "azure-openai", secret },
      "base_url: expected the resource's address, such as https://NAME.openai.azure.com",
    ],
    [
      { kind: "azure-openai", base_url: "https://acme.openai.azure.com" },
      "secret: expected the name of the stored secret that is the key",
    ],
    [
      { kind: "gemini", vertex },
      "secret: expected the name of the stored secret that is the service account's JSON key",
    ],
    [
      { kind: "openai", secret, api_version: "1" },
      "api_version: says nothing to a provider of kind openai: only azure-openai takes it",
    ],
    [
      { kind: "anthropic", secret, vertex },
      "vertex: says nothing to a provider of kind anthropic: only gemini takes it",
    ],
    [
      { kind: "anthropic", secret, dialects: ["chat"] },
      "dialects: says nothing to a provider of kind anthropic: only openai-compatible takes it",
    ],
    [{ kind: "workers-ai", secret }, "secret: says nothing to a provider of kind workers-ai: leave it out"],
    [
      { kind: "workers-ai", base_url: "https://x.test" },
      "base_url: says nothing to a provider of kind workers-ai: leave it out",
    ],
    [
      { kind: "openai-compatible", base_url: "https://x.test/v1?key=1" },
      "base_url: expected an address that paths can be added to, without ? and #",
    ],
    [{ kind: "openai-compatible" }, "base_url: expected an absolute URL: an openai-compatible provider has no default"],
  ])("is refused without, or with what says nothing to it: %j", (entry, mistake) => {
    expect(providerMistakes(entry)).toEqual([`providers.p.${mistake}`]);
  });

  it("of Workers AI needs the deployment's binding, where that is known", () => {
    expect(providerMistakes({ kind: "workers-ai" }, { hasWorkersAi: true })).toEqual([]);
    expect(providerMistakes({ kind: "workers-ai" }, { hasWorkersAi: false })).toEqual([
      "providers.p.kind: this deployment has no Workers AI: its `AI` binding is missing",
    ]);
  });
});

const TOOL = {
  kind: "http",
  method: "POST",
  url: "https://api.example.com/x",
  effect: "write",
  amount: { field: "amount_usd", currency: "USD" },
  input_schema: {
    type: "object",
    properties: { amount_usd: { type: "number" }, reason: { enum: ["late", "lost"] }, order: { type: "string" } },
    required: ["amount_usd", "reason"],
  },
};
const BASE = {
  egress: { allow: ["api.example.com"] },
  tools: { "pay.out": TOOL },
  actors: { a: { allowed_tools: ["pay.*"], max_amount_usd: 50 } },
};

function mistakesIn(document: object): readonly string[] {
  const checked = checkConfig({ ...BASE, ...document }, around);
  return checked.ok ? [] : checked.mistakes.map(({ path, message }) => `${path}: ${message}`);
}

describe("the policy of a config", () => {
  it.each([
    [
      "an argument nobody has, with the likely one",
      { policy: { rules: [{ id: "r", when: "args.amuont_usd > 3.0", effect: "deny" }] } },
      /^policy\.rules\.0\.when: rule "r", line 1, column \d+: .*amuont_usd.*amount_usd/,
    ],
    [
      "a value that can never be",
      { policy: { rules: [{ id: "r", when: 'args.reason == "lots"', effect: "deny" }] } },
      /^policy\.rules\.0\.when: .*lots/,
    ],
    [
      "an optional argument without has()",
      { policy: { rules: [{ id: "r", when: 'args.order == "x"', effect: "deny" }] } },
      /^policy\.rules\.0\.when: .*has\(/,
    ],
    [
      "a syntax error with its line",
      { policy: { rules: [{ id: "r", when: "true\n  && )", effect: "deny" }] } },
      /^policy\.rules\.0\.when: rule "r", line 2, /,
    ],
    [
      "two rules of one id",
      {
        policy: {
          rules: [
            { id: "r", effect: "deny" },
            { id: "r", effect: "allow" },
          ],
        },
      },
      /^policy\.rules\.1\.id: "r" is the id of entry 0 already$/,
    ],
    [
      "an id of the gateway's own",
      { policy: { rules: [{ id: "switch.halt", effect: "deny" }] } },
      /^policy\.rules\.0\.id: .*gateway's own/,
    ],
    [
      "a pattern that names no tool",
      { policy: { rules: [{ id: "r", tools: ["pay.ot"], effect: "deny" }] } },
      /^policy\.rules\.0\.tools\.0: "pay\.ot" names no tool of the config \(did you mean "pay\.out"\?\)$/,
    ],
    [
      "approval terms of a rule that asks for none",
      { policy: { rules: [{ id: "r", effect: "deny", approval: { count: 2 } }] } },
      /^policy\.rules\.0\.approval: expected only with effect "require_approval"/,
    ],
    [
      "a limit on an argument nobody has",
      { policy: { limits: [{ id: "l", sum: "amount", window: "day", max: 5 }] } },
      /^policy\.limits\.0\.sum: "amount" is not an argument of "pay\.out"/,
    ],
    [
      "a limit that a call could step out of",
      { policy: { limits: [{ id: "l", count: true, per: "args.note", window: "day", max: 5 }] } },
      /^policy\.limits\.0\.per: "note" is not (required by the input_schema|an argument) of "pay\.out"/,
    ],
    [
      "an approval that nobody could give",
      { policy: { rules: [{ id: "r", effect: "require_approval", approval: { roles: ["auditor", "admin"] } }] } },
      /^policy\.rules\.0\.approval\.roles: keys with role auditor or admin may not approve/,
    ],
    [
      "a flow of a tool that nobody has",
      { actors: { a: { flows: { news: { tier: "draft_only", tools: ["pay.ot"] } } } } },
      /^actors\.a\.flows\.news\.tools\.0: "pay\.ot" names no tool of the config \(did you mean "pay\.out"\?\)$/,
    ],
    [
      "a rule on an actor nobody is",
      { policy: { rules: [{ id: "r", when: 'actor.name == "b"', effect: "deny" }] } },
      /"b" is/,
    ],
    [
      "a rule on a fact nobody captures",
      { policy: { rules: [{ id: "r", when: "has(session.facts.emial)", effect: "deny" }] } },
      /emial/,
    ],
    [
      "a rule on a taint nobody leaves",
      {
        tools: { "pay.out": { ...TOOL, output_trust: "untrusted" } },
        policy: { rules: [{ id: "r", when: '"pay.ot" in session.taint', effect: "deny" }] },
      },
      /"pay\.ot" is none of "pay\.out"/,
    ],
    [
      "autonomy without flows",
      { actors: { a: { tier: "autonomous" } } },
      /^actors\.a\.flows: expected the flows that "autonomous" covers/,
    ],
    [
      "a webhook whose host is not allowed",
      { approvals: { webhook: "https://hooks.example.org/", secret: "demo_crm" } },
      /^approvals\.webhook: host "hooks\.example\.org" is not in egress\.allow$/,
    ],
    [
      "a webhook that nobody signs",
      { approvals: { webhook: "https://api.example.com/hook" } },
      /^approvals\.secret: expected the name of a stored secret/,
    ],
    [
      "an approver's secret that is not stored",
      { approvals: { approvers: { jo: { roles: ["approver"], secret: "demo_cmr" } } } },
      /^approvals\.approvers\.jo\.secret: no stored secret "demo_cmr" \(did you mean "demo_crm"\?\)/,
    ],
    [
      "links without an approver to address",
      { approvals: { links_without_account: true } },
      /^approvals\.approvers: expected at least one approver/,
    ],
    [
      "an approver without a role",
      { approvals: { approvers: { jo: { roles: [] } } } },
      /^approvals\.approvers\.jo\.roles: /,
    ],
    [
      "a new field that is misspelt",
      { policy: { rulse: [] } },
      /^policy\.rulse: unknown field \(did you mean "rules"\?\)$/,
    ],
    [
      "a test of a tool nobody has",
      {
        policy: {
          tests: [{ name: "t", call: { actor: "a", tool: "pay.ot" }, expect: { effect: "deny" } }],
        },
      },
      /^policy\.tests\.0\.call\.tool: "pay\.ot" is not in the config/,
    ],
  ])("is refused for %s", (_what, document, expected) => {
    expect(mistakesIn(document)).toEqual([expect.stringMatching(expected)]);
  });

  it("is refused with every mistake of every section at once", () => {
    const found = mistakesIn({
      actors: { a: { allowed_tools: ["nope"], tier: "autonomous" } },
      approvals: { links_without_account: true },
      policy: {
        rules: [
          { id: "r", when: "args.nope", effect: "deny" },
          { id: "r", tools: ["x.*"], effect: "allow" },
        ],
        limits: [{ id: "l", tools: ["y"], count: true, window: "1h", max: 1 }],
        tests: [{ name: "never run", call: { actor: "a", tool: "pay.out" }, expect: { effect: "deny" } }],
      },
    });
    const paths = found.map((each) => each.split(": ")[0]);
    expect(paths).toEqual(
      expect.arrayContaining([
        "actors.a.allowed_tools.0",
        "actors.a.flows",
        "approvals.approvers",
        "policy.rules.0.when",
        "policy.rules.1.id",
        "policy.rules.1.tools.0",
        "policy.limits.0.tools.0",
      ]),
    );
    expect(paths.some((path) => path?.startsWith("policy.tests"))).toBe(false);
  });

  const rules = [{ id: "big", when: "call.amount_minor > 1000", effect: "require_approval" }];
  const call = (amount_usd: number): unknown => ({ actor: "a", tool: "pay.out", args: { amount_usd, reason: "late" } });

  it("is published with its trees when its tests hold, and warns of rules that can never match", () => {
    const checked = checkConfig(
      {
        ...BASE,
        policy: {
          rules: [...rules, { id: "never", when: "call.amount_minor > 10 && call.amount_minor < 5", effect: "deny" }],
          tests: [
            { name: "small", call: call(10), expect: { effect: "allow", reasons: ["actor.allowed_tools"] } },
            { name: "big", call: call(10.01), expect: { effect: "require_approval", reasons: ["big"] } },
          ],
        },
      },
      around,
    );
    expect(checked).toMatchObject({ ok: true, rules: { big: { uses_session: false, counts: [] } } });
    expect(checked.ok && checked.warnings).toEqual([
      { path: "policy.rules.1.when", message: expect.stringContaining('rule "never" can never match') },
    ]);
  });

  it("is refused when a test fails, with what was expected, what came and what is missing", () => {
    const tests = [
      { name: "small", call: call(10), expect: { effect: "allow" } },
      { name: "medium", call: call(11), expect: { effect: "allow" } },
      { name: "large", call: call(51), expect: { effect: "deny", reasons: ["too_big"] } },
      { name: "stops", call: call(1), expect: { effect: "allow", stop_and_ask: true } },
      { name: "shape", call: { actor: "a", tool: "pay.out" }, expect: { effect: "deny" } },
    ];
    expect(mistakesIn({ policy: { rules, tests } })).toEqual([
      'policy.tests.1: test "medium": expected allow, is require_approval; what spoke: actor.allowed_tools (allow), big (require_approval)',
      expect.stringMatching(
        /^policy\.tests\.2: test "large": is deny as expected; missing reason "too_big"; what spoke: /,
      ),
      expect.stringMatching(/^policy\.tests\.3: test "stops": is allow as expected; does not pause the session; /),
      expect.stringMatching(/^policy\.tests\.4: test "shape": expected deny, but the call would be refused before/),
    ]);
    const rollback = checkConfig({ ...BASE, policy: { rules, tests } }, around, { tests: "warn" });
    expect(rollback.ok && rollback.warnings).toHaveLength(4);
  });

  it("of a version published before there was one is read with its defaults", () => {
    const old = {
      tenant: "t",
      version: 3,
      digest: "d",
      published_at: 0,
      published_by: "k",
      document: BASE,
      prices: {},
    };
    const config = new ActiveConfig(storedConfig(old as unknown as PublishedConfig));
    expect(config.tool("pay.out")?.policy).toMatchObject({ edgeRules: [], sessionRules: [], limits: [] });
    expect(config.terms).toEqual({ roles: ["approver", "operator"], count: 1, expires_in_ms: 86_400_000 });
  });

  it("whose tree is missing counts at its strictest", () => {
    const rule = { id: "lost", when: "true", effect: "allow" };
    const old = { tenant: "t", version: 3, digest: "d", published_at: 0, published_by: "k", prices: {} };
    const document = { ...BASE, policy: { rules: [rule] } };
    const config = new ActiveConfig(storedConfig({ ...old, document } as unknown as PublishedConfig));
    const outcome = decideTest(config, {
      call: { actor: "a", tool: "pay.out", args: { amount_usd: 1, reason: "late" } },
    });
    expect(outcome).toMatchObject({ decision: { effect: "deny" } });
  });
});

describe("prices", () => {
  it("agree with an independent table on input and output of the models both know", () => {
    const { providers } = corpus("pricing") as {
      providers: { openai: Readonly<Record<string, { input?: number; output?: number }>> };
    };
    const compared = Object.entries(providers.openai).flatMap(([model, cents]) => {
      const price = listPrices({ kind: "openai" }, model);
      if (price === undefined || cents.input === undefined || cents.output === undefined) return [];
      const { inputPico, outputPico } = tierFor(price, 1);
      // Cents per token are 1e10 pico-USD per token.
      return [
        {
          model,
          ours: [inputPico, outputPico],
          theirs: [Math.round(cents.input * 1e10), Math.round(cents.output * 1e10)],
        },
      ];
    });
    const differing = compared.filter(({ ours, theirs }) => ours.some((value, at) => value !== theirs[at]));
    console.log(
      `prices: ${compared.length} models compared, ${differing.length} differ: ${differing.map(({ model }) => model).join(", ")}`,
    );
    expect(compared.length).toBeGreaterThan(40);
    expect(differing.length / compared.length).toBeLessThan(0.12);
  });

  it("count cached and tiered tokens once, to the pico-dollar", () => {
    const price = {
      source: "test",
      tiers: [
        { from: 0, inputPico: 150_000, outputPico: 600_000, cacheReadPico: 75_000 },
        { from: 1_000, inputPico: 300_000, outputPico: 1_200_000, cacheReadPico: 150_000 },
      ],
    };
    const usage = readOpenAiUsage({
      prompt_tokens: 1_000,
      completion_tokens: 50,
      prompt_tokens_details: { cached_tokens: 400 },
      completion_tokens_details: { reasoning_tokens: 20 },
    });
    expect(usage).toEqual({ ...NO_USAGE, input: 600, cacheRead: 400, output: 50, reasoning: 20 });
    expect(usage && costPico(price, usage)).toBe(600 * 150_000 + 400 * 75_000 + 50 * 600_000);
    expect(costMicro(price, { ...NO_USAGE, input: 1_001 })).toBe(301);
    for (const bad of [
      undefined,
      null,
      {},
      { prompt_tokens: -1, completion_tokens: 1 },
      { prompt_tokens: 1.5, completion_tokens: 1 },
    ])
      expect(readOpenAiUsage(bad)).toBeUndefined();
  });

  it("are unknown for a model nobody lists", () =>
    expect(listPrices({ kind: "openai" }, "no-such-model")).toBeUndefined());
});

describe("the Idempotency-Key header", () => {
  const { tests } = corpus("sf-string") as {
    tests: readonly {
      name: string;
      raw: readonly string[];
      expected?: readonly [string, unknown];
      must_fail?: boolean;
    }[];
  };
  const single = tests.filter((each) => each.raw.length === 1 && (each.raw[0] ?? "").startsWith('"'));

  it.each(single.map((each) => [each.name, each] as const))("reads a structured-field string: %s", (_name, each) => {
    const read = unquoted(each.raw[0] ?? "");
    expect(read).toBe(each.must_fail === true ? undefined : each.expected?.[0]);
  });

  it("accepts the bare token that most clients send, and refuses empty, long and broken ones", () => {
    expect(readIdempotencyKey("8e03978e-40d5")).toEqual({ ok: true, value: "8e03978e-40d5" });
    expect(readIdempotencyKey(undefined)).toEqual({ ok: true, value: undefined });
    for (const bad of ['""', "", "x".repeat(256), '"open', "two words", "ümlaut"])
      expect(readIdempotencyKey(bad)).toMatchObject({ ok: false, code: "idempotency_key_invalid" });
  });
});
