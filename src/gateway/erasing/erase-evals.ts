// Erases a subject's cases from datasets, and what runs of suites said of them.
import { addTo, type Erasure } from "../../core/trace/erasure.ts";
import type { ErasurePorts } from "./forget-objects.ts";

/** Cases of one step. */
const PER_STEP = 100;

/** One step through the cases that were cut from the subject's work. */
export async function eraseEvals(ports: ErasurePorts, erasure: Erasure): Promise<Erasure> {
  const cases = await ports.evalDatasets.erase(erasure.tenant, erasure, PER_STEP);
  const receipt = addTo(erasure.receipt, { eval_cases: cases });
  return { ...erasure, receipt, progress: { ...erasure.progress, phase: cases < PER_STEP ? "compact" : "evals" } };
}
