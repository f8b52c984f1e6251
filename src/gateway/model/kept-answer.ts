// Gives an answer again that was given to the very same request before: the policy has decided anew, and it costs nothing.
import type { ModelCall } from "../../core/call.ts";
import { sha256Hex } from "../../core/json/digest.ts";
import type { Candidate } from "../../core/routing/plan.ts";
import type { ModelPorts } from "../ports.ts";
import type { KeptAnswer } from "../ports/answer-cache.ts";
import { replayStream } from "./answer-stream.ts";
import type { Answered, ModelAnswer, PlannedCall } from "./admitted-call.ts";
import { AttemptClock } from "./attempt-clock.ts";
import type { Attempt } from "./attempt.ts";
import type { Wordings } from "./exchange.ts";
import type { ModelCallTally } from "./settle-model-call.ts";
import { deliver } from "./try.ts";

/** Answers longer than this are not kept. */
const MAX_CHARS = 1_000_000;

/**
 * What an answer rests on: tenant (in its address), key, config version, route, prompt and every byte of the request.
 * `undefined` where the route keeps nothing, or the caller does not want an answer that was given before.
 */
export function cacheDigest({ call, config, plan }: Pick<PlannedCall, "call" | "config" | "plan">): string | undefined {
  if (plan.cacheTtlS === undefined || !call.mayBeKept) return undefined;
  const headers = [...call.headers].map(([name, value]) => `${name}: ${value}`);
  return sha256Hex(
    [
      call.context.principal.keyId,
      config.policyVersion,
      plan.asked,
      plan.release?.digest ?? "",
      plan.system ?? "",
      call.dialect,
      String(call.fields.isStream),
      call.query,
      ...headers,
      call.body.text,
    ].join("\n"),
  );
}

/** What is kept for a call, with the candidate whose model gave it; one that is no candidate any more is not used. */
export async function findKept(
  ports: ModelPorts,
  call: ModelCall,
  { digest, candidates }: { readonly digest: string; readonly candidates: readonly Candidate[] },
): Promise<Kept | undefined> {
  const answer = await ports.answerCache.find(call.context.principal.tenant, digest, ports.system.now());
  const candidate = candidates.find(({ model }) => model.name === answer?.model);
  return answer === undefined || candidate === undefined ? undefined : { answer, candidate };
}

/** An answer and the candidate that gave it. */
export interface Kept {
  readonly answer: KeptAnswer;
  readonly candidate: Candidate;
}

/** Answers with what is kept, on an admission that holds nothing. */
export function answerKept(
  ports: ModelPorts,
  {
    planned,
    wordings,
    tally,
  }: { readonly planned: PlannedCall; readonly wordings: Wordings; readonly tally: ModelCallTally },
  { answer, candidate }: Kept,
): ModelAnswer {
  const startedAt = ports.system.now();
  const worded = wordings.for(candidate, { maxOutput: undefined, seed: tally.spanId, nowMs: startedAt });
  if (!worded.ok) {
    tally.settleUnsent(worded);
    return { ok: false, refusal: worded, meta: tally.meta };
  }
  const clock = new AttemptClock(candidate.timeouts, planned.watch.signal);
  const attempt: Attempt = { spanId: ports.system.randomHex(8), candidate, exchange: worded.value, startedAt, clock };
  tally.isKept(Math.floor((startedAt - answer.keptAt) / 1000));
  const bytes = new TextEncoder().encode(answer.text);
  const answered = {
    type: "answered" as const,
    status: 200,
    headers: new Headers({ "content-type": answer.contentType }),
    body: null,
    bytes: () => Promise.resolve(new ArrayBuffer(0)),
    credential: undefined,
  };
  if (!answer.isStream) {
    clock.over();
    return deliver(planned, {
      tally,
      candidate,
      attempt,
      result: { type: "whole", answered, answer: { bytes, text: answer.text }, verdict: undefined, isUnbilled: false },
    });
  }
  clock.over();
  tally.answeredBy(attempt, 200, undefined);
  return replayStream(planned, { tally, attempt }, { bytes, text: answer.text, contentType: answer.contentType });
}

/** Keeps what was answered, if it ended well and all of it is there. */
export async function keepAnswer(
  ports: ModelPorts,
  { call, plan }: PlannedCall,
  { digest, answered }: { readonly digest: string; readonly answered: Answered },
): Promise<void> {
  if (!answered.isSuccess || answered.isCut || answered.text.length > MAX_CHARS || plan.cacheTtlS === undefined) return;
  const keptAt = ports.system.now();
  await ports.answerCache.keep(call.context.principal.tenant, digest, {
    dialect: answered.dialect,
    model: answered.model,
    contentType: answered.contentType,
    isStream: answered.isStream,
    text: answered.text,
    keptAt,
    expiresAt: keptAt + plan.cacheTtlS * 1000,
  });
}
