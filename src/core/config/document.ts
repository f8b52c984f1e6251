// Decides the shape of a tenant's one config document; unknown fields are refused, so that no setting is silently inactive.
import * as z from "zod/mini";
import en from "zod/v4/locales/en.js";
import { ModelDocument, ProviderDocument, RouteDocument } from "./model-document.ts";
import { OpenApiDocument } from "./openapi-document.ts";
import { IdentityDocument } from "./identity-document.ts";
import { McpDocument } from "./mcp-document.ts";
import {
  ApprovalsDocument,
  FlowsDocument,
  name,
  PolicyDocument,
  RateLimitDocument,
  StopAndAskDocument,
  TIERS,
  toolName,
} from "./policy-document.ts";
import { EvalsDocument } from "./eval-document.ts";
import { ReleaseSections } from "./release-document.ts";
import { RoutingDocument } from "./routing-document.ts";
import { scope, ToolDocument, usd } from "./tool-document.ts";
import { TraceDocument } from "./trace-document.ts";
import { IdempotencyDocument } from "./transaction-document.ts";

z.config(en());

const host = z
  .string()
  .check(
    z.regex(/^[a-z0-9*.:-]{1,260}$/, "expected a host such as `api.example.com`, `*.example.com` or `host:8443`"),
    z.refine(isHostPattern, "expected a host such as `api.example.com`, `*.example.com` or `host:8443`"),
  );
const count = z.int().check(z.gte(0, "expected 0 or more"));
/** Whether a text is a host, `*.` and a host, or either with a port. Patterns in the schema itself stay flat, for validators that refuse nested repetition. */
function isHostPattern(text: string): boolean {
  return /^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*(:\d{1,5})?$/.test(text);
}

const BudgetDocument = z.strictObject({
  usd: z.optional(usd),
  tokens: z.optional(count),
  calls: z.optional(count),
  tool_calls: z.optional(count),
  /** Money the tools may move: the sum of their `amount` fields. */
  tool_usd: z.optional(usd),
  wall_time_s: z.optional(count),
});

const ActorDocument = z.strictObject({
  scopes: z.optional(z.array(scope)),
  /** Tool names, `prefix.*` or `*`. Nothing listed means no tool. */
  allowed_tools: z.optional(z.array(z.string().check(z.minLength(1)))),
  /** Models, routes, agents and `auto`, by name, or `*`. Nothing listed means no model. */
  models: z.optional(z.array(z.string().check(z.minLength(1)))),
  /** The tiers that routing may choose for the actor; all of them when left out. */
  model_tiers: z.optional(z.array(name).check(z.minLength(1))),
  /** The most one tool call may move. */
  max_amount_usd: z.optional(usd),
  /** A call that moves more needs a person's approval. */
  requires_human_approval_over_usd: z.optional(usd),
  /** `false` forbids personal data in what tools write. */
  pii_write_allowed: z.optional(z.boolean()),
  /** What the actor may do without a person; `execute_with_limits` when left out. */
  tier: z.optional(z.enum(TIERS)),
  flows: z.optional(FlowsDocument),
  stop_and_ask: z.optional(StopAndAskDocument),
  /** All tool calls of the actor together. */
  rate_limit: z.optional(RateLimitDocument),
  budgets: z.optional(z.strictObject({ session: z.optional(BudgetDocument), task: z.optional(BudgetDocument) })),
});

/** The tenant config document (`interlock.yaml`), as published by `PUT /v1/config`. */
export const ConfigDocument = z.strictObject({
  providers: z._default(z.record(name, ProviderDocument), {}),
  models: z._default(z.record(name, ModelDocument), {}),
  /** Names under which several models answer. */
  routes: z._default(z.record(name, RouteDocument), {}),
  tools: z._default(z.record(toolName, ToolDocument), {}),
  /** OpenAPI documents whose operations become tools when the config is published; a published version has none. */
  openapi: z.optional(z.record(name, OpenApiDocument)),
  /** MCP servers whose tools, resources and prompts are called through the gateway. */
  mcp: z.prefault(McpDocument, {}),
  actors: z._default(z.record(name, ActorDocument), {}),
  /** Whose tokens open the MCP surface, beside API keys. */
  identity: z.prefault(IdentityDocument, {}),
  /** What `model: "auto"` stands for. */
  routing: z.optional(RoutingDocument),
  ...ReleaseSections,
  evals: z.prefault(EvalsDocument, {}),
  policy: z.prefault(PolicyDocument, {}),
  approvals: z.prefault(ApprovalsDocument, {}),
  idempotency: z._default(IdempotencyDocument, {}),
  trace: z.prefault(TraceDocument, {}),
  egress: z._default(z.strictObject({ allow: z.array(host) }), { allow: [] }),
});

/** A parsed config document, defaults filled in. */
export type ConfigDocument = z.infer<typeof ConfigDocument>;
/** One provider of a parsed document. */
export type ProviderEntry = ConfigDocument["providers"][string];
/** One model of a parsed document. */
export type ModelEntry = ConfigDocument["models"][string];
/** One route of a parsed document. */
export type RouteEntry = ConfigDocument["routes"][string];
/** One tool of a parsed document. */
export type ToolEntry = ConfigDocument["tools"][string];
/** One actor of a parsed document. */
export type ActorEntry = ConfigDocument["actors"][string];
/** Budget limits of one scope. */
export type BudgetEntry = z.infer<typeof BudgetDocument>;

/** The JSON Schema of the document, as editors and `/schemas/interlock.json` read it. */
export function configJsonSchema(): Readonly<Record<string, unknown>> {
  return { ...z.toJSONSchema(ConfigDocument, { io: "input" }), title: "Interlock tenant config" };
}
