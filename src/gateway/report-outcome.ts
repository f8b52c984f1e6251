// Sequences a reported outcome: kept durably under its id, then told in the trace store and so in the audit chain.
import { accept, refuse, type Outcome } from "../core/errors.ts";
import { maskRecord } from "../core/guard/mask.ts";
import { sivTokens } from "../core/guard/mask-tokens.ts";
import { digestOf, sha256Hex } from "../core/json/digest.ts";
import { ACT_ATTR, actRecord, type Act, type ToldAt } from "../core/trace/act.ts";
import type { OutcomeName, ReportedOutcome } from "../core/trace/outcome.ts";
import type { TraceRecord } from "../core/trace/record.ts";
import { tracePolicyOf } from "../core/trace/trace-policy.ts";
import type { Ports, Recorder } from "./ports.ts";

/** Attribute names of a reported outcome. */
const OUTCOME_ATTR = {
  id: "interlock.outcome.id",
  name: "interlock.outcome.name",
  labels: "interlock.outcome.labels",
  scores: "interlock.outcome.scores",
  source: "interlock.outcome.source",
  at: "interlock.outcome.at",
} as const;

/** What somebody reports. */
export interface OutcomeReport {
  readonly outcome: OutcomeName | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly scores: Readonly<Record<string, number>>;
  readonly comment: string | null;
  readonly source: string | null;
  /** Epoch milliseconds; `null` for now. */
  readonly at: number | null;
  /** `null` for one of ours. */
  readonly id: string | null;
}

/** Who reports, and of which trace. */
export interface OutcomeScope {
  readonly tenant: string;
  readonly traceHex: string;
  /** The id of the key. */
  readonly by: string;
}

/**
 * Keeps a report, durably, before it answers; the trace need not be stored yet, and may be long over. The same id with
 * the same body answers what was kept first; with another body it refuses `idempotency_key_reused`. The comment is kept
 * masked; labels, source and id that would have to be masked are refused by their field: they are found by what they
 * are. It answers once the report's record is on its way too, so that what was answered reaches the audit chain, and
 * refuses `trace_store_down` where it is not. A repeat is recorded again under the same name: it counts once.
 */
export async function reportOutcome(
  ports: Ports,
  { scope, report }: { readonly scope: OutcomeScope; readonly report: OutcomeReport },
  recorder: Recorder,
): Promise<Outcome<ReportedOutcome>> {
  const now = ports.system.now();
  const id = report.id ?? `oc_${ports.system.randomHex(12)}`;
  const digest = digestOf({ ...report, id });
  const given: ReportedOutcome = {
    tenant: scope.tenant,
    trace_hex: scope.traceHex,
    id,
    outcome: report.outcome,
    labels: report.labels,
    scores: report.scores,
    comment: report.comment,
    source: report.source,
    at: report.at ?? now,
    recorded_at: now,
    recorded_by: scope.by,
    digest,
  };
  const masked = await maskedReport(ports, given);
  if (!masked.ok) return masked;
  const kept = await ports.outcomes.put(masked.value);
  if (kept.digest !== digest) {
    return refuse("idempotency_key_reused", `the trace has an outcome with id "${id}" already, and another body`, {
      mistakes: [{ path: "id", message: "expected an id that names only this report" }],
    });
  }
  const isTold = await recorder.writeNow(actRecord(actOf(kept), toldOf(kept)), []);
  if (isTold) return accept(kept);
  return refuse(
    "trace_store_down",
    `the report is kept as "${id}", but could not be recorded: send it again with this id`,
  );
}

/** The report as it may be stored: read back from its own record, which is masked like any other. */
async function maskedReport(
  ports: Pick<Ports, "configs" | "masking">,
  given: ReportedOutcome,
): Promise<Outcome<ReportedOutcome>> {
  const [config, keys] = await Promise.all([ports.configs.active(given.tenant), ports.masking.keysOf(given.tenant)]);
  const before = actRecord(actOf(given), toldOf(given));
  const after = maskRecord(before, tracePolicyOf(config).masking, sivTokens(keys));
  const text = (record: TraceRecord, name: string): string | null => {
    const value = record.spans[0]?.attributes[name];
    return typeof value === "string" ? value : null;
  };
  const personal = UNMASKED.filter(([, name]) => text(before, name) !== text(after, name));
  if (personal.length === 0) return accept({ ...given, comment: text(after, ACT_ATTR.reason) });
  const mistakes = personal.map(([path]) => ({ path, message: "holds personal data: only the comment is masked" }));
  return refuse("invalid_request", mistakes.map(({ path, message }) => `${path}: ${message}`).join("; "), { mistakes });
}

/** Fields that are stored as they are, and the attributes that carry them. */
const UNMASKED = [
  ["labels", OUTCOME_ATTR.labels],
  ["scores", OUTCOME_ATTR.scores],
  ["source", OUTCOME_ATTR.source],
  ["id", OUTCOME_ATTR.id],
] as const;

function toldOf(kept: ReportedOutcome): ToldAt {
  const name = sha256Hex(`outcome\n${kept.tenant}\n${kept.trace_hex}\n${kept.id}`);
  return { spanId: name.slice(0, 16), now: kept.recorded_at };
}

function actOf(kept: ReportedOutcome): Act {
  return {
    tenant: kept.tenant,
    kind: "outcome",
    traceHex: kept.trace_hex,
    session: null,
    actor: null,
    subject: kept.outcome ?? "labels",
    status: "reported",
    by: kept.recorded_by,
    reason: kept.comment,
    attributes: {
      [OUTCOME_ATTR.id]: kept.id,
      [OUTCOME_ATTR.name]: kept.outcome ?? undefined,
      [OUTCOME_ATTR.labels]: JSON.stringify(kept.labels),
      [OUTCOME_ATTR.scores]: JSON.stringify(kept.scores),
      [OUTCOME_ATTR.source]: kept.source ?? undefined,
      [OUTCOME_ATTR.at]: new Date(kept.at).toISOString(),
    },
  };
}
