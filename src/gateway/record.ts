// Builds the record of a call from what happened: one place where spans, payloads and index row are put together.
import type { CallContext } from "../core/call.ts";
import type { Decision } from "../core/policy/decision.ts";
import { sha256Hex } from "../core/json/digest.ts";
import { ATTR } from "../core/trace/attributes.ts";
import type { Attributes, IndexRow, Payload, Span, TraceRecord } from "../core/trace/record.ts";

/** Bodies longer than this are recorded as their digest and length. */
const MAX_PAYLOAD_CHARS = 512 * 1024;

/** A body to record, before scrubbing. */
export interface RecordedBody {
  readonly name: Payload["name"];
  readonly contentType: string;
  readonly text: string;
}

/** The server span of a call: identity, decision and outcome in attributes every kind of call shares. */
export function callAttributes(context: CallContext, decision: Decision | undefined): Attributes {
  return {
    [ATTR.tenant]: context.principal.tenant,
    [ATTR.keyId]: context.principal.keyId,
    [ATTR.actor]: context.actor,
    [ATTR.agentName]: context.actor,
    [ATTR.conversation]: context.session,
    [ATTR.task]: context.task ?? undefined,
    [ATTR.intent]: context.intent ?? undefined,
    [ATTR.confidence]: context.confidence ?? undefined,
    [ATTR.endUser]: context.endUser ?? undefined,
    [ATTR.endUserOrigin]: context.endUser === null ? undefined : context.endUserOrigin,
    [ATTR.release]: context.release ?? undefined,
    [ATTR.callerDeclared]: declaredFields(context),
    [ATTR.policyVersion]: decision?.policy_version,
    [ATTR.decisionEffect]: decision?.effect,
  };
}

function declaredFields(context: CallContext): readonly string[] {
  const declared: readonly (readonly [string, unknown])[] = [
    ["intent", context.intent],
    ["confidence", context.confidence],
    ["user", context.endUserOrigin === "declared" ? context.endUser : null],
    ["user_prompt", context.userPrompt],
    ["release", context.isReleaseChosen === true ? null : context.release],
    ["confirmed", context.isConfirmed ? true : null],
    ["allowed_tools", context.allowedTools],
  ];
  return declared.filter(([, value]) => value !== null && value !== undefined).map(([field]) => field);
}

/** The columns that tell on whose behalf a call was made, and what its policy held against it. */
export function callerColumns(
  context: CallContext,
  decision: Decision,
): Pick<IndexRow, "release" | "user" | "rules" | "masked"> {
  const against = decision.reasons.filter(({ effect }) => effect !== "allow");
  return {
    release: context.release ?? null,
    user: context.endUser ?? null,
    rules: [...new Set(against.map(({ rule_id }) => rule_id))],
    masked: 0,
  };
}

/** The span of a decision: one per call, with every reason. */
export function decisionSpan(
  ids: { readonly spanId: string; readonly parentId: string },
  decision: Decision,
  at: number,
): Span {
  return {
    span_id: ids.spanId,
    parent_span_id: ids.parentId,
    name: "policy.evaluate",
    kind: "internal",
    start_ms: at,
    end_ms: at,
    status: "ok",
    attributes: {
      [ATTR.decisionEffect]: decision.effect,
      [ATTR.policyVersion]: decision.policy_version,
      [ATTR.decisionReasons]: decision.reasons.map((reason) => JSON.stringify(reason)),
    },
  };
}

/** A record of a call. Bodies too long to keep are kept as their digest; credentials are scrubbed where it is written. */
export function buildRecord(index: IndexRow, spans: readonly Span[], bodies: readonly RecordedBody[]): TraceRecord {
  return {
    v: 1,
    index,
    spans: spans.map((span) => ofRelease(span, index.release)),
    payloads: bodies.map((body) => payloadOf(index.span_id, body)),
  };
}

/** Whoever looks at one span alone sees which release it belongs to. */
function ofRelease(span: Span, release: string | null): Span {
  return release === null ? span : { ...span, attributes: { ...span.attributes, [ATTR.release]: release } };
}

function payloadOf(spanId: string, { name, contentType, text }: RecordedBody): Payload {
  const shared = { name, span_id: spanId, content_type: contentType, bytes: text.length };
  if (text.length <= MAX_PAYLOAD_CHARS) return { ...shared, digest: "", body: text };
  return { ...shared, digest: sha256Hex(text), body: null, omitted: "larger than 512 KiB" };
}
