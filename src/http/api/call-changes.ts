// Routes of tool calls after their answer: which there are by status, and how they are resolved, undone and taken back.
import type { Json } from "../../core/json/canonical.ts";
import * as z from "zod/mini";
import { accept, type Outcome } from "../../core/errors.ts";
import { explainTo, isAgentOnly } from "../../core/policy/disclosure.ts";
import { TOOL_CALL_STATUSES, type ToolCallRecord } from "../../core/state/tool-call-record.ts";
import { compensateCall } from "../../gateway/compensate-call.ts";
import type { Recorder } from "../../gateway/ports.ts";
import type { CallFilter, CallLine } from "../../gateway/ports/call-list.ts";
import { withdrawCall } from "../../gateway/release-call.ts";
import { resolveCall } from "../../gateway/settle-call.ts";
import { unwindSaga } from "../../gateway/unwind-saga.ts";
import { deferOf, type HttpContext } from "../context.ts";
import { problem } from "./errors.ts";
import { readPageQuery } from "./page-query.ts";
import { readBody, readOptionalBody, refusedFor, type ApiRoute, type Parameter } from "./route.ts";
import { tenantOf } from "./tenant.ts";
import { refusalFor, ToolCallView, viewOf } from "./tool-call-view.ts";
import { findOwnCall, readConfig } from "./tool-calls.ts";

const Line = z.object({
  id: z.string(),
  status: z.enum(TOOL_CALL_STATUSES),
  actor: z.string(),
  tool: z.string(),
  session_id: z.string(),
  task_id: z.nullable(z.string()),
  trace_id: z.string(),
  created_at: z.string(),
  changed_at: z.string(),
});
const evidence = z.string().check(z.trim(), z.minLength(1, "expected how you know"), z.maxLength(2_000));
const Resolve = z.discriminatedUnion("outcome", [
  z.strictObject({
    outcome: z.literal("succeeded"),
    evidence,
    result: z.optional(z.unknown().check(z.describe("What the tool would have answered; a compensation reads it"))),
  }),
  z.strictObject({ outcome: z.literal("failed"), evidence }),
]);
const Compensate = z.strictObject({
  saga: z.optional(z.boolean().check(z.describe("Undo every member of the call's saga, last first"))),
  retry: z.optional(z.boolean().check(z.describe("Try a compensation that has failed once more"))),
});
const Withdraw = z.strictObject({});
const ID: Parameter = { name: "id", in: "path", description: "The call id, `tc_…`", required: true };

/** The routes. */
export const callChangeRoutes: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/tool-calls",
    operationId: "listToolCalls",
    summary: "List tool calls by status, newest first; an agent's key sees those of its actors",
    tag: "tools",
    permission: "calls.read",
    parameters: [
      { name: "status", in: "query", description: `Only those with this status: ${TOOL_CALL_STATUSES.join(", ")}` },
      { name: "actor", in: "query", description: "Only those of this actor" },
      { name: "tool", in: "query", description: "Only those of this tool" },
      { name: "limit", in: "query", description: "1 to 200, 50 when left out" },
      { name: "cursor", in: "query", description: "`next_cursor` of the page before" },
    ],
    responses: {
      200: {
        description: "One page of calls",
        schema: z.object({ data: z.array(Line), next_cursor: z.nullable(z.string()) }),
      },
    },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const filter = readFilter(c);
      if (!filter.ok) return problem(filter);
      const { lines, nextCursor } = await c.var.runtime.ports.callList.list(tenant.value, filter.value);
      return Response.json({ data: lines.map(shownLine), next_cursor: nextCursor });
    },
  },
  {
    method: "POST",
    path: "/v1/tool-calls/:id/resolve",
    operationId: "resolveToolCall",
    summary: "Say what became of a call whose outcome is unknown, and how you know",
    tag: "tools",
    permission: "calls.resolve",
    parameters: [ID],
    body: Resolve,
    responses: {
      200: { description: "The call, resolved", schema: ToolCallView },
      400: { description: "The body is not valid; evidence is needed" },
      404: { description: "No such call" },
      409: { description: "`outcome_known`: the outcome is not unknown" },
    },
    answer: (c) => resolve(c),
  },
  {
    method: "POST",
    path: "/v1/tool-calls/:id/compensate",
    operationId: "compensateToolCall",
    summary: "Undo a call that has succeeded, once, by its tool's compensation; with `saga` its whole saga",
    tag: "tools",
    permission: "calls.undo",
    parameters: [ID],
    body: Compensate,
    responses: {
      200: { description: "The call, with how its compensation stands", schema: ToolCallView },
      404: { description: "No such call, or not this key's" },
      409: { description: "`not_compensable`" },
    },
    answer: (c) => compensate(c),
  },
  {
    method: "POST",
    path: "/v1/tool-calls/:id/withdraw",
    operationId: "withdrawToolCall",
    summary: "Take back a call that is held for its undo window, or waits for people",
    tag: "tools",
    permission: "calls.undo",
    parameters: [ID],
    body: Withdraw,
    responses: {
      200: { description: "The call, withdrawn; what it was charged is given back", schema: ToolCallView },
      404: { description: "No such call, or not this key's" },
      409: { description: "`call_sent`: it is too late; `call_in_flight`: it is being sent" },
    },
    answer: async (c) => {
      const body = await readOptionalBody(c, Withdraw);
      if (!body.ok) return problem(body);
      const by = c.var.principal.keyId;
      return change(c, ({ tenant, id }, recorder) => withdrawCall(c.var.runtime.ports, { tenant, id, by }, recorder));
    },
  },
];

async function resolve(c: HttpContext): Promise<Response> {
  const body = await readBody(c, Resolve);
  if (!body.ok) return problem(body);
  const { outcome } = body.value;
  // What was read as a JSON body holds nothing but JSON.
  const result = body.value.outcome === "succeeded" ? ((body.value.result ?? null) as Json) : null;
  const word = { outcome, evidence: body.value.evidence, result, by: c.var.principal.keyId };
  return change(c, ({ tenant, id }, recorder) => resolveCall(c.var.runtime.ports, { tenant, id, ...word }, recorder));
}

async function compensate(c: HttpContext): Promise<Response> {
  const body = await readOptionalBody(c, Compensate);
  if (!body.ok) return problem(body);
  const { saga = false, retry = false } = body.value;
  if (saga && retry) return problem(refusedFor([{ path: "retry", message: "expected without `saga`" }]));
  const { ports } = c.var.runtime;
  return change(c, ({ tenant, id, record }, recorder) => {
    const principal = undoer(c, record);
    return saga
      ? unwindSaga(ports, { tenant, id, principal }, recorder)
      : compensateCall(ports, { tenant, id, principal, isRetry: retry }, recorder);
  });
}

/** Whose rights undo a call: an agent's own; a person stands in for the actor, whose scopes the call was made with. */
function undoer(
  { var: { principal } }: HttpContext,
  { request }: ToolCallRecord,
): Parameters<typeof unwindSaga>[1]["principal"] {
  const { keyId: key_id, roles, scopes } = principal;
  return { key_id, roles, scopes: roles.includes("agent") ? scopes : request.ask.principal.scopes };
}

async function change(
  c: HttpContext,
  act: (
    call: { readonly tenant: string; readonly id: string; readonly record: ToolCallRecord },
    recorder: Recorder,
  ) => Promise<Outcome<ToolCallRecord>>,
): Promise<Response> {
  const found = await findOwnCall(c);
  if (!found.ok) return problem(found);
  const { tenant, record } = found.value;
  const defer = deferOf(c);
  const acting = act({ tenant, id: record.request.id, record }, c.var.runtime.recorder(defer));
  // Who leaves does not cancel an effect that has begun.
  defer(acting.catch(() => undefined));
  const outcome = await acting;
  const explain = explainTo(c.var.principal, await readConfig(c, tenant));
  return outcome.ok ? Response.json(viewOf(outcome.value, false, explain)) : problem(refusalFor(outcome, explain));
}

const QUERY = ["status", "actor", "tool", "limit", "cursor", "tenant"];

function readFilter(c: HttpContext): Outcome<CallFilter> {
  const page = readPageQuery(c, { known: QUERY, statuses: TOOL_CALL_STATUSES });
  return page.ok ? accept({ ...page.value, ...narrowing(c) }) : page;
}

function narrowing(c: HttpContext): Omit<CallFilter, "limit" | "status"> {
  const { tool, cursor, actor } = c.req.query();
  const actors = actorsOf(c, actor);
  return {
    ...(actors === undefined ? {} : { actors }),
    ...(tool === undefined ? {} : { tool }),
    ...(cursor === undefined ? {} : { cursor }),
  };
}

/** The actors whose calls are listed: an agent's key never sees others'. */
function actorsOf(c: HttpContext, named: string | undefined): readonly string[] | undefined {
  const { principal } = c.var;
  const mayAll = !isAgentOnly(principal) || principal.actors.includes("*");
  if (named !== undefined) return mayAll || principal.actors.includes(named) ? [named] : [];
  return mayAll ? undefined : principal.actors;
}

function shownLine(line: CallLine): z.infer<typeof Line> {
  const iso = (ms: number): string => new Date(ms).toISOString();
  return { ...line, created_at: iso(line.created_at), changed_at: iso(line.changed_at) };
}
