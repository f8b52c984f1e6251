// Builds the record of one model call from what is known of it once it is over.
import type { ModelCall } from "../../core/call.ts";
import { inputTokens, NO_USAGE, outputTokens, type Usage } from "../../core/budget/price.ts";
import type { ResolvedModel } from "../../core/config/published.ts";
import type { Dialect } from "../../core/dialect/dialect.ts";
import type { Refusal } from "../../core/errors.ts";
import type { Decision } from "../../core/policy/decision.ts";
import { whatMattered } from "../../core/routing/choose-route.ts";
import type { RoutePlan } from "../../core/routing/plan.ts";
import type { SessionReply } from "../../core/state/session-messages.ts";
import { ATTR } from "../../core/trace/attributes.ts";
import { providerAttributes, samplingAttributes, UNKNOWN_PROVIDER } from "../../core/trace/inference-attributes.ts";
import type { Attributes, IndexRow, RecordKind, Span } from "../../core/trace/record.ts";
import type { Attempt } from "./attempt.ts";
import type { Defer, ModelPorts, Recorder } from "../ports.ts";
import { buildRecord, callAttributes, callerColumns, decisionSpan, type RecordedBody } from "../record.ts";

/** What a call's facts were. */
export interface TallyFacts {
  readonly call: ModelCall;
  /** How it was to be answered; `undefined` where the name that was asked for stands for nothing. */
  readonly plan: RoutePlan | undefined;
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
  /** Why the provider's usage was not what the call was charged by. */
  readonly fault?: string;
}

/** An attempt as it is recorded; the last one ends with its call. */
export interface MadeAttempt {
  readonly attempt: Attempt;
  readonly endedAt: number | undefined;
  readonly httpStatus: number | undefined;
  readonly error: string | undefined;
}

/** Everything known of an admission of a model call that is over. */
export interface ModelCallOver {
  readonly facts: TallyFacts;
  /** The model that answered, or was asked last, or would have been asked first. */
  readonly model: ResolvedModel | undefined;
  readonly attempts: readonly MadeAttempt[];
  /** Seconds since the answer was kept, where it was given before and no provider was asked. */
  readonly keptAgeS: number | undefined;
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
export function recordModelCall(ports: ModelPorts, recorder: Recorder, over: ModelCallOver): void {
  const endedAt = ports.system.now();
  const request: RecordedBody = { name: "request", contentType: "application/json", text: over.facts.call.body.text };
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
  const spans = [callSpan(over, endedAt), decided, ...attemptSpans(over, endedAt)];
  recorder.write(buildRecord(indexRow(over, endedAt), spans, bodies), over.credentials);
}

function callSpan(over: ModelCallOver, endedAt: number): Span {
  return {
    span_id: over.spanId,
    parent_span_id: over.facts.call.context.parent?.parentId ?? null,
    name: `${OPERATIONS[over.facts.call.dialect]} ${requestModel(over)}`,
    kind: "client",
    start_ms: over.startedAt,
    end_ms: endedAt,
    status: over.status === "succeeded" ? "ok" : "error",
    attributes: {
      ...callAttributes(over.facts.call.context, over.facts.decision),
      ...routeAttributes(over),
      ...requestAttributes(over),
      ...responseAttributes(over.learnt),
      ...costAttributes(over),
    },
  };
}

/** What the conventions call a call of each dialect. */
const OPERATIONS: Readonly<Record<Dialect, string>> = {
  chat: "chat",
  responses: "chat",
  messages: "chat",
  generate: "generate_content",
  embeddings: "embeddings",
  count_tokens: "count_tokens",
  count_generate: "count_tokens",
};

/** Attempts are spans of their own where there were several: what each of them came to would not fit into one. */
function attemptSpans({ attempts, spanId }: ModelCallOver, endedAt: number): readonly Span[] {
  if (attempts.length < 2) return [];
  return attempts.map(({ attempt, httpStatus, error, ...made }, index) => ({
    span_id: attempt.spanId,
    parent_span_id: spanId,
    name: `attempt ${index + 1} ${attempt.candidate.model.upstreamName}`,
    kind: "client",
    start_ms: attempt.startedAt,
    end_ms: made.endedAt ?? endedAt,
    status: error === undefined ? "ok" : "error",
    attributes: {
      [ATTR.attempt]: index + 1,
      [ATTR.requestModel]: attempt.candidate.model.upstreamName,
      ...providerAttributes(attempt.candidate.model),
      [ATTR.httpStatus]: httpStatus,
      [ATTR.errorType]: error,
    },
  }));
}

function routeAttributes({ facts: { call, plan }, attempts, keptAgeS }: ModelCallOver): Attributes {
  const exchange = attempts.at(-1)?.attempt.exchange;
  return {
    [ATTR.dialect]: call.dialect,
    [ATTR.upstreamDialect]: exchange?.dialect,
    [ATTR.leftOut]: exchange === undefined || exchange.hints.length === 0 ? undefined : exchange.hints,
    [ATTR.routeAsked]: call.fields.model,
    [ATTR.routeReason]: plan?.reason,
    ...chosenAttributes(plan),
    [ATTR.cacheAge]: keptAgeS,
    [ATTR.attempts]: attempts.length === 0 ? undefined : attempts.length,
    ...releaseAttributes(plan?.release),
  };
}

/** What routing looked at: ids of rules and figures, none of the request's text. */
function chosenAttributes(plan: RoutePlan | undefined): Attributes {
  if (plan?.routing === undefined) return {};
  const { routing, reason } = plan;
  const { matched, errors, looked } = whatMattered(routing, reason);
  return {
    [ATTR.routeRules]: matched.length === 0 ? undefined : matched,
    [ATTR.routeErrors]: errors.length === 0 ? undefined : errors,
    [ATTR.routeFeatures]: looked.length === 0 ? undefined : looked,
    [ATTR.routeComplexity]: routing.routed.features.complexity,
  };
}

/** Which release answered; its id is on every span. */
function releaseAttributes(release: RoutePlan["release"]): Attributes {
  if (release === undefined) return {};
  const { agent, digest, how } = release;
  return { [ATTR.releaseAgent]: agent, [ATTR.releaseDigest]: digest, [ATTR.releaseChosen]: how };
}

function requestModel({ model, facts }: ModelCallOver): string {
  return model?.upstreamName ?? facts.call.fields.model;
}

function requestAttributes(over: ModelCallOver): Attributes {
  const { model } = over;
  const { call, plan } = over.facts;
  return {
    [ATTR.operation]: OPERATIONS[call.dialect],
    [ATTR.requestModel]: requestModel(over),
    [ATTR.requestMaxTokens]: over.admission?.units,
    [ATTR.requestStream]: call.fields.isStream,
    ...samplingAttributes(call.body),
    ...(model === undefined ? { [ATTR.provider]: UNKNOWN_PROVIDER } : providerAttributes(model)),
    [ATTR.tier]: plan?.tier ?? model?.entry.tier,
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
          [ATTR.cacheWriteTokens]: usage.cacheWrite + usage.cacheWriteLong,
          [ATTR.reasoningTokens]: usage.reasoning,
          [ATTR.usageInconsistent]: usage.isInconsistent,
        };
  return {
    ...tokens,
    [ATTR.responseModel]: learnt.responseModel,
    [ATTR.responseId]: learnt.responseId,
    [ATTR.finishReasons]: learnt.finishReasons,
  };
}

function costAttributes({ cost, admission, model }: ModelCallOver): Attributes {
  return {
    [ATTR.costMicroUsd]: cost.micro,
    [ATTR.costNanoUsd]: cost.nano,
    [ATTR.costBasis]: cost.basis,
    [ATTR.costFault]: cost.fault,
    [ATTR.priceSource]: model?.price.source,
    [ATTR.heldMicroUsd]: admission?.held.usd,
    [ATTR.seq]: admission?.seq,
  };
}

const KINDS: Readonly<Record<Dialect, RecordKind>> = {
  chat: "chat",
  responses: "chat",
  messages: "chat",
  generate: "chat",
  embeddings: "embeddings",
  count_tokens: "count_tokens",
  count_generate: "count_tokens",
};

function indexRow(over: ModelCallOver, endedAt: number): IndexRow {
  const { decision, call } = over.facts;
  const { context } = call;
  const usage = over.learnt?.usage ?? NO_USAGE;
  return {
    tenant: context.principal.tenant,
    trace_hex: context.trace.hex,
    span_id: over.spanId,
    trace_id: context.trace.shown,
    started_at: over.startedAt,
    duration_ms: endedAt - over.startedAt,
    kind: context.isReplay === true ? "replay" : KINDS[call.dialect],
    session_id: context.session,
    task_id: context.task,
    actor: context.actor,
    subject: over.model?.name ?? call.fields.model,
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
    upstream: over.model?.providerName ?? null,
    attempts: over.attempts.length === 0 ? null : over.attempts.length,
  };
}
