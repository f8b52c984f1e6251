// Decides how a stored trace reads: one line per call under the call that caused it, then why, with what, and to what end.
import * as z from "zod/mini";
import { ATTR } from "../core/trace/attributes.ts";
import { payloadLines } from "./payload-lines.ts";
import type { StoredCall, StoredTrace } from "./received.ts";
import { visibleText } from "./visible-text.ts";

type Attributes = Readonly<Record<string, unknown>>;

/** A call with what belongs to it. */
interface Node {
  readonly call: StoredCall;
  readonly attributes: Attributes;
  readonly reasons: readonly unknown[];
  readonly children: Node[];
}

/** A trace as lines: a head, the tree of its calls, the total cost. `isFull` shortens nothing. */
export function traceLines(trace: StoredTrace, isFull: boolean): readonly string[] {
  const { calls } = trace;
  return [
    `trace ${trace.trace_id}`,
    headText(calls),
    ...branchLines(treeOf(trace), { trace, isFull, columns: columnsOf(calls), indent: "" }),
    `total $${trace.cost_usd}`,
  ].map(visibleText);
}

/** When the trace began, how many calls it has, and what they have in common. */
function headText(calls: readonly StoredCall[]): string {
  const each = (name: string, of: (call: StoredCall) => string): string => {
    const all = [...new Set(calls.map(of))];
    return `${name}${all.length === 1 ? "" : "s"} ${all.join(", ")}`;
  };
  return [
    ...calls.slice(0, 1).map((first) => `began ${first.started_at}`),
    `${calls.length} call${calls.length === 1 ? "" : "s"}`,
    each("session", (call) => call.session_id),
    each("actor", (call) => call.actor),
    each("policy version", (call) => call.policy_version),
  ].join(" · ");
}

/** The calls, each under the earlier call of the trace that its span descends from. */
function treeOf({ calls, spans }: StoredTrace): readonly Node[] {
  const spansById = new Map(spans.map((span) => [span.span_id, span]));
  const placed = new Map<string, Node>();
  const roots: Node[] = [];
  for (const call of calls) {
    const own = spansById.get(call.span_id);
    const reasons = spans
      .filter((span) => span.parent_span_id === call.span_id)
      .flatMap((span) => listOf(span.attributes[ATTR.decisionReasons]));
    const node: Node = { call, attributes: own?.attributes ?? {}, reasons, children: [] };
    const parent = placed.get(own?.parent_span_id ?? "");
    (parent?.children ?? roots).push(node);
    placed.set(call.span_id, node);
  }
  return roots;
}

interface View {
  readonly trace: StoredTrace;
  readonly isFull: boolean;
  readonly columns: Columns;
  readonly indent: string;
}

function branchLines(nodes: readonly Node[], view: View): readonly string[] {
  return nodes.flatMap((node, at) => {
    const isLast = at === nodes.length - 1;
    const indent = `${view.indent}${isLast ? "   " : "│  "}`;
    const bar = node.children.length > 0 ? "│  " : "   ";
    return [
      `${view.indent}${isLast ? "└─ " : "├─ "}${callLine(node, view.columns)}`,
      ...detailLines(node, view).map((line) => `${indent}${bar}${line}`),
      ...branchLines(node.children, { ...view, indent }),
    ];
  });
}

interface Columns {
  readonly kind: number;
  readonly subject: number;
  readonly status: number;
  readonly decision: number;
}

function columnsOf(calls: readonly StoredCall[]): Columns {
  const width = (of: (call: StoredCall) => string): number => Math.max(0, ...calls.map((call) => of(call).length));
  return {
    kind: width((call) => call.kind),
    subject: width(subjectOf),
    status: width((call) => call.status),
    decision: width((call) => call.decision),
  };
}

function callLine({ call, attributes }: Node, columns: Columns): string {
  return [
    timeText(call.started_at),
    call.kind.padEnd(columns.kind),
    subjectOf(call).padEnd(columns.subject),
    call.status.padEnd(columns.status),
    call.decision.padEnd(columns.decision),
    `$${call.cost_usd}`,
    durationText(call.duration_ms),
    ...(typeof call.seq === "number" ? [`seq ${call.seq}`] : ["no seq"]),
    ...(attributes[ATTR.idempotencyReplayed] === true ? ["replayed"] : []),
    ...(typeof call.error_code === "string" ? [call.error_code] : []),
  ].join("  ");
}

function detailLines(node: Node, { trace, isFull }: View): readonly string[] {
  const payloads = trace.payloads.filter((payload) => payload.span_id === node.call.span_id);
  return [
    ...declaredLines(node),
    ...node.reasons.map((reason) => reasonLine(reason, isFull)),
    ...usageLines(node),
    ...payloads.flatMap((payload) => payloadLines(payload, isFull)),
  ];
}

/** Who decided, and in which words. */
function personLines(attributes: Node["attributes"]): readonly string[] {
  const [by, comment] = [attributes[ATTR.approvalBy], attributes[ATTR.approvalComment]];
  return [
    ...(typeof by === "string" ? [`by ${by}`] : []),
    ...(typeof comment === "string" ? [`"${visibleText(comment)}"`] : []),
  ];
}

function declaredLines({ call, attributes }: Node): readonly string[] {
  const intent = attributes[ATTR.intent];
  const parts = [
    ...(typeof intent === "string" ? [`intent ${intent}`] : []),
    ...(typeof call.task_id === "string" ? [`task ${call.task_id}`] : []),
    ...(typeof call.tool_call_id === "string" ? [`tool call ${call.tool_call_id}`] : []),
    ...personLines(attributes),
  ];
  return parts.length === 0 ? [] : [parts.join(", ")];
}

const Reason = z.object({
  rule_id: z.string(),
  effect: z.string(),
  message: z.string(),
  path: z.optional(z.string()),
  values: z.optional(z.unknown()),
});

function reasonLine(text: unknown, isFull: boolean): string {
  const reason = readReason(text);
  if (reason === undefined) return `reason ${String(text)}`;
  const { rule_id, effect, message, path, values } = reason;
  const at = path === undefined ? "" : `  at ${path}`;
  const saw = values === undefined ? "" : `  values ${JSON.stringify(values)}`;
  return `${effect.padEnd(5)}  ${rule_id}: ${message}${isFull ? `${at}${saw}` : ""}`;
}

function readReason(text: unknown): z.infer<typeof Reason> | undefined {
  if (typeof text !== "string") return undefined;
  try {
    const parsed = Reason.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

function usageLines({ call, attributes }: Node): readonly string[] {
  if (call.model === null || call.kind === "ledger") return [];
  const cached = attributes[ATTR.cacheReadTokens];
  const reasoning = attributes[ATTR.reasoningTokens];
  const basis = attributes[ATTR.costBasis];
  const finish = listOf(attributes[ATTR.finishReasons]);
  const parts = [
    `tokens ${call.input_tokens} in${isSome(cached) ? ` (${cached} from cache)` : ""}`,
    `${call.output_tokens} out${isSome(reasoning) ? ` (${reasoning} reasoning)` : ""}`,
    ...(finish.length === 0 ? [] : [`finish ${finish.map(String).join(", ")}`]),
    // A cost that the provider's own usage does not carry is an upper bound.
    ...(typeof basis !== "string" || basis === "usage" || basis === "none" ? [] : [`cost by ${basis}`]),
  ];
  return [parts.join(", ")];
}

function isSome(value: unknown): value is number {
  return typeof value === "number" && value > 0;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function subjectOf(call: StoredCall): string {
  return call.tool ?? call.model ?? "-";
}

/** The time of day in UTC, to the millisecond; the text itself where it is no time. */
function timeText(time: string): string {
  return /T(\d\d:\d\d:\d\d\.\d{3}Z)$/.exec(time)?.[1] ?? time;
}

/** A duration in the unit that people read: `45 ms`, `1.25 s`. */
function durationText(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${Number((ms / 1000).toFixed(2))} s`;
}
