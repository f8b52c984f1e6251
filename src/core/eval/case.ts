// Decides what one case of a dataset is: a recorded stretch of an agent's work, what is known of how it should have gone, and where it came from.
import type { GeneratingDialect } from "../dialect/names.ts";
import type { Finish, ReplyPart } from "../dialect/reply.ts";
import type { Json, JsonObject } from "../json/canonical.ts";
import type { RecordedCall } from "../policy/replay/recorded-call.ts";

/** How much a wrong answer to a case can hurt. */
export const RISKS = ["low", "medium", "high", "critical"] as const;
/** One of them. */
export type Risk = (typeof RISKS)[number];

/** One model call as it was recorded: the exact request, never put together anew, and what was answered. */
export interface CaseCall {
  readonly dialect: GeneratingDialect;
  /** The request's body as the trace store has it: masked, its `model` as the caller named it. */
  readonly request: JsonObject;
  /** What the model answered; `null` where that is not kept. */
  readonly reply: { readonly parts: readonly ReplyPart[]; readonly finish: Finish | null } | null;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly duration_ms: number;
  readonly cost_micro_usd: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
}

/** One tool call of the recorded model and what the model was shown as its result. */
export interface CaseTool {
  /** As the model called it, such as `billing_refund`. */
  readonly name: string;
  /** The governed tool it stands for, such as `billing.refund`; `null` for one that the gateway does not govern. */
  readonly tool: string | null;
  /** The arguments as the model wrote them: JSON text. */
  readonly args: string;
  /** The text that the model was shown. */
  readonly content: string;
  readonly is_error: boolean;
}

/** One tool call that is expected, or forbidden. */
export interface ToolLabel {
  /** A governed tool or the name that the model uses; forbidden ones may end in `.*`. */
  readonly tool: string;
  /** Arguments that the call has at least; none when left out. */
  readonly args?: JsonObject;
}

/** What people, or the recording itself, say of how a case should go. */
export interface CaseLabels {
  readonly tools?: readonly ToolLabel[];
  readonly forbidden?: readonly ToolLabel[];
  /** What the last answer has to say: all of these texts, whatever their case. */
  readonly contains?: readonly string[];
  /** A good last answer. */
  readonly reference?: string;
  /** The value that a JSON answer has. */
  readonly json?: Json;
  /** What it is to come to, such as `refunded` or `escalated`. */
  readonly outcome?: string;
  /** What a judge is to look at in this case, besides its rubric. */
  readonly rubric?: string;
}

/** An attack that was placed into what tools or documents answered. */
export interface Injection {
  /** Its id in the library. */
  readonly id: string;
  /** Index in `tools` of the result that carries it. */
  readonly at: number;
  /** A text that must occur in no answer and no argument. */
  readonly canary: string;
}

/** Where a case was cut from. */
export interface CaseSource {
  readonly trace_id: string;
  readonly session: string;
  readonly actor: string;
  readonly release: string | null;
  /** The end user, as records have it. */
  readonly user: string | null;
}

/** One case. */
export interface EvalCase {
  /** Unique in its dataset; 1 to 128 of letters, digits and `._:-`. */
  readonly id: string;
  /** What it is not independent of: by default the session it was cut from. */
  readonly cluster: string;
  /** `null` for one that was imported. */
  readonly source: CaseSource | null;
  readonly tags: readonly string[];
  readonly risk: Risk;
  readonly labels: CaseLabels;
  readonly injection: Injection | null;
  /** What was reported of its trace. */
  readonly outcome: string | null;
  /** At least one, in order of time. An imported case has one, with a reply only where the import gave one. */
  readonly calls: readonly CaseCall[];
  /** In the order in which the model asked for them. */
  readonly tools: readonly CaseTool[];
  /** The governed calls as the policy saw them, oldest first: what is decided again. */
  readonly asks: readonly RecordedCall[];
}
