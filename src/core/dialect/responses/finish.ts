// Decides what the ends of Responses mean, and which one tells how an answer ended.
import type { JsonObject } from "../../json/canonical.ts";
import { objectOf, wordOf } from "../findings.ts";
import type { Finish } from "../reply.ts";

/** How a response ended; one that holds calls waits for their results. */
export function finishOf(response: JsonObject, hasCalls: boolean): Finish {
  const status = wordOf(response, "status");
  if (status === "completed") return hasCalls ? "tool_calls" : "stop";
  if (status !== "incomplete") return "other";
  switch (wordOf(objectOf(response["incomplete_details"]) ?? {}, "reason")) {
    case "max_output_tokens":
      return "length";
    case "content_filter":
      return "filtered";
    default:
      return "other";
  }
}

/** The reason for which a response is incomplete; `undefined` for one that is complete. */
export function incompleteReason(finish: Finish): "max_output_tokens" | "content_filter" | undefined {
  switch (finish) {
    case "stop":
    case "stop_sequence":
    case "tool_calls":
      return undefined;
    case "length":
    // Neither is over, and neither has a word: whoever reads it must not take it for an answer.
    case "paused":
      return "max_output_tokens";
    case "filtered":
    case "other":
      return "content_filter";
  }
}

/** The dialect's own word for how a response ended. */
export function finishWord(response: JsonObject): string | undefined {
  const reason = wordOf(objectOf(response["incomplete_details"]) ?? {}, "reason");
  const status = wordOf(response, "status");
  return (status === "incomplete" && reason !== "" ? reason : status) || undefined;
}
