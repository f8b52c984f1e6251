// Sequences one model call: facts, route, decision, reservation, attempts, answer, settlement, record.
import type { ModelCall } from "../../core/call.ts";
import type { ActiveConfig } from "../../core/config/published.ts";
import { accept, refuse, type Outcome, type Refusal } from "../../core/errors.ts";
import { evaluateModelCall } from "../../core/policy/evaluate.ts";
import { stopOf, type Decision } from "../../core/policy/decision.ts";
import { planCall } from "../../core/routing/plan-agent.ts";
import { planChosen } from "../../core/routing/choose-route.ts";
import type { Candidate, RoutePlan } from "../../core/routing/plan.ts";
import type { ListedBreaker } from "../../core/state/breaker.ts";
import type { CallMeta } from "../call-meta.ts";
import { ledgerRefusal, refOf, refusalOf, scopesOf } from "../enforce.ts";
import { readFacts } from "../facts.ts";
import type { ModelPorts } from "../ports.ts";
import { recordPause } from "../record-pause.ts";
import type { Answered, CallSurroundings, ModelAnswer, PlannedCall } from "./admitted-call.ts";
import { tryCandidates } from "./attempts.ts";
import { CallWatch } from "./call-watch.ts";
import { countHere, isCountedHere } from "./count-here.ts";
import { Wordings } from "./exchange.ts";
import { answerKept, cacheDigest, findKept, keepAnswer, type Kept } from "./kept-answer.ts";
import { ProviderHealth } from "./provider-health.ts";
import { ModelCallTally } from "./settle-model-call.ts";
import { holdExpiry, routeAskOf, wantOf } from "./want.ts";

/**
 * Makes one governed model call. Nothing reaches a provider without an allowing decision and a hold that covers the worst
 * case of whichever candidate answers; each hold is settled exactly once, whether the answer ends, breaks or is abandoned.
 * One ledger hop before the upstream, one after; one more for each attempt that may have been billed for nothing.
 */
export async function callModel(ports: ModelPorts, asked: ModelCall, around: CallSurroundings): Promise<ModelAnswer> {
  const { config: found, switches, breakers, releases, meta } = await readFacts(ports, asked.context);
  if (!found.ok) return { ok: false, refusal: found, meta };
  const config = found.value;
  const { call, plan, reasons } = planCall(config, asked, { releases, now: ports.system.now() });
  const { context } = call;
  const decision = evaluateModelCall({
    policyVersion: config.policyVersion,
    actorName: context.actor,
    actor: config.actor(context.actor),
    modelName: call.fields.model,
    confidence: context.confidence,
    release: context.release,
    releaseReasons: reasons,
    session: context.session,
    switches,
    terms: config.terms,
    now: ports.system.now(),
  });
  const shown = plan.ok ? { ...meta, ...shownRoute(plan.value) } : meta;
  const tally = tallyOf(ports, { call, plan: plan.ok ? plan.value : undefined, decision, around, meta: shown });
  const stopped = stopBefore(plan, decision);
  if (stopped !== undefined || !plan.ok) {
    const refusal = stopped ?? refuse("unknown_model", `no model "${call.fields.model}"`);
    tally.recordRefusal(refusal);
    return { ok: false, refusal, meta: shown };
  }
  if (isCountedHere(call, plan.value)) return countHere(call, plan.value, tally);
  const watch = new CallWatch(ports, context, around.callerSignal);
  const planned: PlannedCall = { call, config, plan: plan.value, decision, meta: shown, around, watch };
  const digest = cacheDigest(planned);
  if (digest === undefined) return runCall(ports, planned, { tally, breakers });
  const kept = await findKept(ports, call, { digest, candidates: plan.value.candidates });
  if (kept !== undefined) return runKept(ports, planned, { tally, kept });
  tally.isNotKept();
  return runCall(ports, keeping(ports, planned, digest), { tally, breakers });
}

/** The call, told to keep what it is answered. */
function keeping(ports: ModelPorts, planned: PlannedCall, digest: string): PlannedCall {
  const { around } = planned;
  const onAnswered = (answered: Answered): void => {
    around.onAnswered?.(answered);
    around.defer(keepAnswer(ports, planned, { digest, answered }));
  };
  return { ...planned, around: { ...around, onAnswered } };
}

/** Admits the call for nothing, so that pauses and counts hold for it too, and answers with what is kept. */
async function runKept(
  ports: ModelPorts,
  planned: PlannedCall,
  { tally, kept }: { readonly tally: ModelCallTally; readonly kept: Kept },
): Promise<ModelAnswer> {
  const admitted = await admit(ports, planned, { tally, candidates: [] });
  if (!admitted.ok) return { ok: false, refusal: admitted, meta: tally.meta };
  planned.around.onRepeated?.();
  return answerKept(ports, { planned, wordings: new Wordings(planned.call, planned.plan), tally }, kept);
}

async function runCall(
  ports: ModelPorts,
  planned: PlannedCall,
  around: { readonly tally: ModelCallTally; readonly breakers: readonly ListedBreaker[] },
): Promise<ModelAnswer> {
  const { tally } = around;
  const { plan } = planned;
  const admitted = await admit(ports, planned, { tally, candidates: plan.candidates, isFirst: true });
  if (!admitted.ok) return { ok: false, refusal: admitted, meta: tally.meta };
  const chosen = tally.plan ?? plan;
  if (chosen === plan) return runAdmitted(ports, planned, around);
  return runAdmitted(ports, { ...planned, plan: chosen, meta: { ...planned.meta, ...shownRoute(chosen) } }, around);
}

function tallyOf(
  ports: ModelPorts,
  {
    call,
    plan,
    decision,
    around,
    meta,
  }: Pick<PlannedCall, "call" | "decision" | "around" | "meta"> & { readonly plan: RoutePlan | undefined },
): ModelCallTally {
  return new ModelCallTally(ports, { call, plan, decision, recorder: around.recorder, defer: around.defer }, meta);
}

function stopBefore(plan: Outcome<RoutePlan>, decision: Decision): Refusal | undefined {
  if (!plan.ok) return plan;
  // A denial that also stops the session has to reach it.
  return decision.effect === "allow" || stopOf(decision.reasons) !== undefined ? undefined : refusalOf(decision);
}

function shownRoute({ candidates, tier, reason, release }: RoutePlan): Partial<CallMeta> {
  const [first] = candidates;
  return {
    ...(first === undefined ? {} : { model: first.model.name }),
    ...(tier === undefined ? {} : { tier }),
    routeReason: reason,
    ...(release === undefined ? {} : { release: release.id }),
  };
}

/** Opens a hold for the worst case of these candidates, and records what the ledger refuses. */
async function admit(
  ports: ModelPorts,
  planned: PlannedCall,
  {
    tally,
    candidates,
    isFirst = false,
  }: { readonly tally: ModelCallTally; readonly candidates: readonly Candidate[]; readonly isFirst?: boolean },
): Promise<Outcome<ModelCallTally>> {
  const { call, config, decision, around, plan } = planned;
  const admission = admissionOf(config, call, { tally, decision, candidates, plan });
  const route = isFirst ? routeAskOf(call, plan, tally.startedAt) : undefined;
  const reply = await ports.sessions.admit(route === undefined ? admission : { ...admission, route });
  const refusal = ledgerRefusal(reply);
  if (refusal === undefined && reply.type === "admitted") {
    tally.admitted(reply);
    if (reply.route !== undefined) {
      const chosen = planChosen(plan, reply.route);
      tally.routed(chosen, shownRoute(chosen));
    }
    return accept(tally);
  }
  recordPause(
    ports,
    around.recorder,
    { context: call.context, startedAt: tally.startedAt, spanId: tally.spanId },
    reply,
  );
  const refused = refusal ?? refuse("internal", "the ledger gave no admission");
  tally.recordRefusal(refused);
  return refused;
}

function admissionOf(
  config: ActiveConfig,
  call: ModelCall,
  {
    tally,
    decision,
    candidates,
    plan,
  }: {
    readonly tally: ModelCallTally;
    readonly decision: Decision;
    readonly candidates: readonly Candidate[];
    readonly plan: RoutePlan;
  },
): Parameters<ModelPorts["sessions"]["admit"]>[0] {
  return {
    holdId: tally.spanId,
    scopes: scopesOf(config, call.context),
    want: wantOf(call, candidates, plan.system),
    expiresAt: holdExpiry(tally.startedAt, candidates, plan.retry),
    ref: refOf(config, call.context, { spanId: tally.spanId, subject: candidates[0]?.model.name ?? call.fields.model }),
    stop: stopOf(decision.reasons) ?? null,
    stopAndAsk: config.actor(call.context.actor)?.stop_and_ask ?? null,
  };
}

async function runAdmitted(
  ports: ModelPorts,
  planned: PlannedCall,
  { tally: first, breakers }: { readonly tally: ModelCallTally; readonly breakers: readonly ListedBreaker[] },
): Promise<ModelAnswer> {
  const { call, plan, around, watch, meta } = planned;
  const tallies = [first];
  const attempts = {
    planned,
    wordings: new Wordings(call, plan),
    health: new ProviderHealth(ports, call.context.principal.tenant, { breakers, defer: around.defer }),
    admitAgain: async (candidates: readonly Candidate[]) => {
      const tally = tallyOf(ports, { ...planned, meta });
      tallies.push(tally);
      return admit(ports, planned, { tally, candidates });
    },
  };
  watch.start();
  try {
    const answer = await tryCandidates(ports, attempts, { tally: first, candidates: plan.candidates });
    // A stream is watched until it ends.
    if (!answer.ok || !(answer.body instanceof ReadableStream)) watch.over();
    return answer;
  } catch (error) {
    watch.over();
    // Whatever broke, no hold stays open for it.
    for (const tally of tallies) tally.settleFault(refuse("internal", "the gateway failed while the call ran"));
    throw error;
  }
}
