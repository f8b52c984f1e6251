// Answers a model call whose body is read whole: metered, settled after the answer, bytes unchanged.
import type { Json } from "../core/json/canonical.ts";
import { locateMembers, memberText, type ObjectText } from "../core/json/members.ts";
import { readOpenAiUsage } from "../core/budget/usage.ts";
import { refuse } from "../core/errors.ts";
import { holdsCredential, scrub } from "../core/trace/scrub.ts";
import { finishReasons } from "../core/stream/chat-stream.ts";
import { CALLER_LEFT, isHalted } from "./meter.ts";
import type { AdmittedCall, ModelAnswer } from "./admitted-call.ts";
import type { ModelResponse } from "./ports.ts";
import type { Learnt } from "./record-model-call.ts";

type Answered = ModelResponse & { type: "answered" };

/**
 * Reads the provider's answer, whatever its status, and passes it on byte for byte.
 * An answer that breaks off is `upstream_failed`, charged at its hold.
 */
export async function answerWhole(admitted: AdmittedCall, answered: Answered): Promise<ModelAnswer> {
  const { tally, meta, abort } = admitted;
  let answer: Answer;
  try {
    answer = readable(new Uint8Array(await answered.bytes()), answered.credential);
  } catch {
    const hasLeft = abort.signal.aborted && abort.signal.reason === CALLER_LEFT;
    const refusal = isHalted(abort.signal)
      ? refuse("halted", "a person has stopped this call while it ran")
      : abort.signal.aborted && !hasLeft
        ? refuse("upstream_timeout", "the model provider's answer took too long")
        : refuse("upstream_failed", "the model provider's answer broke off");
    tally.settleAtHold(hasLeft ? "caller_left" : "failed", refusal);
    return { ok: false, refusal, meta };
  }
  const learnt = learntFrom(answer.text, answered);
  tally.settleLearnt(learnt.errorType === undefined ? "succeeded" : "failed", learnt);
  return { ok: true, status: answered.status, headers: answered.headers, body: answer.bytes, meta };
}

interface Answer {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** An answer's bytes and text; one that echoes the tenant's credential loses it, so that no agent ever sees it. */
function readable(bytes: Uint8Array, credential: string | undefined): Answer {
  const text = new TextDecoder().decode(bytes);
  if (credential === undefined || !holdsCredential(text, [credential])) return { bytes, text };
  const scrubbed = scrub(text, [credential]);
  return { bytes: new TextEncoder().encode(scrubbed), text: scrubbed };
}

function learntFrom(text: string, answered: Answered): Learnt {
  const contentType = answered.headers.get("content-type") ?? "application/octet-stream";
  const object = locateMembers(text);
  const errorType = errorTypeOf(answered.status, object);
  const shared = {
    responseText: text,
    contentType,
    ...(errorType === undefined ? {} : { errorType, isUnbilled: errorType === "in_band_error" }),
  };
  if (object === undefined) return { ...shared, usage: undefined };
  const responseModel = textMember(object, "model");
  const responseId = textMember(object, "id");
  return {
    ...shared,
    usage: readOpenAiUsage(parsed(memberText(object, "usage"))),
    ...(responseModel === undefined ? {} : { responseModel }),
    ...(responseId === undefined ? {} : { responseId }),
    finishReasons: finishReasons(parsed(memberText(object, "choices"))),
  };
}

/** What was wrong with an answer, also with a 200 that is no completion: charged its hold, told in the record. */
function errorTypeOf(status: number, object: ObjectText | undefined): string | undefined {
  if (status >= 400) return `upstream_${status}`;
  if (object === undefined) return "not_json";
  return parsed(memberText(object, "error") ?? "null") === null ? undefined : "in_band_error";
}

function parsed(text: string | undefined): Json | undefined {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

function textMember(object: ObjectText, key: string): string | undefined {
  const value = parsed(memberText(object, key));
  return typeof value === "string" ? value : undefined;
}
