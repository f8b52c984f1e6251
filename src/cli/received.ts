// Decides what the CLI reads of the gateway's answers; members it does not know are kept for `--json`.
import * as z from "zod/mini";

/** A problem document (RFC 9457), as far as it is shown. */
export const ProblemDocument = z.looseObject({
  code: z.string(),
  detail: z.string(),
  errors: z.optional(z.array(z.looseObject({ path: z.string(), message: z.string() }))),
});
/** A parsed problem document. */
export type ProblemDocument = z.infer<typeof ProblemDocument>;

/** What names a published version. */
export const ConfigVersion = z.looseObject({
  version: z.int(),
  policy_version: z.string(),
  digest: z.string(),
  published_at: z.string(),
  published_by: z.string(),
});

/** Every published version. */
export const ConfigVersions = z.looseObject({
  data: z.array(z.looseObject({ ...ConfigVersion.shape, rolled_back_to: z.optional(z.int()) })),
});

/** A published version and its document. */
export const PublishedVersion = z.looseObject({
  ...ConfigVersion.shape,
  document: z.record(z.string(), z.unknown()),
});
/** A parsed version. */
export type PublishedVersion = z.infer<typeof PublishedVersion>;

const Change = z.looseObject({ path: z.string(), says: z.string(), widens: z.boolean(), narrows: z.boolean() });
const Boundary = z.looseObject({
  tool: z.string(),
  actor: z.string(),
  probe: z.string(),
  before: z.string(),
  after: z.string(),
});
const Review = {
  diff: z.array(Change),
  boundaries: z.looseObject({ probes: z.int(), truncated: z.boolean(), changes: z.array(Boundary) }),
};
const ReviewShape = z.looseObject(Review);
/** What a change of config changes, and where decisions differ at the edges. */
export type ConfigReview = z.infer<typeof ReviewShape>;

/** A document that could be published. */
export const CheckedDocument = z.looseObject({
  digest: z.string(),
  warnings: z.array(z.looseObject({ path: z.string(), message: z.string() })),
  ...Review,
});

/** A version that was published as a rollback. */
export const RolledBackVersion = z.looseObject({
  ...ConfigVersion.shape,
  rolled_back_to: z.int(),
  warnings: z.array(z.looseObject({ path: z.string(), message: z.string() })),
});

const Moved = { count: z.int(), amount_usd: z.string() };
const Side = z.looseObject({ effect: z.string(), reasons: z.array(z.looseObject({ rule_id: z.string() })) });
const ReplayExample = z.looseObject({
  trace_id: z.string(),
  at: z.string(),
  tool: z.string(),
  actor: z.string(),
  amount_usd: z.string(),
  before: Side,
  after: Side,
});

/** What a replay of a candidate policy found. */
export const ReplayReport = z.looseObject({
  active: z.string(),
  candidate: z.string(),
  from: z.string(),
  to: z.string(),
  read: z.int(),
  truncated: z.boolean(),
  sessions_cut: z.int(),
  evaluated: z.int(),
  changed: z.int(),
  newly_allowed_writes: z.looseObject({ ...Moved, examples: z.array(ReplayExample) }),
  transitions: z.array(z.looseObject({ from: z.string(), to: z.string(), ...Moved, examples: z.array(ReplayExample) })),
  by_rule: z.array(z.looseObject({ rule_id: z.string(), appears: z.int(), disappears: z.int() })),
  by_tool: z.array(z.looseObject({ tool: z.string(), evaluated: z.int(), changed: z.int() })),
  not_replayed: z.array(z.looseObject({ why: z.string(), count: z.int() })),
  drift: z.looseObject({ count: z.int() }),
  notes: z.array(z.string()),
});
/** A parsed replay report. */
export type ReplayReport = z.infer<typeof ReplayReport>;

const KeyListing = z.looseObject({
  id: z.string(),
  name: z.string(),
  roles: z.array(z.string()),
  scopes: z.array(z.string()),
  actors: z.array(z.string()),
  created_at: z.string(),
});
/** The tenant's keys, without their texts. */
export const KeyListings = z.looseObject({ data: z.array(KeyListing) });
/** A parsed list of keys. */
export type KeyListings = z.infer<typeof KeyListings>;

/** A key and its text. */
export const CreatedKey = z.looseObject({ ...KeyListing.shape, key: z.string() });

/** The names of stored credentials. */
export const SecretNames = z.looseObject({ data: z.array(z.looseObject({ name: z.string() })) });

/** What a rotation of credentials did. */
export const SecretsRotated = z.looseObject({
  data_key: z.string(),
  secrets: z.int(),
  resealed: z.int(),
  rewrapped: z.int(),
  unreadable: z.array(z.string()),
});

/** A tenant. */
export const TenantCreated = z.looseObject({ id: z.string(), name: z.string() });

/** An answer without a body. */
export const NoContent = z.undefined();

const Call = z.looseObject({
  span_id: z.string(),
  kind: z.string(),
  session_id: z.string(),
  task_id: z.nullish(z.string()),
  actor: z.string(),
  tool: z.nullish(z.string()),
  model: z.nullish(z.string()),
  status: z.string(),
  decision: z.string(),
  error_code: z.nullish(z.string()),
  policy_version: z.string(),
  cost_usd: z.string(),
  input_tokens: z.int(),
  output_tokens: z.int(),
  seq: z.nullish(z.int()),
  tool_call_id: z.nullish(z.string()),
  started_at: z.string(),
  duration_ms: z.number(),
});
const Span = z.looseObject({
  span_id: z.string(),
  parent_span_id: z.nullish(z.string()),
  attributes: z.record(z.string(), z.unknown()),
});
const Payload = z.looseObject({ span_id: z.string(), name: z.string(), body: z.nullable(z.string()) });

/** A trace, whole. */
export const StoredTrace = z.looseObject({
  trace_id: z.string(),
  calls: z.array(Call),
  spans: z.array(Span),
  payloads: z.array(Payload),
  cost_usd: z.string(),
});
/** A parsed trace. */
export type StoredTrace = z.infer<typeof StoredTrace>;
/** One call of a parsed trace. */
export type StoredCall = z.infer<typeof Call>;

/** An explanation of a trace or a session. */
export const ExplanationView = z.looseObject({
  subject: z.looseObject({ type: z.string(), id: z.string() }),
  from: z.string(),
  to: z.string(),
  calls: z.int(),
  spans: z.int(),
  cost_usd: z.string(),
  sections: z.array(
    z.looseObject({
      id: z.string(),
      title: z.string(),
      sentences: z.array(
        z.looseObject({
          text: z.string(),
          span_ids: z.array(z.string()),
          links: z.array(z.looseObject({ rel: z.string(), href: z.string() })),
        }),
      ),
    }),
  ),
});
/** A parsed explanation. */
export type ExplanationView = z.infer<typeof ExplanationView>;

/** A kill switch. */
export const SwitchView = z.looseObject({
  id: z.string(),
  kind: z.string(),
  scope: z.record(z.string(), z.string()),
  reason: z.string(),
  status: z.string(),
  set_by: z.string(),
  set_at: z.string(),
  expires_at: z.nullish(z.string()),
  warnings: z.optional(z.array(z.string())),
});
/** A parsed kill switch. */
export type SwitchView = z.infer<typeof SwitchView>;

/** The tenant's kill switches. */
export const SwitchListing = z.looseObject({ data: z.array(SwitchView) });

const figure = z.union([z.string(), z.number()]);
/** A session. */
export const SessionView = z.looseObject({
  id: z.string(),
  actor: z.nullable(z.string()),
  pause: z.nullish(z.looseObject({ kind: z.string(), rule_id: z.string(), reason: z.string(), at: z.string() })),
  counters: z.record(z.string(), z.number()),
  budget: z.record(z.string(), z.looseObject({ limit: z.nullish(figure), used: figure, held: figure })),
  taint: z.optional(z.array(z.string())),
});
/** A parsed session. */
export type SessionView = z.infer<typeof SessionView>;

/** What would become of a tool call. */
export const PreflightView = z.looseObject({
  tool: z.looseObject({ name: z.string() }),
  would: z.string(),
  decision: z.looseObject({
    effect: z.string(),
    policy_version: z.string(),
    reasons: z.array(z.looseObject({ rule_id: z.string(), effect: z.string(), message: z.string() })),
  }),
  refusal: z.nullish(z.looseObject({ code: z.string(), detail: z.string() })),
  counterfactuals: z.optional(z.array(z.looseObject({ message: z.string() }))),
});
/** A parsed preflight. */
export type PreflightView = z.infer<typeof PreflightView>;

/** How a model call would be routed. */
export const RouteView = z.looseObject({
  asked: z.string(),
  may_ask: z.boolean(),
  tier: z.nullable(z.string()),
  models: z.array(z.string()),
  reason: z.string(),
  rules: z.optional(
    z.array(z.looseObject({ id: z.string(), tier: z.string(), matched: z.boolean(), error: z.optional(z.string()) })),
  ),
  changes: z.optional(z.array(z.looseObject({ when: z.string(), tier: z.string(), reason: z.string() }))),
});
/** A parsed explanation of a route. */
export type RouteView = z.infer<typeof RouteView>;

/** A line of the approvals inbox, or an approval with what it is about. */
export const ApprovalView = z.looseObject({
  id: z.string(),
  status: z.string(),
  kind: z.optional(z.string()),
  actor: z.optional(z.string()),
  tool: z.optional(z.unknown()),
  expires_at: z.optional(z.string()),
  digest: z.optional(z.string()),
});
/** A parsed approval. */
export type ApprovalView = z.infer<typeof ApprovalView>;

/** One page of the inbox. */
export const ApprovalListing = z.looseObject({
  data: z.array(ApprovalView),
  next_cursor: z.nullish(z.string()),
});

/** A tool call, as far as it is shown. */
export const CallView = z.looseObject({
  id: z.string(),
  status: z.string(),
  held_until: z.optional(z.string()),
  compensation: z.optional(z.looseObject({ id: z.string(), status: z.string(), message: z.optional(z.string()) })),
  resolution: z.optional(z.looseObject({ by: z.string(), evidence: z.string() })),
  saga: z.optional(
    z.looseObject({
      status: z.string(),
      members: z.array(
        z.looseObject({
          tool_call_id: z.string(),
          tool: z.string(),
          status: z.string(),
          message: z.optional(z.string()),
        }),
      ),
    }),
  ),
});
/** A parsed tool call. */
export type CallView = z.infer<typeof CallView>;

const CallLine = z.looseObject({
  id: z.string(),
  status: z.string(),
  actor: z.string(),
  tool: z.string(),
  session_id: z.string(),
  changed_at: z.string(),
});
/** One page of the list of calls. */
export const CallListing = z.looseObject({ data: z.array(CallLine), next_cursor: z.nullish(z.string()) });
/** A parsed page of the list of calls. */
export type CallListing = z.infer<typeof CallListing>;

/** What a decision on an approval answers: the approval or its call, whichever the gateway shows. */
export const ApprovalDecided = z.looseObject({ id: z.optional(z.string()), status: z.optional(z.string()) });

/** An outcome that the gateway keeps. */
export const KeptOutcome = z.looseObject({
  id: z.string(),
  trace_id: z.string(),
  outcome: z.nullable(z.string()),
  at: z.string(),
});

/** A ready question and its answer. */
export const ReportAnswer = z.looseObject({
  question: z.string(),
  from: z.string(),
  to: z.string(),
  columns: z.array(z.looseObject({ name: z.string(), title: z.string() })),
  rows: z.array(z.record(z.string(), z.unknown())),
  has_more: z.boolean(),
});
/** A parsed report. */
export type ReportAnswer = z.infer<typeof ReportAnswer>;

const Distance = z.optional(z.looseObject({ value: z.number(), threshold: z.number() }));
/** What was compared of a week. */
export const DriftAnswer = z.looseObject({
  week: z.string(),
  compared: z.array(
    z.looseObject({
      drifted: z.boolean(),
      release: z.nullable(z.string()),
      subject: z.string(),
      metric: z.string(),
      against: z.string(),
      calls: z.looseObject({ before: z.int(), now: z.int() }),
      psi: Distance,
      ks: Distance,
      rate: z.optional(z.looseObject({ before: z.number(), now: z.number() })),
    }),
  ),
  too_few: z.array(z.unknown()),
});
/** A parsed comparison. */
export type DriftAnswer = z.infer<typeof DriftAnswer>;

const AuditEntry = z.looseObject({
  event: z.looseObject({
    seq: z.int(),
    at: z.number(),
    kind: z.string(),
    who: z.string(),
    on: z.record(z.string(), z.string()),
    what: z.record(z.string(), z.unknown()),
  }),
  hash: z.string(),
});
/** One page of the audit chain. */
export const AuditListing = z.looseObject({ data: z.array(AuditEntry), next_cursor: z.nullable(z.string()) });
/** A parsed page of the audit chain. */
export type AuditListing = z.infer<typeof AuditListing>;

/** What a stretch of the audit chain came to. */
export const AuditVerification = z.looseObject({
  ok: z.boolean(),
  events: z.int(),
  from_seq: z.int(),
  head: z.looseObject({ seq: z.int(), hash: z.string() }),
  checkpoint: z.nullable(z.unknown()),
  problems: z.array(z.looseObject({ seq: z.int(), kind: z.string(), detail: z.string() })),
  next: z.nullable(z.int()),
});
/** A parsed stretch. */
export type AuditVerification = z.infer<typeof AuditVerification>;

/** A JWK set of the keys that sign checkpoints; other keys in it do not matter. */
export const AuditKeySet = z.looseObject({
  keys: z.array(z.looseObject({ kty: z.string(), crv: z.optional(z.string()), x: z.optional(z.string()) })),
});
