// Decides the shape of a case as it is stored and exported: one JSON object, unknown fields refused.
import * as z from "zod/mini";
import { GENERATING } from "../../dialect/names.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { AskDocument } from "../../policy/replay/read-ask.ts";
import { RISKS } from "../case.ts";

const MOST_TAGS = 200;
const MOST_CALLS = 500;
const MOST_LABELS = 200;

const json = z.custom<Json>((value) => value !== undefined, "expected a JSON value");
const object = z.custom<JsonObject>(isJsonObject, "expected an object");
const text = z.nullable(z.string());
const count = z.number().check(z.gte(0, "expected 0 or more"));
const id = z.string().check(z.regex(/^[A-Za-z0-9._:-]{1,128}$/, "expected 1 to 128 letters, digits and `._:-`"));
const toolName = z.string().check(z.minLength(1, "expected a tool's name"), z.maxLength(195));
/** What may be said of a case besides its calls. */
export const TagsDocument = z
  .array(z.string().check(z.minLength(1), z.maxLength(256)))
  .check(z.maxLength(MOST_TAGS, `expected at most ${MOST_TAGS} tags`));
/** The id of a case, or what it is not independent of. */
export const CaseIdDocument = id;

const ToolLabelDocument = z.strictObject({ tool: toolName, args: z.exactOptional(object) });
const toolLabels = z.array(ToolLabelDocument).check(z.maxLength(MOST_LABELS));

/** What people say of how a case should go. */
export const LabelsDocument = z.strictObject({
  tools: z.exactOptional(toolLabels),
  forbidden: z.exactOptional(toolLabels),
  contains: z.exactOptional(z.array(z.string().check(z.minLength(1))).check(z.maxLength(MOST_LABELS))),
  reference: z.exactOptional(z.string()),
  json: z.exactOptional(json),
  outcome: z.exactOptional(z.string().check(z.minLength(1), z.maxLength(64))),
  rubric: z.exactOptional(z.string().check(z.maxLength(16_384))),
});

const signed = z.exactOptional(z.strictObject({ origin: z.enum(GENERATING), value: json }));
const cache = z.exactOptional(z.strictObject({ ttl: z.enum(["5m", "1h"]) }));

const ReplyPartDocument = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text"), text: z.string(), cache }),
  z.strictObject({ type: z.literal("reasoning"), text: z.string(), signed }),
  z.strictObject({ type: z.literal("refusal"), text: z.string() }),
  z.strictObject({ type: z.literal("tool_call"), id: z.string(), name: z.string(), args: z.string(), signed, cache }),
]);

const finish = z.enum(["stop", "stop_sequence", "length", "tool_calls", "filtered", "paused", "other"]);

const CallDocument = z.strictObject({
  dialect: z.enum(GENERATING),
  request: object,
  reply: z.nullable(z.strictObject({ parts: z.array(ReplyPartDocument), finish: z.nullable(finish) })),
  at: count,
  duration_ms: count,
  cost_micro_usd: count,
  input_tokens: count,
  output_tokens: count,
});

const ToolDocument = z.strictObject({
  name: toolName,
  tool: z.nullable(toolName),
  args: z.string(),
  content: z.string(),
  is_error: z.boolean(),
});

const failure = z.enum([
  "tool_failed",
  "tool_timeout",
  "egress_blocked",
  "halted",
  "writes_disabled",
  "approval_required",
  "policy_denied",
]);
const httpStatus = z.nullable(z.number());

const OutcomeDocument = z.discriminatedUnion("status", [
  z.strictObject({ status: z.literal("succeeded"), result: json, httpStatus }),
  z.strictObject({ status: z.literal("failed"), code: failure, message: z.string(), httpStatus, result: json }),
  z.strictObject({ status: z.literal("unknown"), message: z.string() }),
]);

const RecordedCallDocument = z.strictObject({
  callId: text,
  traceId: z.string(),
  startedAt: z.number(),
  endedAt: z.number(),
  status: z.string(),
  effect: z.string(),
  ask: AskDocument,
  outcome: z.nullable(OutcomeDocument),
});

/** One case, as `EvalCase` has it. */
export const CaseDocument = z.strictObject({
  id,
  // NOTE: the session of a case that was cut, which may have been masked.
  cluster: z.string().check(z.minLength(1, "expected what it is not independent of"), z.maxLength(512)),
  source: z.nullable(
    z.strictObject({ trace_id: z.string(), session: z.string(), actor: z.string(), release: text, user: text }),
  ),
  tags: TagsDocument,
  risk: z.enum(RISKS),
  labels: LabelsDocument,
  injection: z.nullable(
    z.strictObject({ id: z.string(), at: z.int().check(z.gte(0)), canary: z.string().check(z.minLength(1)) }),
  ),
  outcome: text,
  calls: z
    .array(CallDocument)
    .check(
      z.minLength(1, "expected at least one call"),
      z.maxLength(MOST_CALLS, `expected at most ${MOST_CALLS} calls`),
    ),
  tools: z.array(ToolDocument).check(z.maxLength(MOST_CALLS)),
  asks: z.array(RecordedCallDocument).check(z.maxLength(MOST_CALLS)),
});
