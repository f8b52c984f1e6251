// Decides what passes through when an Anthropic client has its tokens counted: nothing is generated, nothing is billed.
import { NO_USAGE } from "../../budget/price.ts";
import type { Said, Wire } from "../dialect.ts";
import { memberValue, textOf } from "../body-fields.ts";
import type { ObjectText } from "../../json/members.ts";

import { editedMessages, readCountFields } from "../messages/owned.ts";
import { errorIn } from "../messages/errors.ts";

/** Anthropic's token counting, passed through. It has no streams: what a stream said is nothing. */
export const countTokensWire: Wire = {
  readFields: (body) => readCountFields(body),
  edited: (body, fields, edits) => editedMessages(body, fields, { ...edits, maxOutput: undefined }),
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
  return {
    usage: NO_USAGE,
    model: textOf(memberValue(body, "model")),
    id: undefined,
    finishReasons: [],
    error: memberValue(body, "type") === "error" ? errorIn({ error: memberValue(body, "error") ?? null }) : undefined,
  };
}
