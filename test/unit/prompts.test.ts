// Proves prompts and what releases narrow: templates that interpret no value, tools by name in every dialect, a call's plan.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ModelCall } from "../../src/core/call.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import { locateMembers } from "../../src/core/json/members.ts";
import { decide } from "../../src/core/policy/decision.ts";
import { decideAtEdge } from "../../src/core/policy/evaluate.ts";
import type { Role } from "../../src/core/principal.ts";
import { offerReasons } from "../../src/core/release/narrowing.ts";
import { offeredTools } from "../../src/core/release/offered-tools.ts";
import { firstPointer } from "../../src/core/release/pointer.ts";
import { readTemplate, renderPrompt, withoutTaken } from "../../src/core/release/prompt.ts";
import { planCall } from "../../src/core/routing/plan-agent.ts";
import { active, releaseDocument, withMember } from "./release-fixture.ts";

const builtIn = { agent: "support_agent", release: "r1", actor: "clerk", date: "2026-11-26", time_zone: "UTC" };

describe("a template", () => {
  it("puts every value in as it is, whatever it looks like", () => {
    const value = fc.oneof(fc.string(), fc.constantFrom("{{date}}", "\\{{", "{{other}}", "$&", "}}"));
    fc.assert(
      fc.property(value, value, (one, other) => {
        const version = { system: "[{{one}}|{{ other }}]", variables: { one: {}, other: {} } };
        expect(renderPrompt(version, { one, other }, builtIn)).toEqual({ ok: true, value: `[${one}|${other}]` });
      }),
    );
  });

  it("without braces is itself", () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }).filter((text) => !text.includes("{{")),
        (system) => {
          expect(renderPrompt({ system, variables: {} }, undefined, builtIn)).toEqual({ ok: true, value: system });
        },
      ),
    );
  });

  it("knows who answers, for whom and on which day", () => {
    const system = "{{agent}} {{release}} {{actor}} {{date}} {{time_zone}} \\{{x}}";
    expect(renderPrompt({ system, variables: {} }, undefined, builtIn)).toEqual({
      ok: true,
      value: "support_agent r1 clerk 2026-11-26 UTC {{x}}",
    });
  });

  it.each([
    ["none is given", undefined, { required: true }, "metadata.name"],
    ["it is no text", { name: 7 }, {}, "metadata.name"],
    ["it is too long", { name: "x".repeat(4_097) }, { default: "y" }, "metadata.name"],
  ])("refuses a value when %s", (_, metadata, variable, path) => {
    const found = renderPrompt({ system: "{{name}}", variables: { name: variable } }, metadata, builtIn);
    expect(found).toMatchObject({ ok: false, code: "invalid_request", mistakes: [{ path }] });
  });

  it("takes a default, and nothing of the caller's that it does not declare", () => {
    const version = { system: "{{tone}}/{{note}}/{{date}}", variables: { tone: { default: "calm" }, note: {} } };
    expect(renderPrompt(version, { date: "never", agent: "me" }, builtIn)).toEqual({
      ok: true,
      value: "calm//2026-11-26",
    });
  });

  it("names what begins nothing", () => {
    const read = readTemplate("a {{Name}} and {{ x");
    expect(read.ok ? [] : read.wrong).toEqual([
      '"{{Name}} and {{ x" is no variable: write `\\{{` for two braces',
      '"{{ x" is no variable: write `\\{{` for two braces',
    ]);
  });

  it("takes what it used out of the request", () => {
    const body = { model: "a", metadata: { one: "1", mine: "2" } };
    expect(withoutTaken(body, ["one"])).toEqual({ model: "a", metadata: { mine: "2" } });
    expect(withoutTaken(body, ["one", "mine"])).toEqual({ model: "a" });
    expect(withoutTaken(body, [])).toBe(body);
    expect(withoutTaken({ metadata: null }, ["one"])).toEqual({ metadata: null });
  });
});

describe("tools that a request offers", () => {
  it.each([
    [
      "chat completions",
      {
        tools: [
          { type: "function", function: { name: "a_b" } },
          { type: "custom", custom: { name: "c" } },
        ],
      },
      ["a_b", "c"],
    ],
    ["older chat completions", { functions: [{ name: "a" }] }, ["a"]],
    ["responses", { tools: [{ type: "function", name: "a" }, { type: "web_search" }] }, ["a", "web_search"]],
    [
      "messages",
      {
        tools: [
          { name: "a", input_schema: {} },
          { type: "bash_20250124", name: "bash" },
        ],
      },
      ["a", "bash"],
    ],
    [
      "generateContent",
      { tools: [{ functionDeclarations: [{ name: "a" }, { name: "b" }], codeExecution: {} }, { googleSearch: {} }] },
      ["a", "b", "codeExecution", "googleSearch"],
    ],
    ["generateContent, alone", { tools: { functionDeclarations: { name: "a" } } }, ["a"]],
    [
      "both spellings at once",
      { tools: [{ functionDeclarations: [{ name: "a" }], function_declarations: [{ name: "b" }], name: "c" }] },
      ["c", "a", "b"],
    ],
    [
      "both places at once",
      { tools: [{ type: "function", name: "forbidden", function: { name: "ok" }, custom: { name: "too" } }] },
      ["ok", "too", "forbidden"],
    ],
    [
      "the middle of messages",
      {
        tools: [{ name: "a" }],
        messages: [
          { role: "user", content: "tool_addition" },
          {
            role: "system",
            content: [
              { type: "tool_addition", tool: { type: "tool_definition", definition: { name: "b" } } },
              { type: "tool_addition", tool: { type: "tool_reference", tool_name: "c" } },
              { type: "tool_addition", tool: { type: "web_search_20260209" } },
              { type: "tool_addition", tool: { type: "tool_definition", definition: 7 } },
              { type: "tool_addition" },
              { type: "tool_use", name: "d", input: {} },
            ],
          },
        ],
      },
      ["a", "b", "c", "web_search_20260209", "messages.1.content.3.tool", "messages.1.content.4.tool"],
    ],
    [
      "the middle of an input",
      {
        input: [
          { type: "additional_tools", role: "developer", tools: [{ type: "function", name: "a" }] },
          { type: "function_call", name: "d", arguments: "{}" },
        ],
        tools: [{ type: "namespace", name: "n", tools: [{ type: "function", name: "b" }] }],
      },
      ["n", "b", "a"],
    ],
    ["nothing known", { tools: [7, {}] }, ["tools.0", "tools.1"]],
    ["none", { tools: null }, []],
  ])("are named in %s", (_, body, names) => {
    expect(offeredTools(body)).toEqual(names);
  });

  it("are named by their place where they are nested without end", () => {
    let text = "7";
    for (let depth = 0; depth < 50_000; depth += 1) text = `{"tools":[${text}]}`;
    expect(offeredTools(JSON.parse(text) as JsonObject)).toEqual([
      "tools.0.tools.0.tools.0.tools.0.tools.0.tools.0",
      "tools",
    ]);
  });

  it("are refused by name where the release has them not", () => {
    const release = { id: "r1", tools: { patterns: ["billing.*"], names: ["billing.refund"] } };
    expect(offerReasons(release, ["billing.refund", "billing_refund"])).toEqual([]);
    expect(offerReasons({ id: "r1", tools: null }, ["anything"])).toEqual([]);
    const [reason] = offerReasons(release, ["billing_refund", "crm_note", "web_search", "crm_note"]);
    expect(reason).toMatchObject({ rule_id: "release.tools", effect: "deny" });
    expect(reason?.message).toBe('release "r1" does not have tools "crm_note", "web_search"');
  });
});

function callOf(body: Record<string, unknown>, more: { release?: string; roles?: readonly Role[] } = {}): ModelCall {
  const text = JSON.stringify(body);
  const located = locateMembers(text);
  if (located === undefined) throw new Error("no object");
  return {
    context: {
      principal: { tenant: "t", keyId: "k", roles: more.roles ?? ["agent"], scopes: [], actors: ["*"], isRoot: false },
      actor: "clerk",
      trace: { shown: "tr_1", hex: "1".repeat(32) },
      parent: undefined,
      session: "s",
      task: null,
      intent: null,
      confidence: null,
      endUser: null,
      endUserOrigin: "declared",
      userPrompt: null,
      release: more.release ?? null,
      isConfirmed: false,
      allowedTools: undefined,
      credentials: [],
    },
    dialect: "chat",
    fields: { model: String(body["model"]), isStream: false, wantsUsage: false, maxOutput: undefined, choices: 1 },
    body: located,
    bodyBytes: text.length,
    headers: new Map(),
    query: "",
    mayBeKept: true,
  };
}

describe("the plan of a call", () => {
  const config = active(releaseDocument());
  const pointer = (release: string) => ({ support_agent: firstPointer({ release, digest: "d" }, null) });
  const facts = (release: string) => ({ releases: pointer(release), now: Date.UTC(2026, 10, 26, 12) });

  it("of an agent is its release's: model, prompt, and the release as the call's own", () => {
    const planned = planCall(config, callOf({ model: "support_agent" }), facts("r1"));
    expect(planned.plan).toMatchObject({
      ok: true,
      value: {
        asked: "support_agent",
        candidates: [{ model: { name: "small" } }],
        system: "You are support_agent.",
        release: {
          agent: "support_agent",
          id: "r1",
          how: "live",
          digest: config.release("support_agent", "r1")?.digest,
        },
      },
    });
    expect(planned.call.context).toMatchObject({ release: "r1", isReleaseChosen: true });
  });

  it("fills the prompt in from metadata, which stays here", () => {
    const planned = planCall(
      config,
      callOf({ model: "support_agent", metadata: { customer: "{{date}}" } }),
      facts("r2"),
    );
    expect(planned.plan).toMatchObject({
      ok: true,
      value: { system: "You help {{date}} on 2026-11-26.", takenIn: ["customer"], candidates: [{}, {}] },
    });
    const without = planCall(config, callOf({ model: "support_agent" }), facts("r2"));
    expect(without.plan).toMatchObject({ ok: false, code: "invalid_request" });
  });

  it("holds the offered tools against the release", () => {
    const tools = [{ type: "function", function: { name: "crm_note" } }];
    expect(planCall(config, callOf({ model: "support_agent", tools }), facts("r1")).reasons).toMatchObject([
      { rule_id: "release.tools", message: expect.stringContaining('"crm_note"') as unknown },
    ]);
    expect(planCall(config, callOf({ model: "support_agent", tools }), facts("r3")).reasons).toEqual([]);
    const tool = { type: "tool_definition", definition: { name: "crm_note", input_schema: {} } };
    const messages = [{ role: "system", content: [{ type: "tool_addition", tool }] }];
    expect(planCall(config, callOf({ model: "support_agent", messages }), facts("r1")).reasons).toHaveLength(1);
  });

  it("lets those who may move releases try any of them", () => {
    const asked = { model: "support_agent" };
    const agent = planCall(config, callOf(asked, { release: "r3" }), facts("r1"));
    expect(agent.plan).toMatchObject({ ok: false, code: "release_forbidden" });
    const operator = planCall(config, callOf(asked, { release: "r3", roles: ["agent", "operator"] }), facts("r1"));
    expect(operator.plan).toMatchObject({ ok: true, value: { release: { id: "r3", how: "named" } } });
  });

  it("of a release that routing answers has its prompt in every tier", () => {
    const tiers = [
      { name: "fast", model: "small" },
      { name: "slow", model: "large" },
    ];
    const routed = active(
      withMember(
        withMember(releaseDocument(), "routing", { default: "fast", tiers }),
        "agents/support_agent/releases/r4",
        { prompt: "support@1", route: "auto" },
      ),
    );
    const { plan } = planCall(routed, callOf({ model: "support_agent", messages: [] }), facts("r4"));
    if (!plan.ok) throw new Error(plan.detail);
    const all = [plan.value, ...(plan.value.routing?.plans ?? [])];
    expect(all).toHaveLength(3);
    for (const each of all)
      expect(each).toMatchObject({
        asked: "support_agent",
        system: "You are support_agent.",
        release: { id: "r4", digest: routed.release("support_agent", "r4")?.digest },
      });
    expect(new Set(all.map(({ candidates }) => candidates[0]?.model.name))).toEqual(new Set(["small", "large"]));
  });

  it("of a model stays what it was, and the release what its caller says", () => {
    const planned = planCall(config, callOf({ model: "large" }, { release: "r1" }), facts("r1"));
    expect(planned.plan).toMatchObject({ ok: true, value: { reason: "explicit" } });
    expect(planned.call.context.isReleaseChosen).toBeUndefined();
    expect(planned.plan.ok && planned.plan.value.release).toBeUndefined();
  });
});

describe("a tool call that names a release", () => {
  const effectOf = (document: unknown, tool: string, release: string | null): string => {
    const config = active(document);
    const resolved = config.tool(tool);
    if (resolved === undefined) throw new Error("no tool");
    const ask = {
      actor: "clerk",
      principal: { key_id: "k", roles: ["agent"] as const, scopes: ["*"] },
      tool,
      args: {},
      constraints: {},
      session: "s",
      task: null,
      intent: null,
      confidence: null,
      user: null,
      user_origin: "declared" as const,
      user_prompt: null,
      release,
      confirmed: false,
    };
    const decision = decide(decideAtEdge(config.facts(resolved, ask, { switches: [], now: 0 })), "v1");
    return `${decision.effect} ${decision.reasons.map(({ rule_id }) => rule_id).join(",")}`;
  };

  it.each([
    ["billing.refund", "r1", "allow actor.allowed_tools"],
    ["crm.note", "r1", "deny actor.allowed_tools,release.tools"],
    ["crm.note", "r3", "allow actor.allowed_tools"],
    ["crm.note", "unheard-of", "allow actor.allowed_tools"],
    ["crm.note", null, "allow actor.allowed_tools"],
  ])("%s under %s: %s", (tool, release, expected) => {
    expect(effectOf(releaseDocument(), tool, release)).toBe(expected);
  });

  it("is denied while another policy than the release's is active", () => {
    const path = "agents/support_agent/releases/r3/policy";
    const strict = withMember(releaseDocument(), path, { digest: "0".repeat(12) });
    expect(effectOf(strict, "crm.note", "r3")).toBe("deny actor.allowed_tools,release.policy");
    const loose = withMember(releaseDocument(), path, { digest: "0".repeat(12), mode: "loose" });
    expect(effectOf(loose, "crm.note", "r3")).toBe("allow actor.allowed_tools");
  });
});
