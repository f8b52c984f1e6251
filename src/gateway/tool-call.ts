// Sequences one tool call: facts, schema, decision, the call's own object, the effect, its outcome, its record.
import type { ToolCall } from "../core/call.ts";
import { amounts } from "../core/budget/amounts.ts";
import { accept, refuse, type Outcome, type Refusal } from "../core/errors.ts";
import type { ActiveConfig, ResolvedTool } from "../core/config/published.ts";
import { digestOf } from "../core/json/digest.ts";
import { narrow } from "../core/policy/constraints.ts";
import { amountOf, evaluateToolCall } from "../core/policy/evaluate.ts";
import { decide, type Decision } from "../core/policy/decision.ts";
import { effectiveScopes } from "../core/principal.ts";
import type { ToolCallRecord, ToolCallRequest } from "../core/state/tool-call.ts";
import { scrubValue } from "../core/trace/scrub.ts";
import { writeTraceparent } from "../core/trace/trace-context.ts";
import { toolCallId } from "../core/units/identifier.ts";
import { usdFromJson } from "../core/units/money.ts";
import type { CallMeta } from "./admitted-call.ts";
import { readFacts } from "./facts.ts";
import { ledgerRefusal, refOf, refusalOf, scopesOf } from "./enforce.ts";
import type { BeginReply, Ports, Recorder } from "./ports.ts";
import { recordToolCall, type ToolCallHappened } from "./record-tool-call.ts";

/** How long a tool may take when its entry names no time, in milliseconds. */
const DEFAULT_TIMEOUT_MS = 30_000;
/** After its timeout a running call is given this long to be recorded before it counts as abandoned. */
const ABANDON_GRACE_MS = 5_000;

/** A tool call's answer: its record (first or replayed), or the refusal with whatever is known of the call. */
export interface ToolCallAnswer {
  readonly outcome: Outcome<{ readonly record: ToolCallRecord; readonly isReplay: boolean }>;
  readonly record: ToolCallRecord | undefined;
  readonly meta: CallMeta;
}

interface Prepared {
  readonly tool: ResolvedTool;
  readonly decision: Decision;
}

/**
 * Makes one governed tool call. The call's object has the intent on disk before the effect starts; the same key and
 * body gets the first answer again, another body `idempotency_key_reused`, a running one `call_in_flight`.
 * Two object hops before the effect, one after.
 */
export async function callTool(ports: Ports, call: ToolCall, recorder: Recorder): Promise<ToolCallAnswer> {
  const { context } = call;
  const startedAt = ports.system.now();
  const { config: found, meta } = await readFacts(ports, context);
  if (!found.ok) return { outcome: found, record: undefined, meta };
  const config = found.value;
  const prepared = prepare(config, call);
  const spanId = ports.system.randomHex(8);
  if (!prepared.ok) {
    const decision = refusedBeforehand(config, prepared);
    recordToolCall(
      ports,
      recorder,
      { call, tool: config.tool(call.toolName), decision, spanId, callId: null, startedAt },
      { type: "refused", refusal: prepared },
    );
    return { outcome: prepared, record: undefined, meta };
  }
  const { tool, decision } = prepared.value;
  const request = requestOf(ports, tool, call, { spanId, now: startedAt });
  const begun = await ports.toolCalls.begin({
    request,
    decision,
    scopes: scopesOf(config, context),
    amounts: amounts({
      tool_calls: 1,
      usd: usdFromJson(tool.entry.cost_usd) ?? 0,
      tool_usd: amountOf(tool.entry, call.args),
    }),
    ref: refOf(config, context, spanId, tool.name),
  });
  const happened: ToolCallHappened = { call, tool, decision, spanId, callId: request.id, startedAt };
  const known = "call" in begun ? { ...meta, remainingUsd: begun.remainingUsd } : meta;
  return continueFrom(ports, { config, call, tool, recorder, meta: known, happened }, begun);
}

/** The decision on a call that never reached the rules: what it names is not there, or does not fit. */
function refusedBeforehand(config: ActiveConfig, { code, detail }: Refusal): Decision {
  const rule_id = code === "unknown_tool" ? "tool.known" : "tool.input_schema";
  return decide([{ rule_id, effect: "deny", message: detail, path: "tool_call" }], config.policyVersion);
}

interface Running {
  readonly config: ActiveConfig;
  readonly call: ToolCall;
  readonly tool: ResolvedTool;
  readonly recorder: Recorder;
  readonly meta: CallMeta;
  readonly happened: ToolCallHappened;
}

/** Finds the tool, holds the arguments against its schema, and decides: the same for a live call and for one only asked about. */
function prepare(config: ActiveConfig, call: ToolCall): Outcome<Prepared> {
  const tool = config.tool(call.toolName);
  if (tool === undefined)
    return refuse("unknown_tool", `no tool "${call.toolName}" in the tenant's config`, {
      mistakes: [{ path: "tool_call.name", message: "expected a configured tool" }],
    });
  const mistakes = tool.check(call.args);
  if (mistakes.length > 0) {
    const shown = mistakes.map((mistake) => ({
      ...mistake,
      path: ["tool_call.args", mistake.path].filter((part) => part !== "").join("."),
    }));
    return refuse("invalid_arguments", shown.map((mistake) => `${mistake.path}: ${mistake.message}`).join("; "), {
      mistakes: shown,
    });
  }
  return accept({ tool, decision: decisionOn(config, tool, call) });
}

/** The policy's decision on a call: the same pure function for a live call and for one that is only asked about. */
function decisionOn(config: ActiveConfig, tool: ResolvedTool, call: ToolCall): Decision {
  const { context } = call;
  const actor = config.actor(context.actor);
  const byHeader = context.allowedTools === undefined ? {} : { allowed_tools: [...context.allowedTools] };
  return evaluateToolCall({
    policyVersion: config.policyVersion,
    actorName: context.actor,
    actor,
    toolName: tool.name,
    tool: tool.entry,
    scopes: effectiveScopes(context.principal, actor?.scopes ?? []),
    constraints: narrow(call.constraints, byHeader),
    args: call.args,
  });
}

function requestOf(
  ports: Ports,
  tool: ResolvedTool,
  call: ToolCall,
  { spanId, now }: { readonly spanId: string; readonly now: number },
): ToolCallRequest {
  const { context } = call;
  const { tenant } = context.principal;
  const key = keyOf(ports, tool, call);
  return {
    id: toolCallId({ tenant, actor: context.actor, key }),
    tenant,
    actor: context.actor,
    session: context.session,
    task: context.task,
    intent: context.intent,
    traceId: context.trace.shown,
    traceHex: context.trace.hex,
    spanId,
    toolName: tool.name,
    definitionDigest: tool.definitionDigest,
    effect: tool.entry.effect,
    args: call.args,
    fingerprint: digestOf({ intent: context.intent, constraints: call.constraints, tool: tool.name, args: call.args }),
    deadlineAt: now + (tool.entry.timeout_ms ?? DEFAULT_TIMEOUT_MS) + ABANDON_GRACE_MS,
  };
}

/**
 * The key that names the call. The caller's own; else, for a tool whose repeats are not intended, the digest of
 * session, task, tool and arguments, so that a loop of identical calls acts once; else a fresh one.
 */
function keyOf(ports: Ports, tool: ResolvedTool, call: ToolCall): string {
  if (call.idempotencyKey !== undefined) return `given:${call.idempotencyKey}`;
  const repeat = tool.entry.repeat ?? (tool.entry.effect === "read" ? "allow" : "deduplicate");
  if (repeat === "allow") return `fresh:${ports.system.randomHex(16)}`;
  return `derived:${digestOf([call.context.session, call.context.task, tool.name, call.args])}`;
}

async function continueFrom(ports: Ports, running: Running, begun: BeginReply): Promise<ToolCallAnswer> {
  const { meta, happened, recorder } = running;
  const stop = (refusal: Refusal, record?: ToolCallRecord): ToolCallAnswer => {
    recordToolCall(ports, recorder, happened, { type: "refused", refusal });
    return { outcome: refusal, record, meta };
  };
  if ("ledger" in begun) return stop(ledgerRefusal(begun.ledger) ?? refuse("internal", "the ledger gave no admission"));
  switch (begun.call.type) {
    case "execute":
      return executeOnce(ports, running, begun.call.record);
    case "replay":
      recordToolCall(ports, recorder, happened, { type: "replayed", record: begun.call.record });
      return { outcome: accept({ record: begun.call.record, isReplay: true }), record: begun.call.record, meta };
    case "denied":
      return stop(refusalOf(begun.call.record.decision), begun.call.record);
    case "reused":
      return stop(
        refuse(
          "idempotency_key_reused",
          "this idempotency key was used with another body; use a new key for a new call",
          { mistakes: [{ path: "Idempotency-Key", message: "expected the body that was first sent with this key" }] },
        ),
      );
    case "in_flight":
      return stop(refuse("call_in_flight", "the first call with this key is still running", { retryAfterS: 1 }));
    case "ask_ledger":
    case "finished":
    case "nothing":
      return stop(refuse("internal", `the call's object answered "${begun.call.type}" to a beginning`));
    default:
      return begun.call satisfies never;
  }
}

async function executeOnce(ports: Ports, running: Running, record: ToolCallRecord): Promise<ToolCallAnswer> {
  const { config, call, tool, meta, happened, recorder } = running;
  const executed = await ports.tools.execute({
    tenant: record.request.tenant,
    callId: record.request.id,
    tool,
    args: call.args,
    traceparent: writeTraceparent(call.context.trace.hex, record.request.spanId, {
      isSampled: call.context.parent?.isSampled ?? true,
      isRandom: call.context.parent?.isRandom ?? false,
    }),
    allowedHosts: config.published.document.egress.allow,
  });
  // A tool that echoes its credential must not hand it to the agent, to a replay or to the record.
  const outcome = scrubValue(executed.outcome, executed.credentials);
  const finish = (): Promise<ToolCallRecord | undefined> =>
    ports.toolCalls.finish(record.request.tenant, record.request.id, outcome);
  // The effect has happened: whatever fails now, the caller learns the outcome and is never told to try again.
  const finished = await finish()
    .catch(finish)
    .catch(() => undefined);
  const final = finished ?? { ...record, status: outcome.status, outcome };
  recordToolCall(ports, recorder, happened, { type: "executed", record: final, credentials: executed.credentials });
  return { outcome: accept({ record: final, isReplay: false }), record: final, meta };
}

/** What the policy would say to a call; nothing is recorded, reserved or sent. */
export async function decideTool(
  ports: Ports,
  call: ToolCall,
): Promise<
  Outcome<{ readonly decision: Decision; readonly tool: { readonly name: string; readonly definition_digest: string } }>
> {
  const { config } = await readFacts(ports, call.context);
  if (!config.ok) return config;
  const prepared = prepare(config.value, call);
  if (!prepared.ok) return prepared;
  const { tool, decision } = prepared.value;
  return accept({ decision, tool: { name: tool.name, definition_digest: tool.definitionDigest } });
}
