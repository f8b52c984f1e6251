// Decides how figures of a report read: money, times and shares as people write them.
import { formatUsd } from "../../units/money.ts";
import type { GradeKind } from "../grade.ts";
import type { MetricVerdict } from "../gate/gate-input.ts";
import { percent, round } from "../gate/metric.ts";
import type { Rate } from "../judge/calibration.ts";

/** A metric's mean as people read it. */
export function meanText({ id, kind }: Pick<MetricVerdict, "id" | "kind">, value: number | null): string {
  if (value === null) return "–";
  if (kind === "pass" || kind === "violation") return percent(value);
  return kind === "amount" && /cost/.test(id) ? `$${formatUsd(Math.round(value))}` : round(value);
}

/** A difference with its bounds: points of passes and scores, a share of amounts. */
export function deltaText({
  kind,
  delta,
  lower,
  upper,
}: Pick<MetricVerdict, "kind" | "delta" | "lower" | "upper">): string {
  if (delta === null) return "–";
  const text = (value: number | null): string => (value === null ? "?" : unitText(kind, value));
  return `${delta >= 0 ? "+" : ""}${text(delta)} [${text(lower)}, ${text(upper)}]`;
}

function unitText(kind: GradeKind, value: number): string {
  return kind === "amount" || kind === "pass" ? percent(value) : round(value);
}

/** A corrected rate with its 95 % interval and the labels it rests on. */
export function rateText(rate: Rate | null): string {
  return rate === null
    ? "too few labels"
    : `${percent(rate.rate)} [${percent(rate.lower)}, ${percent(rate.upper)}], ${rate.n} labels`;
}
