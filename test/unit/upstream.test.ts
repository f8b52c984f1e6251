// Proves what a call needs of its upstream: which breakers it obeys, what attempts say about them, and that it takes all it needs or nothing.
import { describe, expect, it } from "vitest";
import type { ToolEntry } from "../../src/core/config/document.ts";
import type { HttpAnswer } from "../../src/core/policy/tool-outcome.ts";
import { breakerReasons, breakersOf, breakerState, sampleOf, upstreamNeeds } from "../../src/core/policy/upstream.ts";
import { CLOSED, type BreakerState } from "../../src/core/state/breaker.ts";
import type { SlotsState } from "../../src/core/state/slots.ts";
import { grantUpstream, type UpstreamRows } from "../../src/core/state/tenant-upstream.ts";
import { published } from "./policy-fixture.ts";

const NOW = 1_780_000_000_000;

function entryOf(more: Readonly<Record<string, unknown>>): ToolEntry {
  const url = "https://api.example.com/x/{id}";
  const input_schema = { type: "object", properties: { id: { type: "string" } }, required: ["id"] };
  const config = published({
    tools: { t: { kind: "http", method: "POST", url, effect: "write", input_schema, ...more } },
    egress: { allow: ["api.example.com"] },
  });
  const tool = config.tool("t");
  if (tool === undefined) throw new Error("no such tool");
  return tool.entry;
}

describe("the breakers of a tool", () => {
  it("are its own and its host's; a tool without `breaker` has none and obeys none", () => {
    expect(breakersOf("t", entryOf({ breaker: {} })).map(({ key }) => key)).toEqual(["tool:t", "host:api.example.com"]);
    const breakers = [{ key: "host:api.example.com", phase: "open", until: NOW + 1 }] as const;
    expect(breakerState("t", entryOf({ breaker: {} }), { breakers, now: NOW }).phase).toBe("open");
    expect(breakerState("t", entryOf({}), { breakers, now: NOW }).phase).toBe("closed");
  });

  it.each([
    [{}, "draft", false],
    [{ degraded: "refuse" }, null, true],
    [{ effect: "read", degraded: "draft" }, null, true],
  ])("open: a call of %j", (more, drafted, isRefused) => {
    const breakers = [{ key: "tool:t", phase: "open", until: NOW + 5_000 }] as const;
    const entry = entryOf({ breaker: {}, ...more });
    expect(breakerReasons("t", entry, { breakers, now: NOW }).map(({ effect }) => effect)).toEqual(
      drafted === null ? [] : [drafted],
    );
    const { unavailable } = upstreamNeeds("t", entry, { breakers, now: NOW });
    expect(unavailable?.retryAfterMs).toBe(isRefused ? 5_000 : undefined);
  });

  it("half open, or open for longer than it said: the call asks for leave to probe, on the breaker that is", () => {
    const breakers = [{ key: "tool:t", phase: "open", until: NOW }] as const;
    const needs = upstreamNeeds("t", entryOf({ breaker: {} }), { breakers, now: NOW });
    expect([needs.unavailable, needs.probes.map(({ key }) => key)]).toEqual([null, ["tool:t"]]);
  });
});

describe("what an attempt says", () => {
  it.each<readonly [HttpAnswer | undefined, readonly [string, string] | null]>([
    [undefined, null],
    [{ type: "blocked", reason: "r" }, null],
    [{ type: "unsent", reason: "r" }, null],
    [{ type: "timed_out" }, ["failed", "failed"]],
    [{ type: "lost" }, ["failed", "failed"]],
    [{ type: "cut", status: 200 }, ["failed", "failed"]],
    ...([200, 302, 404, 422, 429] as const).map(
      (status) => [{ type: "answered", status, body: null } as const, ["ok", "ok"] as const] as const,
    ),
    [{ type: "answered", status: 500, body: null }, ["failed", "ok"]],
    [{ type: "answered", status: 503, body: null }, ["failed", "failed"]],
  ])("%j", (answer, expected) => {
    const sample = sampleOf(answer);
    expect(sample === null ? null : [sample.tool, sample.host]).toEqual(expected);
  });
});

describe("a grant", () => {
  const settings = breakersOf("t", entryOf({ breaker: {} }))[0]?.settings;
  if (settings === undefined) throw new Error("no settings");
  const halfOpen: BreakerState = { ...CLOSED, phase: "half_open", until: NOW - 1, openings: 1 };
  const rows = (breaker: BreakerState, slots: SlotsState): UpstreamRows => ({
    breakers: () => breaker,
    slots: () => slots,
  });
  const ask = {
    callId: "c",
    holdMs: 10_000,
    probes: [{ key: "host:api.example.com", settings }],
    slots: [{ key: "tool:t", tool: "t", max: 1 }],
  };
  const held = { held: [{ id: "other", until: NOW + 1 }] };

  it("takes every slot and every probe", () => {
    const grant = grantUpstream(ask, rows(halfOpen, { held: [] }), NOW);
    expect(grant).toMatchObject({
      ok: true,
      slots: [["tool:t", { held: [{ id: "c", until: NOW + 10_000 }] }]],
      breakers: [["host:api.example.com", { probes: [{ id: "c", expiresAt: NOW + 10_000 }] }]],
    });
  });

  it("or says what is missing, and has nothing to write", () => {
    expect(grantUpstream(ask, rows(halfOpen, held), NOW)).toEqual({ type: "concurrency_limited", tool: "t", max: 1 });
    const open: BreakerState = { ...halfOpen, phase: "open", until: NOW + 700 };
    expect(grantUpstream(ask, rows(open, { held: [] }), NOW)).toEqual({
      type: "tool_unavailable",
      upstream: "api.example.com",
      retryAfterMs: 700,
    });
  });
});
