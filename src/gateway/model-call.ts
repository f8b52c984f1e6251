// Sequences one model call: facts, decision, reservation, upstream, relay, settlement, record.
import type { ModelCall } from "../core/call.ts";
import { refuse, type Refusal } from "../core/errors.ts";
import type { ActiveConfig, ResolvedModel } from "../core/config/published.ts";
import { worstCase } from "../core/budget/estimate.ts";
import { amounts } from "../core/budget/amounts.ts";
import { withMembers } from "../core/json/members.ts";
import { haltOf } from "../core/policy/switches.ts";
import { evaluateModelCall } from "../core/policy/evaluate.ts";
import { stopOf, type Decision } from "../core/policy/decision.ts";
import type { Want } from "../core/state/account.ts";
import type { SessionReply } from "../core/state/session-messages.ts";
import { readFacts } from "./facts.ts";
import { ledgerRefusal, refOf, refusalOf, scopesOf } from "./enforce.ts";
import type { AdmittedCall, CallMeta, CallSurroundings, ModelAnswer } from "./admitted-call.ts";
import { writeTraceparent } from "../core/trace/trace-context.ts";
import { CALLER_LEFT, HALTED, isHalted } from "./meter.ts";
import { answerWhole } from "./model-answer.ts";
import { answerStream } from "./model-stream.ts";
import { recordPause } from "./record-pause.ts";
import type { ModelResponse, Ports } from "./ports.ts";
import { ModelCallTally } from "./settle-model-call.ts";

/** Output tokens asked for when neither the caller nor the config names a number. */
const DEFAULT_MAX_OUTPUT = 4_096;
/** The longest a stream may run once it has begun, in milliseconds; a hold outlives its call by `HOLD_GRACE_MS`. */
const TOTAL_TIMEOUT_MS = 600_000;
const HOLD_GRACE_MS = 30_000;
/** How long a provider may take to answer whole, or to begin a stream, when its entry names no time. */
const DEFAULT_TIMEOUT_MS = 120_000;

/**
 * Makes one governed model call. Nothing reaches the provider without an allowing decision and a hold that covers
 * its worst case; the hold is settled exactly once, whether the answer ends, breaks or is abandoned.
 * One ledger hop before the upstream, one after.
 */
export async function callModel(ports: Ports, call: ModelCall, around: CallSurroundings): Promise<ModelAnswer> {
  const { context } = call;
  const { config: found, switches, meta } = await readFacts(ports, context);
  if (!found.ok) return { ok: false, refusal: found, meta };
  const config = found.value;
  const model = config.model(call.model);
  const decision = evaluateModelCall({
    policyVersion: config.policyVersion,
    actorName: context.actor,
    actor: config.actor(context.actor),
    modelName: call.model,
    confidence: context.confidence,
    release: context.release,
    session: context.session,
    switches,
    terms: config.terms,
    now: ports.system.now(),
  });
  const tally = new ModelCallTally(ports, call, {
    config,
    model,
    decision,
    recorder: around.recorder,
    defer: around.defer,
  });
  const stopped = stopBefore(call, model, decision);
  if (stopped !== undefined || model === undefined) {
    const refusal = stopped ?? refuse("unknown_model", `no model "${call.model}"`);
    tally.recordRefusal(refusal);
    return { ok: false, refusal, meta };
  }
  const reply = await ports.sessions.admit(admissionOf(config, model, call, { tally, decision }));
  const refusal = ledgerRefusal(reply);
  if (refusal !== undefined || reply.type !== "admitted") {
    recordPause(ports, around.recorder, { context, startedAt: tally.startedAt, spanId: tally.spanId }, reply);
    tally.recordRefusal(refusal ?? refuse("internal", "the ledger gave no admission"));
    return { ok: false, refusal: refusal ?? refuse("internal", "the ledger gave no admission"), meta };
  }
  tally.admitted(reply);
  const admitted = runAdmitted(
    ports,
    config,
    {
      call,
      model,
      tally,
      meta: { ...meta, ...shownRoute(model, call), remainingUsd: reply.remainingUsd },
      grantedOutput: reply.units * call.choices,
      abort: new AbortController(),
      around,
    },
    reply,
  );
  return admitted.catch((error: unknown) => {
    // Whatever broke, the hold does not stay open for it.
    tally.settleAtHold("failed", refuse("internal", "the gateway failed while the call ran"));
    throw error;
  });
}

function stopBefore(call: ModelCall, model: ResolvedModel | undefined, decision: Decision): Refusal | undefined {
  if (model === undefined)
    return refuse("unknown_model", `no model "${call.model}" in the tenant's config`, {
      mistakes: [{ path: "model", message: "expected a configured model" }],
    });
  // A denial that also stops the session has to reach it.
  return decision.effect === "allow" || stopOf(decision.reasons) !== undefined ? undefined : refusalOf(decision);
}

function shownRoute(model: ResolvedModel, call: ModelCall): Pick<CallMeta, "model" | "tier" | "routeReason"> {
  const tier = model.entry.tier;
  return {
    model: model.name,
    ...(tier === undefined ? {} : { tier }),
    routeReason: call.model === model.name ? "explicit" : "alias",
  };
}

function wantOf(model: ResolvedModel, call: ModelCall): Want {
  const worst = worstCase(
    model.price,
    { bytes: call.bodyBytes, text: call.body.text, context: model.entry.context },
    call.choices,
  );
  const most = model.entry.max_output_tokens;
  const asked = call.maxOutput?.tokens ?? most ?? DEFAULT_MAX_OUTPUT;
  const maxUnits = most === undefined ? asked : Math.min(asked, most);
  const fixed = amounts({ usd: worst.inputMicro, tokens: worst.inputTokens, calls: 1 });
  return { fixed, unitPico: worst.unitPico, unitTokens: worst.unitTokens, minUnits: Math.min(1, maxUnits), maxUnits };
}

function admissionOf(
  config: ActiveConfig,
  model: ResolvedModel,
  call: ModelCall,
  { tally, decision }: { readonly tally: ModelCallTally; readonly decision: Decision },
): Parameters<Ports["sessions"]["admit"]>[0] {
  return {
    holdId: tally.spanId,
    scopes: scopesOf(config, call.context),
    want: wantOf(model, call),
    expiresAt: tally.startedAt + (model.provider.timeout_ms ?? DEFAULT_TIMEOUT_MS) + TOTAL_TIMEOUT_MS + HOLD_GRACE_MS,
    ref: refOf(config, call.context, { spanId: tally.spanId, subject: model.name }),
    stop: stopOf(decision.reasons) ?? null,
    stopAndAsk: config.actor(call.context.actor)?.stop_and_ask ?? null,
  };
}

async function runAdmitted(
  ports: Ports,
  config: ActiveConfig,
  admitted: AdmittedCall,
  reply: SessionReply & { type: "admitted" },
): Promise<ModelAnswer> {
  const { call, model, abort, around, tally } = admitted;
  const leave = (): void => abort.abort(CALLER_LEFT);
  if (around.callerSignal.aborted) leave();
  else around.callerSignal.addEventListener("abort", leave, { once: true });
  let timer = setTimeout(() => abort.abort("timeout"), model.provider.timeout_ms ?? DEFAULT_TIMEOUT_MS);
  const watch = watchSwitches(ports, call, abort);
  tally.onSettled(() => {
    clearTimeout(timer);
    clearInterval(watch);
  });
  if (await isHaltedNow(ports, call)) {
    const refusal = refuse("halted", "a person has stopped these calls");
    tally.settleUnsent(refusal);
    return { ok: false, refusal, meta: admitted.meta };
  }
  const answered = await ports.models.send({
    tenant: call.context.principal.tenant,
    provider: model.provider,
    path: "chat/completions",
    body: upstreamBody(call, model, reply.units),
    headers: new Map([...call.headers, ...traceHeaders(call, tally.spanId)]),
    allowedHosts: config.published.document.egress.allow,
    signal: abort.signal,
  });
  if (answered.type !== "answered") return notAnswered(admitted, answered);
  tally.answered(answered.status, answered.credential);
  const isStream =
    call.isStream && answered.status < 300 && (answered.headers.get("content-type") ?? "").includes("event-stream");
  if (!isStream) return answerWhole(admitted, answered);
  // A stream has answered in time once it begins; from then on only the longest running time bounds it.
  clearTimeout(timer);
  timer = setTimeout(() => abort.abort("timeout"), TOTAL_TIMEOUT_MS);
  return answerStream(admitted, answered);
}

/** How often a running call looks at the kill switches. */
const WATCH_EVERY_MS = 500;

/** Aborts a running call, streams included, once a switch halts it, or once nobody can say whether one does. */
function watchSwitches(ports: Ports, call: ModelCall, abort: AbortController): ReturnType<typeof setInterval> {
  let failures = 0;
  const look = async (): Promise<void> => {
    try {
      if (await isHaltedNow(ports, call)) abort.abort(HALTED);
      failures = 0;
    } catch {
      failures += 1;
      if (failures >= MAX_BLIND_LOOKS) abort.abort(HALTED);
    }
  };
  return setInterval(() => void look(), WATCH_EVERY_MS);
}

/** A running call goes on without an answer from the switches' owner for this many looks. */
const MAX_BLIND_LOOKS = 3;

async function isHaltedNow(ports: Ports, { context }: ModelCall): Promise<boolean> {
  const { switches } = await ports.controls.current(context.principal.tenant);
  const { actor, release, session } = context;
  return haltOf(switches, { actor, release, session, tool: null }, ports.system.now()) !== undefined;
}

/** The call's own place in the trace, for the provider, with what others have put into its state. */
function traceHeaders({ context }: ModelCall, spanId: string): readonly (readonly [string, string])[] {
  const { trace, parent } = context;
  const traceparent = writeTraceparent(trace.hex, spanId, parent ?? { isSampled: true, isRandom: false });
  return [
    ["traceparent", traceparent],
    ...(parent?.state === undefined ? [] : [["tracestate", parent.state] as const]),
  ];
}

/** The caller's bytes with only our own fields changed: upstream model name, granted output, usage in streams. */
export function upstreamBody(call: ModelCall, model: ResolvedModel, grantedUnits: number): string {
  const changes = new Map<string, string>();
  if (model.upstreamName !== call.model) changes.set("model", JSON.stringify(model.upstreamName));
  const field = call.maxOutput?.field ?? (model.provider.kind === "openai" ? "max_completion_tokens" : "max_tokens");
  if (call.maxOutput?.tokens !== grantedUnits) changes.set(field, String(grantedUnits));
  if (call.isStream && !call.wantsUsage)
    changes.set("stream_options", JSON.stringify({ ...call.streamOptions, include_usage: true }));
  return withMembers(call.body, changes);
}

function notAnswered(
  { tally, meta, abort }: AdmittedCall,
  response: Exclude<ModelResponse, { type: "answered" }>,
): ModelAnswer {
  const hasLeft = abort.signal.aborted && abort.signal.reason === CALLER_LEFT;
  const refusal = isHalted(abort.signal)
    ? refuse("halted", "a person has stopped this call while it ran")
    : unansweredRefusal(response, abort.signal.aborted && !hasLeft);
  // A provider that was never reached has cost nothing; one that may have been reached is charged the hold.
  if (response.type === "blocked") tally.settleUnsent(refusal);
  else tally.settleAtHold(hasLeft ? "caller_left" : "failed", hasLeft ? { ...refusal, code: "caller_left" } : refusal);
  return { ok: false, refusal, meta };
}

function unansweredRefusal(response: Exclude<ModelResponse, { type: "answered" }>, hasTimedOut: boolean): Refusal {
  if (response.type === "blocked") return refuse("egress_blocked", response.message);
  if (hasTimedOut) return refuse("upstream_timeout", "the model provider sent no answer in time");
  return refuse("upstream_failed", response.type === "aborted" ? "the call was aborted" : response.message);
}
