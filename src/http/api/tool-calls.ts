// Routes of tools and tool calls: the envelope in, the call as it stands out.
import * as z from "zod/mini";
import { refuse, type Outcome, type Refusal, accept } from "../../core/errors.ts";
import type { ToolCall } from "../../core/call.ts";
import { isJsonObject, type Json, type JsonObject } from "../../core/json/canonical.ts";
import { Constraints, matchesAny } from "../../core/policy/constraints.ts";
import { mayActAs } from "../../core/principal.ts";
import type { ToolCallRecord } from "../../core/state/tool-call.ts";
import { isToolCallId } from "../../core/units/identifier.ts";
import { readIdempotencyKey } from "../../core/units/idempotency-key.ts";
import { callTool, decideTool, type ToolCallAnswer } from "../../gateway/tool-call.ts";
import { deferOf, type HttpContext } from "../context.ts";
import { readCallContext, setCallHeaders } from "../middleware/call-context.ts";
import { CALL_HEADERS } from "./call-headers.ts";
import { notFound, problem } from "./errors.ts";
import { pathParameter, readBody, type ApiRoute } from "./route.ts";
import { tenantOf } from "./tenant.ts";

const jsonObject = z.custom<JsonObject>(isJsonObject, "expected an object");

/** The envelope of a tool call. */
export const Envelope = z.strictObject({
  trace_id: z.optional(z.string().check(z.describe("`tr_` and 32 hex digits, or `tr_` and a name of your own"))),
  actor: z.optional(z.string().check(z.describe("Who acts; needed when the key lists several actors"))),
  intent: z.optional(z.string().check(z.maxLength(256), z.describe("What the call is for, kept with its record"))),
  session_id: z.optional(z.string().check(z.describe("The session whose budget it counts in"))),
  task_id: z.optional(z.string().check(z.describe("The task within the session"))),
  confidence: z.optional(z.number().check(z.gte(0), z.lte(1), z.describe("How sure the agent is"))),
  dry_run: z.optional(
    z.boolean().check(z.describe("Answer the decision alone: nothing is reserved, sent or recorded")),
  ),
  constraints: z._default(Constraints, {}),
  tool_call: z.strictObject({
    name: z.string().check(z.minLength(1), z.maxLength(256)),
    args: z._default(jsonObject, {}),
  }),
});

const Reason = z.object({
  rule_id: z.string(),
  effect: z.string(),
  message: z.string(),
  path: z.optional(z.string()),
  values: z.optional(z.record(z.string(), z.unknown())),
});
const Decision = z.object({
  effect: z.string(),
  reasons: z.array(Reason),
  obligations: z.array(z.unknown()),
  policy_version: z.string(),
});
const ToolCallView = z.object({
  id: z.string(),
  trace_id: z.string(),
  session_id: z.string(),
  task_id: z.nullable(z.string()),
  actor: z.string(),
  intent: z.nullable(z.string()),
  tool: z.object({ name: z.string(), definition_digest: z.string() }),
  status: z.string(),
  decision: Decision,
  result: z.optional(z.unknown()),
  error: z.optional(
    z.object({
      code: z.string(),
      message: z.string(),
      upstream_status: z.nullable(z.int()),
      upstream_body: z.optional(z.unknown()),
    }),
  ),
  replayed: z.boolean(),
  attempts: z.int(),
  created_at: z.string(),
  finished_at: z.optional(z.string()),
});

const Tool = z.object({
  name: z.string(),
  description: z.string(),
  input_schema: z.record(z.string(), z.unknown()),
  effect: z.string(),
});

/** The routes. */
export const toolCallRoutes: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/tools",
    operationId: "listTools",
    summary: "List the tools that the key's actors may call",
    tag: "tools",
    permission: "call",
    responses: { 200: { description: "The tools", schema: z.object({ data: z.array(Tool) }) } },
    answer: async (c) => {
      const { principal, runtime } = c.var;
      const config = await runtime.ports.configs.active(principal.tenant);
      const { tools, actors } = config?.published.document ?? { tools: {}, actors: {} };
      const patterns = Object.entries(actors).flatMap(([name, actor]) =>
        mayActAs(principal, name) ? (actor.allowed_tools ?? []) : [],
      );
      const data = Object.entries(tools)
        .filter(([name]) => matchesAny(name, patterns))
        .map(([name, { description = "", input_schema, effect }]) => ({ name, description, input_schema, effect }));
      return Response.json({ data });
    },
  },
  {
    method: "POST",
    path: "/v1/tool-calls",
    operationId: "callTool",
    summary: "Call a tool: decided, recorded before it acts, at most once per idempotency key",
    tag: "tools",
    permission: "call",
    parameters: [
      {
        name: "Idempotency-Key",
        in: "header",
        description: "Names the call: the same key and body get the first answer again",
      },
      ...CALL_HEADERS,
    ],
    body: Envelope,
    responses: {
      200: { description: "It succeeded, or was answered from the first call with this key", schema: ToolCallView },
      400: { description: "The envelope or the arguments are not valid" },
      403: { description: "The policy does not allow it; the decision is in the problem" },
      404: { description: "No such tool" },
      413: { description: "The body is larger than 1 MiB" },
      429: { description: "A budget is used up" },
      503: { description: "Records cannot be kept, or nothing is published" },
      409: { description: "The first call with this key is still running" },
      422: { description: "The key was used with another body" },
      502: { description: "The tool refused it, or was never reached" },
      504: { description: "The tool did not answer in time; `outcome_unknown` when the effect may have happened" },
    },
    answer: (c) => postToolCall(c),
  },
  {
    method: "GET",
    path: "/v1/tool-calls/:id",
    operationId: "getToolCall",
    summary: "Read a tool call as it stands",
    tag: "tools",
    permission: "calls.read",
    parameters: [{ name: "id", in: "path", description: "The call id, `tc_…`", required: true }],
    responses: { 200: { description: "The call", schema: ToolCallView }, 404: { description: "No such call" } },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const id = pathParameter(c, "id");
      const record = isToolCallId(id) ? await c.var.runtime.ports.toolCalls.read(tenant.value, id) : undefined;
      const { principal } = c.var;
      const isOthers =
        record !== undefined &&
        principal.roles.every((role) => role === "agent") &&
        !mayActAs(principal, record.request.actor);
      return record === undefined || isOthers ? notFound(`tool call "${id}"`) : Response.json(view(record, false));
    },
  },
];

async function postToolCall(c: HttpContext): Promise<Response> {
  const call = await readToolCall(c);
  if (!call.ok) return problem(call);
  const { ports } = c.var.runtime;
  if (call.value.isDryRun) {
    const decided = await decideTool(ports, call.value.call);
    return decided.ok
      ? Response.json({ dry_run: true, tool: decided.value.tool, decision: decided.value.decision })
      : problem(decided);
  }
  const defer = deferOf(c);
  const calling = callTool(ports, call.value.call, c.var.runtime.recorder(defer));
  // A caller that leaves does not cancel a write that has begun.
  defer(calling.catch(() => undefined));
  const answer = await calling;
  const response = render(answer);
  setCallHeaders(response.headers, answer.meta);
  return response;
}

async function readToolCall(c: HttpContext): Promise<Outcome<{ readonly call: ToolCall; readonly isDryRun: boolean }>> {
  const body = await readBody(c, Envelope);
  if (!body.ok) return body;
  const { tool_call, constraints, dry_run, ...declared } = body.value;
  const context = readCallContext(c, declared);
  if (!context.ok) return context;
  const key = readIdempotencyKey(c.req.header("idempotency-key"));
  if (!key.ok) return key;
  const envelope: JsonObject = {
    actor: context.value.actor,
    intent: context.value.intent,
    constraints: plain(constraints),
    tool_call: { name: tool_call.name, args: tool_call.args },
  };
  const call: ToolCall = {
    context: context.value,
    toolName: tool_call.name,
    args: tool_call.args,
    constraints,
    idempotencyKey: key.value,
    envelope,
  };
  return accept({ call, isDryRun: dry_run === true });
}

function plain(constraints: Constraints): Json {
  return JSON.parse(JSON.stringify(constraints)) as Json;
}

function render({ outcome, record }: ToolCallAnswer): Response {
  if (!outcome.ok) return problem(outcome, record === undefined ? {} : { tool_call: view(record, false) });
  const { record: call, isReplay } = outcome.value;
  const refusal = refusalOfStatus(call);
  if (refusal === undefined) return Response.json(view(call, isReplay));
  return problem(refusal, { id: call.request.id, replayed: isReplay, tool_call: view(call, isReplay) });
}

/** What a call that did not succeed answers over HTTP. */
function refusalOfStatus({ status, outcome }: ToolCallRecord): Refusal | undefined {
  if (outcome?.status === "failed") return refuse(outcome.code, outcome.message);
  if (status === "unknown")
    return refuse("outcome_unknown", outcome?.status === "unknown" ? outcome.message : "the effect may have happened");
  return undefined;
}

function view(record: ToolCallRecord, isReplay: boolean): z.infer<typeof ToolCallView> {
  const { request, outcome } = record;
  return {
    id: request.id,
    trace_id: request.traceId,
    session_id: request.session,
    task_id: request.task,
    actor: request.actor,
    intent: request.intent,
    tool: { name: request.toolName, definition_digest: request.definitionDigest },
    status: record.status,
    decision: {
      ...record.decision,
      reasons: record.decision.reasons.map(({ rule_id, effect, message, path, values }) => ({
        rule_id,
        effect,
        message,
        ...(path === undefined ? {} : { path }),
        ...(values === undefined ? {} : { values }),
      })),
      obligations: [...record.decision.obligations],
    },
    ...(outcome?.status === "succeeded" ? { result: outcome.result } : {}),
    ...errorOf(record),
    replayed: isReplay,
    attempts: record.attempts,
    created_at: new Date(record.createdAt).toISOString(),
    ...(record.finishedAt === null ? {} : { finished_at: new Date(record.finishedAt).toISOString() }),
  };
}

function errorOf({ outcome }: ToolCallRecord): Pick<z.infer<typeof ToolCallView>, "error"> | Record<string, never> {
  if (outcome === null || outcome.status === "succeeded") return {};
  if (outcome.status === "unknown")
    return { error: { code: "outcome_unknown", message: outcome.message, upstream_status: null } };
  return {
    error: {
      code: outcome.code,
      message: outcome.message,
      upstream_status: outcome.httpStatus,
      ...(outcome.result === null ? {} : { upstream_body: outcome.result }),
    },
  };
}
