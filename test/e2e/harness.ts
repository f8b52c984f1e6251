// Boots the built Worker with its demo upstream once per test file, and makes tenants, keys and calls for the tests.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import OpenAI from "openai";
import { startLocal, type LocalGateway } from "../../demo/local/gateway.ts";
import { ACTOR, documentOf, type DocumentOptions, type JsonRecord } from "./document.ts";

/** What `/_demo/effects` tells. */
export interface Effects {
  readonly refunds: number;
  readonly notes: number;
  readonly model_calls: Readonly<Record<string, number>>;
  readonly completed: Readonly<Record<string, number>>;
  readonly cancelled: Readonly<Record<string, number>>;
  readonly cut: Readonly<Record<string, number>>;
  readonly billed_usd_micros: number;
}

/** An answer read whole. `json` is empty when the body is no JSON object. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: JsonRecord;
}

/** What a request may carry. */
export interface CallInit {
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** A session's dollars in micro-USD, and its counters. */
export interface SessionFigures {
  readonly used: number;
  readonly held: number;
  readonly remaining: number | null;
  readonly callsUsed: number;
  readonly toolCallsUsed: number;
  readonly toolUsdUsed: number;
  readonly openHolds: number;
}

/** One call of a stored trace. */
export interface TracedCall {
  readonly span_id: string;
  readonly kind: string;
  readonly status: string;
  readonly decision: string;
  readonly error_code: string | null;
  readonly cost_usd: string;
  readonly model: string | null;
  readonly tool: string | null;
  readonly session_id: string;
  readonly seq: number | null;
  readonly tool_call_id: string | null;
}

/** One span of a stored trace. */
export interface TracedSpan {
  readonly span_id: string;
  readonly parent_span_id: string | null;
  readonly name: string;
  readonly status: string;
  readonly attributes: JsonRecord;
}

/** A stored trace. */
export interface Trace {
  readonly trace_id: string;
  readonly sessions: readonly string[];
  readonly calls: readonly TracedCall[];
  readonly spans: readonly TracedSpan[];
  readonly payloads: readonly { readonly name: string; readonly span_id: string; readonly body: string | null }[];
  readonly cost_usd: string;
}

/** Waits until `probe` answers something; throws after the deadline with the last error. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined>,
  deadlineMs = 10_000,
): Promise<NonNullable<T>> {
  const end = Date.now() + deadlineMs;
  let last: unknown;
  while (Date.now() < end) {
    try {
      const found = await probe();
      if (found !== undefined && found !== null && found !== false) return found;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`still waiting after ${deadlineMs} ms for ${what}; last: ${String(last)}`, { cause: last });
}

/** The value at a dotted path of something read as JSON. */
export function at(value: unknown, dotted: string): unknown {
  return dotted
    .split(".")
    .reduce<unknown>(
      (inner, key) =>
        typeof inner === "object" && inner !== null ? (inner as Record<string, unknown>)[key] : undefined,
      value,
    );
}

/** Dollars as the API shows them, in micro-USD. */
export function micro(usd: unknown): number {
  if (typeof usd !== "string") throw new Error(`expected dollars as text, got ${JSON.stringify(usd)}`);
  return Math.round(Number(usd) * 1_000_000);
}

/** The data of every frame of an event stream's text, comments left out. */
export function framesOf(text: string): readonly string[] {
  return text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n\r?\n/)
    .map((frame) =>
      frame
        .split(/\r?\n/)
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(5).trimStart())
        .join("\n"),
    )
    .filter((data) => data !== "");
}

/** Reads a body as far as it comes. */
export async function readAll(response: Response): Promise<{ readonly text: string; readonly isBroken: boolean }> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let text = "";
  try {
    for await (const bytes of response.body ?? []) text += decoder.decode(bytes, { stream: true });
    return { text, isBroken: false };
  } catch {
    return { text, isBroken: true };
  }
}

/** A running gateway for one test file. */
export class Stage {
  readonly gateway: LocalGateway;
  readonly stateDir: string;
  /** Everything the Workers logged. */
  readonly logs: string[];
  #tenants = 0;

  constructor(gateway: LocalGateway, stateDir: string, logs: string[]) {
    this.gateway = gateway;
    this.stateDir = stateDir;
    this.logs = logs;
  }

  /** Sends one request and reads the answer whole. */
  async send(method: string, at: string, body?: unknown, init: CallInit = {}): Promise<Answer> {
    const response = await this.fetch(method, at, body, init);
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: recordOf(text) };
  }

  /** Sends one request; a string body is sent as it is, anything else as JSON. */
  fetch(method: string, at: string, body?: unknown, { key, headers, signal }: CallInit = {}): Promise<Response> {
    return fetch(`${this.gateway.url}${at}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** As the root key, on behalf of a tenant; throws unless it answers 2xx. */
  async asRoot(tenant: string, method: string, at: string, body?: unknown): Promise<Answer> {
    const answer = await this.send(method, at, body, {
      key: this.gateway.secrets.rootKey,
      headers: { "interlock-tenant": tenant },
    });
    if (answer.status >= 300) throw new Error(`${method} ${at} answered ${answer.status}: ${answer.text}`);
    return answer;
  }

  /** A tenant of its own with stored secrets, but no config. */
  async bareTenant(): Promise<string> {
    this.#tenants += 1;
    const id = `t${this.#tenants}-${Math.random().toString(36).slice(2, 8)}`;
    const { modelToken, billingToken, crmToken } = this.gateway.secrets;
    await this.asRoot(id, "POST", "/v1/tenants", { id });
    const secrets = { demo_model: modelToken, demo_billing: billingToken, demo_crm: crmToken };
    for (const [name, value] of Object.entries(secrets)) await this.asRoot(id, "PUT", `/v1/secrets/${name}`, { value });
    return id;
  }

  /** A key of a tenant. */
  async key(tenant: string, roles: readonly string[], more: JsonRecord = {}): Promise<{ id: string; key: string }> {
    const { json } = await this.asRoot(tenant, "POST", "/v1/keys", { tenant, roles, ...more });
    return { id: String(json["id"]), key: String(json["key"]) };
  }

  /** A tenant with a published config, further stored secrets, an agent key for `support_agent_v4` and an auditor key. */
  async tenant(options: DocumentOptions = {}, secrets: Readonly<Record<string, string>> = {}): Promise<Tenant> {
    const id = await this.bareTenant();
    for (const [name, value] of Object.entries(secrets)) await this.asRoot(id, "PUT", `/v1/secrets/${name}`, { value });
    await this.asRoot(id, "PUT", "/v1/config", documentOf(this.gateway.upstreamUrl, options));
    const agent = await this.key(id, ["agent"], { scopes: ["*"], actors: [ACTOR] });
    const auditor = await this.key(id, ["auditor"], { actors: ["*"] });
    return new Tenant(this, id, { agent: agent.key, auditor: auditor.key });
  }

  /** A request straight to the upstream, past the gateway. */
  async upstream(method: string, at: string, body?: unknown): Promise<Answer> {
    const response = await fetch(`${this.gateway.upstreamUrl}${at}`, {
      method,
      headers: { "content-type": "application/json", authorization: `Bearer ${this.gateway.secrets.modelToken}` },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: recordOf(text) };
  }

  /** What the upstream has done since its last reset. */
  async effects(): Promise<Effects> {
    return JSON.parse((await this.upstream("GET", "/_demo/effects")).text) as Effects;
  }

  /** Makes the upstream forget everything. */
  async reset(): Promise<void> {
    await this.upstream("POST", "/_demo/reset", {});
  }

  /** Makes the next `times` requests under a path of the upstream go wrong. */
  async arm(pathPrefix: string, fault: string, times = 1): Promise<void> {
    const armed = await this.upstream("POST", "/_demo/faults", { path_prefix: pathPrefix, fault, times });
    if (armed.status !== 201) throw new Error(`arming answered ${armed.status}: ${armed.text}`);
  }

  /** Stops the gateway and removes its state. */
  async close(): Promise<void> {
    await this.gateway.stop();
    rmSync(this.stateDir, { recursive: true, force: true });
  }
}

/** A tenant under test. */
export class Tenant {
  readonly stage: Stage;
  readonly id: string;
  readonly agent: string;
  readonly auditor: string;

  constructor(stage: Stage, id: string, keys: { readonly agent: string; readonly auditor: string }) {
    this.stage = stage;
    this.id = id;
    this.agent = keys.agent;
    this.auditor = keys.auditor;
  }

  /** The official client, unmodified. */
  openai(headers: Readonly<Record<string, string>> = {}, maxRetries = 2): OpenAI {
    return new OpenAI({
      apiKey: this.agent,
      baseURL: `${this.stage.gateway.url}/v1`,
      defaultHeaders: headers,
      maxRetries,
    });
  }

  /** A raw chat completion. */
  chat(body: unknown, init: CallInit = {}): Promise<Response> {
    return this.stage.fetch("POST", "/v1/chat/completions", body, { key: this.agent, ...init });
  }

  /** A raw chat completion read whole. */
  chatAnswer(body: unknown, init: CallInit = {}): Promise<Answer> {
    return this.stage.send("POST", "/v1/chat/completions", body, { key: this.agent, ...init });
  }

  /** A tool call; further envelope members beside `tool_call` in `more`. */
  tool(name: string, args: unknown, more: JsonRecord = {}, init: CallInit = {}): Promise<Answer> {
    return this.stage.send(
      "POST",
      "/v1/tool-calls",
      { tool_call: { name, args }, ...more },
      { key: this.agent, ...init },
    );
  }

  /** A GET with the agent's key. */
  get(at: string, key = this.agent): Promise<Answer> {
    return this.stage.send("GET", at, undefined, { key });
  }

  /** The session's figures. */
  async session(id: string): Promise<SessionFigures> {
    const { status, text, json } = await this.get(`/v1/sessions/${id}`);
    if (status !== 200) throw new Error(`session ${id} answered ${status}: ${text}`);
    const remaining = at(json, "budget.usd.remaining");
    return {
      used: micro(at(json, "budget.usd.used")),
      held: micro(at(json, "budget.usd.held")),
      remaining: remaining === null ? null : micro(remaining),
      callsUsed: Number(at(json, "budget.calls.used")),
      toolCallsUsed: Number(at(json, "budget.tool_calls.used")),
      toolUsdUsed: micro(at(json, "budget.tool_usd.used")),
      openHolds: Number(at(json, "counters.open_holds")),
    };
  }

  /** The session's figures once no call of it is running. */
  settled(id: string, deadlineMs = 10_000): Promise<SessionFigures> {
    return until(
      `session ${id} to settle`,
      async () => {
        const figures = await this.session(id);
        return figures.openHolds === 0 && figures.held === 0 ? figures : undefined;
      },
      deadlineMs,
    );
  }

  /** The stored trace, once it has this many calls. */
  trace(id: string, calls = 1): Promise<Trace> {
    return until(
      `trace ${id} with ${calls} calls`,
      async () => {
        const { status, json } = await this.get(`/v1/traces/${id}`, this.auditor);
        // The route's own answer: its shape is what these tests are about.
        const trace = json as unknown as Trace;
        return status === 200 && trace.calls.length >= calls ? trace : undefined;
      },
      15_000,
    );
  }

  /** The one call of a session's trace, with its span's attributes. */
  async tracedCall(traceId: string): Promise<{ readonly call: TracedCall; readonly attributes: JsonRecord }> {
    const trace = await this.trace(traceId);
    const call = trace.calls[0];
    const span = trace.spans.find((each) => each.span_id === call?.span_id);
    if (call === undefined || span === undefined) throw new Error(`trace ${traceId} has no call with a span`);
    return { call, attributes: span.attributes };
  }
}

/** Boots a stage: own state directory, free ports; a second isolate of the gateway if asked for. */
export async function openStage(vars: Readonly<Record<string, string>> = {}, hasSecondIsolate = false): Promise<Stage> {
  const stateDir = mkdtempSync(path.join(tmpdir(), "interlock-e2e-"));
  const logs: string[] = [];
  const gateway = await startLocal({ port: 0, stateDir, vars, hasSecondIsolate, onLog: (line) => logs.push(line) });
  return new Stage(gateway, stateDir, logs);
}

/** The header with which a call answers its trace id. */
export function traceIdOf(answer: { readonly headers: Headers }): string {
  const id = answer.headers.get("interlock-trace-id");
  if (id === null) throw new Error("the answer names no trace");
  return id;
}

function recordOf(text: string): JsonRecord {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonRecord) : {};
  } catch {
    return {};
  }
}
