// Decides what a recorded request to a model and its answer say, in whichever dialect they stand.
import { assembledStream } from "../dialect/assembled.ts";
import type { Conversation } from "../dialect/conversation.ts";
import type { CallFields } from "../dialect/dialect.ts";
import { Findings } from "../dialect/findings.ts";
import { GENERATING, type GeneratingDialect } from "../dialect/names.ts";
import { codecOf } from "../dialect/registry.ts";
import type { Finish, ReplyPart } from "../dialect/reply.ts";
import { objectIn } from "../json/canonical.ts";
import { ATTR } from "./attributes.ts";
import type { Attributes } from "./record.ts";

/** The dialect of the caller, or of the provider, as a span names it; chat where none is named: older records name none. */
export function dialectIn(attributes: Attributes, side: "caller" | "provider"): GeneratingDialect | undefined {
  const own = attributes[ATTR.dialect];
  const named = side === "caller" ? own : (attributes[ATTR.upstreamDialect] ?? own);
  if (named === undefined) return "chat";
  return GENERATING.find((each) => each === named);
}

const NO_FIELDS: CallFields = { model: "", isStream: false, wantsUsage: true, maxOutput: undefined, choices: 1 };

/** A recorded request, as far as it can be read; `undefined` for what is no JSON object. */
export function recordedConversation(text: string, dialect: GeneratingDialect): Conversation | undefined {
  const body = objectIn(text);
  if (body === undefined) return undefined;
  try {
    const read = codecOf(dialect).readRequest(body, NO_FIELDS, new Findings({ isLenient: true }));
    return read.ok ? read.value : undefined;
  } catch {
    // A masked body may hold what no request of its dialect has.
    return undefined;
  }
}

/** What a recorded answer said, whole or as an event stream; `undefined` for what is no answer. */
export function recordedReply(
  text: string,
  contentType: string,
  dialect: GeneratingDialect,
): { readonly parts: readonly ReplyPart[]; readonly finish: Finish | undefined } | undefined {
  const codec = codecOf(dialect);
  try {
    if (contentType.includes("event-stream")) return assembledStream(codec.streamReader(), text);
    const body = objectIn(text);
    const reply = body === undefined ? undefined : codec.readReply(body);
    return reply?.ok === true ? reply.value : undefined;
  } catch {
    return undefined;
  }
}
