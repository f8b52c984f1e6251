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
import { ResponseFrames } from "./response-frames.ts";

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
  const keep = keeping(c, continued.value);
  const frames = new ResponseFrames(continued.value.shown, keep);
  const answer = await runModelCall(c, continued.value.call, frames);
  return renderModelAnswer(SURFACE, shown(continued.value, answer, keep));
}

/** Keeps the response that an answer ended with. */
function keeping(c: HttpContext, continued: ContinuedCall): (text: string) => void {
  return (text) => {
    const response = readJson(text);
    if (isJsonObject(response)) deferOf(c)(keepResponse(c.var.runtime.ports, continued, response));
  };
}

/** A whole answer as its caller is to see it; a stream has been shown on its way. */
function shown(continued: ContinuedCall, answer: ModelAnswer, keep: (text: string) => void): ModelAnswer {
  if (!answer.ok || !(answer.body instanceof Uint8Array) || answer.status >= 400) return answer;
  if ((answer.headers.get("content-type") ?? "").startsWith("text/event-stream")) return answer;
  const text = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }).decode(answer.body);
  const changed = shownWhole(text, continued, keep);
  return changed === undefined ? answer : { ...answer, body: new TextEncoder().encode(changed) };
}

function shownWhole(text: string, continued: ContinuedCall, keep: (text: string) => void): string | undefined {
  const response = locateMembers(text);
  if (response === undefined) return undefined;
  const changed = shownResponse(response, continued.shown);
  keep(changed);
  return changed;
}
