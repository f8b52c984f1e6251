// Sequences what people say to judgements: what they see, what they say, and what they settle.
import {
  adjudicate,
  disclosed,
  label,
  type Audit,
  type Disclosed,
  type Labelled,
} from "../../core/eval/audit/audit.ts";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import { labelsOf } from "../../core/eval/judge/ask-judge.ts";
import { shownTo } from "../../core/eval/judge/shown.ts";
import { auditAct } from "../../core/trace/eval-people-act.ts";
import type { Ports, Recorder } from "../ports.ts";
import { recordAct } from "../record-act.ts";
import { readRunCase } from "./read-run.ts";

type AuditPorts = Pick<Ports, "evalPeople" | "evalRuns" | "evalDatasets" | "system">;

/** An audit as somebody sees it who may not be swayed. */
export interface SeenAudit {
  /** Holds what may not be shown: what may is in `disclosed`. */
  readonly audit: Audit;
  readonly disclosed: Disclosed;
  readonly labels: readonly string[];
  readonly rubric: string;
  /** What was asked, done and said; `null` where it was erased. */
  readonly shown: string | null;
}

/** An audit with what it is about; refuses `not_found`. */
export async function readAudit(ports: AuditPorts, tenant: string, id: string): Promise<Outcome<SeenAudit>> {
  const audit = await ports.evalPeople.get(tenant, id);
  const plan = audit === undefined ? undefined : await ports.evalRuns.plan(tenant, audit.run);
  if (audit === undefined || plan === undefined) return refuse("not_found", `no audit "${id}"`);
  const entry = plan.judges[audit.judge];
  const seen = await readRunCase(ports, tenant, { run: audit.run, case: audit.caseId });
  const repeat = seen.ok ? seen.value.graded?.[audit.side][audit.repeat] : undefined;
  const recorded = seen.ok ? seen.value.recorded : undefined;
  const shown =
    repeat === undefined || recorded === undefined
      ? null
      : repeat.episodes.map((episode) => shownTo(recorded, episode)).join("\n\n");
  return accept({
    audit,
    disclosed: disclosed(audit),
    labels: entry === undefined ? [] : labelsOf(entry),
    rubric: entry?.rubric.text ?? "",
    shown,
  });
}

/** What somebody says. */
export interface SaidOfAudit {
  readonly tenant: string;
  readonly id: string;
  readonly by: string;
  readonly label: string;
  readonly note: string | null;
  readonly isAdjudication: boolean;
}

/** How often it is tried where others say something at the same time: an audit takes three words in all. */
const TURNS = 5;

/** Keeps somebody's label. Refuses `not_found`, `invalid_request` for a label that the rubric has not, and `audit_closed`. */
export async function sayToAudit(ports: AuditPorts, said: SaidOfAudit, recorder: Recorder): Promise<Outcome<Audit>> {
  const { tenant, id, by, note, isAdjudication } = said;
  for (let turn = 0; turn < TURNS; turn += 1) {
    const audit = await ports.evalPeople.get(tenant, id);
    const plan = audit === undefined ? undefined : await ports.evalRuns.plan(tenant, audit.run);
    if (audit === undefined || plan === undefined) return refuse("not_found", `no audit "${id}"`);
    const entry = plan.judges[audit.judge];
    const known = entry === undefined ? [] : labelsOf(entry);
    if (!known.includes(said.label)) {
      const message = `expected one of ${known.join(", ")}`;
      return refuse("invalid_request", `label: ${message}`, { mistakes: [{ path: "label", message }] });
    }
    const asked = { by, label: said.label, note, at: ports.system.now() };
    const came = isAdjudication ? adjudicate(audit, asked) : label(audit, asked);
    if (came.type !== "labelled") return refuse("audit_closed", REFUSALS[came.type]);
    // Somebody else's word may have come in between: it is read again.
    if (!(await ports.evalPeople.save(audit, came.audit))) continue;
    recordAct(ports, recorder, auditAct(came.audit, by));
    return accept(came.audit);
  }
  return refuse("audit_closed", "others are saying something to it: try again");
}

const REFUSALS: Readonly<Record<Exclude<Labelled["type"], "labelled">, string>> = {
  already_settled: "it is settled",
  already_said: "you have said your word on it: it takes other people's",
  not_open: "two people dispute it: a third settles it by adjudicating",
  not_disputed: "nothing is disputed: it takes labels",
};
