// Proves that every kind of switch is looked at once more before an effect, and that nobody's silence sends anything.
import { describe, expect, it } from "vitest";
import { decide } from "../../src/core/policy/decision.ts";
import type { Switch, SwitchKind } from "../../src/core/policy/switches.ts";
import { openApproval } from "../../src/core/state/approval.ts";
import { storedToolCall } from "../../src/core/state/stored-shapes.ts";
import type { ToolCallRecord } from "../../src/core/state/tool-call-record.ts";
import { execute } from "../../src/gateway/tool-execution.ts";
import type { Ports, ToolExecuted } from "../../src/gateway/ports.ts";
import { published } from "./policy-fixture.ts";
import { allowing } from "./session-machine.ts";

const NOW = 1_780_000_000_000;
const tool = (effect: "read" | "write"): unknown => ({
  kind: "http",
  method: effect === "read" ? "GET" : "POST",
  url: "https://tool.example.com/x",
  effect,
  input_schema: { type: "object" },
});
const config = published({
  tools: { look: tool("read"), act: tool("write") },
  actors: { a: { allowed_tools: ["*"] } },
  egress: { allow: ["tool.example.com"] },
});

const record = (toolName: string, approval: ToolCallRecord["approval"] = null): ToolCallRecord => ({
  ...storedToolCall({
    request: {
      id: `tc_${"0".repeat(32)}`,
      tenant: "t",
      actor: "a",
      session: "s",
      task: null,
      intent: null,
      traceId: "tr_1",
      traceHex: "a".repeat(32),
      spanId: "b".repeat(16),
      toolName,
      definitionDigest: "d",
      effect: "write",
      args: {},
      fingerprint: "f",
      deadlineAt: NOW + 35_000,
    },
    status: "executing",
    decision: decide(allowing, "v1"),
    seq: 1,
    outcome: null,
    attempts: 1,
    owesGiveBack: false,
    createdAt: NOW,
    finishedAt: null,
  }),
  approval,
});

/** What a call comes to while these switches are set; `undefined` stands for an owner that does not answer. */
async function outcomeUnder(kinds: readonly SwitchKind[] | undefined, of: ToolCallRecord): Promise<[string, number]> {
  let sent = 0;
  const switches = (kinds ?? []).map((kind): Switch => ({
    id: kind,
    kind,
    scope: { actor: "a" },
    reason: "stop",
    set_by: "k",
    set_at: NOW,
    expires_at: null,
  }));
  const executed: ToolExecuted = { outcome: { status: "succeeded", result: {}, httpStatus: 200 }, credentials: [] };
  // The ports that an execution uses, and no other.
  const ports = {
    system: { now: () => NOW, randomHex: () => "00", wait: () => Promise.resolve() },
    controls: {
      current: () =>
        kinds === undefined
          ? Promise.reject(new Error("down"))
          : Promise.resolve({
              epoch: 1,
              activeVersion: config.published.version,
              switches,
              breakers: [],
              releases: {},
            }),
    },
    tools: {
      execute: () => {
        sent += 1;
        return Promise.resolve(executed);
      },
    },
    toolCalls: { finish: () => Promise.resolve(undefined) },
  } as unknown as Ports;
  const resolved = config.tool(of.request.ask.tool);
  if (resolved === undefined) throw new Error("no such tool");
  const flags = { isSampled: true, isRandom: false };
  const done = await execute(ports, { config, tool: resolved, record: of, notAfter: null, probes: [], flags });
  const { outcome } = done.record;
  return [outcome?.status === "failed" ? outcome.code : (outcome?.status ?? "none"), sent];
}

const approved = openApproval("ap_1", decide(allowing, "v1"), {
  digest: "d",
  draft: { rule_id: "draft", roles: ["operator"], count: 1, expires_in_ms: 1_000 },
  now: NOW,
});

describe("a switch that was set between decision and effect", () => {
  it.each<readonly [readonly SwitchKind[], string, readonly [string, number]]>([
    [[], "act", ["succeeded", 1]],
    [["halt"], "act", ["halted", 0]],
    [["halt"], "look", ["halted", 0]],
    [["disable_writes"], "act", ["writes_disabled", 0]],
    [["disable_writes"], "look", ["succeeded", 1]],
    [["force_approvals"], "act", ["approval_required", 0]],
    [["force_approvals"], "look", ["succeeded", 1]],
    [["force_approvals", "disable_writes"], "act", ["writes_disabled", 0]],
  ])("%j on %s", async (kinds, name, expected) => {
    expect(await outcomeUnder(kinds, record(name))).toEqual(expected);
  });

  it("lets a call through that people have approved, where approvals are forced", async () => {
    expect(await outcomeUnder(["force_approvals"], record("act", approved))).toEqual(["succeeded", 1]);
    expect(await outcomeUnder(["halt"], record("act", approved))).toEqual(["halted", 0]);
  });

  it("sends nothing where nobody can say whether one is set", async () => {
    expect(await outcomeUnder(undefined, record("act"))).toEqual(["halted", 0]);
  });
});
