// Names what telling people of approvals needs from the world: the inbox, signed notices, signed links.
import type { ApprovalStatus } from "../../core/state/approval.ts";

/** One line of the approvals inbox. Times are epoch milliseconds. */
export interface InboxLine {
  readonly id: string;
  readonly tool_call_id: string;
  readonly status: ApprovalStatus;
  readonly kind: "approval" | "draft";
  readonly actor: string;
  readonly tool: string;
  readonly session_id: string;
  readonly requested_by: string;
  readonly requested_at: number;
  readonly expires_at: number;
  readonly resolved_at: number | null;
}

/** The approvals inbox: an index of what the calls' objects own. */
export interface ApprovalInbox {
  /** Newest first; one whose time is over shows as expired, whether or not its object has woken yet. */
  list(
    tenant: string,
    filter: {
      readonly status?: ApprovalStatus;
      readonly cursor?: string;
      readonly limit: number;
      readonly now: number;
    },
  ): Promise<{ readonly lines: readonly InboxLine[]; readonly nextCursor: string | null }>;
  /** Deletes lines that were asked before an instant and wait for nobody any more; answers how many, at most 1,000. */
  forget(tenant: string, before: { readonly requestedBefore: number; readonly now: number }): Promise<number>;
}

/** Signed notices to people outside: one HTTP request, signed per Standard Webhooks. */
export interface Webhooks {
  /** Delivers a message; `false` when it was refused or not reached, so that it is tried again. */
  deliver(message: {
    readonly tenant: string;
    readonly url: string;
    /** The name of the stored secret that signs. */
    readonly secret: string;
    readonly id: string;
    readonly body: unknown;
    readonly allowedHosts: readonly string[];
  }): Promise<boolean>;
}

/** Links that let one addressed approver open one approval: signed, and void once it is decided. */
export interface ApprovalLinks {
  sign(link: ApprovalLink): Promise<string>;
  /** What a token stands for, or `undefined` for one that was not signed here or is over. */
  read(token: string): Promise<ApprovalLink | undefined>;
}

/** What a link stands for. */
export interface ApprovalLink {
  readonly tenant: string;
  readonly approval: string;
  readonly approver: string;
  /** The digest of what was to be approved when the link was made. */
  readonly digest: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}
