// Answers `POST /v1/responses`: what a call goes on from is put into its input first, and what it is answered is kept after.
import { shownResponse } from "../../core/dialect/responses/state.ts";
import { readJson } from "../../core/dialect/body-fields.ts";
import { refuse } from "../../core/errors.ts";
import { isJsonObject } from "../../core/json/canonical.ts";
import { locateMembers } from "../../core/json/members.ts";
import type { ModelAnswer } from "../../gateway/model/admitted-call.ts";
import { continueResponse, keepResponse, type ContinuedCall } from "../../gateway/model/response-state.ts";
import { deferOf, type HttpContext } from "../context.ts";
import { MAX_MODEL_BODY } from "../middleware/body.ts";
import { readModelCall, renderModelAnswer, runModelCall, type ModelSurface } from "../middleware/model-surface.ts";
import { openAiError } from "./errors.ts";
import { ResponseFrames, shownStream } from "./response-frames.ts";

const SURFACE: ModelSurface = { dialect: "responses", passedOn: ["openai-beta", "accept"], refused: openAiError };

/** Answers a response. */
export async function createResponse(c: HttpContext): Promise<Response> {
  const call = await readModelCall(c, SURFACE);
  if (!call.ok) return openAiError(call);
  const isNamed = c.req.header("interlock-session") !== undefined;
  const continued = await continueResponse(c.var.runtime.ports, call.value, isNamed);
  if (!continued.ok) return openAiError(continued);
  if (continued.value.call.bodyBytes > MAX_MODEL_BODY)
    return openAiError(
      refuse("body_too_large", `with what it goes on from, the body is larger than ${MAX_MODEL_BODY} bytes`),
    );
  const answer = await runModelCall(c, continued.value.call);
  return renderModelAnswer(SURFACE, shown(c, continued.value, answer));
}

/** The answer as its caller is to see it; the response in it is kept once it is over. */
function shown(c: HttpContext, continued: ContinuedCall, answer: ModelAnswer): ModelAnswer {
  if (!answer.ok || answer.body === null || answer.status >= 400) return answer;
  const keep = (text: string): void => {
    const response = readJson(text);
    if (isJsonObject(response)) deferOf(c)(keepResponse(c.var.runtime.ports, continued, response));
  };
  if (answer.body instanceof ReadableStream)
    return { ...answer, body: shownStream(answer.body, new ResponseFrames(continued.shown, keep), deferOf(c)) };
  const text = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }).decode(answer.body);
  const isStream = (answer.headers.get("content-type") ?? "").startsWith("text/event-stream");
  const changed = isStream ? shownFrames(text, continued, keep) : shownWhole(text, continued, keep);
  return changed === undefined ? answer : { ...answer, body: new TextEncoder().encode(changed) };
}

function shownFrames(text: string, continued: ContinuedCall, keep: (text: string) => void): string {
  const frames = new ResponseFrames(continued.shown, keep);
  return frames.push(text) + frames.end();
}

function shownWhole(text: string, continued: ContinuedCall, keep: (text: string) => void): string | undefined {
  const response = locateMembers(text);
  if (response === undefined) return undefined;
  const changed = shownResponse(response, continued.shown);
  keep(changed);
  return changed;
}
