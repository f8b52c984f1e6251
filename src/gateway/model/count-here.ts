// Answers a request to count tokens where no provider of the model counts: with the gateway's own estimate, and says so.
import { NO_USAGE } from "../../core/budget/price.ts";
import type { ModelCall } from "../../core/call.ts";
import { estimateTokens } from "../../core/dialect/count-tokens/estimate.ts";
import { codecOf } from "../../core/dialect/registry.ts";
import { providerDialects } from "../../core/dialect/provider-dialects.ts";
import { refuse } from "../../core/errors.ts";
import { isJsonObject } from "../../core/json/canonical.ts";
import { parseExactJson } from "../../core/json/exact.ts";
import type { RoutePlan } from "../../core/routing/plan.ts";
import type { ModelAnswer } from "./admitted-call.ts";
import type { ModelCallTally } from "./settle-model-call.ts";

/** Whether a call is to be counted, and none of its candidates' providers counts. */
export function isCountedHere({ dialect }: ModelCall, { candidates }: RoutePlan): boolean {
  return (
    dialect === "count_tokens" &&
    !candidates.some(({ model }) => providerDialects(model.provider).includes("count_tokens"))
  );
}

/** The estimate in Anthropic's shape, marked by a header. Nothing is held or sent; it is recorded like any other call. */
export function countHere(
  { body, bodyBytes }: ModelCall,
  { system }: Pick<RoutePlan, "system">,
  tally: ModelCallTally,
): ModelAnswer {
  const read = parseExactJson(body.text);
  if (!read.ok || !isJsonObject(read.value)) {
    const refusal = refuse("invalid_request", "the body is not valid JSON");
    tally.recordRefusal(refusal);
    return { ok: false, refusal, meta: tally.meta };
  }
  const counted = system === undefined ? read.value : codecOf("messages").withSystem(read.value, system);
  const responseText = JSON.stringify({ input_tokens: estimateTokens(counted, { bytes: bodyBytes, text: body.text }) });
  const contentType = "application/json";
  tally.settleLearnt("succeeded", { usage: NO_USAGE, responseText, contentType });
  const headers = new Headers({ "content-type": contentType, "interlock-estimate": "true" });
  return { ok: true, status: 200, headers, body: new TextEncoder().encode(responseText), meta: tally.meta };
}
