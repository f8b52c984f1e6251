// Decides what passes through when a Gemini client has its tokens counted: nothing is generated, nothing is billed.
import { NO_USAGE } from "../../budget/price.ts";
import type { JsonObject } from "../../json/canonical.ts";
import type { ObjectText } from "../../json/members.ts";
import { memberValue } from "../body-fields.ts";
import type { Said, Wire } from "../dialect.ts";
import { objectOf } from "../findings.ts";
import { errorIn } from "../generate/errors.ts";
import { editedCount, readCountFields } from "../generate/owned.ts";

/** Gemini's token counting, passed through. It has no streams: what a stream said is nothing. */
export const countGenerateWire: Wire = {
  readFields: readCountFields,
  edited: editedCount,
  whole,
  streamed: () => ({
    usage: undefined,
    model: undefined,
    id: undefined,
    finishReasons: [],
    error: undefined,
    isDone: false,
  }),
  opening: () => ({ type: "content" }),
  closing: () => "",
};

function whole(body: ObjectText): Said {
  const error = memberValue(body, "error") ?? null;
  return {
    usage: NO_USAGE,
    model: undefined,
    id: undefined,
    finishReasons: [],
    error: error === null ? undefined : errorIn({ error }),
  };
}

/** The request whose tokens are asked for: the whole one that the body may hold, or the body itself. */
export function wholeRequest(body: JsonObject): JsonObject {
  return objectOf(body["generateContentRequest"] ?? body["generate_content_request"]) ?? body;
}
