// Decides which attributes of a span we make ourselves: ids, figures and words of our own, which are never masked.
import { ATTR } from "../trace/attributes.ts";

const OURS: ReadonlySet<string> = new Set([
  ATTR.operation,
  ATTR.requestMaxTokens,
  ATTR.requestStream,
  ATTR.timeToFirstChunk,
  ATTR.inputTokens,
  ATTR.outputTokens,
  ATTR.cacheReadTokens,
  ATTR.reasoningTokens,
  ATTR.toolCallId,
  ATTR.toolType,
  ATTR.httpStatus,
  ATTR.resendCount,
  ATTR.costMicroUsd,
  ATTR.costNanoUsd,
  ATTR.costBasis,
  ATTR.tenant,
  ATTR.seq,
  ATTR.policyVersion,
  ATTR.decisionEffect,
  ATTR.definitionDigest,
  ATTR.toolEffect,
  ATTR.idempotencyReplayed,
  ATTR.outcome,
  ATTR.attempt,
  ATTR.attempts,
  ATTR.retryAfterMs,
  ATTR.breakerState,
  ATTR.heldMicroUsd,
  ATTR.grantedUnits,
  ATTR.keyId,
  ATTR.callerDeclared,
  ATTR.approvalId,
  ATTR.approvalStatus,
  ATTR.approvalVia,
  ATTR.probeOf,
  ATTR.compensates,
  ATTR.compensation,
  ATTR.resolutionKey,
  ATTR.sagaStatus,
]);

/**
 * Whether an attribute's value is always ours. Every other one is masked, those that nobody has thought of among them:
 * refusals, reasons, comments, evidence, intents, names of models and tools that a caller made up.
 */
export function isOurAttribute(name: string): boolean {
  return OURS.has(name);
}
