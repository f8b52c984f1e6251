// Sequences the making of a dataset from recorded traces: finds them, reads them whole, cuts, drops what may not be kept, draws.
import type { ToolEntry } from "../../core/config/document.ts";
import type { EvalCase } from "../../core/eval/case.ts";
import { attacked } from "../../core/eval/injections.ts";
import { bytesOf, fitsCase } from "../../core/eval/dataset/case-identity.ts";
import { cutCases, recordKeyIn, type Cut, type Uncut } from "../../core/eval/dataset/cut.ts";
import {
  sampled,
  sketchOf,
  withoutRepeats,
  type CaseSketch,
  type SampleWish,
  type StratumReport,
} from "../../core/eval/dataset/sample.ts";
import { secretInCase } from "../../core/eval/dataset/secret-in-case.ts";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import type { Ports } from "../ports.ts";
import type { TraceFilter, TracePage } from "../ports/trace-store.ts";
import { readUnit, type DatasetUnit } from "./read-unit.ts";

/** Everything that cutting a dataset may touch. */
export type CutPorts = Pick<Ports, "index" | "segments" | "outcomes" | "configs" | "system">;

/** Rows of the index looked through, the newest first. */
export const MAX_DATASET_ROWS = 20_000;
/** Sessions, or traces, read. */
export const MAX_DATASET_UNITS = 2_000;
/** UTF-8 bytes of a dataset's cases together. */
export const MAX_DATASET_BYTES = 24 * 1_048_576;
const PAGE_ROWS = 500;
/** The session that acts on a whole tenant stand under. */
const EVERY = "*";

/** What a dataset is cut from. */
export interface CutQuestion {
  /** Which calls: a case is kept where one of them falls into its stretch. Times are epoch milliseconds. */
  readonly filter: Omit<TraceFilter, "cursor" | "limit" | "order">;
  /** What is read whole and cut: sessions when left out. */
  readonly unit?: DatasetUnit;
  readonly sample: SampleWish;
  /** Attacks placed into each case that was drawn; none when left out. */
  readonly adversarial?: { readonly perCase: number; readonly seed: number } | undefined;
  /** Whether recordings propose labels. */
  readonly labelFromRecording: boolean;
}

/**
 * Why something was left out besides `Uncut`: none of the calls asked for fall into it; it holds what looks like a
 * credential; its session or trace is larger than is read at a time; the dataset is full.
 */
export type LeftOut =
  | Uncut
  | "outside_filter"
  | "unfinished"
  | "holds_a_credential"
  | "session_too_large"
  | "dataset_full";

/** What was looked through, what was left out, and how the sample stands to what there was. */
export interface CutReport {
  readonly rows: number;
  /** Sessions, or traces, and how many of them are not wholly in the store. */
  readonly sessions: number;
  readonly sessions_incomplete: number;
  /** Whether more matched than was looked through. */
  readonly truncated: boolean;
  /** Cases that were cut and may be kept, repeats among them. */
  readonly cut: number;
  readonly repeats: number;
  /** Recorded cases of the dataset, and those that were made of them. */
  readonly taken: number;
  readonly adversarial: number;
  readonly bytes: number;
  /** Stretches left out, by why; `session_too_large` counts sessions. */
  readonly left_out: Readonly<Partial<Record<LeftOut, number>>>;
  /** What was drawn of each; `dataset_full` counts those of them that had no room. */
  readonly strata: readonly StratumReport[];
}

/**
 * Cuts a dataset: the index is paged newest first, each session (or trace) that has a row of the filter is read whole,
 * one at a time, and cut. Only sketches are kept meanwhile; what was drawn is read again. Recorded cases come in order of
 * time, those made of them behind. Whatever is left out is counted. Refuses `invalid_request` where nothing that matches
 * comes to a case.
 */
export async function cutDataset(
  ports: CutPorts,
  tenant: string,
  question: CutQuestion,
): Promise<Outcome<{ readonly cases: readonly EvalCase[]; readonly report: CutReport }>> {
  const document = (await ports.configs.active(tenant))?.published.document;
  const cutting: Cutting = {
    ports,
    tenant,
    question,
    tools: new Map(Object.entries(document?.tools ?? {})),
    patterns: Object.keys(document?.trace.masking.patterns ?? {}),
    leftOut: new Map(),
  };
  const found = await findUnits(cutting);
  const { sketches, incomplete } = await sketchUnits(cutting, found.units);
  const { kept, repeats } = withoutRepeats(sketches);
  const { taken, strata } = sampled(kept, question.sample);
  const { cases, attacks, bytes } = await readTaken(cutting, taken);
  const report: CutReport = {
    rows: found.rows,
    sessions: found.units.size,
    sessions_incomplete: incomplete,
    truncated: found.isTruncated,
    cut: sketches.length,
    repeats,
    taken: cases.length,
    adversarial: attacks.length,
    bytes,
    left_out: Object.fromEntries(cutting.leftOut),
    strata,
  };
  if (cases.length > 0) return accept({ cases: [...cases, ...attacks], report });
  const seen = JSON.stringify({ rows: report.rows, left_out: report.left_out });
  return refuse("invalid_request", `nothing that matches comes to a case: ${seen}`);
}

interface Cutting {
  readonly ports: CutPorts;
  readonly tenant: string;
  readonly question: CutQuestion;
  readonly tools: ReadonlyMap<string, ToolEntry>;
  /** Kinds of the tenant's own patterns that are masked. */
  readonly patterns: readonly string[];
  readonly leftOut: Map<LeftOut, number>;
}

function leaveOut({ leftOut }: Cutting, why: LeftOut): void {
  leftOut.set(why, (leftOut.get(why) ?? 0) + 1);
}

/** Sessions or traces by name, each with the keys of its rows that were asked for. */
type Units = ReadonlyMap<string, ReadonlySet<string>>;

interface FoundUnits {
  readonly units: Units;
  readonly rows: number;
  readonly isTruncated: boolean;
}

/** Pages from `to` backwards, so that rows that arrive meanwhile change nothing. */
async function findUnits({ ports, tenant, question }: Cutting): Promise<FoundUnits> {
  const filter = { ...question.filter, to: question.filter.to ?? ports.system.now(), limit: PAGE_ROWS };
  const units = new Map<string, Set<string>>();
  let rows = 0;
  let isTruncated = false;
  let cursor: string | null = null;
  do {
    const page: TracePage = await ports.index.list(tenant, cursor === null ? filter : { ...filter, cursor });
    for (const row of page.rows) {
      if (rows >= MAX_DATASET_ROWS) return { units, rows, isTruncated: true };
      rows += 1;
      const name = question.unit === "trace" ? row.trace_hex : row.session_id;
      // Runs of suites are no agent's work.
      if (name === EVERY || row.kind === "replay") continue;
      const known = units.get(name);
      if (known !== undefined) known.add(recordKeyIn({ index: row }));
      else if (units.size < MAX_DATASET_UNITS) units.set(name, new Set([recordKeyIn({ index: row })]));
      else isTruncated = true;
    }
    cursor = page.nextCursor;
  } while (cursor !== null);
  return { units, rows, isTruncated };
}

interface UnitSketch extends CaseSketch {
  readonly unit: string;
}

async function sketchUnits(
  cutting: Cutting,
  units: Units,
): Promise<{ readonly sketches: readonly UnitSketch[]; readonly incomplete: number }> {
  const sketches: UnitSketch[] = [];
  let incomplete = 0;
  for (const [unit, wanted] of units) {
    const read = await cutUnit(cutting, unit);
    if (read === "too_large") {
      leaveOut(cutting, "session_too_large");
      continue;
    }
    incomplete += read.isIncomplete ? 1 : 0;
    for (const cut of read.cuts) {
      const why = whyNot(cutting, cut, wanted);
      if (why !== null) leaveOut(cutting, why);
      else if (cut.type === "case") sketches.push({ ...sketchOf(cut.case), unit });
    }
  }
  return { sketches, incomplete };
}

/** Why a stretch is not kept. One that nobody asked for is counted as that, whatever else is wrong with it. */
function whyNot({ patterns }: Cutting, cut: Cut, wanted: ReadonlySet<string>): LeftOut | null {
  if (!cut.keys.some((key) => wanted.has(key))) return "outside_filter";
  if (cut.type === "uncut") return cut.why;
  // Calls whose results nobody has shown the model yet: it was still at work, or was left. A replay would diverge there.
  if (cut.case.calls.at(-1)?.reply?.parts.some(({ type }) => type === "tool_call") === true) return "unfinished";
  // Records are masked before they are stored; what slipped through must not live on in a dataset.
  return secretInCase(cut.case, patterns) === undefined ? null : "holds_a_credential";
}

async function cutUnit(
  { ports, tenant, question, tools }: Cutting,
  name: string,
): Promise<{ readonly cuts: readonly Cut[]; readonly isIncomplete: boolean } | "too_large"> {
  const read = await readUnit(ports, tenant, { unit: question.unit ?? "session", name });
  if (read === "too_large") return "too_large";
  const { records, isIncomplete } = read;
  const traces = [...new Set(records.map(({ index }) => index.trace_hex))];
  const outcomes = await ports.outcomes.outcomesOf(tenant, traces);
  const cuts = cutCases(records, {
    tools,
    outcomes,
    labelFromRecording: question.labelFromRecording,
    isIncomplete,
  });
  return { cuts, isIncomplete };
}

/** The cases that were drawn, read again, with those that are made of them, as far as the dataset has room. */
async function readTaken(
  cutting: Cutting,
  taken: readonly UnitSketch[],
): Promise<{ readonly cases: readonly EvalCase[]; readonly attacks: readonly EvalCase[]; readonly bytes: number }> {
  const places = new Map(taken.map(({ id }, at) => [id, at]));
  const found = new Map<number, { readonly item: EvalCase; readonly attacks: readonly EvalCase[] }>();
  let bytes = 0;
  for (const unit of new Set(taken.map((each) => each.unit))) {
    const read = await cutUnit(cutting, unit);
    for (const cut of read === "too_large" ? [] : read.cuts) {
      const at = cut.type === "case" ? places.get(cut.case.id) : undefined;
      if (cut.type !== "case" || at === undefined || found.has(at)) continue;
      const attacks = attacksOn(cut.case, cutting);
      const size = [cut.case, ...attacks].reduce((sum, each) => sum + bytesOf(JSON.stringify(each)), 0);
      if (bytes + size > MAX_DATASET_BYTES) leaveOut(cutting, "dataset_full");
      else {
        bytes += size;
        found.set(at, { item: cut.case, attacks });
      }
    }
  }
  const inOrder = [...found].toSorted(([a], [b]) => a - b).map(([, each]) => each);
  return { cases: inOrder.map(({ item }) => item), attacks: inOrder.flatMap(({ attacks }) => attacks), bytes };
}

function attacksOn(item: EvalCase, { question, tools }: Cutting): readonly EvalCase[] {
  if (question.adversarial === undefined) return [];
  const writing = [...tools].filter(([, { effect }]) => effect !== "read").map(([name]) => name);
  return attacked(item, { ...question.adversarial, tools: writing }).filter(fitsCase);
}
