// Proves which windows bound what a call is held at: its model's own, unless the caller asks for a longer one.
import { describe, expect, it } from "vitest";
import type { ModelCall } from "../../src/core/call.ts";
import { locateMembers } from "../../src/core/json/members.ts";
import { planRoute } from "../../src/core/routing/plan.ts";
import { wantOf } from "../../src/gateway/model/want.ts";
import { active, releaseDocument, withMember } from "./release-fixture.ts";

const config = active(withMember(releaseDocument(), "models/small/context", 200_000));

function heldTokens(beta: string | undefined, text = "{}"): number {
  const body = locateMembers(text);
  const plan = planRoute(config, "small", "s");
  if (body === undefined || !plan.ok) throw new Error("no plan");
  const call: ModelCall = {
    context: {
      principal: { tenant: "t", keyId: "k", roles: ["agent"], scopes: [], actors: ["*"], isRoot: false },
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
      release: null,
      isConfirmed: false,
      allowedTools: undefined,
      credentials: [],
    },
    dialect: "messages",
    fields: { model: "small", isStream: false, wantsUsage: true, maxOutput: 100, choices: 1 },
    body,
    bodyBytes: 700_000,
    headers: new Map(beta === undefined ? [] : [["anthropic-beta", beta]]),
    query: "",
    mayBeKept: true,
  };
  return wantOf(call, plan.value.candidates, undefined).fixed.tokens;
}

describe("what a call is held at", () => {
  it.each([
    [undefined, 200_000],
    ["context-management-2025-06-27", 200_000],
    ["context-1m-2025-08-07", 700_256],
    ["interleaved-thinking-2025-05-14, context-1m-2025-08-07", 700_256],
    ["a,Context-2m-2027-01-01", 700_256],
  ])("with the beta %s", (beta, tokens) => {
    expect(heldTokens(beta)).toBe(tokens);
  });

  it("is the longer context whole where a file may fill it", () => {
    const text = '{"content":[{"type":"document","source":{"type":"file","file_id":"f"}}]}';
    expect(heldTokens(undefined, text)).toBe(200_000);
    expect(heldTokens("context-1m-2025-08-07", text)).toBe(1_048_576);
  });
});
