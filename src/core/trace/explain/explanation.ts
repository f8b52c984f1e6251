// Names what an explanation is: sections of sentences, each with the spans that it rests on, and what it is made from.
import type { Counterfactual } from "../../policy/analysis/counterfactual.ts";

/** The questions that an explanation answers, in the order in which they are asked. */
export const SECTIONS = [
  ["who", "Who acted, and on whose behalf"],
  ["asked", "What was asked for"],
  ["seen", "What the agent saw"],
  ["decided", "What was decided, and why"],
  ["approved", "Who approved"],
  ["done", "What was done"],
  ["outcome", "What it came to"],
  ["undone", "What was undone"],
  ["cost", "What it cost"],
  ["around", "What people and the gateway did around it"],
  ["reported", "What was reported from outside"],
  ["unknown", "What is still unknown"],
] as const;

/** One question. */
export type SectionId = (typeof SECTIONS)[number][0];

/** What a link leads to. */
export const LINK_RELS = ["trace", "tool_call", "approval", "config_version", "session", "audit"] as const;

/** Where evidence lies: a path of this API. */
export interface EvidenceLink {
  readonly rel: (typeof LINK_RELS)[number];
  readonly href: string;
}

/**
 * One statement. Whatever in `text` comes from outside stands between “ and ”, on one line, shortened, and holds neither
 * of the two marks itself. `span_ids` names at least one stored span.
 */
export interface Sentence {
  readonly text: string;
  readonly span_ids: readonly string[];
  readonly links: readonly EvidenceLink[];
}

/** What an explanation is of. */
export interface Subject {
  readonly type: "trace" | "session";
  readonly id: string;
}

/** An explanation, from stored facts alone. Times are RFC 3339 in UTC. */
export interface Explanation {
  readonly subject: Subject;
  readonly from: string;
  readonly to: string;
  readonly calls: number;
  readonly spans: number;
  readonly cost_usd: string;
  readonly sections: readonly {
    readonly id: SectionId;
    readonly title: string;
    readonly sentences: readonly Sentence[];
  }[];
}

/** What would have had to differ for a call to be let through, or why that cannot be told. */
export type Differing =
  | { readonly type: "told"; readonly counterfactuals: readonly Counterfactual[]; readonly assumed: readonly string[] }
  | { readonly type: "untold"; readonly why: string };

/** A published config version, as far as an explanation tells of it. `publishedAt` is epoch milliseconds. */
export interface VersionFact {
  readonly version: number;
  readonly publishedAt: number;
  readonly publishedBy: string;
}

/** What was reported of a trace after it was over. `at` is epoch milliseconds. */
export interface LaterOutcome {
  readonly traceHex: string;
  readonly id: string;
  readonly name: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly scores: Readonly<Record<string, number>>;
  readonly source: string | null;
  readonly at: number;
  readonly by: string;
}

/** A row of the index whose record could not be read. */
export interface LostRecord {
  readonly traceId: string;
  readonly spanId: string;
  readonly kind: string;
  readonly subject: string;
}

/** Everything an explanation rests on beside the records. */
export interface ExplainFacts {
  readonly subject: Subject;
  /** Policy versions that are stored, by the name that decisions carry. */
  readonly versions: ReadonlyMap<string, VersionFact>;
  /** By the span id of the record that was decided on. */
  readonly differing: ReadonlyMap<string, Differing>;
  readonly outcomes: readonly LaterOutcome[];
  /** Sequence number in the audit chain, by the span id of a record. */
  readonly auditSeqs: ReadonlyMap<string, number>;
  readonly lost: readonly LostRecord[];
  /** Whether there are more records than were read. */
  readonly isTruncated: boolean;
}

/** Nothing known beside the records. */
export function noFacts(subject: Subject): ExplainFacts {
  return {
    subject,
    versions: new Map(),
    differing: new Map(),
    outcomes: [],
    auditSeqs: new Map(),
    lost: [],
    isTruncated: false,
  };
}
