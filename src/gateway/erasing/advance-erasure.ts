// Carries an erasure on, one bounded step after the other; after each step how far it is is stored, so that a stop loses none.
import {
  digestOfSubject,
  NOT_BEGUN,
  secondPassAt,
  type Erasure,
  type ErasureProgress,
} from "../../core/trace/erasure.ts";
import { eraseEvals } from "./erase-evals.ts";
import { eraseLists } from "./erase-lists.ts";
import { eraseRows } from "./erase-rows.ts";
import { eraseLetters, eraseSegments } from "./erase-segments.ts";
import type { ErasurePorts } from "./forget-objects.ts";

const STEPS: Readonly<Record<ErasureProgress["phase"], (ports: ErasurePorts, erasure: Erasure) => Promise<Erasure>>> = {
  rows: eraseRows,
  lists: eraseLists,
  segments: eraseSegments,
  letters: eraseLetters,
  evals: eraseEvals,
  compact,
};

/**
 * Takes so many steps of an erasure at most, and none once what may be spent is. Every step is one that can be taken again: what it removes is counted where
 * it is removed, and where it stops before its progress is stored, the next begins with what is left.
 */
export async function advanceErasure(
  ports: ErasurePorts,
  begun: Erasure,
  steps: number,
  isSpent: () => boolean = () => false,
): Promise<Erasure> {
  let erasure = begun;
  for (let step = 0; step < steps && !isSpent() && isDue(erasure, ports.system.now()); step += 1) {
    const next = await STEPS[erasure.progress.phase](ports, { ...erasure, status: "running" });
    if (!(await ports.erasures.save(erasure, next))) return erasure;
    erasure = next;
  }
  return erasure;
}

function isDue({ status, progress }: Erasure, now: number): boolean {
  return status !== "done" && progress.not_before <= now;
}

/** The last phase of a pass: rewrites what still holds the words of deleted rows. */
async function compact(ports: ErasurePorts, erasure: Erasure): Promise<Erasure> {
  if (!(await ports.keeping.compact())) return erasure;
  const now = ports.system.now();
  if (erasure.progress.pass === 1) {
    const { from_day } = erasure.progress;
    return {
      ...erasure,
      status: "waiting",
      progress: { ...NOT_BEGUN, pass: 2, from_day, not_before: secondPassAt(erasure.receipt, now) },
    };
  }
  return { ...erasure, status: "done", finishedAt: now, subject: digestOfSubject(erasure.tenant, erasure) };
}
