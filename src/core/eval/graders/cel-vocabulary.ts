// Decides which names an expression of a grader may use, and of what type each is.
import type { VocabularySchema } from "../../policy/cel/vocabulary.ts";

const text = { type: "string" } as const;
const whole = { type: "integer" } as const;
const texts = { type: "array", items: text } as const;
const object = (properties: Readonly<Record<string, unknown>>): VocabularySchema => ({ type: "object", properties });

/** Arguments, JSON answers: their numbers are doubles, whatever their value. */
const anything = {} as const;

const episode = object({
  status: { enum: ["completed", "divergent", "cut", "failed"] },
  final: text,
  /** Null where it refused nothing. */
  refusal: text,
  calls: {
    type: "array",
    items: object({
      name: text,
      tool: text,
      args: anything,
      answer: { enum: ["recorded", "simulated", "denied", "waiting", "invalid", "divergent", "asked"] },
      result: text,
      /** `none` where nothing governs the call. */
      effect: { enum: ["allow", "draft", "require_approval", "deny", "none"] },
      rules: texts,
    }),
  },
  /** Model calls with what was said in each. */
  turns: { type: "array", items: object({ text, finish: text, calls: whole }) },
  cost_micro_usd: whole,
  input_tokens: whole,
  output_tokens: whole,
  /** Input and output together. */
  tokens: whole,
  duration_ms: whole,
  model_calls: whole,
  tool_calls: whole,
});

/**
 * Every variable of a grader's expression. Counts and amounts are CEL integers, as in rules: `double(episode.tool_calls)`
 * where a share is wanted. Labels that a case has not are absent: an expression asks `has(case.labels.outcome)` first.
 */
export const GRADER_VOCABULARY: Readonly<Record<string, VocabularySchema>> = {
  case: object({ id: text, tags: texts, risk: text, labels: anything, outcome: text }),
  episode,
  recorded: episode,
};

/** The members that a variable has by its schema. */
export function membersOf(variable: string): readonly string[] {
  const { properties } = (Object.hasOwn(GRADER_VOCABULARY, variable) ? GRADER_VOCABULARY[variable] : undefined) ?? {};
  return typeof properties === "object" && properties !== null ? Object.keys(properties) : [];
}
