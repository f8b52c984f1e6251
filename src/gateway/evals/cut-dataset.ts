// Sequences the making of a dataset from recorded traces: finds them, reads them whole, cuts, drops what may not be kept, draws.
import type { ActiveConfig } from "../../core/config/published.ts";
import type { EvalCase } from "../../core/eval/case.ts";
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

/** What a dataset is cut from. */
export interface DatasetQuestion {
  /** Which calls: a case is kept where one of them falls into its stretch. Times are epoch milliseconds. */
  readonly filter: Omit<TraceFilter, "cursor" | "limit" | "order">;
  readonly unit: DatasetUnit;
  readonly sample: SampleWish;
  /** Whether recordings propose labels. */
  readonly labelFromRecording: boolean;
  /** Makes further cases of one that was drawn, such as the same with an attack in a tool's result. */
  readonly adversarial?: (item: EvalCase) => readonly EvalCase[];
}

/**
 * Why something was left out besides `Uncut`: none of the calls asked for fall into it; it holds what looks like a
 * credential; its session or trace is larger than is read at a time; the dataset is full.
 */
export type LeftOut = Uncut | "outside_filter" | "holds_secret" | "unit_too_large" | "dataset_full";

/** What was looked through, what was left out, and how the sample stands to what there was. */
export interface DatasetReport {
  readonly policy_version: string;
  /** Rows of the index, and whether there were more than are looked through. */
  readonly rows: number;
  readonly rows_truncated: boolean;
  /** Sessions or traces, and how many of them are not wholly in the store. */
  readonly units: number;
  readonly units_truncated: boolean;
  readonly units_incomplete: number;
  /** Cases that were cut and may be kept, repeats among them. */
  readonly cut: number;
  readonly repeats: number;
  /** What was drawn of each; `dataset_full` counts those of them that had no room. */
  readonly strata: readonly StratumReport[];
  /** Recorded cases of the dataset, and those that were made of them. */
  readonly taken: number;
  readonly adversarial: number;
  readonly bytes: number;
  /** Stretches left out, by why; `unit_too_large` counts sessions or traces. */
  readonly left_out: Readonly<Partial<Record<LeftOut, number>>>;
}

/** A dataset's cases, in order of time, and the report on them. */
export interface CutDataset {
  readonly cases: readonly EvalCase[];
  readonly report: DatasetReport;
}

/**
 * Cuts a dataset: the index is paged newest first, each session (or trace) that has a row of the filter is read whole,
 * one at a time, and cut. Only sketches are kept meanwhile; what was drawn is read again. Whatever is left out is
 * counted. Refuses `not_configured` where nothing is published: nothing would say which tools are governed.
 */
export async function cutDataset(
  ports: CutPorts,
  tenant: string,
  question: DatasetQuestion,
): Promise<Outcome<CutDataset>> {
  const config = await ports.configs.active(tenant);
  if (config === undefined) return refuse("not_configured", "nothing is published: no tool has a name yet");
  const cutting: Cutting = { ports, tenant, question, config, leftOut: new Map() };
  const found = await findUnits(cutting);
  const { sketches, incomplete } = await sketchUnits(cutting, found.units);
  const { kept, repeats } = withoutRepeats(sketches);
  const { taken, strata } = sampled(kept, question.sample);
  const { cases, adversarial, bytes } = await readTaken(cutting, taken);
  return accept({
    cases,
    report: {
      policy_version: config.policyVersion,
      rows: found.rows,
      rows_truncated: found.isRowsTruncated,
      units: found.units.size,
      units_truncated: found.isUnitsTruncated,
      units_incomplete: incomplete,
      cut: sketches.length,
      repeats,
      strata,
      taken: cases.length - adversarial,
      adversarial,
      bytes,
      left_out: Object.fromEntries(cutting.leftOut),
    },
  });
}

interface Cutting {
  readonly ports: CutPorts;
  readonly tenant: string;
  readonly question: DatasetQuestion;
  readonly config: ActiveConfig;
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
  readonly isRowsTruncated: boolean;
  readonly isUnitsTruncated: boolean;
}

/** Pages from `to` backwards, so that rows that arrive meanwhile change nothing. */
async function findUnits({ ports, tenant, question }: Cutting): Promise<FoundUnits> {
  const filter = { ...question.filter, to: question.filter.to ?? ports.system.now(), limit: PAGE_ROWS };
  const units = new Map<string, Set<string>>();
  let rows = 0;
  let isUnitsTruncated = false;
  let cursor: string | null = null;
  do {
    const page: TracePage = await ports.index.list(tenant, cursor === null ? filter : { ...filter, cursor });
    for (const row of page.rows) {
      if (rows >= MAX_DATASET_ROWS) return { units, rows, isRowsTruncated: true, isUnitsTruncated };
      rows += 1;
      const name = question.unit === "session" ? row.session_id : row.trace_hex;
      // Acts on the tenant belong to no session.
      if (name === "" || isReplay(row.kind)) continue;
      const known = units.get(name);
      if (known !== undefined) known.add(recordKeyIn({ index: row }));
      else if (units.size < MAX_DATASET_UNITS) units.set(name, new Set([recordKeyIn({ index: row })]));
      else isUnitsTruncated = true;
    }
    cursor = page.nextCursor;
  } while (cursor !== null);
  return { units, rows, isRowsTruncated: false, isUnitsTruncated };
}

function isReplay(kind: string): boolean {
  return kind === "replay";
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
      leaveOut(cutting, "unit_too_large");
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
function whyNot({ config }: Cutting, cut: Cut, wanted: ReadonlySet<string>): LeftOut | null {
  if (!cut.keys.some((key) => wanted.has(key))) return "outside_filter";
  if (cut.type === "uncut") return cut.why;
  // Records are masked before they are stored; what slipped through must not live on in a dataset.
  return secretInCase(cut.case, patternsOf(config)) === undefined ? null : "holds_secret";
}

function patternsOf({ published }: ActiveConfig): readonly string[] {
  return Object.keys(published.document.trace.masking.patterns);
}

async function cutUnit(
  { ports, tenant, question, config }: Cutting,
  name: string,
): Promise<{ readonly cuts: readonly Cut[]; readonly isIncomplete: boolean } | "too_large"> {
  const read = await readUnit(ports, tenant, { unit: question.unit, name });
  if (read === "too_large") return "too_large";
  const { records, isIncomplete } = read;
  const traces = [...new Set(records.map(({ index }) => index.trace_hex))];
  const outcomes = await ports.outcomes.outcomesOf(tenant, traces);
  const cuts = cutCases(records, {
    tools: new Map(Object.entries(config.published.document.tools)),
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
): Promise<{ readonly cases: readonly EvalCase[]; readonly adversarial: number; readonly bytes: number }> {
  const places = new Map(taken.map(({ id }, at) => [id, at]));
  const found = new Map<number, readonly EvalCase[]>();
  let bytes = 0;
  for (const unit of new Set(taken.map((each) => each.unit))) {
    const read = await cutUnit(cutting, unit);
    for (const cut of read === "too_large" ? [] : read.cuts) {
      const at = cut.type === "case" ? places.get(cut.case.id) : undefined;
      if (cut.type !== "case" || at === undefined || found.has(at)) continue;
      const made = withAdversarial(cut.case, cutting.question);
      const size = made.reduce((sum, each) => sum + bytesOf(JSON.stringify(each)), 0);
      if (bytes + size > MAX_DATASET_BYTES) leaveOut(cutting, "dataset_full");
      else {
        bytes += size;
        found.set(at, made);
      }
    }
  }
  const cases = [...found].toSorted(([a], [b]) => a - b).flatMap(([, made]) => made);
  return { cases, adversarial: cases.length - found.size, bytes };
}

function withAdversarial(item: EvalCase, { adversarial }: DatasetQuestion): readonly EvalCase[] {
  return [item, ...(adversarial?.(item) ?? []).filter(fitsCase)];
}
