// Decides the shape of the policy sections of a tenant's config: rules, limits, tests, tiers, stop-and-ask, approvals.
import * as z from "zod/mini";
import { usdFromJson } from "../units/money.ts";
import { isTimeZone } from "../units/local-time.ts";
import { readDuration, readWindow } from "../units/window.ts";
import { USER_ORIGINS } from "../policy/ask.ts";
import { EFFECTS } from "../policy/decision.ts";
import { Constraints } from "../policy/constraints.ts";

/** A name of the config: a letter, then up to 63 letters, digits, `_`, `.` or `-`. */
export const name = z
  .string()
  .check(
    z.regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/, "expected a letter, then up to 63 letters, digits, `_`, `.` or `-`"),
  );
/** A tool's name: like others, and as long as a server's name, a dot and what an MCP server may call a tool; `/` may stand in it. */
export const toolName = z
  .string()
  .check(
    z.regex(
      /^[A-Za-z][A-Za-z0-9_./-]{0,192}$/,
      "expected a letter, then up to 192 letters, digits, `_`, `.`, `/` or `-`",
    ),
  );
const pattern = z.string().check(z.minLength(1), z.maxLength(195));
/** A duration in a config: text such as `15m`, or whole seconds. */
export const duration = z
  .union([z.string(), z.int()])
  .check(
    z.refine(
      (value) => (readDuration(value) ?? 0) >= 1_000,
      'expected a duration such as "15m", "24h" or "7d", or whole seconds',
    ),
  );
const window = z
  .union([z.string(), z.int()])
  .check(
    z.refine(
      (value) => readWindow(value) !== undefined,
      'expected a sliding window such as "15m", "24h" or "7d", or a calendar one: hour, day, week or month',
    ),
  );
// Flat patterns: validators that guard against slow ones refuse repetitions within repetitions.
const isDotted = (text: string): boolean => !text.endsWith(".") && !text.includes("..");
const argumentPath = z
  .string()
  .check(
    z.regex(/^[A-Za-z_][\w.-]{0,127}$/, "expected a path of the arguments such as `amount_usd`"),
    z.refine(isDotted, "expected a path of the arguments such as `amount_usd`"),
  );
/** Who a limit or a rate counts for. */
const per = z
  .string()
  .check(
    z.regex(
      /^(actor|tenant|tool|args\.[A-Za-z_][\w.-]{0,127})$/,
      "expected actor, tenant, tool, or an argument such as `args.customer_id`",
    ),
    z.refine(isDotted, "expected an argument such as `args.customer_id`"),
  );
const instant = z.string().check(
  z.regex(/^[0-9T:.Z+-]{20,40}$/, "expected an instant such as 2026-01-05T12:00:00Z"),
  z.refine((text) => z.iso.datetime({ offset: true }).safeParse(text).success, "expected an instant that exists"),
);

/** Who has to approve, how many of them, and how long the question stands. */
export const ApprovalTermsDocument = z.strictObject({
  /** Key roles, or groups: a key is in group `finance` when it has the scope `approve:finance`. */
  roles: z.optional(z.array(z.string().check(z.regex(/^[a-z][a-z0-9_-]{0,62}$/))).check(z.minLength(1))),
  count: z.optional(z.int().check(z.gte(1), z.lte(10))),
  expires_in: z.optional(duration),
});

/** When a rule is decided. */
const RULE_PHASES = ["list", "call"] as const;

const RuleDocument = z.strictObject({
  id: name,
  /** Tool names, `prefix.*` or `*`; every tool when left out. */
  tools: z.optional(z.array(pattern).check(z.minLength(1))),
  /** When it is decided: `list` when tools are listed and again at the call, `call` (also when left out) at the call. */
  phase: z.optional(z.enum(RULE_PHASES)),
  /** A CEL expression over the call; the rule always matches when left out. */
  when: z.optional(z.string().check(z.minLength(1), z.maxLength(4096))),
  effect: z.enum(["allow", "require_approval", "deny"]),
  message: z.optional(z.string().check(z.minLength(1), z.maxLength(500))),
  approval: z.optional(ApprovalTermsDocument),
  /** Pauses the session until a person resumes it. */
  stop_and_ask: z.optional(z.boolean()),
});

const LimitDocument = z
  .strictObject({
    id: name,
    tools: z.optional(z.array(pattern).check(z.minLength(1))),
    /** The argument whose values are added up. */
    sum: z.optional(argumentPath),
    /** Counts calls instead. */
    count: z.optional(z.literal(true)),
    per: z.optional(z.union([per, z.array(per).check(z.minLength(1), z.maxLength(4))])),
    window,
    /** The most the window may hold: a number of calls, or an amount with at most six decimals. */
    max: z
      .union([z.number(), z.string()])
      .check(z.refine((value) => usdFromJson(value) !== undefined, "expected an amount with at most six decimals")),
  })
  .check(
    z.refine((limit) => (limit.sum === undefined) !== (limit.count === undefined), {
      path: ["sum"],
      error: "expected either `sum` (an argument) or `count: true`",
    }),
    z.refine((limit) => limit.count === undefined || Number.isInteger(Number(limit.max)), {
      path: ["max"],
      error: "expected a whole number of calls",
    }),
  );

/** Steady rate and burst (GCRA). */
export const RateLimitDocument = z.strictObject({
  requests: z.int().check(z.gte(1), z.lte(1_000_000)),
  per: duration,
  /** Calls that may come at once; `requests` when left out. */
  burst: z.optional(z.int().check(z.gte(1), z.lte(1_000_000))),
  by: z.optional(z.enum(["actor", "tenant"])),
});

const PastCall = z.strictObject({
  tool: toolName,
  /** How long before the tested call, such as `10m`. */
  ago: duration,
  status: z.optional(z.enum(["executing", "succeeded", "unknown"])),
  args: z.optional(z.record(z.string(), z.unknown())),
});

const TestDocument = z.strictObject({
  name: z.string().check(z.minLength(1), z.maxLength(200)),
  call: z.strictObject({
    actor: name,
    tool: z.string().check(z.minLength(1)),
    args: z._default(z.record(z.string(), z.unknown()), {}),
    intent: z.optional(z.string().check(z.maxLength(256))),
    confidence: z.optional(z.number().check(z.gte(0), z.lte(1))),
    task: z.optional(z.string()),
    user: z.optional(z.string()),
    user_origin: z.optional(z.enum(USER_ORIGINS)),
    user_prompt: z.optional(z.string().check(z.maxLength(8_192))),
    release: z.optional(z.string()),
    confirmed: z.optional(z.boolean()),
    constraints: z.optional(Constraints),
    /** Scopes of the key; all of the actor's when left out. */
    scopes: z.optional(z.array(z.string())),
    roles: z.optional(z.array(z.enum(["agent", "operator", "approver", "auditor", "admin"]))),
  }),
  /** What the session has seen before; empty when left out. */
  session: z.optional(
    z.strictObject({
      history: z.optional(z.array(PastCall)),
      taint: z.optional(z.array(z.string())),
      facts: z.optional(z.record(z.string(), z.unknown())),
      counters: z.optional(
        z.strictObject({
          calls: z.optional(z.int()),
          tool_calls: z.optional(z.int()),
          failures: z.optional(z.int()),
          consecutive_failures: z.optional(z.int()),
        }),
      ),
      spent_usd: z.optional(z.union([z.number(), z.string()])),
    }),
  ),
  /** The instant of the call, RFC 3339; 2026-01-05T12:00:00Z (a Monday) when left out. */
  now: z.optional(instant),
  expect: z.strictObject({
    effect: z.enum(EFFECTS),
    /** Rule ids that must be among the reasons. */
    reasons: z.optional(z.array(z.string())),
    /** Whether the call must pause its session. */
    stop_and_ask: z.optional(z.boolean()),
  }),
});

/** The `policy` section. */
export const PolicyDocument = z.strictObject({
  /** IANA zone of `local` and of calendar windows; UTC when left out. */
  time_zone: z.optional(z.string().check(z.refine(isTimeZone, "expected an IANA time zone such as Europe/Berlin"))),
  /** `effect` keeps amounts and reasons of refusals from agents, who could otherwise search for the limit. */
  explain_to_agents: z.optional(z.enum(["full", "effect"])),
  rules: z._default(z.array(RuleDocument).check(z.maxLength(2_000)), []),
  limits: z._default(z.array(LimitDocument).check(z.maxLength(200)), []),
  tests: z._default(z.array(TestDocument).check(z.maxLength(2_000)), []),
});

/** What an agent may do without a person, in the order in which one is usually trusted with more. */
export const TIERS = ["draft_only", "execute_with_limits", "execute_with_approvals", "autonomous"] as const;
/** A capability tier. */
export type Tier = (typeof TIERS)[number];

/** When a session stops and waits for a person. */
export const StopAndAskDocument = z.strictObject({
  min_confidence: z.optional(z.number().check(z.gte(0), z.lte(1))),
  /** So many identical tool calls in one session. */
  repeated_calls: z.optional(z.int().check(z.gte(2), z.lte(1_000))),
  consecutive_failures: z.optional(z.int().check(z.gte(1), z.lte(1_000))),
  /** The part of any session budget that may be used before a person is asked. */
  budget_used: z.optional(z.number().check(z.gt(0), z.lte(1))),
});

/** The flows of an actor: names that `autonomous` covers, or a tier for each. A flow is named by the call's intent. */
export const FlowsDocument = z.union([
  z.array(z.string().check(z.minLength(1), z.maxLength(256))),
  z.record(
    z.string().check(z.minLength(1), z.maxLength(256)),
    z.strictObject({ tier: z.enum(TIERS), tools: z.optional(z.array(pattern)) }),
  ),
]);

const ApproverDocument = z.strictObject({
  /** Roles and groups this approver stands for when deciding by link. */
  roles: z.array(z.string().check(z.regex(/^[a-z][a-z0-9_-]{0,62}$/))).check(z.minLength(1)),
  webhook: z.optional(z.url("expected an absolute URL")),
  /** The stored secret that signs this webhook; the section's own when left out. */
  secret: z.optional(name),
});

/** The `approvals` section: defaults, who is told, and whether a signed link is enough to decide. */
export const ApprovalsDocument = z.strictObject({
  defaults: z.optional(ApprovalTermsDocument),
  webhook: z.optional(z.url("expected an absolute URL")),
  /** The stored secret that signs webhooks: base64, or `whsec_` and base64 (Standard Webhooks). */
  secret: z.optional(name),
  approvers: z._default(z.record(name, ApproverDocument), {}),
  /** Lets the addressed approver decide on the linked page without an account. */
  links_without_account: z._default(z.boolean(), false),
  /** How long a draft can be executed. */
  drafts_expire_in: z.optional(duration),
});

/** One rule of a parsed document. */
export type RuleEntry = z.infer<typeof RuleDocument>;
/** When a rule is decided. */
export type RulePhase = (typeof RULE_PHASES)[number];
/** One limit of a parsed document. */
export type LimitEntry = z.infer<typeof LimitDocument>;
/** One test of a parsed document. */
export type TestEntry = z.infer<typeof TestDocument>;
/** A rate of a parsed document. */
export type RateLimitEntry = z.infer<typeof RateLimitDocument>;
/** Approval terms of a parsed document. */
export type ApprovalTermsEntry = z.infer<typeof ApprovalTermsDocument>;
/** Flows of a parsed document. */
export type FlowsEntry = z.infer<typeof FlowsDocument>;
/** Stop-and-ask settings of a parsed document. */
export type StopAndAskEntry = z.infer<typeof StopAndAskDocument>;
