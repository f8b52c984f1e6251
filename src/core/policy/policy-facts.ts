// Names what a tool-call decision rests on besides the session: the tenant's policy on the tool, the ask, the switches, the clock.
import type { ActorEntry, ToolEntry } from "../config/document.ts";
import type { LimitEntry } from "../config/policy-document.ts";
import type { ToolCallAsk } from "./ask.ts";
import type { ApprovalTerms } from "./decision.ts";
import type { ExpressionCache, StoredRule } from "./rules.ts";
import type { Switch } from "./switches.ts";
import type { ReleaseLimits } from "../release/narrowing.ts";
import type { ListedBreaker } from "../state/breaker.ts";

/** What the policy holds on one tool: its entry, and the rules and limits that name it. */
export interface ToolPolicy {
  readonly name: string;
  readonly entry: ToolEntry;
  /** Rules that are decided when tools are listed, and again at the call. */
  readonly listRules: readonly StoredRule[];
  /** Rules of the call alone: those that need nothing of the session, and those that do. */
  readonly edgeRules: readonly StoredRule[];
  readonly sessionRules: readonly StoredRule[];
  readonly limits: readonly LimitEntry[];
  /** Argument paths whose values rules count: kept in the session's history as digests. */
  readonly trackedPaths: readonly string[];
  /** Whether a rule asks if personal data is written: only then are the arguments searched for it. */
  readonly readsPii: boolean;
}

/** What is known of a tool before it is called: who would call it, for whom, and how the caller has narrowed itself. */
export type ListedAsk = Pick<
  ToolCallAsk,
  "actor" | "principal" | "tool" | "constraints" | "user" | "user_origin" | "release"
>;

/** What a tool-call decision rests on, besides the session. */
export type PolicyFacts = FactsAbout<ToolCallAsk>;
/** What the listing of a tool rests on. */
export type ListingFacts = Omit<FactsAbout<ListedAsk>, "breakers">;

/** What is decided with, about an ask. */
export interface FactsAbout<Ask> {
  readonly policyVersion: string;
  readonly zone: string;
  readonly actor: ActorEntry | undefined;
  readonly tool: ToolPolicy;
  readonly ask: Ask;
  /** What the release that the call names allows it; `null` where it names none that the config has. */
  readonly release: ReleaseLimits | null;
  readonly switches: readonly Switch[];
  readonly breakers: readonly ListedBreaker[];
  /** Terms of an approval that no rule words otherwise. */
  readonly terms: ApprovalTerms;
  /** Epoch milliseconds. */
  readonly now: number;
  readonly cache: ExpressionCache;
}
