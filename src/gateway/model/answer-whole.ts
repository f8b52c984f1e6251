// Answers a model call whose body was read whole: metered, settled after the answer, bytes unchanged unless translated.
import { wireOf } from "../../core/dialect/registry.ts";
import { refuse, type Outcome } from "../../core/errors.ts";
import { locateMembers } from "../../core/json/members.ts";
import type { PlannedCall, ModelAnswer } from "./admitted-call.ts";
import { retryAfterOf, type Attempt, type AttemptResult } from "./attempt.ts";
import { passedBack } from "./passed-back.ts";
import type { Learnt } from "./record-model-call.ts";
import type { ModelCallTally } from "./settle-model-call.ts";

type Whole = AttemptResult & { readonly type: "whole" };

/** Passes a provider's whole answer on, whatever its status, in the caller's dialect. */
export function answerWhole(
  { around }: PlannedCall,
  tally: ModelCallTally,
  attempt: Attempt,
  { answered, answer }: Whole,
): ModelAnswer {
  const learnt = learntFrom(attempt, answered.status, answer.text);
  const contentType = answered.headers.get("content-type") ?? "application/octet-stream";
  const isSuccess = learnt.errorType === undefined;
  const { meta } = tally;
  const translated = translatedBody(attempt, answered.status, { text: answer.text, errorType: learnt.errorType });
  if (translated !== undefined && !translated.ok) {
    tally.settleLearnt("failed", { ...learnt, contentType, errorType: learnt.errorType ?? "untranslatable_answer" });
    return { ok: false, refusal: translated, meta };
  }
  tally.settleLearnt(isSuccess ? "succeeded" : "failed", { ...learnt, contentType });
  around.onAnswered?.({
    dialect: attempt.exchange.dialect,
    text: answer.text,
    contentType,
    model: attempt.candidate.model.name,
    isStream: false,
    isCut: false,
    isSuccess,
    seed: tally.spanId,
  });
  if (translated === undefined)
    return { ok: true, status: answered.status, headers: passedBack(answered.headers), body: answer.bytes, meta };
  const headers = passedBack(answered.headers);
  headers.set("content-type", "application/json");
  const retryAfterMs = retryAfterOf(answered.status, answered.headers, answer.text);
  if (retryAfterMs !== null) headers.set("retry-after", String(Math.ceil(retryAfterMs / 1000)));
  const body = new TextEncoder().encode(translated.value);
  const status = isSuccess ? answered.status : statusOfError(answered.status);
  return { ok: true, status, headers, body, meta };
}

function translatedBody(
  { exchange: { translation } }: Attempt,
  status: number,
  { text, errorType }: { readonly text: string; readonly errorType: string | undefined },
): Outcome<string> | undefined {
  if (translation === undefined) return undefined;
  if (errorType === undefined) return translation.whole(text);
  if (errorType === "not_json") return refuse("upstream_failed", "the model provider's answer is no JSON object");
  return { ok: true, value: translation.error(text, statusOfError(status)) };
}

/** An error told inside a 200 has no such place elsewhere. */
function statusOfError(status: number): number {
  return status < 400 ? 502 : status;
}

function learntFrom({ exchange }: Attempt, status: number, text: string): Omit<Learnt, "contentType"> {
  const object = locateMembers(text);
  const said = object === undefined ? undefined : wireOf(exchange.dialect).whole(object);
  const errorType =
    status >= 400
      ? `upstream_${status}`
      : said === undefined
        ? "not_json"
        : said.error === undefined
          ? undefined
          : "in_band_error";
  return {
    usage: said?.usage,
    responseText: text,
    ...(errorType === undefined ? {} : { errorType, isUnbilled: errorType === "in_band_error" }),
    ...(said?.model === undefined ? {} : { responseModel: said.model }),
    ...(said?.id === undefined ? {} : { responseId: said.id }),
    ...(said === undefined ? {} : { finishReasons: said.finishReasons }),
  };
}
