// Reaches HTTP tools: arguments into URL, query or body, the tenant's credential in a header, the answer into an outcome.
import type { Json, JsonObject } from "../../core/json/canonical.ts";
import type { ToolEntry } from "../../core/config/document.ts";
import { classifyHttp, type HttpAnswer } from "../../core/policy/tool-outcome.ts";
import type { Secrets, ToolExecuted, ToolExecution, Tools } from "../../gateway/ports.ts";
import { upstreamKey } from "../../core/units/identifier.ts";
import type { Egress } from "../egress.ts";

const DEFAULT_TIMEOUT_MS = 30_000;
/** The largest answer that is kept. */
const MAX_RESULT_BYTES = 512 * 1024;

interface Credential {
  readonly header: string;
  readonly value: string;
  readonly text: string;
}

/** Tools of kind `http`. */
export function httpTools(egress: Egress, secrets: Secrets): Tools {
  return {
    execute: async (execution): Promise<ToolExecuted> => {
      const credential = await credentialOf(secrets, execution.tenant, execution.tool.entry).catch(() => undefined);
      const credentials = credential === null || credential === undefined ? [] : [credential.text];
      if (credential === undefined) {
        return {
          outcome: {
            status: "failed",
            code: "egress_blocked",
            message: "the tool's stored secret cannot be read",
            httpStatus: null,
            result: null,
          },
          credentials,
        };
      }
      const answer = await send(egress, execution, credential);
      return { outcome: classifyHttp(execution.tool.entry.effect, answer), credentials };
    },
  };
}

async function send(egress: Egress, execution: ToolExecution, credential: Credential | null): Promise<HttpAnswer> {
  const { entry } = execution.tool;
  const signal = AbortSignal.timeout(entry.timeout_ms ?? DEFAULT_TIMEOUT_MS);
  const request = requestOf(entry, execution.args);
  if (request === undefined) return { type: "blocked", reason: "an argument in the URL's path is empty, `.` or `..`" };
  const { url, body } = request;
  try {
    const answer = await egress({
      url,
      method: entry.method,
      headers: headersOf(execution, credential, body),
      body,
      allowedHosts: execution.allowedHosts,
      service: entry.service,
      signal,
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
    const text = await readBounded(response);
    return {
      type: "answered",
      status,
      body: text === undefined ? { omitted: "the answer is larger than 512 KiB" } : asJson(text),
    };
  } catch {
    return signal.aborted ? { type: "timed_out" } : { type: "cut", status };
  }
}

async function readBounded(response: Response): Promise<string | undefined> {
  if (response.body === null) return "";
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    size += next.value.byteLength;
    if (size > MAX_RESULT_BYTES) {
      await reader.cancel();
      return undefined;
    }
    text += decoder.decode(next.value, { stream: true });
  }
  return text + decoder.decode();
}

function asJson(text: string): Json {
  if (text === "") return null;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

function requestOf(
  entry: ToolEntry,
  args: JsonObject,
): { readonly url: string; readonly body: string | null } | undefined {
  const used = new Set<string>();
  let isTraversal = false;
  const filled = entry.url.replaceAll(/\{([^{}]*)\}/g, (_, name: string) => {
    used.add(name);
    const segment = textOf(args[name]);
    // URL parsers resolve these, also when they are percent-encoded: the credential would go to another path.
    isTraversal ||= segment === "" || segment === "." || segment === "..";
    return encodeURIComponent(segment);
  });
  if (isTraversal) return undefined;
  const rest = Object.entries(args).filter(([name]) => !used.has(name));
  if (entry.method !== "GET" && entry.method !== "DELETE")
    return { url: filled, body: JSON.stringify(Object.fromEntries(rest)) };
  const url = new URL(filled);
  for (const [name, value] of rest) url.searchParams.set(name, textOf(value));
  return { url: url.href, body: null };
}

function textOf(value: Json | undefined): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function headersOf(
  { tenant, callId, tool, traceparent }: ToolExecution,
  credential: Credential | null,
  body: string | null,
): Headers {
  const headers = new Headers({ accept: "application/json", traceparent });
  if (body !== null) headers.set("content-type", "application/json");
  // A digest scoped to the tenant: the upstream learns neither our ids nor another tenant's keys.
  if (tool.entry.idempotency?.header !== undefined)
    headers.set(tool.entry.idempotency.header, upstreamKey(tenant, callId));
  if (credential !== null) headers.set(credential.header, credential.value);
  return headers;
}

/** `null` when the tool needs none, `undefined` when the stored secret is gone. */
async function credentialOf(
  secrets: Secrets,
  tenant: string,
  entry: ToolEntry,
): Promise<Credential | null | undefined> {
  if (entry.auth === undefined) return null;
  const text = await secrets.reveal(tenant, entry.auth.secret);
  if (text === undefined) return undefined;
  return entry.auth.kind === "bearer"
    ? { header: "authorization", value: `Bearer ${text}`, text }
    : { header: entry.auth.name, value: text, text };
}
