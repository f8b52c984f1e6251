// Sequences a dataset cut from recorded work: sessions are found by a question, read whole, cut, drawn and checked for what may not be kept.
import { secretInCase } from "../../core/eval/dataset/secret-in-case.ts";
import type { EvalCase } from "../../core/eval/case.ts";
import { cutCases, type CutAround, type Uncut } from "../../core/eval/dataset/cut.ts";
import {
  sampled,
  sketchOf,
  withoutRepeats,
  type CaseSketch,
  type SampleWish,
  type StratumReport,
} from "../../core/eval/dataset/sample.ts";
import { attacked } from "../../core/eval/injections.ts";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import type { Ports } from "../ports.ts";
import type { TraceFilter } from "../ports/trace-store.ts";
import { readRecords } from "../read-trace.ts";

type CutPorts = Pick<Ports, "index" | "segments" | "outcomes" | "configs">;

/** What a dataset is cut from. */
export interface CutQuestion {
  readonly filter: Omit<TraceFilter, "limit" | "cursor" | "order">;
  readonly sample: SampleWish;
  /** Attacks placed into each case; none when left out. */
  readonly adversarial?: { readonly perCase: number; readonly seed: number } | undefined;
  readonly labelFromRecording: boolean;
}

/** What was looked through, and what was left out. */
export interface CutReport {
  readonly rows: number;
  readonly sessions: number;
  /** Whether more matched than was looked through. */
  readonly truncated: boolean;
  readonly cut: number;
  readonly repeats: number;
  readonly taken: number;
  readonly adversarial: number;
  readonly left_out: Readonly<Partial<Record<Uncut | Unfit, number>>>;
  readonly strata: readonly StratumReport[];
}

/** Rows that a question looks through, and sessions that it reads whole. */
const MOST_ROWS = 20_000;
const MOST_SESSIONS = 2_000;
/** Rows of one session that are read: those of a longer one are cut as far as they go. */
const MOST_OF_SESSION = 500;
const PAGE = 500;
/** Sessions read at once. */
const PARALLEL = 6;

/** Cuts a dataset. Refuses `invalid_request` where nothing that matches comes to a case. */
export async function cutDataset(
  ports: CutPorts,
  tenant: string,
  question: CutQuestion,
): Promise<Outcome<{ readonly cases: readonly EvalCase[]; readonly report: CutReport }>> {
  const found = await sessionsOf(ports, tenant, question.filter);
  const config = await ports.configs.active(tenant);
  const tools = new Map(Object.entries(config?.published.document.tools ?? {}));
  const sketches: (CaseSketch & { readonly item: EvalCase })[] = [];
  const left = new Map<Uncut | Unfit, number>();
  for (let at = 0; at < found.sessions.length; at += PARALLEL) {
    const cut = await Promise.all(
      found.sessions.slice(at, at + PARALLEL).map((session) => cutSession(ports, tenant, { session, tools, question })),
    );
    for (const each of cut.flat()) {
      const why = each.type === "uncut" ? each.why : unfit(each.case);
      if (why !== null) left.set(why, (left.get(why) ?? 0) + 1);
      else if (each.type === "case") sketches.push({ ...sketchOf(each.case), item: each.case });
    }
  }
  const { kept, repeats } = withoutRepeats(sketches);
  const { taken, strata } = sampled(uniqueIds(kept), question.sample);
  const cases = taken.map(({ item }) => item);
  const writing = [...tools].filter(([, { effect }]) => effect !== "read").map(([name]) => name);
  const { adversarial } = question;
  const attacks =
    adversarial === undefined ? [] : cases.flatMap((each) => attacked(each, { ...adversarial, tools: writing }));
  const report: CutReport = {
    rows: found.rows,
    sessions: found.sessions.length,
    truncated: found.isTruncated,
    cut: sketches.length,
    repeats,
    taken: cases.length,
    adversarial: attacks.length,
    left_out: Object.fromEntries(left),
    strata,
  };
  return cases.length === 0
    ? refuse(
        "invalid_request",
        `nothing that matches comes to a case: ${JSON.stringify({ rows: report.rows, left_out: report.left_out })}`,
      )
    : accept({ cases: [...cases, ...attacks], report });
}

/**
 * Why a case is not kept: it holds what looks like a credential, or it ends with calls whose results nobody has shown the
 * model yet: the session was still at work, or was left, and a replay of it would diverge at its end.
 */
type Unfit = "holds_a_credential" | "unfinished";

function unfit(each: EvalCase): Unfit | null {
  if (secretInCase(each) !== undefined) return "holds_a_credential";
  const isUnfinished = each.calls.at(-1)?.reply?.parts.some(({ type }) => type === "tool_call") === true;
  return isUnfinished ? "unfinished" : null;
}

function uniqueIds<T extends CaseSketch>(sketches: readonly T[]): readonly T[] {
  return [...new Map(sketches.map((each) => [each.id, each])).values()];
}

async function sessionsOf(
  { index }: Pick<Ports, "index">,
  tenant: string,
  filter: CutQuestion["filter"],
): Promise<{ readonly sessions: readonly string[]; readonly rows: number; readonly isTruncated: boolean }> {
  const sessions = new Set<string>();
  let [rows, cursor] = [0, null as string | null];
  do {
    const page = await index.list(tenant, { ...filter, limit: PAGE, ...(cursor === null ? {} : { cursor }) });
    for (const row of page.rows) {
      if (rows >= MOST_ROWS || sessions.size >= MOST_SESSIONS)
        return { sessions: [...sessions], rows, isTruncated: true };
      rows += 1;
      // Runs of suites are no agent's work.
      if (row.kind !== "replay" && row.session_id !== "*") sessions.add(row.session_id);
    }
    cursor = page.nextCursor;
  } while (cursor !== null);
  return { sessions: [...sessions], rows, isTruncated: false };
}

async function cutSession(
  ports: CutPorts,
  tenant: string,
  {
    session,
    tools,
    question,
  }: { readonly session: string; readonly tools: CutAround["tools"]; readonly question: CutQuestion },
): Promise<ReturnType<typeof cutCases>> {
  const { rows, nextCursor } = await ports.index.list(tenant, { session, limit: MOST_OF_SESSION, order: "oldest" });
  const records = await readRecords(ports, tenant, rows);
  const outcomes = await ports.outcomes.outcomesOf(tenant, [...new Set(rows.map((row) => row.trace_hex))]);
  const isIncomplete = nextCursor !== null || records.length < rows.length || (rows[0]?.seq ?? 1) > 1;
  return cutCases(records, { tools, outcomes, labelFromRecording: question.labelFromRecording, isIncomplete });
}
