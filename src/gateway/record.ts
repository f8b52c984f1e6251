// Builds the record of a call from what happened: one place where spans, payloads and index row are put together and scrubbed.
import type { CallContext } from "../core/call.ts";
import type { Decision } from "../core/policy/decision.ts";
import { sha256Hex } from "../core/json/digest.ts";
import { ATTR } from "../core/trace/attributes.ts";
import type { Attributes, IndexRow, Payload, Span, TraceRecord } from "../core/trace/record.ts";
import { scrub } from "../core/trace/scrub.ts";

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
    [ATTR.callerDeclared]: declaredFields(context),
    [ATTR.policyVersion]: decision?.policy_version,
    [ATTR.decisionEffect]: decision?.effect,
  };
}

function declaredFields(context: CallContext): readonly string[] {
  const declared: readonly (readonly [string, unknown])[] = [
    ["intent", context.intent],
    ["confidence", context.confidence],
    ["user", context.endUser],
    ["allowed_tools", context.allowedTools],
  ];
  return declared.filter(([, value]) => value !== null && value !== undefined).map(([field]) => field);
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

/** A record with its bodies scrubbed of the credentials that took part; too long a body is kept as its digest. */
export function buildRecord(
  index: IndexRow,
  spans: readonly Span[],
  bodies: readonly RecordedBody[],
  credentials: readonly string[],
): TraceRecord {
  const payloads = bodies.map((body) => payloadOf(index.span_id, body, credentials));
  const shown: readonly Span[] = spans.map((span) => ({
    ...span,
    attributes: scrubAttributes(span.attributes, credentials),
  }));
  return { v: 1, index, spans: shown, payloads };
}

function payloadOf(spanId: string, body: RecordedBody, credentials: readonly string[]): Payload {
  const text = scrub(body.text, credentials);
  const shared = { name: body.name, span_id: spanId, content_type: body.contentType, bytes: text.length };
  if (text.length > MAX_PAYLOAD_CHARS)
    return { ...shared, digest: sha256Hex(text), body: null, omitted: "larger than 512 KiB" };
  return { ...shared, digest: "", body: text };
}

function scrubAttributes(attributes: Attributes, credentials: readonly string[]): Attributes {
  if (credentials.length === 0) return attributes;
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => {
      if (typeof value === "string") return [name, scrub(value, credentials)];
      if (Array.isArray(value)) return [name, value.map((each: string) => scrub(each, credentials))];
      return [name, value];
    }),
  );
}
