// Proves how a stored trace reads: tree, decisions, payloads, and text that would trick a terminal.
import { expect, test } from "vitest";
import { StoredTrace } from "../../src/cli/received.ts";
import { traceLines } from "../../src/cli/trace-tree.ts";

const CALL = {
  trace_id: "tr_1",
  session_id: "s1",
  task_id: null,
  actor: "support_agent_v4",
  error_code: null,
  policy_version: "v1-abc",
  cost_usd: "0.00",
  input_tokens: 0,
  output_tokens: 0,
  seq: null,
  tool_call_id: null,
  duration_ms: 5,
};
const chat = {
  ...CALL,
  span_id: "a1",
  kind: "chat",
  tool: null,
  model: "demo-large",
  status: "succeeded",
  decision: "allow",
  cost_usd: "0.000039",
  input_tokens: 212,
  output_tokens: 11,
  seq: 1,
  started_at: "2026-11-23T17:08:28.541Z",
  duration_ms: 1250,
};
const refund = {
  ...CALL,
  span_id: "b2",
  kind: "execute_tool",
  tool: "billing.refund",
  model: null,
  status: "denied",
  decision: "deny",
  error_code: "policy_denied",
  tool_call_id: "tc_9",
  task_id: "t7",
  started_at: "2026-11-23T17:08:28.600Z",
};
const reason = { rule_id: "actor.max_amount_usd", effect: "deny", message: "75.00 USD is over the limit of 50.00 USD" };
const SPANS = [
  {
    span_id: "a1",
    parent_span_id: "outside",
    attributes: {
      "gen_ai.usage.cache_read.input_tokens": 16,
      "gen_ai.response.finish_reasons": ["tool_calls"],
      "interlock.cost.basis": "hold",
    },
  },
  { span_id: "b2", parent_span_id: "a1", attributes: { "interlock.intent": "issue_refund" } },
  {
    span_id: "b3",
    parent_span_id: "b2",
    attributes: {
      "interlock.decision.reasons": [JSON.stringify({ ...reason, path: "tool_call.args.amount_usd" }), "not JSON"],
    },
  },
];
const ARGUMENTS = {
  span_id: "b2",
  name: "arguments",
  body: JSON.stringify({
    actor: "x",
    constraints: { max_amount_usd: 50 },
    tool_call: { name: "billing.refund", args: { customer_id: "cus_123", amount_usd: 75 } },
  }),
};

function linesOf(trace: Record<string, unknown>, isFull = false): readonly string[] {
  return traceLines(
    StoredTrace.parse({
      trace_id: "tr_1",
      calls: [chat, refund],
      spans: SPANS,
      payloads: [ARGUMENTS],
      cost_usd: "0.000039",
      ...trace,
    }),
    isFull,
  );
}

test("a call hangs under the call its span descends from, with reasons, arguments and the total", () => {
  expect(linesOf({})).toEqual([
    "trace tr_1",
    "began 2026-11-23T17:08:28.541Z · 2 calls · session s1 · actor support_agent_v4 · policy version v1-abc",
    "└─ 17:08:28.541Z  chat          demo-large      succeeded  allow  $0.000039  1.25 s  seq 1",
    "   │  tokens 212 in (16 from cache), 11 out, finish tool_calls, cost by hold",
    "   └─ 17:08:28.600Z  execute_tool  billing.refund  denied     deny   $0.00  5 ms  no seq  policy_denied",
    "         intent issue_refund, task t7, tool call tc_9",
    "         deny   actor.max_amount_usd: 75.00 USD is over the limit of 50.00 USD",
    "         reason not JSON",
    '         arguments {"customer_id":"cus_123","amount_usd":75}',
    '         constraints {"max_amount_usd":50}',
    "total $0.000039",
  ]);
});

test("siblings share a trunk, and spans that name each other as parents lose no call", () => {
  const spans = [
    { span_id: "a1", parent_span_id: "b2", attributes: {} },
    { span_id: "b2", parent_span_id: null, attributes: {} },
  ];
  const lines = linesOf({ spans, payloads: [] });
  expect(lines[2]).toMatch(/^├─ 17:08:28\.541Z/);
  expect(lines[3]).toMatch(/^│ {5}tokens/);
  expect(lines[4]).toMatch(/^└─ 17:08:28\.600Z/);
});

test("--full shows bodies whole, values and the models' own bodies; without it they are shortened or left out", () => {
  const long = "x".repeat(500);
  const payloads = [
    ARGUMENTS,
    {
      span_id: "b2",
      name: "result",
      body: JSON.stringify({ status: "succeeded", httpStatus: 200, result: { note: long } }),
    },
    { span_id: "a1", name: "request", body: '{"model":"demo-large"}' },
    { span_id: "a1", name: "response", body: "data: {}\r\n\r\ndata: [DONE]" },
  ];
  const short = linesOf({ payloads }).join("\n");
  expect(short).toContain("… (351 more characters, see --full)");
  expect(short).not.toContain("request");
  const full = linesOf({ payloads }, true).join("\n");
  expect(full).toContain(`"note": "${long}"`);
  expect(full).toContain('"model": "demo-large"');
  expect(full).toContain("data: [DONE]");
  expect(full).toContain("at tool_call.args.amount_usd");
});

test.each([
  [
    {
      status: "failed",
      code: "tool_failed",
      message: "the tool answered 404",
      httpStatus: 404,
      result: { error: "no" },
    },
    ["tool_failed: the tool answered 404", 'result {"error":"no"}'],
  ],
  [{ status: "unknown", message: "the effect may have happened" }, ["outcome unknown: the effect may have happened"]],
  [{ status: "succeeded", result: null, httpStatus: 204 }, ["result: null"]],
  [{ something: "else" }, ['result {"something":"else"}']],
])("a tool's outcome %j reads %j", (outcome, expected) => {
  const payloads = [{ span_id: "b2", name: "result", body: JSON.stringify(outcome) }];
  const lines = linesOf({ payloads }).map((line) => line.trim());
  expect(lines.slice(-1 - expected.length, -1)).toEqual(expected);
});

test("a body that was not kept says so, and one that is not JSON is shown as text", () => {
  const payloads = [
    { span_id: "b2", name: "arguments", body: null },
    { span_id: "b2", name: "result", body: "plain text" },
  ];
  const lines = linesOf({ payloads }).join("\n");
  expect(lines).toContain("arguments: not kept, only its digest");
  expect(lines).toContain("result plain text");
});

test("control and direction characters of a tool's answer are shown, not obeyed", () => {
  const payloads = [{ span_id: "b2", name: "result", body: "a\u001b[2Jb\u009bc\u202ed\ne" }];
  const lines = linesOf({ payloads });
  expect(lines.join("\n")).toContain(String.raw`result a\u001b[2Jb\u009bc\u202ed\ne`);
  expect(linesOf({ payloads, calls: [{ ...chat, model: "m\nfaked line" }] })[2]).toContain(String.raw`m\nfaked line`);
});

test("an empty trace is no error", () => {
  expect(linesOf({ calls: [], spans: [], payloads: [], cost_usd: "0.00" }).at(-1)).toBe("total $0.00");
});
