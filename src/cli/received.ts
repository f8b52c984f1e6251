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

/** A published version and its document. */
export const PublishedVersion = z.looseObject({
  ...ConfigVersion.shape,
  document: z.record(z.string(), z.unknown()),
});
/** A parsed version. */
export type PublishedVersion = z.infer<typeof PublishedVersion>;

/** A document that could be published. */
export const CheckedDocument = z.looseObject({ digest: z.string() });

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
