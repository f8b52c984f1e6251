// Makes one governed model call for a run of a suite: through the same path as any caller's, recorded apart, metered, never answered from what is kept.
import type { EVAL_ACTORS } from "../../core/config/check-evals.ts";
import type { ModelCall } from "../../core/call.ts";
import type { Conversation } from "../../core/dialect/conversation.ts";
import type { GeneratingDialect } from "../../core/dialect/names.ts";
import { codecOf, wireOf } from "../../core/dialect/registry.ts";
import { refuse, type Outcome, type Refusal } from "../../core/errors.ts";
import { isJsonObject, type JsonObject } from "../../core/json/canonical.ts";
import { locateMembers } from "../../core/json/members.ts";
import type { IndexRow } from "../../core/trace/record.ts";
import type { TraceId } from "../../core/units/identifier.ts";
import type { ModelTurn } from "../agent-loop.ts";
import { callModel } from "../model/model-call.ts";
import type { ModelPorts, Recorder } from "../ports.ts";

/** For which run, and within what, calls are made. */
export interface CallGround {
  readonly ports: ModelPorts;
  readonly tenant: string;
  /** What is asked for: the agent that is tested, or a judge's model. */
  readonly model: string;
  /** The release of the agent; `null` where no agent is asked. */
  readonly release: string | null;
  readonly actor: (typeof EVAL_ACTORS)[keyof typeof EVAL_ACTORS];
  /** Its budget bounds every call: a run that begins again spends from what is left. */
  readonly session: string;
  readonly trace: TraceId;
  readonly recorder: Recorder;
  /** Aborted when the time of the case is over. */
  readonly signal: AbortSignal;
}

/** Output tokens asked for where the recorded caller named no number. */
const MAX_OUTPUT = 4_096;

/** An answer as it came, with what it cost. */
export interface RawAnswer {
  readonly status: number;
  readonly text: string;
  readonly row: IndexRow | undefined;
}

/** Sends a body in a dialect; refuses what the gateway refuses. The charge is in the row, also of a refusal. */
export async function sendBody(
  { ports, tenant, model, release, actor, session, trace, recorder, signal }: CallGround,
  dialect: GeneratingDialect,
  body: JsonObject,
): Promise<{ readonly answer: Outcome<RawAnswer>; readonly row: IndexRow | undefined }> {
  const text = JSON.stringify(dialect === "generate" ? body : { ...body, model });
  const located = locateMembers(text);
  const fields = located === undefined ? undefined : wireOf(dialect).readFields(located, { model, isStream: false });
  if (located === undefined || fields === undefined)
    return { answer: refuse("invalid_request", "the recorded request is no JSON object"), row: undefined };
  if (!fields.ok) return { answer: fields, row: undefined };
  const call: ModelCall = {
    context: {
      principal: { tenant, keyId: actor, roles: ["operator"], scopes: ["*"], actors: ["*"], isRoot: false },
      actor,
      trace,
      parent: undefined,
      session,
      task: null,
      intent: null,
      confidence: null,
      endUser: null,
      endUserOrigin: "declared",
      userPrompt: null,
      release,
      isReplay: true,
      isConfirmed: false,
      allowedTools: undefined,
      credentials: [],
    },
    dialect,
    fields: { ...fields.value, isStream: false },
    body: located,
    bodyBytes: new TextEncoder().encode(text).byteLength,
    headers: new Map(),
    query: "",
    mayBeKept: false,
  };
  const rows: IndexRow[] = [];
  const work: Promise<unknown>[] = [];
  const watched: Recorder = {
    write: (record, credentials) => {
      rows.push(record.index);
      recorder.write(record, credentials);
    },
    writeNow: (record, credentials) => recorder.writeNow(record, credentials),
  };
  const around = { defer: (each: Promise<unknown>) => void work.push(each), recorder: watched, callerSignal: signal };
  const answered = await callModel(ports, call, around);
  const textOf = answered.ok ? await new Response(answered.body).text() : "";
  await Promise.allSettled(work);
  const row = summed(rows);
  return answered.ok
    ? { answer: { ok: true, value: { status: answered.status, text: textOf, row } }, row }
    : { answer: answered.refusal, row };
}

/** One row for all admissions of a call: each that may have been billed is charged by itself. */
function summed(rows: readonly IndexRow[]): IndexRow | undefined {
  const last = rows.at(-1);
  return last === undefined
    ? undefined
    : { ...last, cost_micro_usd: rows.reduce((sum, { cost_micro_usd: cost }) => sum + cost, 0) };
}

/** One turn: a conversation worded in the recorded dialect, or the recorded body itself, and what came back. */
export async function askModel(
  ground: CallGround,
  dialect: GeneratingDialect,
  asked: { readonly conversation: Conversation } | { readonly body: JsonObject },
): Promise<ModelTurn> {
  const startedAt = ground.ports.system.now();
  const codec = codecOf(dialect);
  const body =
    "body" in asked
      ? ({ ok: true, value: withoutStream(asked.body) } as const)
      : codec.writeRequest(asked.conversation, {
          model: ground.model,
          maxOutput: asked.conversation.maxOutput ?? MAX_OUTPUT,
          isOpenAi: false,
        });
  if (!body.ok) return turnOf({ refusal: body }, undefined, 0);
  const { answer, row } = await sendBody(ground, dialect, body.value);
  const durationMs = ground.ports.system.now() - startedAt;
  if (!answer.ok) return turnOf({ refusal: answer }, row, durationMs);
  const { status, text } = answer.value;
  if (status >= 400) {
    const told = codec.readError(text, status);
    return turnOf(
      { refusal: refuse("upstream_failed", `the provider answered ${status}: ${told.message}`) },
      row,
      durationMs,
    );
  }
  const reply = replyIn(text);
  const read =
    reply === undefined ? refuse("upstream_failed", "the provider's answer is no JSON object") : codec.readReply(reply);
  return read.ok
    ? { ok: true, reply: read.value, model: row?.subject ?? null, ...figures(row, durationMs) }
    : turnOf({ refusal: read }, row, durationMs);
}

function turnOf({ refusal }: { readonly refusal: Refusal }, row: IndexRow | undefined, durationMs: number): ModelTurn {
  return { ok: false, refusal, isBudget: IS_OWN.has(refusal.code), ...figures(row, durationMs) };
}

/** What stops a run by its own doing: it used up its budget, or its config does not let it ask. */
const IS_OWN: ReadonlySet<string> = new Set(["budget_exceeded", "policy_denied", "scope_missing"]);

function figures(
  row: IndexRow | undefined,
  durationMs: number,
): Pick<ModelTurn, "durationMs" | "costMicro" | "inputTokens" | "outputTokens"> {
  return {
    durationMs,
    costMicro: row?.cost_micro_usd ?? 0,
    inputTokens: row?.input_tokens ?? 0,
    outputTokens: row?.output_tokens ?? 0,
  };
}

function withoutStream({ stream: _stream, stream_options: _options, ...body }: JsonObject): JsonObject {
  return body;
}

function replyIn(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
