// Records sessions for tests of datasets as the gateway records them: model calls in any dialect, tool calls, approvals.
import { inputTokens } from "../../src/core/budget/price.ts";
import { amounts } from "../../src/core/budget/amounts.ts";
import { plainToolCall, type CallContext } from "../../src/core/call.ts";
import type { ActiveConfig } from "../../src/core/config/published.ts";
import type { ToolOffer, Turn } from "../../src/core/dialect/conversation.ts";
import type { GeneratingDialect } from "../../src/core/dialect/names.ts";
import { codecOf } from "../../src/core/dialect/registry.ts";
import type { ReplyPart } from "../../src/core/dialect/reply.ts";
import { locateMembers } from "../../src/core/json/members.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import type { Decision, Effect } from "../../src/core/policy/decision.ts";
import type { ToolCallRecord } from "../../src/core/state/tool-call-record.ts";
import { approvalRecord } from "../../src/core/trace/approval-act.ts";
import type { TraceRecord } from "../../src/core/trace/record.ts";
import { recordModelCall } from "../../src/gateway/model/record-model-call.ts";
import { recordToolCall, type ToolCallEnd } from "../../src/gateway/record-tool-call.ts";
import type { Ports, Recorder } from "../../src/gateway/ports.ts";
import { eventsOfReply } from "./dialect-arbitraries.ts";
import { published } from "./policy-fixture.ts";

/** When every session begins. */
export const START = Date.parse("2026-01-05T12:00:00Z");

/** A config with a tool of each effect; refunds move money. */
export const CONFIG: ActiveConfig = published({
  egress: { allow: ["x.test"] },
  tools: {
    "crm.get_customer": tool("read"),
    "crm.note": tool("write"),
    "billing.refund": { ...tool("write"), amount: { field: "amount_usd", currency: "USD" } },
    "crm.erase": tool("irreversible"),
  },
  actors: { support: { allowed_tools: ["*"], max_amount_usd: 100 } },
});

function tool(effect: string): object {
  const input_schema = { type: "object", properties: { amount_usd: { type: "number" }, id: { type: "string" } } };
  return { kind: "http", method: "POST", url: "https://x.test/", effect, input_schema };
}

/** The tools that every request offers. */
export const OFFERS: readonly ToolOffer[] = ["crm_get_customer", "billing_refund", "crm_note", "search"].map(
  (name) => ({
    name,
    schema: { type: "object", properties: {} },
  }),
);

/** A message of the user. */
export function user(text: string): Turn {
  return { role: "user", parts: [{ type: "text", text }] };
}

/** A call that a model asks for. */
export function asks(id: string, name: string, args: object): ReplyPart & { readonly type: "tool_call" } {
  return { type: "tool_call", id, name, args: JSON.stringify(args) };
}

/** What tools answered, as one turn: by the call's id, with its name. */
export function results(...answers: readonly (readonly [string, string, string])[]): Turn {
  return {
    role: "user",
    parts: answers.map(([callId, name, text]) => ({
      type: "tool_result",
      callId,
      name,
      content: [{ type: "text", text }],
      isError: false,
    })),
  };
}

/** How a session is recorded. */
export interface RecordingOptions {
  readonly dialect?: GeneratingDialect;
  readonly session?: string;
  /** One hex digit. */
  readonly trace?: string;
  readonly isStream?: boolean;
  readonly release?: string | null;
  readonly startsAt?: number;
}

/** How one model call went. */
export interface ModelOptions {
  readonly status?: "succeeded" | "failed";
  readonly system?: string;
}

let spans = 0;

/** One session; each call begins a second after the one before. */
export class Recording {
  readonly records: TraceRecord[] = [];
  readonly options: Required<RecordingOptions>;
  #now: number;
  #seq = 0;

  constructor(options: RecordingOptions = {}) {
    this.options = {
      dialect: "chat",
      session: "s1",
      trace: "a",
      isStream: false,
      release: null,
      startsAt: START,
      ...options,
    };
    this.#now = this.options.startsAt;
  }

  /** A model call: what it was shown, and what it answered; `null` for nothing. */
  model(turns: readonly Turn[], reply: readonly ReplyPart[] | null, options: ModelOptions = {}): this {
    const { dialect, isStream } = this.options;
    const codec = codecOf(dialect);
    const system: readonly Turn[] =
      options.system === undefined ? [] : [{ role: "system", parts: [{ type: "text", text: options.system }] }];
    const target = { model: "m", maxOutput: 100, isOpenAi: false };
    const request = codec.writeRequest({ turns: [...system, ...turns], tools: OFFERS, isStream, hints: [] }, target);
    if (!request.ok) throw new Error(request.detail);
    const asStream = isStream && dialect !== "generate" ? { stream: true } : {};
    const body = locateMembers(JSON.stringify({ ...request.value, ...asStream }));
    if (body === undefined) throw new Error("no JSON object");
    const learnt = reply === null ? undefined : { ...this.#answer(reply), usage: USAGE, responseModel: "m-1" };
    recordModelCall(this.#ports() as Ports, this.#recorder(), {
      facts: {
        call: {
          context: this.#context(),
          dialect,
          fields: { model: "m", isStream, wantsUsage: true, maxOutput: 100, choices: 1 },
          body,
          bodyBytes: 0,
          headers: new Map(),
          query: "",
          mayBeKept: false,
        },
        plan: undefined,
        decision: decision("allow"),
        recorder: this.#recorder(),
        defer: () => undefined,
      },
      model: undefined,
      attempts: [],
      keptAgeS: undefined,
      spanId: nextSpan(),
      startedAt: this.#now,
      status: options.status ?? "succeeded",
      cost: { micro: 7, nano: 7000, tokens: 30, basis: "usage" },
      admission: { type: "admitted", seq: this.#next(), units: 100, held: amounts({}), remainingUsd: null },
      httpStatus: 200,
      credentials: [],
      refusal: undefined,
      error: options.status === "failed" ? "upstream_failed" : undefined,
      learnt,
    });
    return this;
  }

  /** A governed tool call and what became of it. */
  tool(
    name: string,
    args: JsonObject,
    status: "succeeded" | "denied" | "pending_approval" | "replayed",
    id = name,
  ): this {
    const effect: Effect = status === "denied" ? "deny" : status === "pending_approval" ? "require_approval" : "allow";
    const context = this.#context();
    const ask = askOf(context, name, args);
    const spanId = nextSpan();
    recordToolCall(
      this.#ports() as Ports,
      this.#recorder(),
      {
        call: plainToolCall({ context, toolName: name, args, envelope: { tool_call: { name, args } } }),
        ask,
        tool: CONFIG.tool(name),
        decision: decision(effect),
        spanId,
        callId: `tc_${id}`,
        startedAt: this.#now,
      },
      this.#end(status),
    );
    return this;
  }

  /** A person approves a call. */
  approved(name: string, args: JsonObject): this {
    const context = this.#context();
    const asked = {
      request: {
        id: `tc_${name}`,
        tenant: "t",
        traceHex: context.trace.hex,
        traceId: context.trace.shown,
        spanId: "b".repeat(16),
        ask: askOf(context, name, args),
      },
      decision: decision("require_approval"),
      approval: null,
    } as unknown as ToolCallRecord;
    const act = { by: "key_p", verdict: "approve", via: "key", comment: null, refused: null } as const;
    this.#now += 1000;
    this.records.push(approvalRecord(asked, { ...act, via: "api" }, { spanId: nextSpan(), now: this.#now }));
    return this;
  }

  /** Adds a record as it is. */
  also(record: TraceRecord): this {
    this.records.push(record);
    return this;
  }

  #end(status: string): ToolCallEnd {
    if (status === "denied")
      return { type: "refused", refusal: { ok: false, code: "policy_denied", detail: "the policy denies it" } };
    const isDone = status === "succeeded";
    const record = {
      status: isDone || status === "replayed" ? "succeeded" : status,
      decision: decision("allow"),
      approval: null,
      seq: isDone ? this.#next() : null,
      outcome: isDone ? { status: "succeeded", result: { done: true }, httpStatus: 200 } : null,
      attempts: 1,
      request: { compensates: null },
      resolution: null,
      compensation: null,
      saga: null,
    } as unknown as ToolCallRecord;
    if (status === "replayed") return { type: "replayed", record };
    return isDone ? { type: "executed", record, attempts: [], credentials: [] } : { type: "waiting", record };
  }

  #answer(parts: readonly ReplyPart[]): { readonly responseText: string; readonly contentType: string } {
    const codec = codecOf(this.options.dialect);
    const finish = parts.some(({ type }) => type === "tool_call") ? "tool_calls" : "stop";
    const reply = { id: "r1", model: "m-1", parts, finish, usage: USAGE } as const;
    const minted = { createdS: 1_700_000_000, seed: `s${spans}`, model: "m-1", wantsUsage: true };
    if (!this.options.isStream)
      return { responseText: JSON.stringify(codec.writeReply(reply, minted)), contentType: "application/json" };
    const writer = codec.streamWriter(minted);
    const text = eventsOfReply(reply)
      .map((event) => writer.write(event))
      .join("");
    return { responseText: text, contentType: "text/event-stream" };
  }

  #context(): CallContext {
    const hex = this.options.trace.repeat(32);
    return {
      principal: { tenant: "t", keyId: "key_a", roles: ["agent"], scopes: ["*"], actors: ["*"], isRoot: false },
      actor: "support",
      trace: { hex, shown: `tr_${hex}` },
      parent: undefined,
      session: this.options.session,
      task: null,
      intent: null,
      confidence: null,
      endUser: "user_8812",
      endUserOrigin: "declared",
      userPrompt: null,
      release: this.options.release,
      isConfirmed: false,
      allowedTools: undefined,
      credentials: [],
    };
  }

  #ports(): Partial<Ports> {
    return { system: { now: () => this.#now + 40, randomHex: nextSpan, wait: async () => undefined } };
  }

  #recorder(): Recorder {
    return {
      write: (record) => {
        this.records.push(record);
        this.#now += 1000;
      },
      writeNow: async () => true,
    };
  }

  #next(): number {
    this.#seq += 1;
    return this.#seq;
  }
}

const USAGE = {
  input: 20,
  cacheRead: 0,
  cacheWrite: 0,
  cacheWriteLong: 0,
  inputAudio: 0,
  output: 10,
  outputAudio: 0,
  reasoning: 0,
};

/** Input tokens of every call. */
export const INPUT_TOKENS = inputTokens(USAGE);

function askOf(context: CallContext, name: string, args: JsonObject): Parameters<typeof recordToolCall>[2]["ask"] {
  return {
    actor: context.actor,
    principal: { key_id: "key_a", roles: ["agent"], scopes: ["*"] },
    tool: name,
    args,
    constraints: {},
    session: context.session,
    task: null,
    intent: null,
    confidence: null,
    user: context.endUser,
    user_origin: context.endUserOrigin,
    user_prompt: context.userPrompt,
    release: context.release,
    confirmed: false,
  };
}

function decision(effect: Effect): Decision {
  return { effect, reasons: [{ rule_id: "r", effect, message: "said so" }], obligations: [], policy_version: "v1-abc" };
}

function nextSpan(): string {
  spans += 1;
  return spans.toString(16).padStart(16, "c");
}

/** What the model of the story below was shown last. */
export function refundTurns(amount = 42): readonly Turn[] {
  return [
    user(`Please refund $${amount} to cus_123, the parcel arrived broken.`),
    { role: "assistant", parts: [asks("c1", "crm_get_customer", { id: "cus_123" })] },
    results(["c1", "crm_get_customer", "a customer"]),
    { role: "assistant", parts: [asks("c2", "billing_refund", { id: "cus_123", amount_usd: amount })] },
    results(["c2", "billing_refund", '{"done":true}']),
  ];
}

/** The support session of the tour: a customer is looked up, gets a refund, and is told so. */
export function refundStory(options: RecordingOptions = {}, amount = 42): Recording {
  const turns = refundTurns(amount);
  const look = asks("c1", "crm_get_customer", { id: "cus_123" });
  const refund = asks("c2", "billing_refund", { id: "cus_123", amount_usd: amount });
  return new Recording(options)
    .model(turns.slice(0, 1), [look])
    .tool("crm.get_customer", { id: "cus_123" }, "succeeded")
    .model(turns.slice(0, 3), [refund])
    .tool("billing.refund", { id: "cus_123", amount_usd: amount }, "succeeded")
    .model(turns, [{ type: "text", text: "It is done." }]);
}
