// Decides which names a rule may use besides `args`, and of what type each is: one JSON Schema per variable.
import { USER_ORIGINS } from "../ask.ts";

/** JSON Schema, with `x-cel: timestamp | duration` where CEL has a type that JSON lacks. */
export type VocabularySchema = Readonly<Record<string, unknown>>;

const text = { type: "string" } as const;
const whole = { type: "integer" } as const;
const object = (properties: Readonly<Record<string, unknown>>, optional: readonly string[] = []): VocabularySchema => ({
  type: "object",
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  additionalProperties: false,
});
const texts = (maxItems: number): VocabularySchema => ({ type: "array", items: text, maxItems });

/** Figures of one budget dimension. Money is in minor units (cents), rounded against the caller. */
const figures = object({ limit: whole, used: whole, remaining: whole }, ["limit", "remaining"]);

/**
 * Every variable but `args`, whose type is the tool's own `input_schema`. A member that is not listed as required is
 * absent when it is not known, never null: a rule asks `has(call.confidence)` first.
 */
export const VOCABULARY: Readonly<Record<string, VocabularySchema>> = {
  tool: object({ name: text, effect: { enum: ["read", "write", "irreversible"] } }),
  call: object(
    {
      intent: text,
      confidence: { type: "number", minimum: 0, maximum: 1 },
      task: text,
      user: text,
      /** Who says who the user is; there exactly where `user` is. */
      user_origin: { enum: USER_ORIGINS },
      /** The task in its user's words, as the caller declares them. */
      user_prompt: text,
      release: text,
      confirmed: { type: "boolean" },
      /** The tool's declared amount in minor units, rounded up. */
      amount_minor: whole,
      /** Whether personal data was found in a declared path or in free text. */
      writes_pii: { type: "boolean" },
      constraints: object(
        {
          max_amount_minor: whole,
          requires_human_approval_over_minor: whole,
          pii_write_allowed: { type: "boolean" },
          allowed_tools: texts(256),
        },
        ["max_amount_minor", "requires_human_approval_over_minor", "pii_write_allowed", "allowed_tools"],
      ),
    },
    ["intent", "confidence", "task", "user", "user_origin", "user_prompt", "release", "amount_minor"],
  ),
  actor: object({
    name: text,
    tier: { enum: ["draft_only", "execute_with_limits", "execute_with_approvals", "autonomous"] },
    scopes: texts(256),
  }),
  principal: object({
    key_id: text,
    roles: { type: "array", items: { enum: ["agent", "operator", "approver", "auditor", "admin"] }, maxItems: 5 },
    scopes: texts(256),
  }),
  session: object({
    id: text,
    age_s: whole,
    budget: object({ usd: figures, tokens: figures, calls: figures, tool_calls: figures, tool_usd: figures }),
    counters: object({ calls: whole, tool_calls: whole, failures: whole, consecutive_failures: whole }),
    /** Labels that untrusted tool results have left. */
    taint: texts(32),
    /** What tools captured from their results. */
    facts: { type: "object", additionalProperties: true },
    /** Earlier tool calls, oldest first; those in flight included, those that surely failed not. */
    history: {
      type: "array",
      maxItems: 500,
      items: object(
        {
          tool: text,
          at: { "x-cel": "timestamp" },
          status: { enum: ["executing", "succeeded", "unknown"] },
          amount_minor: whole,
        },
        ["amount_minor"],
      ),
    },
  }),
  now: { "x-cel": "timestamp" },
  local: object({
    hour: { type: "integer", minimum: 0, maximum: 23 },
    minute: { type: "integer", minimum: 0, maximum: 59 },
    /** 1 is Monday, 7 Sunday (ISO 8601). */
    weekday: { type: "integer", minimum: 1, maximum: 7 },
    /** `YYYY-MM-DD` in the policy's time zone. */
    date: text,
  }),
};

/**
 * What a list rule may use: what is known when tools are listed, before there is a call. The actor's tier is that of
 * calls without an intent.
 */
export const LISTING_VOCABULARY: Readonly<Record<string, VocabularySchema>> = {
  ...Object.fromEntries(
    ["tool", "actor", "principal", "now", "local"].map((name) => [name, VOCABULARY[name] ?? {}] as const),
  ),
  call: object({ user: text, user_origin: { enum: USER_ORIGINS }, release: text }, ["user", "user_origin", "release"]),
};

/** A value at an argument path that rules count distinct values of is kept in history as its digest under the path. */
export interface HistoryEntry {
  readonly tool: string;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly status: "executing" | "succeeded" | "unknown";
  /** Micro-USD; absent for a tool without an amount. */
  readonly amount?: number;
  /** Digests of argument values by dotted path without the leading `args.`. */
  readonly values?: Readonly<Record<string, string>>;
}
