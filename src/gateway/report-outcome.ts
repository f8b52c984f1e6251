// Sequences a reported outcome: kept durably under its id, then told in the trace store and so in the audit chain.
import { accept, refuse, type Outcome } from "../core/errors.ts";
import { digestOf, sha256Hex } from "../core/json/digest.ts";
import type { Act } from "../core/trace/act.ts";
import type { OutcomeName, ReportedOutcome } from "../core/trace/outcome.ts";
import type { Ports, Recorder } from "./ports.ts";
import { recordAct } from "./record-act.ts";

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
 * the same body answers what was kept first; with another body it refuses `idempotency_key_reused`. A comment is in the
 * record only, where it is masked. A repeat is recorded again under the same name, so that a record that was lost is made
 * good and one that was not counts once.
 */
export async function reportOutcome(
  ports: Ports,
  { scope, report }: { readonly scope: OutcomeScope; readonly report: OutcomeReport },
  recorder: Recorder,
): Promise<Outcome<ReportedOutcome>> {
  const now = ports.system.now();
  const id = report.id ?? `oc_${ports.system.randomHex(12)}`;
  const digest = digestOf({ ...report, id });
  const kept = await ports.outcomes.put({
    tenant: scope.tenant,
    trace_hex: scope.traceHex,
    id,
    outcome: report.outcome,
    labels: report.labels,
    scores: report.scores,
    comment: null,
    source: report.source,
    at: report.at ?? now,
    recorded_at: now,
    recorded_by: scope.by,
    digest,
  });
  if (kept.digest !== digest) {
    return refuse("idempotency_key_reused", `the trace has an outcome with id "${id}" already, and another body`, {
      mistakes: [{ path: "id", message: "expected an id that names only this report" }],
    });
  }
  record(ports, recorder, kept, report.comment);
  return accept(kept);
}

function record(ports: Ports, recorder: Recorder, kept: ReportedOutcome, comment: string | null): void {
  const name = sha256Hex(`outcome\n${kept.tenant}\n${kept.trace_hex}\n${kept.id}`);
  const act: Act = {
    tenant: kept.tenant,
    kind: "outcome",
    traceHex: kept.trace_hex,
    session: null,
    actor: null,
    subject: kept.outcome ?? "labels",
    status: "reported",
    by: kept.recorded_by,
    reason: comment,
    attributes: {
      [OUTCOME_ATTR.id]: kept.id,
      [OUTCOME_ATTR.name]: kept.outcome ?? undefined,
      [OUTCOME_ATTR.labels]: JSON.stringify(kept.labels),
      [OUTCOME_ATTR.scores]: JSON.stringify(kept.scores),
      [OUTCOME_ATTR.source]: kept.source ?? undefined,
      [OUTCOME_ATTR.at]: new Date(kept.at).toISOString(),
    },
  };
  recordAct(ports, recorder, act, { spanId: name.slice(0, 16), now: kept.recorded_at });
}
