// Answers one call of the model in any dialect: which model behaves how, streamed or whole, counted and broken as asked.
import { stateOf, type DemoEnv } from "../env.ts";
import type { JsonRecord } from "../json-source.ts";
import { stallForever } from "../stall.ts";
import { planAnswer } from "./answer.ts";
import { pumpBody, type Playback } from "./body-pump.ts";
import { openMeter, type CallMeter } from "./call-meter.ts";
import type { ModelDialect, PlannedCall, Trouble } from "./dialect.ts";
import { isMalformed, newToken } from "./model-request.ts";
import { behaviourOf, EMBEDDING_MODEL, type Behaviour, type ModelFault } from "./model-id.ts";
import { bodySteps, streamSteps } from "./stream-steps.ts";

/** Where a call is answered. */
export interface Place {
  readonly request: Request;
  readonly env: DemoEnv;
  readonly ctx: ExecutionContext;
}

/** A call understood and counted. */
interface RunningCall {
  readonly dialect: ModelDialect;
  readonly planned: PlannedCall;
  readonly behaviour: Behaviour;
  readonly meter: CallMeter;
  readonly playback: Playback;
}

/** Answers a call whose key is right. `isEmbedding` says which of the models may answer. */
export async function answerCall(place: Place, dialect: ModelDialect, isEmbedding = false): Promise<Response> {
  const { request, env, ctx } = place;
  const read = dialect.read(await request.text());
  if (isMalformed(read)) return dialect.refuse({ kind: "malformed", ...read });
  const behaviour = behaviourOf(read.model);
  const isOther = isEmbedding
    ? read.model.startsWith("demo-") !== (read.model === EMBEDDING_MODEL)
    : read.model === EMBEDDING_MODEL;
  if (behaviour === undefined || isOther) return dialect.refuse({ kind: "model", model: read.model });
  const answer = planAnswer(read, behaviour);
  const hasUsage = behaviour.kind !== "fault" || behaviour.fault !== "fault-no-usage";
  const figures = hasUsage ? answer.figures : undefined;
  const meter = await openMeter(request, env, ctx, {
    model: read.model,
    promptTokens: dialect.isFree === true ? 0 : read.promptTokens,
  });
  const call = {
    dialect,
    planned: { request: read, answer, figures, token: newToken() },
    behaviour,
    meter,
    playback: { ctx, signal: request.signal },
  };
  const refusal = await refuseBeforeHeaders(call, env);
  if (refusal !== undefined) {
    await meter("failed", 0);
    return refusal;
  }
  return read.isStream ? streamAnswer(call) : wholeAnswer(call);
}

/** The faults that refuse a call before any answer begins. */
const REFUSALS: Partial<Record<ModelFault, Trouble>> = {
  "fault-400": { kind: "refused" },
  "fault-401": { kind: "unauthenticated" },
  "fault-429": { kind: "limited" },
  "fault-503": { kind: "overloaded", status: 503 },
  "fault-529": { kind: "overloaded", status: 529 },
};

async function refuseBeforeHeaders(call: RunningCall, env: DemoEnv): Promise<Response | undefined> {
  const { behaviour, dialect, planned } = call;
  if (behaviour.kind === "limited-once")
    return (await isFirstUse(behaviour.key, env)) ? dialect.refuse({ kind: "limited" }) : undefined;
  if (behaviour.kind === "late") {
    countAbort(call);
    await scheduler.wait(behaviour.delayMs);
  }
  if (behaviour.kind !== "fault") return undefined;
  const { fault } = behaviour;
  if (fault === "fault-hang") {
    countAbort(call);
    return stallForever();
  }
  if (fault === "fault-500-html") return brokenPage(dialect.headers());
  const isInBand = fault === "fault-in-band" || fault === "fault-in-band-late";
  if (isInBand && !planned.request.isStream)
    return Response.json(dialect.inBand(planned).whole, { headers: dialect.headers() });
  const trouble = REFUSALS[fault];
  return trouble === undefined ? undefined : dialect.refuse(trouble);
}

function brokenPage(headers: Record<string, string>): Response {
  return new Response("<html><body><h1>500 Internal Server Error</h1></body></html>", {
    status: 500,
    headers: { "content-type": "text/html; charset=utf-8", ...headers },
  });
}

/** Before a body exists the abort signal is the only sign of a caller that left. */
function countAbort({ playback, meter }: RunningCall): void {
  playback.signal.addEventListener("abort", () => playback.ctx.waitUntil(meter("cancelled", 0)));
}

const usedKeys = new Set<string>();

async function isFirstUse(key: string, env: DemoEnv): Promise<boolean> {
  const state = stateOf(env);
  if (state !== undefined) return state.isFirstUse(key);
  const isFirst = !usedKeys.has(key);
  usedKeys.add(key);
  return isFirst;
}

function streamAnswer({ dialect, planned, behaviour, meter, playback }: RunningCall): Response {
  const { framing } = dialect;
  const allTokens = planned.answer.figures.output;
  const plan = { frames: dialect.frames(planned), framing, inBand: dialect.inBand(planned) };
  const body = pumpBody(streamSteps(behaviour, plan), playback, (ending, outputBytes) =>
    meter(ending, ending === "completed" ? allTokens : Math.min(allTokens, Math.ceil(outputBytes / 4))),
  );
  const headers = {
    "content-type": framing.contentType,
    "cache-control": "no-cache",
    ...(framing.contentType.startsWith("application/json") ? UNCOMPRESSED : {}),
    ...dialect.headers(),
  };
  return new Response(body, { headers });
}

async function wholeAnswer(call: RunningCall): Promise<Response> {
  const { dialect, planned, behaviour, meter, playback } = call;
  if (behaviour.kind === "paced") {
    countAbort(call);
    await scheduler.wait(24 * behaviour.delayMs);
  }
  const body = JSON.stringify(paddedBody(dialect.whole(planned), behaviour));
  const allTokens = planned.answer.figures.output;
  const headers = { "content-type": "application/json", ...dialect.headers() };
  if (behaviour.kind !== "fault") {
    await meter("completed", allTokens);
    return new Response(body, { headers });
  }
  const pumped = pumpBody(bodySteps(behaviour, body, allTokens * 4), playback, (ending, outputBytes) =>
    meter(ending, Math.ceil(outputBytes / 4)),
  );
  return new Response(pumped, { headers: { ...headers, ...UNCOMPRESSED } });
}

/** NOTE: keeps a local compressing proxy from holding the headers back until a broken body ends. */
const UNCOMPRESSED = { "content-encoding": "identity" };

function paddedBody(body: JsonRecord, behaviour: Behaviour): JsonRecord {
  const isBig = behaviour.kind === "fault" && behaviour.fault === "fault-big-event";
  return isBig ? { ...body, obfuscation: "x".repeat(1_048_576) } : body;
}
