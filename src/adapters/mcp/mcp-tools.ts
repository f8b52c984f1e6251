// Calls the tools of MCP servers: the definition is compared once more, then the call is sent, and its answer becomes an outcome.
import type { CallToolResult } from "@modelcontextprotocol/client";
import { isJsonObject, type Json, type JsonObject } from "../../core/json/canonical.ts";
import { whyNotAccepted } from "../../core/mcp/accepted.ts";
import { OURS } from "../../core/mcp/meta.ts";
import { classifyHttp, type HttpAnswer, type ToolOutcome } from "../../core/policy/tool-outcome.ts";
import { upstreamKey } from "../../core/units/identifier.ts";
import type { ToolExecuted, ToolExecution, Tools } from "../../gateway/ports.ts";
import type { McpTarget } from "../../gateway/ports/mcp.ts";
import { readDefinitions } from "./definitions.ts";
import { answerOf, worded } from "./faults.ts";
import { Anything, isRefused, logLevelOf, NOBODY, withUpstream, type Means, type Upstream } from "./upstream.ts";

/** The largest result that is kept and passed on, as JSON. */
const MAX_RESULT_BYTES = 1024 * 1024;
const MAX_MESSAGE = 500;

type Origin = NonNullable<ToolExecution["tool"]["entry"]["mcp"]>;

/** Tools of kind `mcp`. */
export function mcpTools(means: Means): Tools {
  return { execute: (execution) => executeOnce(means, execution) };
}

async function executeOnce(means: Means, execution: ToolExecution): Promise<ToolExecuted> {
  const { tenant, tool, allowedHosts, exchange = NOBODY, timeoutMs, callId, traceparent, tracestate } = execution;
  const { url, service, auth, idempotency, mcp: origin } = tool.entry;
  if (origin === undefined)
    return { outcome: failed("egress_blocked", "the tool names no MCP server", null), credentials: [] };
  const target: McpTarget = { tenant, name: origin.server, server: { url, service, auth }, allowedHosts };
  const headers = {
    traceparent,
    ...(tracestate === undefined ? {} : { tracestate }),
    // A digest scoped to the tenant: the server learns neither our ids nor another tenant's keys.
    ...(idempotency?.header === undefined ? {} : { [idempotency.header]: upstreamKey(tenant, callId) }),
  };
  const opening = { exchange, timeoutMs, headers };
  const used = await withUpstream(means, target, opening, (upstream) => callOver(upstream, execution, origin));
  return { ...(used.ok ? used.value : unsent(used.error)), credentials: used.credentials };
}

/** What came before the call failed: nothing was done. */
function unsent(error: unknown): Called {
  const answer = answerOf(error);
  const before: HttpAnswer =
    answer.type === "blocked" || answer.type === "unsent" ? answer : { type: "unsent", reason: "" };
  const code =
    answer.type === "timed_out" ? "tool_timeout" : answer.type === "blocked" ? "egress_blocked" : "tool_failed";
  const status = answer.type === "answered" ? answer.status : null;
  return { outcome: worded(failed(code, "", status), error), answer: before };
}

type Called = Pick<ToolExecuted, "outcome" | "answer">;

async function callOver(upstream: Upstream, execution: ToolExecution, origin: Origin): Promise<Called> {
  try {
    const isPinned = origin.kind === "tool" || origin.set !== undefined;
    const why = isPinned ? whyNotAccepted(origin, await readDefinitions(upstream)) : undefined;
    if (why !== undefined) return { outcome: failed("definition_changed", why, null) };
  } catch (error) {
    return unsent(error);
  }
  const { effect } = execution.tool.entry;
  try {
    return answered(await send(upstream, execution, origin), execution.exchange !== undefined);
  } catch (error) {
    const answer = isRefused(error) ? ({ type: "answered", status: 401, body: null } as const) : answerOf(error);
    return { outcome: worded(classifyHttp(effect, answer), error), answer };
  }
}

function send(upstream: Upstream, execution: ToolExecution, { kind, name }: Origin): Promise<JsonObject> {
  const { args, tool, exchange = NOBODY, traceparent } = execution;
  const { inputResponses, requestState } = exchange;
  const round = {
    _meta: { traceparent, ...logLevelOf(exchange, upstream.era) },
    ...(inputResponses === undefined ? {} : { inputResponses }),
    ...(requestState === undefined ? {} : { requestState }),
  };
  const result = upstream.run((options): Promise<unknown> => {
    switch (kind) {
      case "tool": {
        const inputSchema = tool.entry.input_schema as { type: "object" };
        // With the accepted definition at hand the client can mirror arguments into headers; the result is the caller's to check.
        return upstream.client.callTool(
          { name, arguments: args, ...round },
          { ...options, toolDefinition: { name, inputSchema } },
        );
      }
      case "resource":
        return upstream.client.request({ method: "resources/read", params: { ...args, ...round } }, Anything, options);
      case "prompt":
        return upstream.client.request({ method: "prompts/get", params: { ...args, ...round } }, Anything, options);
      default:
        return kind satisfies never;
    }
  });
  return result.then((each) => (isJsonObject(each) ? each : {}));
}

/** What a result says: done, refused by the tool, or not complete before somebody answers a question. */
function answered(sent: JsonObject, isSomebodyThere: boolean): Called {
  const result = withoutOurs(sent);
  const body = withinBounds(result);
  const answer: HttpAnswer = { type: "answered", status: 200, body };
  if (result["resultType"] === "input_required") {
    // A call that people approved, or one over the API, has nobody who could answer: it has failed for good.
    const code = isSomebodyThere && body === result ? "input_required" : "tool_failed";
    const message = "the MCP server asks for input before it goes on";
    return { outcome: failed(code, message, 200, code === "input_required" ? result : null), answer };
  }
  if (result["isError"] === true)
    return { outcome: failed("tool_failed", firstText(result) ?? "the tool reported an error", 200, body), answer };
  return { outcome: { status: "succeeded", result: body, httpStatus: 200 }, answer };
}

/** What a server says in the gateway's own name is not passed on: nobody could tell it from the gateway's word. */
function withoutOurs(result: JsonObject): JsonObject {
  const { _meta: meta } = result;
  if (!isJsonObject(meta) || Object.keys(meta).every((name) => !name.startsWith(OURS))) return result;
  return { ...result, _meta: Object.fromEntries(Object.entries(meta).filter(([name]) => !name.startsWith(OURS))) };
}

function withinBounds(result: JsonObject): JsonObject {
  if (JSON.stringify(result).length <= MAX_RESULT_BYTES) return result;
  const text = "the tool answered, and its answer is larger than 1 MiB: it was left out";
  return { content: [{ type: "text", text }], ...(result["isError"] === true ? { isError: true } : {}) };
}

function firstText({ content }: JsonObject): string | undefined {
  const texts = (content as CallToolResult["content"] | undefined)?.flatMap((each) =>
    each.type === "text" ? [each.text] : [],
  );
  return texts?.[0]?.slice(0, MAX_MESSAGE);
}

function failed(
  code: Extract<ToolOutcome, { readonly status: "failed" }>["code"],
  message: string,
  httpStatus: number | null,
  result: Json | null = null,
): ToolOutcome {
  return { status: "failed", code, message, httpStatus, result };
}
