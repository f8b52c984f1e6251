// Decides which names a routing rule may use, and of what type each is.
import type { VocabularySchema } from "../policy/cel/vocabulary.ts";
import { VOCABULARY } from "../policy/cel/vocabulary.ts";

const text = { type: "string" } as const;
const count = { type: "integer", minimum: 0 } as const;
const truth = { type: "boolean" } as const;
const share = { type: "number", minimum: 0, maximum: 1 } as const;

const object = (properties: Readonly<Record<string, unknown>>, optional: readonly string[] = []): VocabularySchema => ({
  type: "object",
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  additionalProperties: false,
});

/** Failures that rules tell apart: this many stand for more, too. */
export const MAX_FAILURES = 10;

/** Every variable of a routing rule. */
export const ROUTING_VOCABULARY: Readonly<Record<string, VocabularySchema>> = {
  request: object(
    {
      input_tokens: count,
      turns: count,
      tool_results: count,
      tools: count,
      write_tools: count,
      irreversible_tools: count,
      unknown_tools: count,
      max_amount_minor: count,
      media: count,
      has_code: truth,
      has_maths: truth,
      has_structure: truth,
      reasoning: truth,
      questions: count,
      steps: count,
      max_output: count,
      complexity: share,
    },
    ["max_amount_minor", "max_output"],
  ),
  call: object({ intent: text, confidence: share, confirmed: truth, task: text }, ["intent", "confidence", "task"]),
  actor: object({
    name: text,
    tier: { enum: ["draft_only", "execute_with_limits", "execute_with_approvals", "autonomous"] },
  }),
  session: object({ failures: { ...count, maximum: MAX_FAILURES }, tainted: truth }),
  local: VOCABULARY["local"] ?? {},
  now: { "x-cel": "timestamp" },
};

/** The vocabulary with the names that a config has: a rule that compares with another one is mistaken. */
export function routingVocabulary(actorNames: readonly string[]): Readonly<Record<string, VocabularySchema>> {
  const { actor } = ROUTING_VOCABULARY;
  const properties = { ...(actor?.["properties"] as object | undefined), name: { enum: actorNames } };
  return { ...ROUTING_VOCABULARY, actor: { ...actor, properties } };
}
