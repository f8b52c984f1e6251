// Decides the shape of what a config says of prompts, and of agents with their releases.
import * as z from "zod/mini";
import { MAX_TEMPLATE_CHARS, MAX_VALUE_CHARS } from "../release/prompt.ts";
import { OUTCOMES } from "../trace/outcome.ts";
import { duration, name } from "./policy-document.ts";

/** A release's or a prompt version's id: a letter or digit, then up to 63 letters, digits, `_`, `.` or `-`. */
export const versionName = z
  .string()
  .check(
    z.regex(
      /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/,
      "expected a letter or digit, then up to 63 letters, digits, `_`, `.` or `-`",
    ),
  );
const variableName = z
  .string()
  .check(
    z.regex(/^[a-z][a-z0-9_]{0,31}$/, "expected a lower-case letter, then up to 31 lower-case letters, digits or `_`"),
  );

/** A value that a template is filled with. */
const VariableDocument = z.strictObject({
  /** A call without a value for it is refused. */
  required: z.optional(z.boolean()),
  /** Stands where the caller gives no value; empty text when left out. */
  default: z.optional(z.string().check(z.maxLength(MAX_VALUE_CHARS))),
});

/** One version of a prompt: its text never changes once it was published. */
const PromptVersionDocument = z.strictObject({
  /** The system text; `{{name}}` stands for a variable. */
  system: z.string().check(z.minLength(1), z.maxLength(MAX_TEMPLATE_CHARS)),
  variables: z._default(z.record(variableName, VariableDocument), {}),
});

/** One prompt. */
const PromptDocument = z.strictObject({
  versions: z.record(versionName, PromptVersionDocument),
});

/** The policy that a release was made for. */
const PolicyPinDocument = z.strictObject({
  /** Digest of the policy, as `GET /v1/agents/{agent}/releases` shows it, or at least its first 12 digits. */
  digest: z.string().check(z.regex(/^[0-9a-f]{12,64}$/, "expected 12 to 64 hex digits of a policy's digest")),
  /** `strict` (when left out): calls are refused while another policy is active. `loose`: it is only recorded. */
  mode: z.optional(z.enum(["strict", "loose"])),
});

/** One release: what answers when its agent is asked for. It never changes once it was published. */
const ReleaseDocument = z.strictObject({
  /** A version of a prompt, as `prompt@version`; without one, the caller's own system text stands alone. */
  prompt: z.optional(
    z.string().check(z.regex(/^[A-Za-z0-9_.-]{1,64}@[A-Za-z0-9_.-]{1,64}$/, "expected a version such as `support@2`")),
  ),
  /** Either a model or a route. */
  model: z.optional(name),
  route: z.optional(name),
  /** Tool names, `prefix.*` or `*`; every tool when left out. Narrows what the actor may call. */
  tools: z.optional(z.array(z.string().check(z.minLength(1), z.maxLength(195))).check(z.maxLength(500))),
  policy: z.optional(PolicyPinDocument),
});

/** What has to be known of a release before it may answer anybody. */
const EvidenceDocument = z.strictObject({
  /** Suites that must have said SHIP to the very digest that is to be promoted. */
  suites: z.array(name).check(z.minLength(1, "expected at least one suite"), z.maxLength(20)),
  /** After this long a verdict no longer counts. */
  max_age: z._default(duration, "30d"),
});

/** What ends a canary by itself. */
const WatchDocument = z.strictObject({
  /** What the canary is held against the live release on; each at its share of `alpha`. */
  metrics: z._default(
    z.array(z.enum(["errors", "denials", "good_outcomes", "cost", "latency"])).check(z.minLength(1)),
    ["errors", "denials", "cost", "latency"],
  ),
  /** The chance of a false alarm over the canary's whole life, all metrics together. */
  alpha: z._default(
    z.number().check(z.gte(0.001, "expected from 0.001 to 0.2"), z.lte(0.2, "expected from 0.001 to 0.2")),
    0.05,
  ),
  /** Sessions on each side below which nothing is decided. */
  min_sessions: z._default(z.int().check(z.gte(20, "expected at least 20")), 100),
  /** Reported outcomes that count as good. */
  good: z._default(z.array(z.enum(OUTCOMES)), ["resolved"]),
  /** Changes smaller than this are no reason to end it: a share for rates, a relative one for cost and latency. */
  margin: z._default(z.number().check(z.gte(0, "expected from 0 to 1"), z.lte(1, "expected from 0 to 1")), 0),
  /** Whether the canary is ended when it is found worse; else people are only told. */
  rollback: z._default(z.boolean(), true),
});

/** One agent: a name that callers ask for like a model. */
const AgentDocument = z.strictObject({
  releases: z.record(versionName, ReleaseDocument),
  /** What answers when the agent is first published. From then on `POST /v1/agents/{agent}/promote` moves it. */
  live: versionName,
  canary: z.optional(
    z.strictObject({
      release: versionName,
      /** Percent of sessions. */
      weight: z.int().check(z.gte(1), z.lte(100)),
    }),
  ),
  evidence: z.optional(EvidenceDocument),
  watch: z.optional(WatchDocument),
});

/** The `prompts` and `agents` sections. */
export const ReleaseSections = {
  prompts: z._default(z.record(name, PromptDocument), {}),
  agents: z._default(z.record(name, AgentDocument), {}),
};

/** One release of a parsed document. */
export type ReleaseEntry = z.infer<typeof ReleaseDocument>;
/** The parsed terms of a canary's watch. */
export type WatchEntry = z.infer<typeof WatchDocument>;
/** One agent of a parsed document. */
export type AgentEntry = z.infer<typeof AgentDocument>;
