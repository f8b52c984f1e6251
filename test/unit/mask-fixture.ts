// Builds a record with bodies, and with somebody's words in every place that can carry them.
import { ATTR } from "../../src/core/trace/attributes.ts";
import type { Payload, TraceRecord } from "../../src/core/trace/record.ts";

/** A record of a call with these bodies; `words` stand in every attribute, name and column that others can fill. */
export function maskableRecord(bodies: Partial<Record<Payload["name"], string>>, words = "a word"): TraceRecord {
  const hex = "4bf92f3577b34da6a3ce929d0e0e4736";
  const spanId = "00f067aa0ba902b7";
  return {
    v: 1,
    index: {
      tenant: "t1",
      trace_hex: hex,
      span_id: spanId,
      trace_id: `tr_${hex}`,
      started_at: 1_748_503_543_000,
      duration_ms: 12,
      kind: "execute_tool",
      session_id: "s-1",
      task_id: null,
      actor: "support_agent_v4",
      subject: words === "a word" ? "refund_payment" : words,
      status: "succeeded",
      decision: "allow",
      error_code: null,
      policy_version: "v1-0123456789ab",
      cost_micro_usd: 0,
      input_tokens: 0,
      output_tokens: 0,
      seq: 1,
      call_id: "tc_1",
      release: null,
      user: "user_8812",
      rules: [],
      upstream: null,
      attempts: 1,
      masked: 0,
    },
    spans: [
      {
        span_id: spanId,
        parent_span_id: null,
        name: `execute_tool ${words}`,
        kind: "internal",
        start_ms: 1_748_503_543_000,
        end_ms: 1_748_503_543_012,
        status: "ok",
        attributes: {
          [ATTR.tenant]: "t1",
          [ATTR.conversation]: "s-1",
          [ATTR.endUser]: "user_8812",
          [ATTR.toolEffect]: "write",
          [ATTR.policyVersion]: "v1-0123456789ab",
          ...Object.fromEntries(CARRIERS.map((name) => [name, words])),
          [ATTR.decisionReasons]: [JSON.stringify({ rule_id: "r", message: words }), words],
          [`agent.${words}`]: words,
        },
      },
    ],
    payloads: Object.entries(bodies).map(([name, body]) => ({
      // Keys of the argument, which are names of payloads.
      name: name as Payload["name"],
      span_id: spanId,
      content_type: "application/json",
      body,
      digest: "",
      bytes: body.length,
    })),
  };
}

const CARRIERS = [
  ATTR.intent,
  ATTR.refusal,
  ATTR.approvalComment,
  ATTR.resolutionEvidence,
  ATTR.resolutionBy,
  ATTR.requestModel,
  ATTR.responseModel,
  ATTR.responseId,
  ATTR.toolName,
  ATTR.errorType,
  ATTR.release,
  ATTR.sagaNotUndone,
  "interlock.act.reason",
  "http.url",
];
