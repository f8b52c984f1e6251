// Answers `POST /v1/responses`: what a call goes on from is put into its input first, and what it is answered is kept after.
import { shownResponse, type Shown } from "../../core/dialect/responses/state.ts";
import { readJson } from "../../core/dialect/body-fields.ts";
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
  const { ports } = c.var.runtime;
  const call = await readModelCall(c, SURFACE);
  if (!call.ok) return openAiError(call);
  const isNamed = c.req.header("interlock-session") !== undefined;
  const continued = await continueResponse(ports, call.value, { isNamed, maxBytes: MAX_MODEL_BODY });
  if (!continued.ok) return openAiError(continued);
  let { shown } = continued.value;
  // What is kept of an answer is the call's own: one that is given again gets an id of its own.
  const onRepeated = (): void => {
    shown = { ...shown, id: `resp_${ports.system.randomHex(24)}` };
  };
  const keep = keeping(c, continued.value);
  const shows = new ResponseFrames(() => shown, keep);
  const answer = await runModelCall(c, continued.value.call, { shows, onRepeated });
  return renderModelAnswer(SURFACE, shownAnswer(shown, answer, keep));
}

/** Keeps the response that an answer ended with. */
function keeping(c: HttpContext, continued: ContinuedCall): (text: string) => void {
  return (text) => {
    const response = readJson(text);
    if (isJsonObject(response)) deferOf(c)(keepResponse(c.var.runtime.ports, continued, response));
  };
}

/** A whole answer as its caller is to see it; a stream has been shown on its way. */
function shownAnswer(shown: Shown, answer: ModelAnswer, keep: (text: string) => void): ModelAnswer {
  if (!answer.ok || !(answer.body instanceof Uint8Array) || answer.status >= 400) return answer;
  if ((answer.headers.get("content-type") ?? "").startsWith("text/event-stream")) return answer;
  const text = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }).decode(answer.body);
  const response = locateMembers(text);
  if (response === undefined) return answer;
  const changed = shownResponse(response, shown);
  keep(changed);
  return { ...answer, body: new TextEncoder().encode(changed) };
}
