// Decides the shape of the `routing` section: tiers, the rules that call for them, and the tests that a routing policy must pass.
import * as z from "zod/mini";
import { name } from "./policy-document.ts";

/** The name that stands for whatever routing chooses. */
export const AUTO = "auto";

const share = z.number().check(z.gt(0), z.lte(1));
const count = z.int().check(z.gte(0));

const TierDocument = z.strictObject({
  name,
  /** What answers in this tier: a route, or a model. */
  route: z.optional(name),
  model: z.optional(name),
});

const RoutingRuleDocument = z.strictObject({
  id: name,
  /** A CEL expression over `request`, `call`, `actor`, `session`, `local` and `now`. */
  when: z.string().check(z.minLength(1)),
  /** The tier that the call needs at least. */
  tier: name,
  message: z.optional(z.string().check(z.maxLength(500))),
  /** `false`: a nearly used budget does not take a call below this rule's tier. */
  may_degrade: z.optional(z.boolean()),
});

/** Features as a test or a question may state them; what is left out is nothing. */
export const FeaturesDocument = z.strictObject({
  input_tokens: z.optional(count),
  turns: z.optional(count),
  tool_results: z.optional(count),
  tools: z.optional(count),
  write_tools: z.optional(count),
  irreversible_tools: z.optional(count),
  unknown_tools: z.optional(count),
  max_amount_minor: z.optional(count),
  media: z.optional(count),
  has_code: z.optional(z.boolean()),
  has_maths: z.optional(z.boolean()),
  has_structure: z.optional(z.boolean()),
  reasoning: z.optional(z.boolean()),
  questions: z.optional(count),
  steps: z.optional(count),
  max_output: z.optional(count),
});

/** What a session may have seen before the call. */
export const RoutedSessionDocument = z.strictObject({
  /** Failed tool calls of the task. */
  failures: z.optional(count),
  tainted: z.optional(z.boolean()),
  /** The part of the budget that is used. */
  budget_used: z.optional(z.number().check(z.gte(0))),
  /** The highest tier that the task has had. */
  tier: z.optional(name),
});

/** A routed call as a test states it. */
const ROUTED_CALL = {
  actor: name,
  /** The body that a caller sends, in any dialect; `model` may be left out. */
  request: z.optional(z.record(z.string(), z.unknown())),
  /** Over what the body shows. */
  features: z.optional(FeaturesDocument),
  intent: z.optional(z.string().check(z.maxLength(256))),
  confidence: z.optional(z.number().check(z.gte(0), z.lte(1))),
  confirmed: z.optional(z.boolean()),
  task: z.optional(z.string().check(z.maxLength(256))),
} as const;

const RoutingTestDocument = z.strictObject({
  name: z.string().check(z.minLength(1), z.maxLength(200)),
  call: z.strictObject(ROUTED_CALL),
  session: z.optional(RoutedSessionDocument),
  /** The instant of the call, RFC 3339; 2026-01-05T12:00:00Z (a Monday) when left out. */
  now: z.optional(
    z.string().check(z.regex(/^[0-9T:.Z+-]{20,40}$/, "expected an instant such as 2026-01-05T12:00:00Z")),
  ),
  expect: z.strictObject({
    tier: z.optional(name),
    /** The model that is asked first. */
    model: z.optional(name),
    /** Ids of rules that must match. */
    rules: z.optional(z.array(z.string())),
    /** What `Interlock-Route-Reason` must say. */
    reason: z.optional(z.string()),
  }),
});

/** The `routing` section: what `model: "auto"` stands for. */
export const RoutingDocument = z.strictObject({
  /** The tier of a call that nothing asks more for: the fast path. */
  default: name,
  /** In ascending order: the order is the rank. */
  tiers: z.array(TierDocument).check(z.minLength(1), z.maxLength(8)),
  /** Each that matches calls for its tier; the highest of them counts. */
  rules: z._default(z.array(RoutingRuleDocument).check(z.maxLength(200)), []),
  /** Tiers by the built-in score of a request, from 0 to 1. */
  complexity: z._default(z.array(z.strictObject({ at_least: share, tier: name })).check(z.maxLength(8)), []),
  /** `task` (default): within a task the tier never goes down. */
  sticky: z._default(z.enum(["task", "none"]), "task"),
  /** The highest tier once so much of a budget is used. */
  degrade: z._default(z.array(z.strictObject({ budget_used: share, tier: name })).check(z.maxLength(8)), []),
  /** Run at every publish: one that fails refuses it. */
  tests: z._default(z.array(RoutingTestDocument).check(z.maxLength(500)), []),
});

/** The routing of a parsed document. */
export type RoutingEntry = z.infer<typeof RoutingDocument>;
/** One rule of it. */
export type RoutingRuleEntry = z.infer<typeof RoutingRuleDocument>;
/** One test of it. */
export type RoutingTestEntry = z.infer<typeof RoutingTestDocument>;
/** A session as a test or a question states it. */
export type RoutedSessionEntry = z.infer<typeof RoutedSessionDocument>;
/** Features as a test or a question states them. */
export type FeaturesEntry = z.infer<typeof FeaturesDocument>;
