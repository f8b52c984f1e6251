// Routes of tools and tool calls: the envelope in, the call as it stands out.
import * as z from "zod/mini";
import type { ActiveConfig } from "../../core/config/published.ts";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import { explainTo, isAgentOnly, type Explain } from "../../core/policy/disclosure.ts";
import { mayActAs } from "../../core/principal.ts";
import { refusalOfRecord } from "../../core/state/refusal-of-record.ts";
import type { ToolCallRecord } from "../../core/state/tool-call-record.ts";
import { isOnItsWay } from "../../core/state/tool-call.ts";
import { isToolCallId } from "../../core/units/identifier.ts";
import { shownTools } from "../../gateway/list-tools.ts";
import { decideTool } from "../../gateway/preflight.ts";
import type { ToolCallAnswer } from "../../gateway/tool-call.ts";
import { callToolInSaga } from "../../gateway/unwind-saga.ts";
import { deferOf, type HttpContext } from "../context.ts";
import { readListingAsk, setCallHeaders } from "../middleware/call-context.ts";
import { CALL_HEADERS } from "./call-headers.ts";
import { problem } from "./errors.ts";
import { Envelope, readToolCall } from "./read-tool-call.ts";
import { pathParameter, readWait, WAIT, type ApiRoute } from "./route.ts";
import { tenantOf } from "./tenant.ts";
import { decisionView, refusalFor, ToolCallView, viewOf } from "./tool-call-view.ts";

const Tool = z.object({
  name: z.string(),
  description: z.string(),
  input_schema: z.record(z.string(), z.unknown()),
  effect: z.string(),
});

/** Headers that say as whom, and how narrowed, tools are listed. */
const NARROWING: ReadonlySet<string> = new Set([
  "Interlock-Actor",
  "Interlock-User",
  "Interlock-Release",
  "Interlock-Allowed-Tools",
]);

/** The routes. */
export const toolCallRoutes: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/tools",
    operationId: "listTools",
    summary: "List the tools that the caller may use: as `Interlock-Actor`, else as any actor of the key",
    tag: "tools",
    permission: "call",
    parameters: CALL_HEADERS.filter(({ name }) => NARROWING.has(name)),
    responses: {
      200: { description: "The tools, by name", schema: z.object({ data: z.array(Tool) }) },
      400: { description: "A header is malformed" },
      403: { description: "The key may not act as this actor" },
    },
    answer: async (c) => {
      const ask = readListingAsk(c);
      if (!ask.ok) return problem(ask);
      const tools = await shownTools(c.var.runtime.ports, ask.value);
      const data = tools.map(({ name, entry: { description = "", input_schema, effect } }) => ({
        name,
        description,
        input_schema,
        effect,
      }));
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
      200: {
        description: "It succeeded, was kept as a draft, or was answered from the first call with this key",
        schema: ToolCallView,
      },
      202: {
        description: "It waits for people, is held for its undo window, or still runs; `Location` names the call",
        schema: ToolCallView,
      },
      400: { description: "The envelope or the arguments are not valid" },
      403: { description: "The policy does not allow it; the decision is in the problem" },
      404: { description: "No such tool" },
      413: { description: "The body is larger than 1 MiB" },
      429: { description: "A budget, a limit or a rate is used up, or as many calls of the tool run as may" },
      503: { description: "The tool is left alone for a while, records cannot be kept, or nothing is published" },
      409: { description: "The first call with this key is still running; `saga_closed`" },
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
    parameters: [{ name: "id", in: "path", description: "The call id, `tc_…`", required: true }, WAIT],
    responses: { 200: { description: "The call", schema: ToolCallView }, 404: { description: "No such call" } },
    answer: async (c) => {
      const wait = readWait(c);
      if (!wait.ok) return problem(wait);
      const found = await findOwnCall(c, wait.value);
      if (!found.ok) return problem(found);
      const { principal } = c.var;
      const { tenant, record } = found.value;
      return Response.json(viewOf(record, false, explainTo(principal, await readConfig(c, tenant))));
    },
  },
];

/** The call of the path, as far as it is the key's to see: an agent's key sees those of its actors. */
export async function findOwnCall(
  c: HttpContext,
  waitMs = 0,
): Promise<Outcome<{ readonly tenant: string; readonly record: ToolCallRecord }>> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return tenant;
  const id = pathParameter(c, "id");
  const { principal, runtime } = c.var;
  const record = isToolCallId(id) ? await runtime.ports.toolCalls.read(tenant.value, id, waitMs) : undefined;
  const isOthers = record !== undefined && isAgentOnly(principal) && !mayActAs(principal, record.request.ask.actor);
  return record === undefined || isOthers
    ? refuse("not_found", `tool call "${id}" is not here`)
    : accept({ tenant: tenant.value, record });
}

async function postToolCall(c: HttpContext): Promise<Response> {
  const call = await readToolCall(c);
  if (!call.ok) return problem(call);
  const { runtime, principal } = c.var;
  const { ports } = runtime;
  const explain = explainTo(principal, await readConfig(c, principal.tenant));
  if (call.value.isDryRun) {
    const decided = await decideTool(ports, call.value.call, runtime.recorder(deferOf(c)));
    if (!decided.ok) return problem(refusalFor(decided, explain));
    const { tool, decision } = decided.value;
    return Response.json({ dry_run: true, tool, decision: decisionView(decision, explain) });
  }
  const defer = deferOf(c);
  const calling = callToolInSaga(ports, call.value.call, c.var.runtime.recorder(defer));
  // A caller that leaves does not cancel a write that has begun.
  defer(calling.catch(() => undefined));
  const answer = await calling;
  const response = render(answer, explain);
  setCallHeaders(response.headers, answer.meta);
  return response;
}

/** The tenant's active config, for a caller who may not be told all of it; nobody else's answer needs it. */
export async function readConfig(c: HttpContext, tenant: string): Promise<ActiveConfig | undefined> {
  const { principal, runtime } = c.var;
  return isAgentOnly(principal) ? runtime.ports.configs.active(tenant) : undefined;
}

function render({ outcome, record }: ToolCallAnswer, explain: Explain): Response {
  if (!outcome.ok)
    return problem(
      refusalFor(outcome, explain),
      record === undefined ? {} : { tool_call: viewOf(record, false, explain) },
    );
  const { record: call, isReplay } = outcome.value;
  const refusal = refusalOfRecord(call);
  if (refusal !== undefined)
    return problem(refusalFor(refusal, explain), {
      id: call.request.id,
      replayed: isReplay,
      tool_call: viewOf(call, isReplay, explain),
    });
  const isWaiting = isOnItsWay({ record: call, admitting: null }) && call.status !== "drafted";
  return isWaiting
    ? Response.json(viewOf(call, isReplay, explain), {
        status: 202,
        headers: { location: `/v1/tool-calls/${call.request.id}`, "retry-after": "5" },
      })
    : Response.json(viewOf(call, isReplay, explain));
}
