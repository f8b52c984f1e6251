// Builds the record of one model call from what is known of it once it is over.
import type { ModelCall } from "../core/call.ts";
import { inputTokens, NO_USAGE, outputTokens, type Usage } from "../core/budget/price.ts";
import type { ActiveConfig, ResolvedModel } from "../core/config/published.ts";
import type { Refusal } from "../core/errors.ts";
import type { Decision } from "../core/policy/decision.ts";
import type { SessionReply } from "../core/state/session-messages.ts";
import { ATTR } from "../core/trace/attributes.ts";
import { providerAttributes, samplingAttributes, UNKNOWN_PROVIDER } from "../core/trace/inference-attributes.ts";
import type { Attributes, IndexRow, Span } from "../core/trace/record.ts";
import type { Defer, Ports, Recorder } from "./ports.ts";
import { buildRecord, callAttributes, callerColumns, decisionSpan, type RecordedBody } from "./record.ts";

/** What a call's facts were. */
export interface TallyFacts {
  readonly config: ActiveConfig;
  readonly model: ResolvedModel | undefined;
  readonly decision: Decision;
  readonly recorder: Recorder;
  readonly defer: Defer;
}

/** How a call ended, for its record. */
export type ModelCallStatus = "succeeded" | "failed" | "denied" | "caller_left";

/** What was learnt from the provider's answer. */
export interface Learnt {
  readonly usage: Usage | undefined;
  readonly responseText: string;
  readonly contentType: string;
  readonly responseModel?: string;
  readonly responseId?: string;
  readonly finishReasons?: readonly string[];
  readonly errorType?: string;
  /** Whether the provider said that nothing was made, so that nothing is billed. */
  readonly isUnbilled?: boolean;
}

/** What a call cost and how that is known: the provider's usage, the whole hold, or nothing. */
export interface Cost {
  readonly micro: number;
  readonly nano: number;
  readonly tokens: number;
  readonly basis: "usage" | "hold" | "none";
}

/** Everything known of a model call that is over. */
export interface ModelCallOver {
  readonly call: ModelCall;
  readonly facts: TallyFacts;
  readonly spanId: string;
  readonly startedAt: number;
  readonly status: ModelCallStatus;
  readonly cost: Cost;
  readonly admission: (SessionReply & { type: "admitted" }) | undefined;
  readonly httpStatus: number | undefined;
  readonly credentials: readonly string[];
  /** Why the gateway refused or broke off, in full. */
  readonly refusal: Refusal | undefined;
  readonly error: string | undefined;
  readonly learnt: Learnt | undefined;
}

/** Records one model call: its span, its decision, its request and its answer, free of credentials. */
export function recordModelCall(ports: Ports, recorder: Recorder, over: ModelCallOver): void {
  const endedAt = ports.system.now();
  const request: RecordedBody = { name: "request", contentType: "application/json", text: over.call.body.text };
  const { learnt } = over;
  const bodies =
    learnt === undefined
      ? [request]
      : [request, { name: "response" as const, contentType: learnt.contentType, text: learnt.responseText }];
  const decided = decisionSpan(
    { spanId: ports.system.randomHex(8), parentId: over.spanId },
    over.facts.decision,
    over.startedAt,
  );
  recorder.write(buildRecord(indexRow(over, endedAt), [callSpan(over, endedAt), decided], bodies), over.credentials);
}

function callSpan(over: ModelCallOver, endedAt: number): Span {
  return {
    span_id: over.spanId,
    parent_span_id: over.call.context.parent?.parentId ?? null,
    name: `chat ${requestModel(over)}`,
    kind: "client",
    start_ms: over.startedAt,
    end_ms: endedAt,
    status: over.status === "succeeded" ? "ok" : "error",
    attributes: {
      ...callAttributes(over.call.context, over.facts.decision),
      ...requestAttributes(over),
      ...responseAttributes(over.learnt),
      ...costAttributes(over),
    },
  };
}

function requestModel({ call, facts }: ModelCallOver): string {
  return facts.model?.upstreamName ?? call.model;
}

function requestAttributes(over: ModelCallOver): Attributes {
  const { model } = over.facts;
  return {
    [ATTR.operation]: over.call.operation,
    [ATTR.requestModel]: requestModel(over),
    [ATTR.requestMaxTokens]: over.admission?.units,
    [ATTR.requestStream]: over.call.isStream,
    ...samplingAttributes(over.call.body),
    ...(model === undefined ? { [ATTR.provider]: UNKNOWN_PROVIDER } : providerAttributes(model)),
    [ATTR.tier]: model?.entry.tier,
    [ATTR.httpStatus]: over.httpStatus,
    [ATTR.errorType]: over.error,
    [ATTR.refusal]: over.refusal?.detail,
    [ATTR.outcome]: over.status,
  };
}

function responseAttributes(learnt: Learnt | undefined): Attributes {
  if (learnt === undefined) return {};
  const { usage } = learnt;
  const tokens: Attributes =
    usage === undefined
      ? {}
      : {
          [ATTR.inputTokens]: inputTokens(usage),
          [ATTR.outputTokens]: outputTokens(usage),
          [ATTR.cacheReadTokens]: usage.cacheRead,
          [ATTR.reasoningTokens]: usage.reasoning,
        };
  return {
    ...tokens,
    [ATTR.responseModel]: learnt.responseModel,
    [ATTR.responseId]: learnt.responseId,
    [ATTR.finishReasons]: learnt.finishReasons,
  };
}

function costAttributes({ cost, admission }: ModelCallOver): Attributes {
  return {
    [ATTR.costMicroUsd]: cost.micro,
    [ATTR.costNanoUsd]: cost.nano,
    [ATTR.costBasis]: cost.basis,
    [ATTR.heldMicroUsd]: admission?.held.usd,
    [ATTR.seq]: admission?.seq,
  };
}

function indexRow(over: ModelCallOver, endedAt: number): IndexRow {
  const { context } = over.call;
  const { decision } = over.facts;
  const usage = over.learnt?.usage ?? NO_USAGE;
  return {
    tenant: context.principal.tenant,
    trace_hex: context.trace.hex,
    span_id: over.spanId,
    trace_id: context.trace.shown,
    started_at: over.startedAt,
    duration_ms: endedAt - over.startedAt,
    kind: "chat",
    session_id: context.session,
    task_id: context.task,
    actor: context.actor,
    subject: over.call.model,
    status: over.status,
    decision: decision.effect,
    error_code: over.error ?? null,
    policy_version: decision.policy_version,
    cost_micro_usd: over.cost.micro,
    input_tokens: inputTokens(usage),
    output_tokens: outputTokens(usage),
    seq: over.admission?.seq ?? null,
    call_id: null,
    ...callerColumns(context, decision),
    upstream: over.facts.model?.providerName ?? null,
    attempts: over.httpStatus === undefined ? null : 1,
  };
}
