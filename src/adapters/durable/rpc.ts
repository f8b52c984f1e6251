// Names the remote methods of the objects, as a Worker calls them: one method call is one hop.
import type { Amounts } from "../../core/budget/amounts.ts";
import type { PublishedConfig } from "../../core/config/published.ts";
import type { Reason } from "../../core/policy/decision.ts";
import type { MeterNeed, RateNeed } from "../../core/policy/limits.ts";
import type { Switch } from "../../core/policy/switches.ts";
import type { KeyedReport } from "../../core/state/breaker.ts";
import type {
  CallRef,
  LedgerPolicy,
  SessionPause,
  SessionReply,
  SessionSaga,
} from "../../core/state/session-messages.ts";
import type { Controls, SwitchRecord, TenantReply } from "../../core/state/tenant-ledger.ts";
import type { ReleaseOrder, ReleaseReply } from "../../core/state/tenant-releases.ts";
import type { ReleaseReview } from "../../core/release/sealed.ts";
import type { GrantReply } from "../../core/state/tenant-limits.ts";
import type { UpstreamAsk } from "../../core/state/tenant-upstream.ts";
import type { Json, JsonObject } from "../../core/json/canonical.ts";
import type { McpEvent, McpSession, McpSessionChange, McpSessionOwner } from "../../core/state/mcp-session.ts";
import type { Forgetting } from "../../core/state/forgetting.ts";
import type { ToolOutcome } from "../../core/policy/tool-outcome.ts";
import type { Finding, ToolCallRecord, ToolCallReply } from "../../core/state/tool-call-record.ts";
import type { CompensationOrder, SagaReport } from "../../core/state/tool-call-after.ts";
import type { ToldAt } from "../../core/trace/act.ts";
import type { TraceRecord } from "../../core/trace/record.ts";
import type { ReleaseStanding } from "../../gateway/ports/releases.ts";
import type {
  Admission,
  Ballot,
  CallReply,
  ConfigVersion,
  Release,
  SessionView,
  ToolCallBeginning,
} from "../../gateway/ports.ts";

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
  consult(asked: { readonly policy: LedgerPolicy; readonly ref: CallRef; readonly callId?: string }): Promise<{
    readonly reasons: readonly Reason[];
    readonly pause: SessionPause | null;
  }>;
  pause(pause: Omit<SessionPause, "at">, record: TraceRecord): Promise<SessionReply>;
  resume(record: TraceRecord): Promise<SessionReply>;
  saga(task: string, isClosing: boolean): Promise<SessionSaga>;
  read(): Promise<SessionView>;
  stash(records: readonly TraceRecord[]): Promise<void>;
  forget(): Promise<Forgetting>;
}

/** `ToolCall`, from outside. */
export interface RemoteToolCall {
  begin(beginning: ToolCallBeginning): Promise<CallReply>;
  vote(ballot: Ballot): Promise<CallReply>;
  withdraw(act: { readonly by: string; readonly told: ToldAt } | null): Promise<ToolCallReply>;
  release(asked: Release): Promise<CallReply>;
  settle(finding: Finding): Promise<ToolCallReply>;
  compensate(order: CompensationOrder, isRetry: boolean): Promise<ToolCallReply>;
  compensationStands(id: string, status: string, message: string | null): Promise<unknown>;
  unwound(report: SagaReport | null): Promise<unknown>;
  finish(outcome: ToolOutcome, attempts: number): Promise<ToolCallRecord | undefined>;
  read(waitMs?: number): Promise<ToolCallRecord | undefined>;
  forget(): Promise<Forgetting>;
}

/** `McpSession`, from outside. */
export interface RemoteMcpSession {
  open(session: McpSession): Promise<void>;
  enter(
    owner: McpSessionOwner,
    begins: { readonly stream: string; readonly requests: readonly string[] } | null,
  ): Promise<McpSession | null>;
  change(change: McpSessionChange): Promise<void>;
  append(stream: string, messages: readonly Json[], isLast: boolean): Promise<number>;
  events(
    stream: string,
    after: number,
    waitMs: number,
  ): Promise<{ readonly events: readonly McpEvent[]; readonly isOver: boolean } | null>;
  deliver(message: JsonObject): Promise<boolean>;
  inbound(stream: string): Promise<readonly JsonObject[] | null>;
  end(): Promise<void>;
}

/** `TenantLedger`, from outside. */
export interface RemoteTenantLedger {
  create(name: string, by: string): Promise<boolean>;
  beginAct(record: TraceRecord): Promise<void>;
  endAct(spanId: string, record: TraceRecord | null): Promise<void>;
  exists(): Promise<boolean>;
  controls(): Promise<Controls>;
  grant(
    session: string,
    shortages: readonly MeterNeed[],
    rates: readonly RateNeed[],
    upstream: UpstreamAsk,
  ): Promise<GrantReply>;
  /** Gives back slots and probes of a call. */
  release(released: {
    readonly callId: string;
    readonly slots: readonly string[];
    readonly probes: readonly string[];
  }): Promise<void>;
  /** Whether a breaker has changed. */
  report(reports: readonly KeyedReport[]): Promise<boolean>;
  setSwitch(set: Omit<Switch, "set_at">, told: ToldAt): Promise<TenantReply>;
  clearSwitch(
    id: string,
    how: { readonly by: string; readonly reason: string | null; readonly told: ToldAt },
  ): Promise<TenantReply>;
  switches(): Promise<readonly SwitchRecord[]>;
  moveRelease(order: ReleaseOrder, told: ToldAt): Promise<ReleaseReply>;
  releases(agent: string): Promise<ReleaseStanding>;
  reviewReleases(document: PublishedConfig["document"]): Promise<ReleaseReview>;
  publish(candidate: Omit<PublishedConfig, "version" | "published_at">, expected: number): Promise<TenantReply>;
  version(version?: number): Promise<PublishedConfig | undefined>;
  versions(): Promise<readonly ConfigVersion[]>;
  repairMirror(): Promise<boolean>;
  usage(keys: readonly string[]): Promise<readonly { readonly key: string; readonly used: number }[]>;
}
