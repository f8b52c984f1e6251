// Decides whether a recorded call keeps its bodies: by rule and by a fair draw over the trace, never for what somebody will ask about.
import { sha256Hex } from "../json/digest.ts";
import { matchesAny } from "../policy/constraints.ts";
import { isModelKind, type IndexRow, type TraceRecord } from "./record.ts";

/** Why a body is not kept. */
export const SAMPLED_OUT = "sampled out";

/** A share of its own for some calls. A member left out matches every call; names may end in `.*`. */
export interface SamplingRule {
  readonly actor?: readonly string[] | undefined;
  readonly tool?: readonly string[] | undefined;
  readonly model?: readonly string[] | undefined;
  readonly kind?: readonly string[] | undefined;
  /** Share of traces that keep their bodies, 0 to 1. */
  readonly payloads: number;
}

/** Which share of traces keeps the bodies of its calls; the first rule that matches a call counts. */
export interface Sampling {
  readonly payloads: number;
  readonly rules: readonly SamplingRule[];
}

/** Everything is kept. */
export const KEEP_ALL: Sampling = { payloads: 1, rules: [] };

/**
 * Whether a record keeps its bodies. Always where something was denied, refused, failed, waits for people or is
 * unknown, where people acted, and where a tool may have written; else by a draw that falls the same for every call of
 * a trace. The record itself is never left out.
 */
export function keepsPayloads(record: TraceRecord, { payloads, rules }: Sampling): boolean {
  const share = rules.find((rule) => matches(rule, record.index))?.payloads ?? payloads;
  return share >= 1 || drawOf(record.index.trace_hex) < share || isAlwaysKept(record);
}

/** Statuses that nobody asks about. */
const ORDINARY: ReadonlySet<string> = new Set(["succeeded", "replayed"]);

function isAlwaysKept({ index, spans }: TraceRecord): boolean {
  if (index.kind === "otel") return index.error_code !== null || index.status !== "succeeded";
  const isCall = isModelKind(index.kind) || index.kind === "execute_tool";
  if (!isCall || index.decision !== "allow" || index.error_code !== null || !ORDINARY.has(index.status)) return true;
  const effect = spans.find((span) => span.span_id === index.span_id)?.attributes["interlock.tool.effect"];
  return index.kind === "execute_tool" && effect !== "read";
}

function matches(rule: SamplingRule, { actor, kind, subject }: IndexRow): boolean {
  const isOf = (names: readonly string[] | undefined, name: string | undefined): boolean =>
    names === undefined || (name !== undefined && matchesAny(name, names));
  return (
    isOf(rule.actor, actor) &&
    isOf(rule.kind, kind) &&
    isOf(rule.tool, kind === "execute_tool" ? subject : undefined) &&
    isOf(rule.model, isModelKind(kind) ? subject : undefined)
  );
}

/** Where a trace falls between 0 and 1: hashed, since a caller may have chosen its id. */
function drawOf(traceHex: string): number {
  return Number.parseInt(sha256Hex(`sampling\n${traceHex}`).slice(0, 8), 16) / 2 ** 32;
}
