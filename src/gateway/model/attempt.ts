// Makes one attempt at one provider, up to where its answer begins: until then another one may still answer.
import type { Usage } from "../../core/budget/price.ts";
import type { ModelCall } from "../../core/call.ts";
import type { ActiveConfig } from "../../core/config/published.ts";
import type { ModelError } from "../../core/dialect/reply.ts";
import { wireOf } from "../../core/dialect/registry.ts";
import { refuse, type Refusal } from "../../core/errors.ts";
import { locateMembers } from "../../core/json/members.ts";
import {
  GARBLED,
  isUnbilled,
  LOST,
  OVER,
  TIMED_OUT,
  UNSENT,
  verdictOfKind,
  verdictOfStatus,
  type Verdict,
} from "../../core/routing/failover.ts";
import type { Candidate } from "../../core/routing/plan.ts";
import { holdsCredential, scrub } from "../../core/trace/scrub.ts";
import { writeTraceparent } from "../../core/trace/trace-context.ts";
import type { ModelPorts } from "../ports.ts";
import type { ModelResponse } from "../ports/models.ts";
import { isTimeout, type AttemptClock, type Stop } from "./attempt-clock.ts";
import type { Exchange } from "./exchange.ts";
import { peek, type Peeked } from "./peek.ts";

/** An answer whose headers came. */
export type ProviderAnswer = ModelResponse & { readonly type: "answered" };

/** One attempt, and where it stands. */
export interface Attempt {
  readonly spanId: string;
  readonly candidate: Candidate;
  readonly exchange: Exchange;
  readonly startedAt: number;
  readonly clock: AttemptClock;
}

/** What is known of an attempt that gave no answer. */
export interface Failure {
  readonly refusal: Refusal;
  readonly verdict: Verdict;
  /** Whether the provider has surely billed nothing. */
  readonly isUnbilled: boolean;
  readonly httpStatus: number | undefined;
  readonly credential: string | undefined;
  readonly retryAfterMs: number | null;
  /** What came, where anything did, without the tenant's credential; and what it says was used. */
  readonly text: string | undefined;
  readonly usage: Usage | undefined;
  readonly stop: Stop | undefined;
}

/** A whole answer, of any status. */
export interface WholeAnswer {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** What an attempt came to. A whole answer of 400 or more is an answer too: the verdict says whether it has to stand. */
export type AttemptResult =
  | {
      readonly type: "whole";
      readonly answered: ProviderAnswer;
      readonly answer: WholeAnswer;
      readonly verdict: Verdict | undefined;
      /** Whether a failure has surely billed nothing. */
      readonly isUnbilled: boolean;
    }
  | {
      readonly type: "stream";
      readonly answered: ProviderAnswer;
      readonly peeked: Peeked;
      readonly body: ReadableStream<Uint8Array>;
    }
  | { readonly type: "failed"; readonly failure: Failure };

/** What attempts of one call share. */
export interface Attempting {
  readonly call: ModelCall;
  readonly config: ActiveConfig;
  /** Whether somebody else may answer: then the stream is held back until its first content. */
  readonly mayFailOver: boolean;
}

/** Makes the attempt. Never throws for what the provider does. */
export async function makeAttempt(
  ports: ModelPorts,
  attempt: Attempt,
  { call, config, mayFailOver }: Attempting,
): Promise<AttemptResult> {
  const { clock, exchange, candidate } = attempt;
  const { provider, providerName, upstreamName } = candidate.model;
  const answered = await ports.models.send({
    tenant: call.context.principal.tenant,
    providerName,
    provider,
    dialect: exchange.dialect,
    model: upstreamName,
    isStream: call.fields.isStream,
    body: exchange.body,
    headers: new Map([
      ...(exchange.translation === undefined ? call.headers : []),
      ...traceHeaders(call, attempt.spanId),
    ]),
    query: exchange.translation === undefined ? call.query : "",
    allowedHosts: config.published.document.egress.allow,
    signal: clock.signal,
  });
  if (answered.type !== "answered") return failed(unanswered(answered, clock));
  clock.connected();
  const isStream =
    call.fields.isStream &&
    answered.status < 300 &&
    (answered.headers.get("content-type") ?? "").includes("event-stream");
  return isStream ? beginStream(attempt, answered, mayFailOver) : readWhole(attempt, answered);
}

function failed(failure: Failure): AttemptResult {
  return { type: "failed", failure };
}

async function readWhole({ clock, exchange }: Attempt, answered: ProviderAnswer): Promise<AttemptResult> {
  let answer: WholeAnswer;
  try {
    answer = readable(new Uint8Array(await answered.bytes()), answered.credential);
  } catch {
    const refusal = stoppedRefusal(clock.stop, "the model provider's answer took too long");
    return failed({
      ...heard(answered),
      refusal: refusal ?? refuse("upstream_failed", "the model provider's answer broke off"),
      verdict: verdictOfStop(clock.stop) ?? LOST,
      isUnbilled: false,
      text: undefined,
      usage: undefined,
      stop: clock.stop,
    });
  }
  clock.over();
  return { type: "whole", answered, answer, ...meaningOfWhole(exchange, answered.status, answer.text) };
}

/**
 * What a whole answer means that is none: an error by its status, told inside it, or no JSON at all; and whether it has
 * surely billed nothing.
 */
function meaningOfWhole(
  { dialect }: Exchange,
  status: number,
  text: string,
): { readonly verdict: Verdict | undefined; readonly isUnbilled: boolean } {
  if (status >= 400) return { verdict: verdictOfStatus(status), isUnbilled: isUnbilled(status) };
  const object = locateMembers(text);
  if (object === undefined) return { verdict: GARBLED, isUnbilled: false };
  const { error, usage } = wireOf(dialect).whole(object);
  return error === undefined
    ? { verdict: undefined, isUnbilled: false }
    : { verdict: verdictOfKind(error.kind), isUnbilled: usage === undefined };
}

/** An answer's bytes and text; one that echoes the tenant's credential loses it, so that no agent ever sees it. */
function readable(bytes: Uint8Array, credential: string | undefined): WholeAnswer {
  const text = new TextDecoder().decode(bytes);
  if (credential === undefined || !holdsCredential(text, [credential])) return { bytes, text };
  const scrubbed = scrub(text, [credential]);
  return { bytes: new TextEncoder().encode(scrubbed), text: scrubbed };
}

async function beginStream(
  { clock, exchange }: Attempt,
  answered: ProviderAnswer,
  mayFailOver: boolean,
): Promise<AttemptResult> {
  const body = answered.body ?? new ReadableStream<Uint8Array>({ start: (controller) => controller.close() });
  const peeked = await peek(body, wireOf(exchange.dialect), mayFailOver);
  const failure = peekedFailure(withoutCredential(peeked, answered.credential, exchange), answered, {
    clock,
    exchange,
  });
  if (failure === undefined) {
    clock.began();
    return { type: "stream", answered, peeked, body };
  }
  await cancelRest(body);
  clock.over();
  return failed(failure);
}

/** A beginning that echoes the tenant's credential loses it before anybody is told of it. */
function withoutCredential(peeked: Peeked, credential: string | undefined, { dialect }: Exchange): Peeked {
  const isEchoed =
    peeked.opening.type === "error" && credential !== undefined && holdsCredential(peeked.text, [credential]);
  if (!isEchoed) return peeked;
  const text = scrub(peeked.text, [credential]);
  return { ...peeked, text, opening: wireOf(dialect).opening(text) };
}

function peekedFailure(
  { isBroken, opening, text }: Peeked,
  answered: ProviderAnswer,
  { clock, exchange }: Pick<Attempt, "clock" | "exchange">,
): Failure | undefined {
  const usage = opening.type === "error" ? wireOf(exchange.dialect).streamed(text).usage : undefined;
  const shared = { ...heard(answered), text: text === "" ? undefined : text, usage, stop: clock.stop };
  if (isBroken) {
    const refusal = stoppedRefusal(clock.stop, "the model provider's stream did not begin in time");
    return {
      ...shared,
      refusal: refusal ?? refuse("upstream_failed", "the model provider's stream broke before its first event"),
      verdict: verdictOfStop(clock.stop) ?? LOST,
      isUnbilled: false,
    };
  }
  if (opening.type === "error")
    return {
      ...shared,
      refusal: inBandRefusal(opening.error),
      verdict: verdictOfKind(opening.error.kind),
      isUnbilled: usage === undefined,
    };
  if (text.trim() !== "") return undefined;
  const refusal = refuse("upstream_failed", "the model provider's stream was empty");
  return { ...shared, refusal, verdict: LOST, isUnbilled: false };
}

/** An error that a provider told inside a 200, as its caller is told. */
export function inBandRefusal(error: ModelError): Refusal {
  return refuse("upstream_failed", `the model provider answered with an error: ${error.message}`, {
    extensions: { upstream_error: error },
  });
}

function unanswered(response: Exclude<ModelResponse, { type: "answered" }>, clock: AttemptClock): Failure {
  const { stop } = clock;
  clock.over();
  const nothing = { httpStatus: undefined, credential: undefined, retryAfterMs: null, text: undefined };
  const shared = { ...nothing, usage: undefined, stop };
  if (response.type === "blocked")
    return { ...shared, refusal: refuse("egress_blocked", response.message), verdict: UNSENT, isUnbilled: true };
  const stopped = stoppedRefusal(stop, "the model provider sent no answer in time");
  const message = response.type === "aborted" ? "the call was aborted" : response.message;
  return {
    ...shared,
    refusal: stopped ?? refuse("upstream_failed", message),
    verdict: verdictOfStop(stop) ?? LOST,
    // One that may have been reached may have worked.
    isUnbilled: false,
  };
}

function heard({
  status,
  headers,
  credential,
}: ProviderAnswer): Pick<Failure, "httpStatus" | "credential" | "retryAfterMs"> {
  return { httpStatus: status, credential, retryAfterMs: retryAfterOf(status, headers) };
}

/** How Google says it, in the body alone: a `RetryInfo` among the error's details. */
const RETRY_DELAY = /"retryDelay"\s*:\s*"(\d{1,6}(?:\.\d{1,9})?)s"/;

/** How long a provider asks to be left alone: its `retry-after` in seconds (dates are used by none of them), or its `RetryInfo`. */
export function retryAfterOf(status: number, headers: Headers, text = ""): number | null {
  if (status < 400) return null;
  const seconds = Number(headers.get("retry-after") ?? RETRY_DELAY.exec(text.slice(0, 65_536))?.[1] ?? Number.NaN);
  return seconds >= 0 ? Math.ceil(seconds * 1000) : null;
}

function verdictOfStop(stop: Stop | undefined): Verdict | undefined {
  if (stop === undefined) return undefined;
  return isTimeout(stop) ? TIMED_OUT : OVER;
}

function stoppedRefusal(stop: Stop | undefined, timedOut: string): Refusal | undefined {
  if (stop === undefined) return undefined;
  if (stop === "halted") return refuse("halted", "a person has stopped this call while it ran");
  if (isTimeout(stop)) return refuse("upstream_timeout", timedOut);
  if (stop === "outrun") return refuse("upstream_failed", "another attempt answered first");
  return refuse("caller_left", "the caller has left");
}

async function cancelRest(body: ReadableStream<Uint8Array>): Promise<void> {
  try {
    await body.cancel();
  } catch {
    // Already ended or broken.
  }
}

/** The attempt's own place in the trace, for the provider, with what others have put into its state. */
function traceHeaders({ context }: ModelCall, spanId: string): readonly (readonly [string, string])[] {
  const { trace, parent } = context;
  const traceparent = writeTraceparent(trace.hex, spanId, parent ?? { isSampled: true, isRandom: false });
  return [
    ["traceparent", traceparent],
    ...(parent?.state === undefined ? [] : [["tracestate", parent.state] as const]),
  ];
}
