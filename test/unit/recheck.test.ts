// Proves that a call whose policy changed between decision and effect is decided again, and is sent only where it is still allowed.
import { describe, expect, it } from "vitest";
import { checkConfig } from "../../src/core/config/check.ts";
import { unpublished, type ActiveConfig } from "../../src/core/config/published.ts";
import { decide } from "../../src/core/policy/decision.ts";
import { openApproval } from "../../src/core/state/approval.ts";
import type { ToolCallRecord } from "../../src/core/state/tool-call-record.ts";
import { NOTHING_AFTER, WITHOUT_AFTERMATH } from "../../src/core/state/tool-call-work.ts";
import { changedPolicy } from "../../src/gateway/recheck.ts";
import type { Ports } from "../../src/gateway/ports.ts";
import { ANYWHERE } from "./policy-fixture.ts";
import { allowing } from "./session-machine.ts";

const NOW = 1_780_000_000_000;

function config(
  version: number,
  rules: readonly unknown[] = [],
  tool: Readonly<Record<string, unknown>> = {},
): ActiveConfig {
  const act = {
    kind: "http",
    method: "POST",
    url: "https://tool.example.com/x",
    effect: "write",
    input_schema: { type: "object" },
    ...tool,
  };
  const checked = checkConfig(
    {
      tools: { act },
      actors: { a: { allowed_tools: ["*"] } },
      policy: { rules },
      egress: { allow: ["tool.example.com"] },
    },
    ANYWHERE,
  );
  if (!checked.ok) throw new Error(JSON.stringify(checked.mistakes));
  return unpublished(checked.document, checked.rules, { version, digest: "d".repeat(64) });
}

const was = config(1);
const record = (approval: ToolCallRecord["approval"] = null): ToolCallRecord => ({
  ...NOTHING_AFTER,
  request: {
    ...WITHOUT_AFTERMATH,
    id: `tc_${"0".repeat(32)}`,
    tenant: "t",
    ask: {
      actor: "a",
      principal: { key_id: "k", roles: ["agent"], scopes: [] },
      tool: "act",
      args: {},
      constraints: {},
      session: "s",
      task: null,
      intent: null,
      confidence: null,
      user: null,
      user_origin: "declared",
      user_prompt: null,
      release: null,
      confirmed: false,
    },
    traceId: "tr_1",
    traceHex: "a".repeat(32),
    spanId: "b".repeat(16),
    definitionDigest: was.tool("act")?.definitionDigest ?? "",
    effect: "write",
    teaching: { isUntrusted: false, capture: {} },
    fingerprint: "f",
    isKeyDerived: false,
    abandonAfterMs: 1_000,
  },
  status: "executing",
  decision: decide(allowing, "v1"),
  approval,
  seq: 1,
  outcome: null,
  attempts: 1,
  owesConclusion: false,
  owesInbox: false,
  owesNotice: false,
  createdAt: NOW,
  changedAt: NOW,
  deadlineAt: NOW + 1_000,
  finishedAt: null,
});

/** What becomes of the call when this config is active by then; and what the session's rules were asked, if they were. */
async function under(now: ActiveConfig, of = record()): Promise<readonly [string, string | undefined]> {
  let asked: string | undefined;
  // The ports that a re-check uses, and no other.
  const ports = {
    system: { now: () => NOW },
    configs: { active: () => Promise.resolve(now) },
    sessions: {
      consult: (_tenant: string, _session: string, { callId }: { readonly callId: string }) => {
        asked = callId;
        return Promise.resolve({ pause: null, reasons: [{ rule_id: "many", effect: "deny", message: "too many" }] });
      },
    },
  } as unknown as Ports;
  const controls = { epoch: 1, activeVersion: now.published.version, switches: [], breakers: [], releases: {} };
  const stopped = await changedPolicy(ports, { config: was, record: of }, controls);
  return [stopped === undefined ? "sent" : stopped.status === "failed" ? stopped.code : stopped.status, asked];
}

const rule = (more: Readonly<Record<string, unknown>>): unknown => ({ id: "r", tools: ["act"], message: "m", ...more });
const approved = openApproval("ap_1", decide({ reasons: [], standby: null }, "v1"), {
  digest: "d",
  draft: { rule_id: "r", roles: ["approver", "operator"], count: 1, expires_in_ms: 86_400_000 },
  now: NOW,
});

describe("right before it is sent, a call", () => {
  it.each<readonly [string, ActiveConfig, ToolCallRecord, string]>([
    ["under the same version is sent", config(1, [rule({ effect: "deny" })]), record(), "sent"],
    ["that a later version allows is sent", config(2), record(), "sent"],
    ["that a later version denies is not", config(2, [rule({ effect: "deny" })]), record(), "policy_denied"],
    [
      "for which a later version asks people is not",
      config(2, [rule({ effect: "require_approval" })]),
      record(),
      "approval_required",
    ],
    [
      "that those people have approved is sent",
      config(2, [rule({ effect: "require_approval" })]),
      record(approved),
      "sent",
    ],
    ["whose tool is another one by now is not", config(2, [], { timeout_ms: 5 }), record(), "policy_denied"],
  ])("%s", async (_, now, of, expected) => {
    expect((await under(now, of))[0]).toBe(expected);
  });

  it("is asked about in its session where a rule looks there, and is not a call before itself", async () => {
    const now = config(2, [rule({ id: "many", when: 'session.count_within("act", "1h") >= 1', effect: "deny" })]);
    expect(await under(now)).toEqual(["policy_denied", `tc_${"0".repeat(32)}`]);
  });
});
