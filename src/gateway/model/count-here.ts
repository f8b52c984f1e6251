// Answers a request to count tokens where no provider of the model counts: with the gateway's own estimate, and says so.
import { NO_USAGE } from "../../core/budget/price.ts";
import type { ModelCall } from "../../core/call.ts";
import { estimateTokens } from "../../core/dialect/count-tokens/estimate.ts";
import { wholeRequest } from "../../core/dialect/count-generate/wire.ts";
import { isCounting } from "../../core/dialect/names.ts";
import { codecOf } from "../../core/dialect/registry.ts";
import { providerDialects } from "../../core/dialect/provider-dialects.ts";
import { refuse } from "../../core/errors.ts";
import { isJsonObject } from "../../core/json/canonical.ts";
import { parseExactJson, TOO_DEEP } from "../../core/json/exact.ts";
import type { RoutePlan } from "../../core/routing/plan.ts";
import type { ModelAnswer } from "./admitted-call.ts";
import type { ModelCallTally } from "./settle-model-call.ts";

/** Whether a call is to be counted, and none of its candidates' providers counts. */
export function isCountedHere({ dialect }: ModelCall, { candidates }: RoutePlan): boolean {
  return isCounting(dialect) && !candidates.some(({ model }) => providerDialects(model.provider).includes(dialect));
}

/** The estimate in the caller's shape, marked by a header. Nothing is held or sent; it is recorded like any other call. */
export function countHere(
  { body, bodyBytes, dialect }: ModelCall,
  { system }: Pick<RoutePlan, "system">,
  tally: ModelCallTally,
): ModelAnswer {
  const read = parseExactJson(body.text);
  if (!read.ok || !isJsonObject(read.value)) {
    const isDeep = !read.ok && read.reason === "too_deep";
    const refusal = refuse("invalid_request", isDeep ? TOO_DEEP : "the body is not valid JSON");
    tally.recordRefusal(refusal);
    return { ok: false, refusal, meta: tally.meta };
  }
  const counted = dialect === "count_generate" ? wholeRequest(read.value) : read.value;
  const shape = dialect === "count_generate" ? "generate" : "messages";
  const request = system === undefined ? counted : codecOf(shape).withSystem(counted, system);
  const tokens = estimateTokens(request, { bytes: bodyBytes, text: body.text });
  const responseText = JSON.stringify(
    dialect === "count_generate" ? { totalTokens: tokens } : { input_tokens: tokens },
  );
  const contentType = "application/json";
  tally.settleLearnt("succeeded", { usage: NO_USAGE, responseText, contentType });
  const headers = new Headers({ "content-type": contentType, "interlock-estimate": "true" });
  return { ok: true, status: 200, headers, body: new TextEncoder().encode(responseText), meta: tally.meta };
}
