// Reaches tools over HTTP, by network or service binding: the mapped request, the tenant's credential, the answer into an outcome.
import type { Json } from "../../core/json/canonical.ts";
import { classifyHttp, type HttpAnswer } from "../../core/policy/tool-outcome.ts";
import { mapRequest, type MappedRequest } from "../../core/tools/request.ts";
import type { ToolExecuted, ToolExecution, Tools } from "../../gateway/ports.ts";
import { upstreamKey } from "../../core/units/identifier.ts";
import { readBounded } from "../bounded-body.ts";
import type { Egress } from "../egress.ts";
import { readRetryAfter } from "../retry-after.ts";
import type { Credential, Credentials } from "./credentials.ts";

/** The largest answer that is kept. */
const MAX_RESULT_BYTES = 512 * 1024;

type Mapped = Extract<MappedRequest, { readonly ok: true }>;

/** Tools of kind `http` and `service`. */
export function httpTools(egress: Egress, credentials: Credentials): Tools {
  return {
    execute: async (execution): Promise<ToolExecuted> => {
      const mapped = mapRequest(execution.tool.entry, execution.args);
      if (!mapped.ok) return executed(execution, { type: "blocked", reason: mapped.reason }, []);
      return executeMapped({ egress, credentials }, execution, mapped);
    },
  };
}

function executed({ tool }: ToolExecution, answer: HttpAnswer, credentials: readonly string[]): ToolExecuted {
  return { outcome: classifyHttp(tool.entry.effect, answer), answer, credentials };
}

interface Means {
  readonly egress: Egress;
  readonly credentials: Credentials;
}

/** Sends once; a second time with another credential where the first was refused with 401, which says nothing was done. */
async function executeMapped(means: Means, execution: ToolExecution, mapped: Mapped): Promise<ToolExecuted> {
  const signal = AbortSignal.timeout(execution.timeoutMs);
  const { tenant, tool, allowedHosts } = execution;
  const found = await means.credentials({ tenant, auth: tool.entry.auth, allowedHosts }, signal);
  if (!found.ok) return executed(execution, { type: "unsent", reason: found.reason }, found.texts);
  const { credential } = found;
  const sending = { egress: means.egress, execution, mapped, signal };
  const first = await send(sending, credential);
  if (!isRefused(first) || credential.renew === undefined) return executed(execution, first, credential.texts);
  const renewed = await credential.renew();
  if (!renewed.ok) return executed(execution, first, [...credential.texts, ...renewed.texts]);
  const second = await send(sending, renewed.credential);
  return executed(execution, second, [...credential.texts, ...renewed.credential.texts]);
}

function isRefused(answer: HttpAnswer): boolean {
  return answer.type === "answered" && answer.status === 401;
}

interface Sending {
  readonly egress: Egress;
  readonly execution: ToolExecution;
  readonly mapped: Mapped;
  readonly signal: AbortSignal;
}

async function send({ egress, execution, mapped, signal }: Sending, credential: Credential): Promise<HttpAnswer> {
  const { entry } = execution.tool;
  const { url, body } = mapped;
  try {
    const filled = await credential.headersFor({ method: entry.method, url, body });
    const answer = await egress({
      url,
      method: entry.method,
      headers: headersOf(execution, mapped, filled),
      body,
      allowedHosts: execution.allowedHosts,
      service: entry.service,
      signal,
      follow: entry.redirects === "follow" && entry.effect === "read",
    });
    if (!answer.sent) return { type: "blocked", reason: answer.reason };
    return await readAnswer(answer.response, signal);
  } catch {
    return signal.aborted ? { type: "timed_out" } : { type: "lost" };
  }
}

async function readAnswer(response: Response, signal: AbortSignal): Promise<HttpAnswer> {
  const { status } = response;
  try {
    const text = await readBounded(response, MAX_RESULT_BYTES);
    return {
      type: "answered",
      status,
      ...retryAfterOf(response),
      body: text === undefined ? { omitted: "the answer is larger than 512 KiB" } : asJson(text),
    };
  } catch {
    return signal.aborted ? { type: "timed_out" } : { type: "cut", status };
  }
}

function retryAfterOf({ headers }: Response): { readonly retryAfterMs?: number } {
  const retryAfterMs = readRetryAfter(headers.get("retry-after"), Date.now());
  return retryAfterMs === null ? {} : { retryAfterMs };
}

function asJson(text: string): Json {
  if (text === "") return null;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

function headersOf(
  { tenant, callId, tool, traceparent, tracestate }: ToolExecution,
  { headers: mapped, body, contentType }: Mapped,
  credential: Readonly<Record<string, string>>,
): Headers {
  const headers = new Headers({ accept: "application/json", ...mapped });
  headers.set("traceparent", traceparent);
  if (tracestate !== undefined) headers.set("tracestate", tracestate);
  if (body !== null) headers.set("content-type", contentType);
  // A digest scoped to the tenant: the upstream learns neither our ids nor another tenant's keys.
  if (tool.entry.idempotency?.header !== undefined)
    headers.set(tool.entry.idempotency.header, upstreamKey(tenant, callId));
  for (const [name, value] of Object.entries(credential)) headers.set(name, value);
  return headers;
}
