// Names the remote methods of the objects, as a Worker calls them: one method call is one hop.
import type { Amounts } from "../../core/budget/amounts.ts";
import type { PublishedConfig } from "../../core/config/published.ts";
import type { SessionReply } from "../../core/state/session-messages.ts";
import type { TenantReply } from "../../core/state/tenant-ledger.ts";
import type { ToolCallRecord, ToolOutcome } from "../../core/state/tool-call.ts";
import type { TraceRecord } from "../../core/trace/record.ts";
import type { Admission, BeginReply, ConfigVersion, SessionView, ToolCallBeginning } from "../../gateway/ports.ts";

/** Objects of one class, found by name. */
export interface ObjectNamespace<Remote> {
  getByName(name: string): Remote;
}

/** What one hold turned out to have used. */
export interface RemoteSettlement {
  readonly holdId: string;
  readonly actual: Amounts;
}

/** `SessionLedger`, from outside. */
export interface RemoteSessionLedger {
  /** Settles what rides along, then admits. */
  admit(admission: Admission, settlements: readonly RemoteSettlement[]): Promise<SessionReply>;
  settle(settlements: readonly RemoteSettlement[]): Promise<void>;
  read(): Promise<SessionView>;
  stash(records: readonly TraceRecord[]): Promise<void>;
}

/** `ToolCall`, from outside. */
export interface RemoteToolCall {
  begin(beginning: ToolCallBeginning): Promise<BeginReply>;
  finish(outcome: ToolOutcome): Promise<ToolCallRecord | undefined>;
  read(): Promise<ToolCallRecord | undefined>;
}

/** `TenantLedger`, from outside. */
export interface RemoteTenantLedger {
  create(name: string): Promise<boolean>;
  exists(): Promise<boolean>;
  publish(candidate: Omit<PublishedConfig, "version" | "published_at">, expected: number): Promise<TenantReply>;
  version(version?: number): Promise<PublishedConfig | undefined>;
  versions(): Promise<readonly ConfigVersion[]>;
  repairMirror(): Promise<boolean>;
}
