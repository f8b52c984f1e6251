// Decides which attributes of a span we make ourselves: ids, figures and words of our own, which are never masked.
import { ACT_ATTR } from "../trace/act.ts";
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
  ATTR.costFault,
  ATTR.priceSource,
  ATTR.usageInconsistent,
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
  ATTR.receivedSpans,
  ATTR.receivedDropped,
  ATTR.approvalId,
  ATTR.approvalStatus,
  ATTR.approvalVia,
  ATTR.probeOf,
  ATTR.compensates,
  ATTR.compensation,
  ATTR.resolutionKey,
  ATTR.sagaStatus,
  ACT_ATTR.by,
  ACT_ATTR.switchId,
  ACT_ATTR.switchExpiresAt,
  ACT_ATTR.configVersion,
  ACT_ATTR.configDigest,
  ACT_ATTR.configPrevious,
  ACT_ATTR.configRolledBackTo,
  // Names of the config, and digests.
  ATTR.releaseAgent,
  ATTR.releaseDigest,
  ATTR.releaseChosen,
  ACT_ATTR.releaseLive,
  ACT_ATTR.releaseGeneration,
  ACT_ATTR.releasePrevious,
  ACT_ATTR.releasePreviousDigest,
  ACT_ATTR.releaseCanary,
  ACT_ATTR.releaseCanaryDigest,
  ACT_ATTR.releaseCanaryWeight,
  ACT_ATTR.keyId,
  ACT_ATTR.keyRoles,
  // Names and scopes, as the config spells them.
  ACT_ATTR.keyActors,
  ACT_ATTR.keyScopes,
  ACT_ATTR.secretName,
  ACT_ATTR.secretDataKey,
  ACT_ATTR.secretResealed,
]);

/**
 * Whether an attribute's value is always ours. Every other one is masked, those that nobody has thought of among them:
 * refusals, reasons, comments, evidence, intents, names of models and tools that a caller made up.
 */
export function isOurAttribute(name: string): boolean {
  return OURS.has(name);
}
