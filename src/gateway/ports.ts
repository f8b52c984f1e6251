// Names everything the gateway needs from the world; adapters implement it, tests stand in for it.
import type { PublishedConfig, ActiveConfig } from "../core/config/published.ts";
import type { Amounts } from "../core/budget/amounts.ts";
import type { Want } from "../core/state/account.ts";
import type {
  CallRef,
  LedgerPolicy,
  Scopes,
  SessionLedgerState,
  SessionPause,
  SessionReply,
  SessionSaga,
} from "../core/state/session-messages.ts";
import type { RouteAsk } from "../core/state/session-route.ts";
import type { HttpAnswer, ToolOutcome } from "../core/policy/tool-outcome.ts";
import type {
  Finding,
  Redecision,
  ToolCallRecord,
  ToolCallReply,
  ToolCallRequest,
} from "../core/state/tool-call-record.ts";
import type { Forgetting } from "../core/state/forgetting.ts";
import type { CompensationOrder, SagaReport } from "../core/state/tool-call-after.ts";
import type { CallList } from "./ports/call-list.ts";
import type { DraftTerms, Vote } from "../core/state/approval.ts";
import type { Controls as TenantControls, SwitchRecord } from "../core/state/tenant-ledger.ts";
import type { StopAndAskEntry } from "../core/config/policy-document.ts";
import type { Decision, Reason } from "../core/policy/decision.ts";
import type { Switch } from "../core/policy/switches.ts";
import type { Outcome } from "../core/errors.ts";
import type { Principal, Role } from "../core/principal.ts";
import type { JsonObject } from "../core/json/canonical.ts";
import type { ResolvedTool } from "../core/config/published.ts";
import type { ToldAt } from "../core/trace/act.ts";
import type { TraceRecord } from "../core/trace/record.ts";
import type { AnswerCache } from "./ports/answer-cache.ts";
import type { Canaries } from "./ports/canaries.ts";
import type { EvalPeople } from "./ports/eval-people.ts";
import type { ChatClients } from "./ports/chat-client.ts";
import type { EvalDatasets, EvalQueue, EvalRuns } from "./ports/evals.ts";
import type { Breakers } from "./ports/breakers.ts";
import type { ApprovalInbox, ApprovalLinks, Webhooks } from "./ports/approvals.ts";
import type { EvalEvidence } from "./ports/eval-evidence.ts";
import type { Releases } from "./ports/releases.ts";
import type { McpServers } from "./ports/mcp.ts";
import type { Models } from "./ports/models.ts";
import type { ResponseStates } from "./ports/response-states.ts";
import type { TracePlane } from "./ports/trace-plane.ts";

/** The clock and the dice. */
export interface System {
  /** Epoch milliseconds; inside a Worker it moves only with I/O. */
  now(): number;
  /** Lower-case hex of this many random bytes. */
  randomHex(bytes: number): string;
  /** Resolves after so many milliseconds. */
  wait(ms: number): Promise<void>;
}

/** What a new key is to be. */
export interface NewKey {
  readonly tenant: string;
  readonly name: string;
  readonly roles: readonly Role[];
  readonly scopes: readonly string[];
  readonly actors: readonly string[];
}

/** A key as it is listed: never its text, never its hash. */
export interface KeyListing extends NewKey {
  readonly id: string;
  readonly created_at: string;
}

/** API keys, stored as hashes. */
export interface Keys {
  /** The principal of a key's text, or `undefined`. At most a few seconds stale after a revocation. */
  find(text: string): Promise<Principal | undefined>;
  /** Stores a key and answers its text, the only time it is shown. */
  create(key: NewKey): Promise<{ readonly listing: KeyListing; readonly text: string }>;
  list(tenant: string): Promise<readonly KeyListing[]>;
  /** Whether such a key existed. */
  revoke(tenant: string, id: string): Promise<boolean>;
}

/** Tenant credentials for providers and tools: written, never read back through any surface. */
export interface Secrets {
  reveal(tenant: string, name: string): Promise<string | undefined>;
  put(tenant: string, name: string, text: string): Promise<void>;
  remove(tenant: string, name: string): Promise<boolean>;
  names(tenant: string): Promise<readonly string[]>;
  /** Wraps the tenant's data keys under the current root key and seals every credential under its newest, or a new, one. */
  rotate(tenant: string, how: { readonly newKey: boolean }): Promise<Rotation>;
}

/** What a rotation did. */
export interface Rotation {
  /** The data key that now seals. */
  readonly key: string;
  /** Credentials of the tenant, and those that were sealed anew. */
  readonly secrets: number;
  readonly resealed: number;
  /** Data keys that another root key had wrapped. */
  readonly rewrapped: number;
  /** Names of credentials that no root key of the deployment opens. */
  readonly unreadable: readonly string[];
}

/** One line of a tenant's config history. */
export interface ConfigVersion {
  readonly version: number;
  readonly digest: string;
  /** Epoch milliseconds. */
  readonly published_at: number;
  readonly published_by: string;
  /** Set where it took up an earlier version again. */
  readonly rolled_back?: { readonly to: number; readonly reason: string | null };
}

/**
 * What every enforcement point must know: active version and switches, at most `CONTROLS_BOUND_MS` old.
 * Throws `control_plane_down` when their owner does not answer: a call that cannot be stopped is not made.
 */
export interface Controls {
  current(tenant: string): Promise<TenantControls>;
}

/** Kill switches, owned by the tenant's ledger. */
export interface Switches {
  /**
   * Sets one; refuses `invalid_request` when too many are set. Durable before it answers, and told from there like
   * this.
   */
  set(tenant: string, set: Omit<Switch, "set_at">, told: ToldAt): Promise<Outcome<SwitchRecord>>;
  /** Clears one, told in the same way; refuses `not_found`. */
  clear(
    tenant: string,
    id: string,
    how: { readonly by: string; readonly reason: string | null; readonly told: ToldAt },
  ): Promise<Outcome<SwitchRecord>>;
  /** Every switch ever set, newest first. */
  list(tenant: string): Promise<readonly SwitchRecord[]>;
}

/** Immutable config versions and the pointer to the active one. */
export interface Configs {
  /** The active version as the controls name it: compiled in the isolate, read from the edge copy or its owner. */
  active(tenant: string): Promise<ActiveConfig | undefined>;
  /** One that was active at most two minutes ago: for work behind an answer, which asks for nothing where it can. */
  recent(tenant: string): Promise<ActiveConfig | undefined>;
  /** The active version as its strongly consistent owner has it. */
  current(tenant: string): Promise<PublishedConfig | undefined>;
  version(tenant: string, version: number): Promise<PublishedConfig | undefined>;
  /** Publishes if `expected` is still the active version (0: none yet), and tells of it; refuses `precondition_failed` otherwise. */
  publish(
    candidate: Omit<PublishedConfig, "version" | "published_at">,
    expected: number,
  ): Promise<Outcome<PublishedConfig>>;
  versions(tenant: string): Promise<readonly ConfigVersion[]>;
}

/** The tenants of the deployment. */
export interface Tenants {
  /** Whether the tenant is new; if it is, that is told as done by this key. */
  create(tenant: string, name: string, by: string): Promise<boolean>;
  /** Keeps the record of an act that is about to be done; told as one of unknown outcome where nobody ends it. */
  beginAct(record: TraceRecord): Promise<void>;
  /** Tells what an act came to; `null` where there was nothing to do. */
  endAct(tenant: string, spanId: string, record: TraceRecord | null): Promise<void>;
  exists(tenant: string): Promise<boolean>;
  /** Every tenant id, for jobs. */
  ids(): Promise<readonly string[]>;
  /** Makes the edge copy of the tenant's active config agree with its ledger; answers whether it had to. */
  repairMirror(tenant: string): Promise<boolean>;
  /** What is used of meters (cross-session limits), by key; what sessions hold of them counts as used. */
  usage(tenant: string, keys: readonly string[]): Promise<ReadonlyMap<string, number>>;
}

/** One admission to a session's ledger. */
export interface Admission {
  readonly holdId: string;
  readonly scopes: Scopes;
  readonly want: Want;
  readonly expiresAt: number;
  readonly ref: CallRef;
  /** The reason that stops the session with this call, if any. */
  readonly stop: Reason | null;
  readonly stopAndAsk: StopAndAskEntry | null;
  /** The tiers that may answer a routed call: the session chooses, and its choice takes the place of `want` and `expiresAt`. */
  readonly route?: RouteAsk;
}

/** What a hold turned out to have used. */
export interface Settlement {
  readonly tenant: string;
  readonly session: string;
  readonly holdId: string;
  readonly actual: Amounts;
}

/** A session's ledger as people see it. */
export interface SessionView {
  readonly state: SessionLedgerState;
  readonly outboxDepth: number;
}

/** The object that owns each session's budget. Every method is at most one hop. */
export interface SessionLedgers {
  admit(admission: Admission): Promise<SessionReply>;
  /**
   * Settles a hold soon: with the session's next admission from here, or on its own within milliseconds.
   * Never throws; what the ledger never hears of expires there at the held amount.
   */
  settle(settlement: Settlement, defer: Defer): void;
  read(tenant: string, session: string): Promise<SessionView>;
  /** What the session's rules would say to a call, and whether it is paused. Nothing changes. */
  consult(
    tenant: string,
    session: string,
    asked: {
      readonly policy: LedgerPolicy;
      readonly ref: CallRef;
      /** A call that is charged already and is not one before itself. */
      readonly callId?: string;
    },
  ): Promise<{ readonly reasons: readonly Reason[]; readonly pause: SessionPause | null }>;
  /**
   * Lets a paused session go on, and keeps the record of that; answers why it was paused, `null` when it was not, or the
   * end that stands.
   */
  resume(
    tenant: string,
    session: string,
    record: TraceRecord,
  ): Promise<{ readonly was: SessionPause | null } | { readonly ended: SessionPause }>;
  /** Pauses a session, or ends it for good, and keeps the record of that; answers what stands now. */
  pause(tenant: string, session: string, pause: Omit<SessionPause, "at">, record: TraceRecord): Promise<SessionPause>;
  /** A task's saga; with `isClosing` it takes no further calls from now on. */
  saga(
    tenant: string,
    session: string,
    asked: { readonly task: string; readonly isClosing: boolean },
  ): Promise<SessionSaga>;
  /** Keeps records that the queue did not take; the ledger sends them again. */
  stash(tenant: string, session: string, records: readonly TraceRecord[]): Promise<void>;
  /** Makes the session's ledger forget everything but that a person ended it; it refuses while something is open. */
  forget(tenant: string, session: string): Promise<Forgetting>;
}

/** How a tool call asks its session: its budgets, its amounts, and what the policy has yet to decide there. */
export interface LedgerAsk {
  readonly scopes: Scopes;
  readonly amounts: Amounts;
  readonly ref: CallRef;
  readonly policy: LedgerPolicy;
}

/** What beginning a tool call needs: the call, the edge's decision, and how to ask its session. */
export interface ToolCallBeginning extends LedgerAsk {
  readonly request: ToolCallRequest;
  readonly decision: Decision;
  readonly draft: DraftTerms;
}

/** One person's vote on a waiting call, with the policy's decision at this instant. */
export interface Ballot extends LedgerAsk {
  readonly vote: Vote;
  /** How the call's object tells of it, if it counts. */
  readonly told: ToldAt;
  /** The digest of what the person saw. */
  readonly digest: string;
  readonly redecided: Redecision | null;
  readonly draft: DraftTerms;
}

/** A held call as the policy sees it at this instant. */
export interface Release extends LedgerAsk {
  readonly decision: Decision;
  readonly draft: DraftTerms;
}

/** Reply of a call's object, with what the session has left where it was asked; or the session's refusal. */
export type CallReply =
  | { readonly call: ToolCallReply; readonly remainingUsd: number | null }
  | { readonly ledger: SessionReply; readonly record: ToolCallRecord | null };

/** The object that owns each tool call. */
export interface ToolCalls {
  begin(beginning: ToolCallBeginning): Promise<CallReply>;
  /** Counts a vote; `execute` when it was the last that was needed. */
  vote(tenant: string, id: string, ballot: Ballot): Promise<CallReply>;
  /** Takes a waiting or held call back; told as an act on its approval where somebody is named. */
  withdraw(
    tenant: string,
    id: string,
    act: { readonly by: string; readonly told: ToldAt } | null,
  ): Promise<ToolCallReply>;
  /** Lets a held call go; `execute` when its time has come and its session still takes it. */
  release(tenant: string, id: string, asked: Release): Promise<CallReply>;
  /** Takes what was found out about an unknown outcome. */
  settle(tenant: string, id: string, finding: Finding): Promise<ToolCallReply>;
  /** Begins to undo a call, or says how that stands; with `isRetry` one whose compensation has failed. */
  compensate(tenant: string, id: string, order: CompensationOrder, isRetry: boolean): Promise<ToolCallReply>;
  /** Takes how the call that undoes this one stands. */
  compensationStands(
    tenant: string,
    id: string,
    stands: { readonly id: string; readonly status: string; readonly message: string | null },
  ): Promise<void>;
  /** Keeps what became of the call's saga; `null` where it was not to be undone. */
  unwound(tenant: string, id: string, report: SagaReport | null): Promise<void>;
  /** Records the outcome after so many attempts. */
  finish(tenant: string, id: string, outcome: ToolOutcome, attempts: number): Promise<ToolCallRecord | undefined>;
  /** The call as it stands; waits so long for a change of one that is on its way to another status. */
  read(tenant: string, id: string, waitMs?: number): Promise<ToolCallRecord | undefined>;
  /** Makes the call's object forget it; it refuses while something is open. */
  forget(tenant: string, id: string): Promise<Forgetting>;
}

/** One attempt at a tool. */
export interface ToolExecution {
  readonly tenant: string;
  readonly callId: string;
  readonly tool: ResolvedTool;
  readonly args: JsonObject;
  readonly traceparent: string;
  /** What others have put into the trace's state; absent where there is none. */
  readonly tracestate?: string | undefined;
  readonly allowedHosts: readonly string[];
  /** For connecting, headers and body together. */
  readonly timeoutMs: number;
}

/** What a tool did, what it was read from, and the credentials that took part, for scrubbing. */
export interface ToolExecuted {
  readonly outcome: ToolOutcome;
  /** What came back over the wire; without it the call is never tried again. */
  readonly answer?: HttpAnswer;
  readonly credentials: readonly string[];
}

/** Tool upstreams. Never throws: what went wrong is an outcome. */
export interface Tools {
  execute(execution: ToolExecution): Promise<ToolExecuted>;
}

/** Where records go. Never throws and never delays an answer: what the queue refuses goes to the session's outbox. */
export interface Recorder {
  /** `credentials` took part in the call: their texts are scrubbed before the record leaves. */
  write(record: TraceRecord, credentials: readonly string[]): void;
  /** Writes before it answers: whether the queue or an outbox has the record, so that it will not be lost. */
  writeNow(record: TraceRecord, credentials: readonly string[]): Promise<boolean>;
}

/** Work that goes on after the answer. */
export type Defer = (work: Promise<unknown>) => void;

/** The ports through which something outside is changed, and what stands around that. */
type ActingPorts = "tools" | "mcpServers" | "toolCalls" | "callList" | "inbox" | "links" | "webhooks";

/** Everything that a model call needs. No tool can be reached with it. */
export type ModelPorts = Omit<Ports, ActingPorts>;

/** Everything a call needs. */
export interface Ports extends TracePlane {
  readonly system: System;
  readonly keys: Keys;
  readonly secrets: Secrets;
  readonly controls: Controls;
  readonly configs: Configs;
  readonly switches: Switches;
  readonly releases: Releases;
  readonly evidence: EvalEvidence;
  readonly breakers: Breakers;
  readonly inbox: ApprovalInbox;
  readonly webhooks: Webhooks;
  readonly links: ApprovalLinks;
  readonly tenants: Tenants;
  readonly sessions: SessionLedgers;
  readonly toolCalls: ToolCalls;
  readonly callList: CallList;
  readonly models: Models;
  readonly answerCache: AnswerCache;
  readonly responseStates: ResponseStates;
  readonly tools: Tools;
  readonly mcpServers: McpServers;
  readonly evalDatasets: EvalDatasets;
  readonly evalRuns: EvalRuns;
  readonly evalQueue: EvalQueue;
  readonly chat: ChatClients;
  readonly evalPeople: EvalPeople;
  readonly canaries: Canaries;
}
