// Decides which identifiers a caller may choose and how ours are derived and spelled.
import { digestOf, sha256Hex } from "../json/digest.ts";

const CALLER_CHOSEN = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
const NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;
const TRACE_HEX = /^[0-9a-f]{32}$/;

/** Whether a session, task or user id is one that a caller may send: 1–128 of letters, digits and `._:-`. */
export function isCallerId(text: string): boolean {
  return CALLER_CHOSEN.test(text);
}

/** Whether a config name (actor, tool, model, provider) is well formed: a letter, then up to 63 of `[A-Za-z0-9_.-]`. */
export function isName(text: string): boolean {
  return NAME.test(text);
}

/** Whether a text is a scope: lower-case words joined by `:`, or `*` for all. */
export function isScope(text: string): boolean {
  return /^(\*|[a-z0-9][a-z0-9_.:-]{0,127})$/.test(text);
}

/** A trace as callers spell it (`tr_…`) and as W3C trace context carries it (32 hex digits). */
export interface TraceId {
  readonly shown: string;
  readonly hex: string;
}

/** The trace id of 32 random hex digits, spelled `tr_<hex>`. */
export function traceIdFromHex(hex: string): TraceId {
  return { shown: `tr_${hex}`, hex };
}

/**
 * Reads a trace id that a caller sent or asks for. `tr_` + 32 hex (or bare 32 hex) is the W3C id itself;
 * any other `tr_…` spelling is kept as shown and hashed with its tenant to the id that is stored, so the
 * same spelling finds the same trace and two tenants never meet. `undefined` when it is neither.
 */
export function readTraceId(tenant: string, text: string): TraceId | undefined {
  const bare = text.startsWith("tr_") ? text.slice(3) : text;
  if (TRACE_HEX.test(bare)) return /^0+$/.test(bare) ? undefined : { shown: `tr_${bare}`, hex: bare };
  if (!text.startsWith("tr_") || !isCallerId(bare)) return undefined;
  return { shown: text, hex: sha256Hex(`trace\n${tenant}\n${text}`).slice(0, 32) };
}

/** What names one tool call: the tenant, the actor and the idempotency key (given or derived). */
export interface ToolCallScope {
  readonly tenant: string;
  readonly actor: string;
  readonly key: string;
}

/**
 * The id of a tool call, derived from tenant, actor and idempotency key: a retry from any session and any
 * isolate finds the same object, and no listing of ids reveals a key.
 */
export function toolCallId(scope: ToolCallScope): string {
  return `tc_${digestOf(["tool-call", scope.tenant, scope.actor, scope.key]).slice(0, 32)}`;
}

/** The key under which the upstream sees a call: a digest scoped to the tenant, so that it learns neither our ids nor another tenant's keys. */
export function upstreamKey(tenant: string, callId: string): string {
  return sha256Hex(`idempotency\n${tenant}\n${callId}`);
}

/** Whether a text is a tool-call id of ours. */
export function isToolCallId(text: string): boolean {
  return /^tc_[0-9a-f]{32}$/.test(text);
}
