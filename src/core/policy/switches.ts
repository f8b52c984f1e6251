// Decides what a kill switch is, which calls it covers, and what it makes of them.
import type { Reason } from "./decision.ts";
import type { ApprovalTerms } from "./decision.ts";

/** What a switch does: stops everything, keeps writes as drafts, or asks a person about every write. */
export const SWITCH_KINDS = ["halt", "disable_writes", "force_approvals"] as const;
/** The kind of a switch. */
export type SwitchKind = (typeof SWITCH_KINDS)[number];

/** What a switch covers: calls that match every member named; with none, the whole tenant. */
export interface SwitchScope {
  readonly actor?: string;
  readonly release?: string;
  readonly tool?: string;
  readonly session?: string;
}

/** One switch, set by a person. Times are epoch milliseconds. */
export interface Switch {
  readonly id: string;
  readonly kind: SwitchKind;
  readonly scope: SwitchScope;
  readonly reason: string;
  readonly set_by: string;
  readonly set_at: number;
  readonly expires_at: number | null;
}

/** What a call is, as far as switches are scoped. */
export interface SwitchSubject {
  readonly actor: string;
  readonly release: string | null;
  readonly tool: string | null;
  readonly session: string;
}

/** Whether a switch holds at an instant. */
export function isSet({ expires_at }: Switch, now: number): boolean {
  return expires_at === null || now < expires_at;
}

/** Whether a scope covers a call. A scope that names a tool covers no model call. */
export function covers(scope: SwitchScope, subject: SwitchSubject): boolean {
  return (
    (scope.actor === undefined || scope.actor === subject.actor) &&
    (scope.release === undefined || scope.release === subject.release) &&
    (scope.tool === undefined || scope.tool === subject.tool) &&
    (scope.session === undefined || scope.session === subject.session)
  );
}

/** The first halting switch that covers a call, or `undefined`. */
export function haltOf(switches: readonly Switch[], subject: SwitchSubject, now: number): Switch | undefined {
  return switches.find((each) => each.kind === "halt" && isSet(each, now) && covers(each.scope, subject));
}

/** One reason per switch that covers a tool call: halt denies; the others touch whatever is not a read. */
export function switchReasons(
  switches: readonly Switch[],
  subject: SwitchSubject,
  { isRead, now, terms }: { readonly isRead: boolean; readonly now: number; readonly terms: ApprovalTerms },
): readonly Reason[] {
  return switches
    .filter((each) => isSet(each, now) && covers(each.scope, subject) && (each.kind === "halt" || !isRead))
    .map((each) => ({
      rule_id: `switch.${each.kind}`,
      message: `${SAYS[each.kind]}: ${each.reason}`,
      values: { switch: each.id, scope: each.scope },
      ...effectOf(each.kind, terms),
    }));
}

const SAYS: Readonly<Record<SwitchKind, string>> = {
  halt: "a person has stopped these calls",
  disable_writes: "a person has disabled writes",
  force_approvals: "a person has put every write under approval",
};

function effectOf(kind: SwitchKind, terms: ApprovalTerms): Pick<Reason, "effect" | "approval"> {
  switch (kind) {
    case "halt":
      return { effect: "deny" };
    case "disable_writes":
      return { effect: "draft" };
    case "force_approvals":
      return { effect: "require_approval", approval: terms };
    default:
      return kind satisfies never;
  }
}
