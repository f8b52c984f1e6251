// Sequences the search for what became of a call: a probe, a repeat that the upstream recognises, or a person's word.
import { accept, refuse, type Outcome } from "../core/errors.ts";
import type { ActiveConfig, ResolvedTool } from "../core/config/published.ts";
import type { Json } from "../core/json/canonical.ts";
import { mapArguments, type MappingSource } from "../core/policy/argument-mapping.ts";
import { findingOf, type ProbeEntry } from "../core/policy/finding.ts";
import { callTerms } from "../core/policy/retry.ts";
import type { ToolOutcome } from "../core/policy/tool-outcome.ts";
import type { Finding, ToolCallRecord } from "../core/state/tool-call-record.ts";
import { isRepeating } from "../core/state/tool-call-settling.ts";
import { scrubValue } from "../core/trace/scrub.ts";
import { writeTraceparent } from "../core/trace/trace-context.ts";
import { upstreamKey } from "../core/units/identifier.ts";
import type { Ports, Recorder, ToolExecuted } from "./ports.ts";
import { isStillAllowed } from "./recheck.ts";
import { recordToolCall } from "./record-tool-call.ts";
import type { NamedCall } from "./release-call.ts";
import { callOf, recordStored } from "./stored-call.ts";
import { stoppedBy } from "./tool-execution.ts";

interface Unknown {
  readonly config: ActiveConfig;
  readonly record: ToolCallRecord;
  readonly recorder: Recorder;
  readonly spanId: string;
}

/**
 * Tries to find out what became of a call of unknown outcome, as its tool says. What cannot be told leaves it unknown;
 * nothing is concluded from a probe that failed, that a switch stopped, or whose arguments do not fit.
 */
export async function settleCall(ports: Ports, { tenant, id }: NamedCall, recorder: Recorder): Promise<void> {
  const record = await ports.toolCalls.read(tenant, id);
  if (record?.status !== "unknown") return;
  const config = await ports.configs.active(tenant);
  if (config === undefined) return;
  const unknown: Unknown = { config, record, recorder, spanId: ports.system.randomHex(8) };
  const finding = await findOut(ports, unknown);
  if (finding !== undefined) await conclude(ports, unknown, finding);
}

function findOut(ports: Ports, unknown: Unknown): Promise<Finding | undefined> {
  const { config, record } = unknown;
  const tool = config.tool(record.request.ask.tool);
  const probe = tool?.entry.probe;
  const { settle, definitionDigest } = record.request;
  if (settle === "probe" && tool !== undefined && probe !== undefined) return runProbe(ports, unknown, { tool, probe });
  // Only exactly the tool that was called knows the key.
  if (settle === "repeat" && tool?.definitionDigest === definitionDigest) return repeat(ports, unknown, tool);
  return Promise.resolve({ type: "person" });
}

async function runProbe(
  ports: Ports,
  unknown: Unknown,
  { tool, probe }: { readonly tool: ResolvedTool; readonly probe: ProbeEntry },
): Promise<Finding | undefined> {
  const { config, record } = unknown;
  const { ask, id, tenant } = record.request;
  const reader = config.tool(probe.tool);
  const source: MappingSource = {
    args: ask.args,
    result: null,
    call: { id, idempotency_key: upstreamKey(tenant, id) },
  };
  const mapped = mapArguments(probe.args, source);
  if (reader === undefined || !mapped.ok || reader.check(mapped.args).length > 0) return undefined;
  const asked = { ...ask, tool: reader.name, args: mapped.args };
  const probing = { ...record, request: { ...record.request, ask: asked, definitionDigest: reader.definitionDigest } };
  if ((await stoppedBy(ports, { config, tool: reader, record: probing })) !== undefined) return undefined;
  const startedAt = ports.system.now();
  // Never under the key of the call itself: an upstream would answer that from what it stored.
  const { outcome, credentials } = await send(ports, { ...unknown, record: probing, callId: `${id}/probe` }, reader);
  const answered = { ...probing, status: outcome.status, outcome };
  const happened = { tool: reader, decision: record.decision, spanId: unknown.spanId, callId: null, startedAt };
  recordToolCall(
    ports,
    unknown.recorder,
    { call: callOf(probing), ask: asked, ...happened, probeOf: id },
    { type: "changed", record: answered, credentials },
  );
  const answer = answerOf(outcome);
  return answer === undefined
    ? undefined
    : findingOf(probe, { ...source, ...answer, argsSchema: tool.entry.input_schema });
}

/** What a probe has answered. One that was not let in, or not reached, has answered nothing. */
function answerOf(outcome: ToolOutcome): { readonly result: Json; readonly status: number } | undefined {
  if (outcome.status === "unknown" || outcome.httpStatus === null) return undefined;
  const { httpStatus: status, result } = outcome;
  return status >= 500 || NOT_LET_IN.has(status) ? undefined : { result, status };
}

const NOT_LET_IN: ReadonlySet<number> = new Set([401, 403, 408, 425, 429]);

/**
 * The same request under the same key: an upstream that knows it answers what it did, one that never saw it does it
 * now. Only success is evidence: a refusal may be about the repeat alone.
 */
async function repeat(ports: Ports, unknown: Unknown, tool: ResolvedTool): Promise<Finding | undefined> {
  const { config, record } = unknown;
  if ((await stoppedBy(ports, { config, tool, record })) !== undefined) return undefined;
  // It may be the first that the upstream sees of the call.
  if (!(await isStillAllowed(ports, { config, record }))) return undefined;
  if (!(await isFirstToRepeat(ports, record, tool))) return undefined;
  const { outcome } = await send(ports, { ...unknown, callId: record.request.id }, tool);
  if (outcome.status !== "succeeded") return undefined;
  const evidence = `the upstream answered ${outcome.httpStatus} to the same idempotency key`;
  return { type: "settled", outcome, resolution: { by: "repeat", evidence, keyId: null } };
}

/** Longer than the repeat's own time by what its way back takes. */
const REPEAT_GRACE_MS = 5_000;

/** Claims the repeat with the call's object: a person who says meanwhile that it did not happen would be wrong if it then does. */
async function isFirstToRepeat(ports: Ports, { request }: ToolCallRecord, tool: ResolvedTool): Promise<boolean> {
  const until = ports.system.now() + callTerms(tool.entry).timeoutMs + REPEAT_GRACE_MS;
  const reply = await ports.toolCalls.settle(request.tenant, request.id, { type: "repeating", until });
  return reply.type === "known" && reply.record.status === "unknown";
}

async function send(
  ports: Ports,
  { config, record, spanId, callId }: Unknown & { readonly callId: string },
  tool: ResolvedTool,
): Promise<ToolExecuted> {
  const { tenant, ask, traceHex } = record.request;
  const executed = await ports.tools.execute({
    tenant,
    callId,
    tool,
    args: ask.args,
    traceparent: writeTraceparent(traceHex, spanId, { isSampled: true, isRandom: false }),
    allowedHosts: config.published.document.egress.allow,
    timeoutMs: callTerms(tool.entry).timeoutMs,
  });
  return { ...executed, outcome: scrubValue(executed.outcome, executed.credentials) };
}

async function conclude(
  ports: Ports,
  { config, record, recorder }: Pick<Unknown, "config" | "record" | "recorder">,
  finding: Finding,
): Promise<ToolCallRecord | undefined> {
  const { tenant, id } = record.request;
  const startedAt = ports.system.now();
  const reply = await ports.toolCalls.settle(tenant, id, finding);
  if (reply.type !== "settled") return undefined;
  const end = { type: "changed", record: reply.record } as const;
  recordStored(ports, { config, recorder, spanId: ports.system.randomHex(8) }, { record, end, startedAt });
  return reply.record;
}

/** What a person knows of a call. */
export interface PersonsWord extends NamedCall {
  readonly by: string;
  readonly outcome: "succeeded" | "failed";
  readonly evidence: string;
  /** What the tool would have answered. */
  readonly result: Json;
}

/**
 * Takes a person's word on an unknown outcome; refuses `not_found`, `call_in_flight` while a repeat of it is on its way,
 * and `outcome_known` for any other status.
 */
export async function resolveCall(
  ports: Ports,
  word: PersonsWord,
  recorder: Recorder,
): Promise<Outcome<ToolCallRecord>> {
  const { tenant, id, by, evidence, result } = word;
  const record = await ports.toolCalls.read(tenant, id);
  if (record === undefined) return refuse("not_found", `tool call "${id}" is not here`);
  const config = await ports.configs.active(tenant);
  if (config === undefined) return refuse("not_configured", "the tenant has no published config");
  const resolution = { by: "person", evidence, keyId: by } as const;
  const message = `a person found that it did not happen: ${evidence}`;
  const outcome =
    word.outcome === "succeeded"
      ? ({ status: "succeeded", result, httpStatus: null } as const)
      : ({ status: "failed", code: "tool_failed", message, httpStatus: null, result: null } as const);
  const resolved = await conclude(ports, { config, record, recorder }, { type: "settled", outcome, resolution });
  if (resolved !== undefined) return accept(resolved);
  const stands = (await ports.toolCalls.read(tenant, id)) ?? record;
  const now = ports.system.now();
  if (stands.status === "unknown" && isRepeating(stands, now)) {
    const retryAfterS = Math.ceil(((stands.repeatingUntil ?? now) - now) / 1_000);
    return refuse("call_in_flight", "a repeat of the call is on its way: what it comes to settles it", { retryAfterS });
  }
  const { status } = stands;
  return refuse("outcome_known", `the call is ${status}: only an unknown outcome can be resolved`);
}
