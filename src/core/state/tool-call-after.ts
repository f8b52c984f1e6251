// Names what is kept of a tool call after its answer: evidence on its outcome, how it was undone, and what its saga came to.
import { digestOf } from "../json/digest.ts";
import type { JsonObject } from "../json/canonical.ts";
import type { Role } from "../principal.ts";

/** What the gateway does for a call after its answer: send a held one, settle an unknown one, undo it, undo its saga. */
export type CallWork = "send" | "settle" | "compensate" | "unwind";

/** Work and when it is due next; `null` once it was tried often enough, so that people have to look. */
export interface DueWork {
  readonly kind: CallWork;
  /** How often it was asked for. */
  readonly attempts: number;
  readonly dueAt: number | null;
}

/** Who settled an unknown outcome: a probe, a repeat to the upstream, an answer that came late, or a person. */
export interface Resolution {
  readonly by: "probe" | "repeat" | "late_answer" | "person";
  readonly evidence: string;
  /** The person's key. */
  readonly keyId: string | null;
  readonly at: number;
}

/** The call that undoes another one, fixed when that was asked for. */
export interface CompensationOrder {
  readonly tool: string;
  readonly args: JsonObject;
  /** Whose rights it is made with. */
  readonly principal: { readonly key_id: string; readonly roles: readonly Role[]; readonly scopes: readonly string[] };
}

/** How a call is, or was, undone. */
export interface Compensation extends CompensationOrder {
  readonly id: string;
  readonly attempt: number;
  /** The status of that call, or `refused` where there is none. */
  readonly status: string;
  readonly message: string | null;
  readonly requestedAt: number;
}

/** What became of one member of a saga that was undone. */
export interface SagaMember {
  readonly tool_call_id: string;
  readonly tool: string;
  /** `no_effect`: a read; `not_compensable`: its tool declares no way back; else the member's own status. */
  readonly status: string;
  readonly message?: string;
}

/** What became of a saga: its members in the order in which they were undone. */
export interface SagaReport {
  readonly task_id: string;
  readonly status: "undone" | "partly_undone";
  readonly members: readonly SagaMember[];
  /** Ids of the members whose effect stands, or may. */
  readonly not_undone: readonly string[];
}

const UNDONE: ReadonlySet<string> = new Set(["compensated", "withdrawn", "no_effect", "failed", "denied"]);

/** The report of members in the order in which they were undone. */
export function sagaReport(task: string, members: readonly SagaMember[]): SagaReport {
  const standing = members.filter((each) => !UNDONE.has(each.status)).map((each) => each.tool_call_id);
  return { task_id: task, status: standing.length === 0 ? "undone" : "partly_undone", members, not_undone: standing };
}

/** The id of the call that undoes another: whoever asks again finds the same one. */
export function compensationId(tenant: string, callId: string, attempt: number): string {
  return `tc_${digestOf(["compensation", tenant, callId, attempt]).slice(0, 32)}`;
}
