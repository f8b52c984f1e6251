// Proves that the picture of a tool call's states shows every transition the reducer makes, and no other, and that each is durable.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { decide, type Decision, type Reason } from "../../src/core/policy/decision.ts";
import type { ToolOutcome } from "../../src/core/policy/tool-outcome.ts";
import type { DraftTerms } from "../../src/core/state/approval.ts";
import { compensationId } from "../../src/core/state/tool-call-after.ts";
import {
  TOOL_CALL_STATUSES,
  type ToolCallCommand,
  type ToolCallRequest,
  type ToolCallState,
} from "../../src/core/state/tool-call-record.ts";
import { NO_CALL, transition } from "../../src/core/state/tool-call.ts";

const page = fileURLToPath(new URL("../../docs/state-machine.md", import.meta.url));

const request = (more: Partial<ToolCallRequest>): ToolCallRequest => ({
  id: `tc_${"0".repeat(32)}`,
  tenant: "t",
  ask: {
    actor: "a",
    principal: { key_id: "agent", roles: ["agent"], scopes: [] },
    tool: "pay",
    args: {},
    constraints: {},
    session: "s",
    task: "k",
    intent: null,
    confidence: null,
    user: null,
    user_origin: "declared",
    user_prompt: null,
    release: null,
    confirmed: false,
  },
  traceId: "tr_x",
  traceHex: "a".repeat(32),
  spanId: "b".repeat(16),
  definitionDigest: "d",
  effect: "write",
  teaching: { isUntrusted: false, capture: {} },
  fingerprint: "f",
  isKeyDerived: false,
  abandonAfterMs: 1_000,
  holdMs: 0,
  settle: "probe",
  retentionMs: 1_000_000,
  isInSaga: true,
  compensates: null,
  ...more,
});
const terms = { roles: ["operator"], count: 1, expires_in_ms: 1_000 };
const draft: DraftTerms = { rule_id: "draft", ...terms };
const says = (effect: Reason["effect"]): Decision =>
  decide({ reasons: [{ rule_id: "r", effect, message: "m", approval: terms }], standby: null }, "v1");
const outcomes: readonly ToolOutcome[] = [
  { status: "succeeded", result: {}, httpStatus: 200 },
  { status: "failed", code: "tool_failed", message: "no", httpStatus: 422, result: null },
  { status: "unknown", message: "lost" },
];
const order = { tool: "undo", args: {}, principal: { key_id: "agent", roles: ["agent"], scopes: [] } } as const;

function alphabet(state: ToolCallState, call: ToolCallRequest): readonly ToolCallCommand[] {
  const digest = state.record?.approval?.digest ?? "";
  const decisions = (["allow", "deny", "require_approval", "draft"] as const).map(says);
  const votes = (["approve", "deny"] as const).map((verdict) => ({
    by: "ann",
    verdict,
    comment: "seen",
    at: 0,
    via: "api" as const,
    roles: ["operator"],
  }));
  const definition = { definitionDigest: "d", teaching: call.teaching };
  return [
    ...decisions.flatMap((decision): readonly ToolCallCommand[] => [
      { type: "begin", request: call, decision },
      { type: "admitted", seq: 1, decision },
      { type: "decided", decision, draft },
      { type: "release", decision, draft },
      ...votes.map((vote) => ({ type: "vote" as const, vote, digest, redecided: { decision, definition }, draft })),
    ]),
    ...outcomes.map((outcome) => ({ type: "finish" as const, outcome })),
    ...outcomes.flatMap((outcome): readonly ToolCallCommand[] =>
      outcome.status === "unknown"
        ? []
        : [
            {
              type: "settle",
              finding: { type: "settled", outcome, resolution: { by: "person", evidence: "e", keyId: "k" } },
            },
          ],
    ),
    { type: "settle", finding: { type: "absent", message: "not there" } },
    { type: "settle", finding: { type: "person" } },
    { type: "compensate", order, isRetry: false },
    { type: "compensate", order, isRetry: true },
    ...["executing", ...TOOL_CALL_STATUSES].map((status) => ({
      type: "compensation_stands" as const,
      id: compensationId("t", call.id, state.record?.compensation?.attempt ?? 1),
      status,
      message: null,
    })),
    { type: "unwound", report: null },
    { type: "not_admitted" },
    { type: "withdraw" },
    { type: "concluded" },
    { type: "listed", changedAt: state.record?.changedAt ?? 0 },
    { type: "inbox_shown" },
    { type: "tick" },
  ];
}

/** What tells two states apart for what may follow. */
function keyOf({ record, admitting }: ToolCallState): string {
  return JSON.stringify([
    record?.status,
    record?.approval?.status,
    record?.compensation?.attempt === 1,
    record?.compensation?.status,
    record?.absentAt != null,
    record?.work?.kind,
    record?.work?.attempts === 0,
    record?.work?.dueAt === null,
    record?.owesConclusion,
    record?.owesListing,
    record?.owesInbox,
    admitting?.isHeld,
    admitting?.vote?.verdict,
    admitting === null,
  ]);
}

interface Walked {
  readonly edges: ReadonlyMap<string, ReadonlySet<string>>;
  readonly notDurable: readonly string[];
}

/** Every state that the reducer reaches, from every kind of call, at every time that matters. */
function walk(): Walked {
  const edges = new Map<string, Set<string>>();
  const notDurable: string[] = [];
  for (const call of [request({}), request({ holdMs: 500 })]) {
    const seen = new Set<string>();
    let waiting: readonly { readonly state: ToolCallState; readonly now: number }[] = [{ state: NO_CALL, now: 1 }];
    while (waiting.length > 0) {
      const found: { state: ToolCallState; now: number }[] = [];
      for (const { state, now } of waiting)
        for (const command of alphabet(state, call))
          for (const at of [now, now + 600, now + 5_000, now + 100_000_000_000]) {
            const { next, effects } = transition(state, command, at);
            const [from, to] = [state.record?.status ?? "[*]", next.record?.status ?? "[*]"];
            if (from !== to) {
              const edge = `${from} --> ${to}`;
              edges.set(edge, (edges.get(edge) ?? new Set()).add(command.type));
              if (!effects.some((each) => each.type === "persist" || each.type === "forget"))
                notDurable.push(`${edge} by ${command.type}`);
            }
            const key = keyOf(next);
            if (!seen.has(key)) {
              seen.add(key);
              found.push({ state: next, now: at });
            }
          }
      waiting = found;
    }
  }
  return { edges, notDurable };
}

const { edges, notDurable } = walk();

function picture(): string {
  const lines = [...edges.entries()].map(([edge, by]) => `  ${edge}: ${[...by].toSorted().join(", ")}`).toSorted();
  return ["```mermaid", "stateDiagram-v2", ...lines, "```"].join("\n");
}

describe("the state machine of a tool call", () => {
  it("is the one in the picture", () => {
    const text = readFileSync(page, "utf8");
    const drawn = /```mermaid\n[\s\S]*?\n```/.exec(text)?.[0] ?? "";
    if (process.env["UPDATE_DOCS"] === "1") writeFileSync(page, text.replace(drawn, picture()));
    expect(edges.size).toBeGreaterThan(20);
    const shown = /```mermaid\n[\s\S]*?\n```/.exec(readFileSync(page, "utf8"))?.[0] ?? "";
    expect(shown, "run UPDATE_DOCS=1 npx vitest run --project unit test/unit/state-machine.test.ts").toBe(picture());
  });

  it("writes every change of status before anything else happens", () => {
    expect(notDurable).toEqual([]);
  });

  it("reaches every status", () => {
    const reached = new Set([...edges.keys()].flatMap((edge) => edge.split(" --> ")));
    expect(TOOL_CALL_STATUSES.filter((status) => !reached.has(status))).toEqual([]);
  });

  it("never changes what is definite into anything but its undoing", () => {
    const after = (from: string): readonly string[] =>
      [...edges.keys()].filter((edge) => edge.startsWith(`${from} --> `)).map((edge) => edge.split(" --> ")[1] ?? "");
    expect(after("failed").toSorted()).toEqual(["[*]"]);
    expect(after("succeeded").toSorted()).toEqual(["[*]", "compensating"]);
    expect(after("compensated")).toEqual(["[*]"]);
    expect(after("withdrawn")).toEqual(["[*]"]);
    expect(after("unknown").toSorted()).toEqual(["failed", "succeeded"]);
  });
});

describe("unwinding the saga of a call that is being admitted", () => {
  it("leaves the admission as it is", () => {
    const call = request({});
    const begun = transition(NO_CALL, { type: "begin", request: call, decision: says("allow") }, 1).next;
    const { next } = transition(begun, { type: "decided", decision: says("require_approval"), draft }, 2);
    const admitting = { request: call, decision: says("require_approval"), vote: null, isHeld: false };
    const after = transition({ ...next, admitting }, { type: "unwound", report: null }, 3).next;
    expect([after.record?.status, after.admitting]).toEqual(["pending_approval", admitting]);
  });
});
