// Reads who calls in which trace, session and task from headers, and from the envelope where a call has one.
import { refuse, accept, type Mistake, type Outcome, type Refusal } from "../../core/errors.ts";
import type { CallContext } from "../../core/call.ts";
import { telltaleId } from "../../core/guard/caller-id.ts";
import { resolveActor } from "../../core/principal.ts";
import { readTraceContext, type TraceContext } from "../../core/trace/trace-context.ts";
import { percentDecoded } from "../../core/units/percent-encoded.ts";
import { isCallerId, readTraceId, traceIdFromHex, type TraceId } from "../../core/units/identifier.ts";
import type { CallMeta } from "../../gateway/call-meta.ts";
import { formatUsd } from "../../core/units/money.ts";
import type { ListingAsk } from "../../gateway/list-tools.ts";
import { recordForbidden, type CalledSurface } from "../../gateway/record-forbidden.ts";
import { deferOf, type HttpContext } from "../context.ts";

/** What an envelope may say instead of the headers; it wins where both speak. */
export interface DeclaredContext {
  readonly actor?: string | undefined;
  readonly trace_id?: string | undefined;
  readonly session_id?: string | undefined;
  readonly task_id?: string | undefined;
  readonly intent?: string | undefined;
  readonly confidence?: number | undefined;
  /** The position in a trace, where the header says none. */
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
  /** What is called: an actor that is refused is recorded with it. */
  readonly surface: CalledSurface;
}

/** The context of a call; refuses an actor the key may not be, and names every malformed field. */
export function readCallContext(c: HttpContext, declared: DeclaredContext): Outcome<CallContext> {
  const { principal, credential, runtime } = c.var;
  const named = declared.actor ?? c.req.header("interlock-actor");
  const actor = resolveActor(principal, named);
  if (!actor.ok) {
    const asked = { principal, actor: named ?? "", surface: declared.surface, credentials: [credential] };
    if (actor.code === "actor_forbidden") recordForbidden(runtime.ports, runtime.recorder(deferOf(c)), asked, actor);
    return actor;
  }
  const mistakes: Mistake[] = [];
  const id = (inEnvelope: string | undefined, header: string): string | null =>
    ownId(callerId(inEnvelope ?? c.req.header(header), header, mistakes), header, mistakes);
  const header = c.req.header("traceparent");
  const parent =
    header === undefined
      ? readTraceContext(declared.traceparent, declared.tracestate)
      : readTraceContext(header, c.req.header("tracestate"));
  const trace =
    traceOf(principal.tenant, declared.trace_id, parent?.traceHex, mistakes) ??
    traceIdFromHex(runtime.ports.system.randomHex(16));
  const session = id(declared.session_id, "Interlock-Session") ?? trace.shown;
  const task = id(declared.task_id, "Interlock-Task");
  // Recorded as its token alone, so that it may tell who it is.
  const endUser = callerId(c.req.header("Interlock-User"), "Interlock-User", mistakes);
  ownId(actor.value, "actor", mistakes);
  const release = id(undefined, "Interlock-Release");
  const isConfirmed = confirmedOf(c.req.header("interlock-confirmed"), mistakes);
  const confidence = declared.confidence ?? confidenceOf(c.req.header("interlock-confidence"), mistakes);
  const userPrompt = promptOf(c.req.header("interlock-user-prompt"), mistakes);
  const intent = intentOf(declared.intent ?? c.req.header("interlock-intent"), mistakes);
  if (mistakes.length > 0) return refusedFor(mistakes);
  return accept({
    principal,
    actor: actor.value,
    trace,
    parent: continues(parent, trace),
    session,
    task,
    intent,
    confidence,
    endUser,
    endUserOrigin: "declared",
    userPrompt,
    release,
    isConfirmed,
    allowedTools: listOf(c.req.header("interlock-allowed-tools")),
    credentials: [credential],
  });
}

/**
 * Whose list of tools is asked for: as the actor named, else as every actor that the key may be. Refuses an actor the
 * key may not be, and names every malformed field.
 */
export function readListingAsk(c: HttpContext): Outcome<ListingAsk> {
  const { principal } = c.var;
  const named = c.req.header("interlock-actor");
  const actor = named === undefined || named === "" ? accept(null) : resolveActor(principal, named);
  if (!actor.ok) return actor;
  const mistakes: Mistake[] = [];
  const endUser = callerId(c.req.header("Interlock-User"), "Interlock-User", mistakes);
  const release = callerId(c.req.header("Interlock-Release"), "Interlock-Release", mistakes);
  if (mistakes.length > 0) return refusedFor(mistakes);
  const allowedTools = listOf(c.req.header("interlock-allowed-tools"));
  return accept({ principal, actor: actor.value, endUser, endUserOrigin: "declared", release, allowedTools });
}

function refusedFor(mistakes: readonly Mistake[]): Refusal {
  return refuse("invalid_request", mistakes.map((mistake) => `${mistake.path}: ${mistake.message}`).join("; "), {
    mistakes,
  });
}

/** The caller's span, where the call stays in the caller's trace. */
function continues(parent: TraceContext | undefined, trace: TraceId): TraceContext | undefined {
  return parent?.traceHex === trace.hex ? parent : undefined;
}

function listOf(header: string | undefined): readonly string[] | undefined {
  return header
    ?.split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

function traceOf(
  tenant: string,
  declared: string | undefined,
  parentHex: string | undefined,
  mistakes: Mistake[],
): TraceId | undefined {
  if (declared === undefined) return parentHex === undefined ? undefined : traceIdFromHex(parentHex);
  const trace = readTraceId(tenant, declared);
  if (trace === undefined)
    mistakes.push({
      path: "trace_id",
      message: "expected `tr_` and 32 hex digits, or `tr_` and up to 125 letters, digits and `._:-`",
    });
  ownId(trace?.shown ?? null, "trace_id", mistakes);
  return trace;
}

/** Ids stand unmasked in records, names and columns: one that tells who somebody is, or opens something, is refused. */
function ownId(id: string | null, path: string, mistakes: Mistake[]): string | null {
  const told = id === null ? undefined : telltaleId(id);
  if (told !== undefined)
    mistakes.push({ path, message: `expected an id that holds no ${told.replace(/^an? /, "")}: ids are not masked` });
  return id;
}

function callerId(text: string | undefined, path: string, mistakes: Mistake[]): string | null {
  if (text === undefined) return null;
  if (!isCallerId(text))
    mistakes.push({ path, message: "expected 1 to 128 letters, digits and `._:-`, beginning with a letter or digit" });
  return text;
}

function intentOf(text: string | undefined, mistakes: Mistake[]): string | null {
  if (text !== undefined && text.length > 256)
    mistakes.push({ path: "Interlock-Intent", message: "expected at most 256 characters" });
  return text ?? null;
}

/** The most bytes that a task statement may have. */
const MAX_PROMPT_BYTES = 8_192;

const NO_PROMPT = {
  escape: "expected percent-encoded UTF-8: two hex digits after each `%`, and nothing but ASCII outside of them",
  utf8: "expected percent-encoded UTF-8: its bytes are not UTF-8",
  length: `expected at most ${MAX_PROMPT_BYTES} bytes once percent-encoding is undone`,
} as const;

function promptOf(header: string | undefined, mistakes: Mistake[]): string | null {
  if (header === undefined) return null;
  const decoded = percentDecoded(header, MAX_PROMPT_BYTES);
  if (decoded.ok) return decoded.text === "" ? null : decoded.text;
  mistakes.push({ path: "Interlock-User-Prompt", message: NO_PROMPT[decoded.why] });
  return null;
}

function confidenceOf(text: string | undefined, mistakes: Mistake[]): number | null {
  if (text === undefined) return null;
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!(value >= 0 && value <= 1))
    mistakes.push({ path: "Interlock-Confidence", message: "expected a number from 0 to 1" });
  return value;
}

function confirmedOf(text: string | undefined, mistakes: Mistake[]): boolean {
  const value = text?.trim().toLowerCase();
  if (value !== undefined && !["true", "false", "1", "0"].includes(value))
    mistakes.push({ path: "Interlock-Confirmed", message: "expected true or false" });
  return value === "true" || value === "1";
}

/** Puts what a call's answer tells about itself into headers. */
export function setCallHeaders(headers: Headers, meta: CallMeta): void {
  headers.set("interlock-trace-id", meta.traceId);
  headers.set("interlock-session", meta.session);
  if (meta.policyVersion !== undefined) headers.set("interlock-policy-version", meta.policyVersion);
  if (meta.remainingUsd !== null) headers.set("interlock-budget-remaining-usd", formatUsd(meta.remainingUsd));
  if (meta.model !== undefined) headers.set("interlock-model", meta.model);
  if (meta.tier !== undefined) headers.set("interlock-tier", meta.tier);
  if (meta.release !== undefined) headers.set("interlock-release", meta.release);
  if (meta.keptAgeS !== undefined) headers.set("interlock-cache", meta.keptAgeS === null ? "miss" : "hit");
  if (typeof meta.keptAgeS === "number") headers.set("age", String(meta.keptAgeS));
  if (meta.routeReason !== undefined) headers.set("interlock-route-reason", meta.routeReason);
}
