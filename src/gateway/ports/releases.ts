// Names what the gateway needs of the owner of release pointers: what stands, what has been, and moving them.
import type { ConfigDocument } from "../../core/config/document.ts";
import type { Outcome } from "../../core/errors.ts";
import type { ReleasePointer } from "../../core/release/pointer.ts";
import type { ReleaseReview } from "../../core/release/sealed.ts";
import type { ReleaseChange, ReleaseOrder } from "../../core/state/tenant-releases.ts";
import type { ToldAt } from "../../core/trace/act.ts";

/** What became of an order: the pointer as it stands, and the change where there was one. */
export interface ReleaseMove {
  readonly pointer: ReleasePointer;
  readonly change: ReleaseChange | null;
}

/** How an agent's releases stand. */
export interface ReleaseStanding {
  readonly pointer: ReleasePointer | null;
  readonly history: readonly ReleaseChange[];
}

/** Which releases are live, owned by the tenant's ledger. */
export interface Releases {
  /**
   * Moves an agent's releases. Durable before it answers, and told from there like this. Refuses `not_found` for an
   * agent that is not published, `unknown_release`, `precondition_failed` for a generation that has passed,
   * `release_policy_mismatch`, `release_not_moved`, and `evidence_missing` where the order's runs are not what the config
   * of this instant asks for.
   */
  move(tenant: string, order: ReleaseOrder, told: ToldAt): Promise<Outcome<ReleaseMove>>;
  /** An agent's pointer, and its last changes, newest first; `null` for an agent that is not published. */
  read(tenant: string, agent: string): Promise<ReleaseStanding>;
  /** What publishing a document would be refused for, as its prompts and releases go. */
  review(tenant: string, document: ConfigDocument): Promise<ReleaseReview>;
}
