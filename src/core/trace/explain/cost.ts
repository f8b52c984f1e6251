// Decides what is told of cost: what each call cost, how that is known, and what the recorded calls come to together.
import { ATTR } from "../attributes.ts";
import type { TraceRecord } from "../record.ts";
import type { Sentence } from "./explanation.ts";
import { nameOf, tell, tellOf, usd, count } from "./tell.ts";
import { numberAttr, textAttr, type Step } from "./step.ts";

/** What every call cost, and all of them. */
export function tellCost(steps: readonly Step[]): readonly Sentence[] {
  const each = steps.flatMap((step) => step.runs.flatMap((record) => tellOne(step, record)));
  const charged = steps.flatMap(({ runs }) => runs).filter(({ index }) => index.cost_micro_usd > 0);
  const [first, ...rest] = charged;
  if (first === undefined) return each;
  const sum = charged.reduce((total, { index }) => total + index.cost_micro_usd, 0);
  return [...each, tellOf([first, ...rest], `Together ${count(charged.length, "charged record")} cost ${usd(sum)}.`)];
}

function tellOne(step: Step, record: TraceRecord): readonly Sentence[] {
  const { index } = record;
  if (index.kind === "ledger")
    return [
      tell(
        record,
        `${nameOf(step)} was charged ${usd(index.cost_micro_usd)}: its whole hold, because it was never settled.`,
      ),
    ];
  if (step.kind === "tool")
    return index.cost_micro_usd === 0
      ? []
      : [
          tell(
            record,
            `${nameOf(step)} cost ${usd(index.cost_micro_usd)}, by the price that the config sets for its tool.`,
          ),
        ];
  const held = numberAttr(record, ATTR.heldMicroUsd);
  const reserved = held === undefined ? "" : `; ${usd(held)} had been held for it`;
  return [tell(record, `${nameOf(step)} cost ${usd(index.cost_micro_usd)}, ${basisOf(record)}${reserved}.`)];
}

function basisOf(record: TraceRecord): string {
  const { input_tokens, output_tokens } = record.index;
  const basis = textAttr(record, ATTR.costBasis);
  if (basis === "usage")
    return `by the provider's own count of ${input_tokens} input and ${output_tokens} output tokens`;
  if (basis === "hold" && textAttr(record, ATTR.costFault) !== undefined)
    return `the whole hold, because the provider's own count of ${input_tokens} input and ${output_tokens} output tokens cannot be priced`;
  if (basis === "hold") return "the whole hold, because the provider's own count never came";
  return basis === "none" ? "because nothing was billed" : "on a basis that is not stored";
}
