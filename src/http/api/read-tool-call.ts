// Reads the envelope of a tool call: what an agent posts to call a tool, or to ask what would become of it.
import * as z from "zod/mini";
import type { ToolCall } from "../../core/call.ts";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import { isJsonObject, type Json, type JsonObject } from "../../core/json/canonical.ts";
import { Constraints } from "../../core/policy/constraints.ts";
import { readIdempotencyKey } from "../../core/units/idempotency-key.ts";
import type { HttpContext } from "../context.ts";
import { readCallContext } from "../middleware/call-context.ts";
import { readBody } from "./route.ts";

const jsonObject = z.custom<JsonObject>(isJsonObject, "expected an object");

/** The envelope of a tool call. */
export const Envelope = z.strictObject({
  trace_id: z.optional(z.string().check(z.describe("`tr_` and 32 hex digits, or `tr_` and a name of your own"))),
  actor: z.optional(z.string().check(z.describe("Who acts; needed when the key lists several actors"))),
  intent: z.optional(z.string().check(z.maxLength(256), z.describe("What the call is for, kept with its record"))),
  session_id: z.optional(z.string().check(z.describe("The session whose budget it counts in"))),
  task_id: z.optional(z.string().check(z.describe("The task within the session"))),
  confidence: z.optional(z.number().check(z.gte(0), z.lte(1), z.describe("How sure the agent is"))),
  dry_run: z.optional(z.boolean().check(z.describe("Answer the decision alone: nothing is reserved or sent"))),
  deadline_ms: z.optional(
    z.int().check(z.gte(1), z.lte(600_000), z.describe("How long the tool may take in all; shortens its own deadline")),
  ),
  saga: z.optional(
    z
      .boolean()
      .check(
        z.describe("Whether the task's calls marked so stand or fall together: when one fails, the others are undone"),
      ),
  ),
  constraints: z._default(Constraints, {}),
  tool_call: z.strictObject({
    name: z.string().check(z.minLength(1), z.maxLength(256)),
    args: z._default(jsonObject, {}),
  }),
});

/** The call of an envelope; refuses every malformed field by name. */
export async function readToolCall(
  c: HttpContext,
): Promise<Outcome<{ readonly call: ToolCall; readonly isDryRun: boolean }>> {
  const body = await readBody(c, Envelope);
  if (!body.ok) return body;
  const { tool_call, constraints, dry_run, deadline_ms, saga = false, ...declared } = body.value;
  const context = readCallContext(c, { ...declared, surface: { kind: "execute_tool", subject: tool_call.name } });
  if (!context.ok) return context;
  if (saga && context.value.task === null)
    return refuse("invalid_request", "saga: expected a `task_id` beside it", {
      mistakes: [{ path: "task_id", message: "expected the task whose calls stand or fall together" }],
    });
  const key = readIdempotencyKey(c.req.header("idempotency-key"));
  if (!key.ok) return key;
  const envelope: JsonObject = {
    actor: context.value.actor,
    intent: context.value.intent,
    constraints: plain(constraints),
    ...(deadline_ms === undefined ? {} : { deadline_ms }),
    tool_call: { name: tool_call.name, args: tool_call.args },
    ...(saga ? { saga } : {}),
  };
  const call: ToolCall = {
    context: context.value,
    toolName: tool_call.name,
    args: tool_call.args,
    constraints,
    idempotencyKey: key.value,
    deadlineMs: deadline_ms ?? null,
    isInSaga: saga,
    compensates: null,
    envelope,
  };
  return accept({ call, isDryRun: dry_run === true });
}

function plain(constraints: Constraints): Json {
  return JSON.parse(JSON.stringify(constraints)) as Json;
}
