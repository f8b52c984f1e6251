// Sequences one tool call: facts, schema, decision, the call's own object, the effect, its outcome, its record.
import type { ToolCall } from "../core/call.ts";
import { accept, refuse, type Outcome, type Refusal } from "../core/errors.ts";
import type { ActiveConfig, ResolvedTool } from "../core/config/published.ts";
import { retentionMs } from "../core/config/transaction-document.ts";
import { COMPENSABLE_RETENTION_MS } from "../core/state/tool-call-work.ts";
import { teachingOf } from "../core/state/teaching.ts";
import { digestOf } from "../core/json/digest.ts";
import { decide, type Decision } from "../core/policy/decision.ts";
import { ABANDON_GRACE_MS, callTerms } from "../core/policy/retry.ts";
import { breakerState } from "../core/policy/upstream.ts";
import type { CallRef } from "../core/state/session-messages.ts";
import type { ToolCallRecord, ToolCallReply, ToolCallRequest } from "../core/state/tool-call-record.ts";
import { toolCallId } from "../core/units/identifier.ts";
import type { CallMeta } from "./call-meta.ts";
import { readFacts } from "./facts.ts";
import { ledgerRefusal, refOf, refusalOf } from "./enforce.ts";
import type { CallReply, Ports, Recorder } from "./ports.ts";
import type { McpExchange } from "./ports/mcp.ts";
import { recordPause } from "./record-pause.ts";
import { recordToolCall, type ToolCallHappened } from "./record-tool-call.ts";
import { askOf, ledgerAsk, prepareCall, type PreparedCall } from "./tool-ask.ts";
import { execute } from "./tool-execution.ts";

/** A tool call's answer: its record (first or replayed), or the refusal with whatever is known of the call. */
export interface ToolCallAnswer {
  readonly outcome: Outcome<{ readonly record: ToolCallRecord; readonly isReplay: boolean }>;
  readonly record: ToolCallRecord | undefined;
  readonly meta: CallMeta;
}

/**
 * Makes one governed tool call. The call's object has the intent on disk before the effect starts; the same key and
 * body gets the first answer again, another body `idempotency_key_reused`, a running one `call_in_flight`. A call that
 * people must approve, or that is kept as a draft, is recorded and answered without an effect.
 * Two object hops before the effect, one after.
 */
export async function callTool(
  ports: Ports,
  call: ToolCall,
  recorder: Recorder,
  exchange?: McpExchange,
): Promise<ToolCallAnswer> {
  const { context } = call;
  const startedAt = ports.system.now();
  const { config: found, switches, breakers, meta } = await readFacts(ports, context);
  if (!found.ok) return { outcome: found, record: undefined, meta };
  const config = found.value;
  const ask = askOf(call);
  const prepared = keyMissing(config, call) ?? prepareCall(config, ask, { switches, breakers, now: startedAt });
  const spanId = ports.system.randomHex(8);
  if (!prepared.ok) {
    const decision = refusedBeforehand(config, prepared);
    recordToolCall(
      ports,
      recorder,
      { call, ask, tool: config.tool(call.toolName), decision, spanId, callId: null, startedAt },
      { type: "refused", refusal: prepared },
    );
    return { outcome: prepared, record: undefined, meta };
  }
  const { tool, decision } = prepared.value;
  const ref = refOf(config, call.context, { spanId, subject: tool.name });
  const isAsked = await isAskedAbout(ports, prepared.value, call, ref);
  const request = requestOf(ports, { config, prepared: prepared.value, isAsked }, call, spanId);
  const begun = await ports.toolCalls.begin({
    request,
    decision,
    draft: config.draftTerms,
    ...ledgerAsk(config, prepared.value, ref),
  });
  const { phase, probes } = breakerState(tool.name, tool.entry, { breakers, now: startedAt });
  const breaker = tool.entry.breaker === undefined ? undefined : phase;
  const happened: ToolCallHappened = { call, ask, tool, decision, spanId, callId: request.id, startedAt, breaker };
  const known = "call" in begun ? { ...meta, remainingUsd: begun.remainingUsd } : meta;
  const running = {
    config,
    call,
    tool,
    recorder,
    meta: known,
    happened,
    probes: probes.map(({ key }) => key),
    exchange,
  };
  return continueFrom(ports, running, begun);
}

/** The decision on a call that never reached the rules: what it names is not there, or does not fit. */
function refusedBeforehand(config: ActiveConfig, { code, detail }: Refusal): Decision {
  const rule_id = BEFOREHAND[code] ?? "tool.input_schema";
  const reasons = [{ rule_id, effect: "deny", message: detail, path: "tool_call" }] as const;
  return decide({ reasons, standby: null }, config.policyVersion);
}

const BEFOREHAND: Partial<Record<Refusal["code"], string>> = {
  unknown_tool: "tool.known",
  idempotency_key_required: "tool.idempotency",
};

/** A tool may take calls only under a key of the caller's own; what undoes another call has its key from that one. */
function keyMissing(config: ActiveConfig, call: ToolCall): Refusal | undefined {
  const isRequired = config.tool(call.toolName)?.entry.idempotency?.required === true;
  return isRequired && call.idempotencyKey === undefined && call.compensates === null ? KEY_REQUIRED : undefined;
}

interface Running {
  readonly config: ActiveConfig;
  readonly call: ToolCall;
  readonly tool: ResolvedTool;
  readonly recorder: Recorder;
  readonly meta: CallMeta;
  readonly happened: ToolCallHappened;
  readonly probes: readonly string[];
  readonly exchange: McpExchange | undefined;
}

function requestOf(
  ports: Ports,
  {
    config,
    prepared,
    isAsked,
  }: { readonly config: ActiveConfig; readonly prepared: PreparedCall; readonly isAsked: boolean },
  call: ToolCall,
  spanId: string,
): ToolCallRequest {
  const { tool, facts } = prepared;
  const { context } = call;
  const { tenant } = context.principal;
  const { key, isDerived } = keyOf(ports, { tool: prepared.tool, isAsked }, call);
  return {
    id: call.compensates?.id ?? call.resumes ?? toolCallId({ tenant, actor: context.actor, key }),
    tenant,
    ask: facts.ask,
    traceId: context.trace.shown,
    traceHex: context.trace.hex,
    spanId,
    definitionDigest: tool.definitionDigest,
    effect: tool.entry.effect,
    teaching: teachingOf(tool.entry),
    fingerprint: fingerprintOf(call),
    isKeyDerived: isDerived,
    abandonAfterMs: callTerms(tool.entry, call.deadlineMs).deadlineMs + ABANDON_GRACE_MS,
    ...transactionTerms(config, tool.entry),
    isInSaga: call.isInSaga,
    compensates: call.compensates?.callId ?? null,
  };
}

/**
 * Whether people will be asked about a call whose client can only ask again: by the edge's decision, or by a rule of the
 * session, which is asked beforehand where such a rule concerns the tool: one hop more, for those calls alone.
 */
async function isAskedAbout(
  ports: Ports,
  { tool, decision, policy }: PreparedCall,
  { askedBy, idempotencyKey, resumes, context }: ToolCall,
  ref: CallRef,
): Promise<boolean> {
  if (askedBy === undefined || idempotencyKey !== undefined || resumes !== undefined) return false;
  if (decision.effect === "require_approval") return true;
  if (!tool.policy.sessionRules.some(({ effect }) => effect === "require_approval")) return false;
  const { tenant } = context.principal;
  const { reasons } = await ports.sessions.consult(tenant, context.session, { policy, ref });
  return reasons.some(({ effect }) => effect === "require_approval");
}

/** What makes two calls under one key the same: everything that their body says of them. */
function fingerprintOf({ context, constraints, toolName, args, isInSaga }: ToolCall): string {
  const { intent } = context;
  return digestOf({ intent, constraints, tool: toolName, args, ...(isInSaga ? { saga: true } : {}) });
}

/** What the config says of the call as a transaction, fixed when it is first recorded. One that can be undone is kept for that. */
function transactionTerms(
  config: ActiveConfig,
  { hold_s, settle, probe, compensation }: ResolvedTool["entry"],
): Pick<ToolCallRequest, "holdMs" | "settle" | "retentionMs"> {
  const retention = retentionMs(config.published.document.idempotency);
  return {
    holdMs: (hold_s ?? 0) * 1_000,
    settle: settle ?? (probe === undefined ? "person" : "probe"),
    retentionMs: compensation === undefined ? retention : Math.max(retention, COMPENSABLE_RETENTION_MS),
  };
}

/**
 * The key that names the call. The caller's own; else, for a tool whose repeats are not intended, the digest of
 * session, task, tool and arguments, so that a loop of identical calls acts once; else a fresh one. A client that can
 * only ask again while people decide means the same call by that.
 */
function keyOf(
  ports: Ports,
  { tool, isAsked }: { readonly tool: ResolvedTool; readonly isAsked: boolean },
  call: ToolCall,
): { readonly key: string; readonly isDerived: boolean } {
  if (call.idempotencyKey !== undefined) return { key: `given:${call.idempotencyKey}`, isDerived: false };
  const { session, task } = call.context;
  const derived = (scope: string): { readonly key: string; readonly isDerived: boolean } => ({
    key: `derived:${digestOf([scope, task, tool.name, call.args])}`,
    isDerived: true,
  });
  if (call.askedBy !== undefined && isAsked) return derived(call.askedBy);
  const repeat = tool.entry.repeat ?? (tool.entry.effect === "read" ? "allow" : "deduplicate");
  return repeat === "allow" ? { key: `fresh:${ports.system.randomHex(16)}`, isDerived: false } : derived(session);
}

async function continueFrom(ports: Ports, running: Running, begun: CallReply): Promise<ToolCallAnswer> {
  const { meta, recorder } = running;
  const happened = { ...running.happened, decision: decisionOf(begun) ?? running.happened.decision };
  const stop = (refusal: Refusal, known?: ToolCallRecord): ToolCallAnswer => {
    recordToolCall(ports, recorder, happened, { type: "refused", refusal });
    return { outcome: refusal, record: known, meta };
  };
  if ("ledger" in begun) {
    recordPause(ports, recorder, { ...happened, context: happened.call.context }, begun.ledger);
    return stop(ledgerRefusal(begun.ledger) ?? refuse("internal", "the ledger gave no admission"));
  }
  const { call } = begun;
  if (!answersBeginning(call))
    return stop(refuse("internal", `the call's object answered "${call.type}" to a beginning`));
  switch (call.type) {
    case "execute":
      return executeOnce(ports, { ...running, happened }, call.record);
    case "replay":
    case "waiting": {
      const isReplay = call.type === "replay";
      recordToolCall(ports, recorder, happened, { type: isReplay ? "replayed" : "waiting", record: call.record });
      return { outcome: accept({ record: call.record, isReplay }), record: call.record, meta };
    }
    case "denied":
      return stop(refusalOf(call.record.decision), call.record);
    case "reused":
      return stop(KEY_REUSED);
    case "in_flight":
      return stop(refuse("call_in_flight", "the first call with this key is still running", { retryAfterS: 1 }));
    default:
      return call satisfies never;
  }
}

/** The session's rules may have spoken since: what is recorded is the decision as it stands. */
function decisionOf(begun: CallReply): Decision | undefined {
  return "call" in begun && "record" in begun.call ? begun.call.record.decision : undefined;
}

type Beginning = Extract<
  ToolCallReply,
  { readonly type: "execute" | "replay" | "waiting" | "denied" | "reused" | "in_flight" }
>;

const BEGINNINGS: Readonly<Record<Beginning["type"], true>> = {
  execute: true,
  replay: true,
  waiting: true,
  denied: true,
  reused: true,
  in_flight: true,
};

function answersBeginning(reply: ToolCallReply): reply is Beginning {
  return Object.hasOwn(BEGINNINGS, reply.type);
}

const KEY_REQUIRED = refuse(
  "idempotency_key_required",
  "this tool takes calls with an `Idempotency-Key` only: see /docs, and docs/guides/transactions.md",
  { mistakes: [{ path: "Idempotency-Key", message: "expected a key that names this call" }] },
);

const KEY_REUSED = refuse(
  "idempotency_key_reused",
  "this idempotency key was used with another body; use a new key for a new call",
  { mistakes: [{ path: "Idempotency-Key", message: "expected the body that was first sent with this key" }] },
);

async function executeOnce(ports: Ports, running: Running, record: ToolCallRecord): Promise<ToolCallAnswer> {
  const { config, call, tool, meta, happened, recorder, probes, exchange } = running;
  const { parent } = call.context;
  const flags = parent ?? { isSampled: true, isRandom: false };
  const notAfter = call.deadlineMs === null ? null : happened.startedAt + call.deadlineMs;
  const executed = await execute(ports, { config, tool, record, notAfter, probes, flags, exchange });
  recordToolCall(ports, recorder, happened, { type: "executed", ...executed });
  return { outcome: accept({ record: executed.record, isReplay: false }), record: executed.record, meta };
}
