// Proves that what objects tell by themselves, past the masker, carries no words of others.
import { expect, test } from "vitest";
import { DEFAULT_MASKING } from "../../src/core/guard/mask-rules.ts";
import { maskRecord } from "../../src/core/guard/mask.ts";
import { sivTokens } from "../../src/core/guard/mask-tokens.ts";
import type { ToolCallRecord } from "../../src/core/state/tool-call-record.ts";
import { abandonedCallRecord, expiredApprovalRecord, expiredHoldRecord } from "../../src/core/trace/orphan.ts";

const WORDS = "write to jane@example.com, card 4111 1111 1111 1111";

/** A call with words in everything that its caller fills; as much of a record as an orphan's is made from. */
const RECORD = {
  createdAt: 1,
  seq: 1,
  status: "unknown",
  decision: { effect: "allow", policy_version: "v1-0123456789ab", reasons: [{ rule_id: "r", message: WORDS }] },
  approval: { id: "ap_1", votes: [{ by: "key_1", comment: WORDS }] },
  outcome: { status: "unknown", message: WORDS },
  resolution: { by: "person", evidence: WORDS, keyId: "key_1" },
  request: {
    id: "tc_1",
    tenant: "t1",
    traceHex: "4bf92f3577b34da6a3ce929d0e0e4736",
    traceId: "tr_4bf92f3577b34da6a3ce929d0e0e4736",
    spanId: "00f067aa0ba902b7",
    envelope: { intent: WORDS },
    ask: {
      actor: "a",
      tool: "billing.refund",
      session: "s",
      task: null,
      args: { note: WORDS },
      intent: WORDS,
      user: "user-of-nobody",
      release: null,
    },
  },
} as unknown as ToolCallRecord;

const HOLD = {
  ref: {
    tenant: "t1",
    session: "s",
    actor: "a",
    subject: "gpt-5",
    traceHex: "4bf92f3577b34da6a3ce929d0e0e4736",
    spanId: "00f067aa0ba902b7",
    policyVersion: "v1-0123456789ab",
  },
  openedAt: 1,
  task: null,
  seq: 1,
} as unknown as Parameters<typeof expiredHoldRecord>[0];

test.each([
  ["an abandoned call", abandonedCallRecord(RECORD, 2)],
  ["an expired approval", expiredApprovalRecord(RECORD, 2)],
  ["an expired hold", expiredHoldRecord(HOLD, { usd: 1 } as Parameters<typeof expiredHoldRecord>[1], 2)],
])("%s is told without words, and masking would change nothing of it", (_, record) => {
  expect(JSON.stringify(record)).not.toMatch(/jane|4111|user-of-nobody/);
  expect(record.payloads).toEqual([]);
  expect(maskRecord(record, DEFAULT_MASKING, sivTokens([new Uint8Array(64)]))).toEqual(record);
});
