// Decides which cases a recorded session, or one trace of it, is cut into, and why a stretch of it is none.
import type { ToolEntry } from "../../config/document.ts";
import type { ToolResultPart } from "../../dialect/conversation.ts";
import { readRecordedCall } from "../../policy/replay/read-recorded-call.ts";
import type { RecordedCall } from "../../policy/replay/recorded-call.ts";
import { ATTR } from "../../trace/attributes.ts";
import type { ReportedOutcome } from "../../trace/outcome.ts";
import type { IndexRow, TraceRecord } from "../../trace/record.ts";
import type { CaseSource, CaseTool, EvalCase } from "../case.ts";
import { caseId, fitsCase } from "./case-identity.ts";
import { governedTool } from "./governed-tool.ts";
import { proposedLabels } from "./proposed-labels.ts";
import { ownAttributes, type ReadCall } from "./read-call.ts";
import { riskOf } from "./risk.ts";
import { answeredTools, stretchesOf, type Stretch, type UncutStretch } from "./stretches.ts";

/** What is known besides the records. */
export interface CutAround {
  /** The config's tools, by name. */
  readonly tools: ReadonlyMap<string, ToolEntry>;
  /** What was reported of traces, by their 32 hex digits. */
  readonly outcomes: ReadonlyMap<string, readonly ReportedOutcome[]>;
  /** Whether the recording proposes labels; none stand in a case otherwise. */
  readonly labelFromRecording: boolean;
  /** Whether some of the session is not stored: its cases are tagged `incomplete`. */
  readonly isIncomplete: boolean;
}

/**
 * Why something recorded is no case: it has no model call; no call of it was answered; it begins in the midst of the
 * agent's work; a body was not kept, cannot be read or broke off; it is larger than 1 MiB as JSON.
 */
export type Uncut = "no_model_call" | UncutStretch | "too_large";

/** One stretch: its case, or why it is none. `keys` name its records (`recordKeyIn`). */
export type Cut = { readonly keys: readonly string[] } & (
  | { readonly type: "case"; readonly case: EvalCase }
  | { readonly type: "uncut"; readonly why: Uncut }
);

/** A record's name among those of one tenant. */
export function recordKeyIn({ index }: Pick<TraceRecord, "index">): string {
  return `${index.trace_hex}/${index.span_id}`;
}

/** Model calls that evals made themselves: no agent's work. */
const REPLAY = "replay";

/**
 * The cases of one session's records, or of one trace's: one for each stretch that begins with a new message of the user
 * and ends before the next, in order of time. All of a session are one cluster. Requests stand as they were recorded,
 * without how they were to travel; calls that failed are left out, though what they showed the model counts. Tool calls
 * and approvals belong to the stretch during which they came. Records of evals themselves are never cut.
 */
export function cutCases(recorded: readonly TraceRecord[], around: CutAround): readonly Cut[] {
  const records = recorded.filter(({ index }) => !isReplay(index.kind));
  const stretches = stretchesOf(records.filter(({ index }) => index.kind === "chat"));
  if (stretches.length === 0) return [{ type: "uncut", keys: recorded.map(recordKeyIn), why: "no_model_call" }];
  return stretches.map((stretch, at) => {
    const until = stretches[at + 1]?.record.index.started_at ?? Number.POSITIVE_INFINITY;
    const from = at === 0 ? Number.NEGATIVE_INFINITY : stretch.record.index.started_at;
    const others = records.filter(
      ({ index }) => index.kind !== "chat" && index.started_at >= from && index.started_at < until,
    );
    const keys = [...stretch.records, ...others].map(recordKeyIn);
    if (stretch.why !== null) return { type: "uncut", keys, why: stretch.why };
    const later = stretches.slice(at + 1).flatMap(({ calls }) => calls);
    const made = caseOf({ stretch, later, others }, around);
    return fitsCase(made) ? { type: "case", keys, case: made } : { type: "uncut", keys, why: "too_large" };
  });
}

function isReplay(kind: string): boolean {
  return kind === REPLAY;
}

interface Piece {
  readonly stretch: Stretch;
  /** Model calls of the stretches that follow. */
  readonly later: readonly ReadCall[];
  /** Every other record of the time. */
  readonly others: readonly TraceRecord[];
}

function caseOf(piece: Piece, around: CutAround): EvalCase {
  const { stretch, others } = piece;
  const governed = others.filter(({ index }) => index.kind === "execute_tool" && index.status !== "replayed");
  const read = governed.map((record) => readRecordedCall(record.index, record));
  const asks = read.filter((each) => typeof each !== "string").toSorted((a, b) => a.startedAt - b.startedAt);
  const tools = caseTools(piece, [...around.tools.keys()]);
  const calls = stretch.calls.flatMap(({ call }) => call ?? []);
  const outcome = outcomeOf(stretch, around);
  const source = sourceOf(stretch.record.index);
  const said = { calls, tools };
  return {
    id: caseId(said),
    cluster: source.session,
    source,
    tags: tagsOf({ ...piece, asks, tools, outcome, isLost: read.length > asks.length }, around),
    risk: riskOf({ asks, effects: effectsIn(governed), tools: around.tools, outcome }),
    labels: around.labelFromRecording ? proposedLabels(tools, asks, outcome) : {},
    injection: null,
    outcome,
    ...said,
    asks,
  };
}

function sourceOf({ trace_id, session_id: session, actor, release, user }: IndexRow): CaseSource {
  return { trace_id, session, actor, release, user };
}

function caseTools({ stretch, later }: Piece, names: readonly string[]): readonly CaseTool[] {
  return answeredTools(stretch, later).map(({ asked, result }) => ({
    name: asked.name,
    tool: governedTool(asked.name, names),
    args: asked.args,
    content: textOf(result),
    is_error: result.isError,
  }));
}

/** The text of a result; what is none is named by its kind. */
function textOf({ content }: ToolResultPart): string {
  return content.map((part) => (part.type === "text" ? part.text : `[${part.type}]`)).join("\n");
}

/** The last outcome that was reported of any of the stretch's traces. */
function outcomeOf({ records }: Stretch, { outcomes }: CutAround): string | null {
  const traces = new Set(records.map(({ index }) => index.trace_hex));
  const reported = [...traces]
    .flatMap((hex) => outcomes.get(hex) ?? [])
    .filter(({ outcome }) => outcome !== null)
    .toSorted((a, b) => a.at - b.at || a.recorded_at - b.recorded_at);
  return reported.at(-1)?.outcome ?? null;
}

function effectsIn(governed: readonly TraceRecord[]): ReadonlyMap<string, string> {
  return new Map(
    governed.flatMap((record) => {
      const effect = ownAttributes(record)[ATTR.toolEffect];
      return typeof effect === "string" ? [[record.index.subject, effect] as const] : [];
    }),
  );
}

interface Tagged extends Piece {
  readonly asks: readonly RecordedCall[];
  readonly tools: readonly CaseTool[];
  readonly outcome: string | null;
  /** Whether a governed call's ask is not kept. */
  readonly isLost: boolean;
}

/** What a case is found and weighed by; each tag once, in order. */
function tagsOf({ stretch, others, asks, tools, outcome, isLost }: Tagged, around: CutAround): readonly string[] {
  const answered = stretch.calls.filter(({ call }) => call !== null).map(({ record }) => record);
  const tags = [
    ...tools.map(({ name, tool }) => `tool:${tool ?? name}`),
    ...asks.map(({ ask }) => `tool:${ask.tool}`),
    ...(asks.some(({ effect }) => effect === "deny") ? ["denied"] : []),
    ...(others.some(isApproval) ? ["approved"] : []),
    ...answered.flatMap((record) => {
      const tier = ownAttributes(record)[ATTR.tier];
      const { release, subject } = record.index;
      return [
        `model:${subject}`,
        ...(typeof tier === "string" ? [`tier:${tier}`] : []),
        ...(release === null ? [] : [`release:${release}`]),
      ];
    }),
    ...(outcome === null ? [] : [`outcome:${outcome}`]),
    ...(isLost ? ["ask_missing"] : []),
    ...(around.isIncomplete ? ["incomplete"] : []),
  ];
  return [...new Set(tags)].toSorted();
}

function isApproval({ index }: TraceRecord): boolean {
  return index.kind === "approval" && index.status === "approved";
}
