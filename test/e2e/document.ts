// Builds the config documents of the end-to-end tests: one model per behaviour of the demo upstream, one tool per way to act or to fail.

/** A JSON object as tests read and write it. */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** What a test varies of its tenant's config. */
export interface DocumentOptions {
  /** Budgets of the actor per session and per task. */
  readonly session?: JsonRecord;
  readonly task?: JsonRecord;
  /** Further or other members of the actor `support_agent_v4`. */
  readonly actor?: JsonRecord;
  /** Further providers, models and routes, by name. */
  readonly providers?: JsonRecord;
  readonly models?: JsonRecord;
  readonly routes?: JsonRecord;
  /** Further tools, by name. */
  readonly tools?: JsonRecord;
  /** Further hosts of the egress allow-list. */
  readonly hosts?: readonly string[];
  /** Whole sections: `policy`, `approvals`. */
  readonly sections?: JsonRecord;
}

/** The actor that the tests' agent keys act as. */
export const ACTOR = "support_agent_v4";

/** Dollars per million tokens of every model: what the demo upstream bills. */
export const PRICE = { input_per_mtok_usd: 0.15, output_per_mtok_usd: 0.6 } as const;

/** Micro-USD of a usage at `PRICE`, rounded up as the ledger rounds. */
export function costMicro(usage: { readonly prompt_tokens: number; readonly completion_tokens: number }): number {
  return Math.ceil((usage.prompt_tokens * 150_000 + usage.completion_tokens * 600_000) / 1_000_000);
}

const BEHAVIOURS = [
  "demo-large",
  "demo-small",
  "slow-20",
  "slow-200",
  "slow-500",
  "text-10",
  "text-400",
  "frames-50",
  "fault-400",
  "fault-401",
  "fault-429",
  "fault-500-html",
  "fault-503",
  "fault-hang",
  "fault-hang-mid",
  "fault-cut",
  "fault-in-band",
  "fault-in-band-late",
  "fault-empty-stream",
  "fault-crlf",
  "fault-garbage-event",
  "fault-no-usage",
  "fault-big-event",
] as const;

const customerId = { type: "string", pattern: "^cus_[a-z0-9]+$" };
const refundSchema = {
  type: "object",
  properties: { customer_id: customerId, amount_usd: { type: "number", exclusiveMinimum: 0, multipleOf: 0.01 } },
  required: ["customer_id", "amount_usd"],
  additionalProperties: false,
};
const customerSchema = {
  type: "object",
  properties: { customer_id: customerId },
  required: ["customer_id"],
  additionalProperties: false,
};

/** A tool that refunds; without an `idempotency` header, so that every request that reaches it is an effect. */
export function refundTool(query = "", more: JsonRecord = {}): JsonRecord {
  return {
    kind: "http",
    method: "POST",
    url: `http://demo.upstream/billing/refunds${query}`,
    service: "DEMO",
    auth: { kind: "bearer", secret: "demo_billing" },
    effect: "write",
    amount: { field: "amount_usd", currency: "USD" },
    scopes: ["billing:write"],
    timeout_ms: 5000,
    input_schema: refundSchema,
    ...more,
  };
}

/** A tool that looks a customer up. */
export function lookupTool(query = "", more: JsonRecord = {}): JsonRecord {
  return {
    kind: "http",
    method: "GET",
    url: `http://demo.upstream/crm/customers/{customer_id}${query}`,
    service: "DEMO",
    auth: { kind: "bearer", secret: "demo_crm" },
    effect: "read",
    scopes: ["crm:read"],
    timeout_ms: 5000,
    input_schema: customerSchema,
    ...more,
  };
}

const echoTool: JsonRecord = {
  kind: "http",
  method: "POST",
  url: "http://demo.upstream/billing/echo-auth",
  service: "DEMO",
  auth: { kind: "bearer", secret: "demo_billing" },
  effect: "write",
  repeat: "allow",
  input_schema: { type: "object" },
};

const noteTool: JsonRecord = {
  kind: "http",
  method: "POST",
  url: "http://demo.upstream/crm/notes",
  service: "DEMO",
  auth: { kind: "bearer", secret: "demo_crm" },
  effect: "write",
  pii: { writes: ["text"] },
  scopes: ["crm:write"],
  input_schema: {
    type: "object",
    properties: { customer_id: customerId, text: { type: "string", minLength: 1 } },
    required: ["customer_id", "text"],
    additionalProperties: false,
  },
};

/**
 * A config document whose models are named after the upstream's behaviours. Those named `tcp-…` are reached over the
 * network at `upstreamUrl` instead of a service binding; `impatient-…` wait 300 ms for headers.
 */
export function documentOf(upstreamUrl: string, options: DocumentOptions = {}): JsonRecord {
  const provider = { kind: "openai-compatible", secret: "demo_model" };
  const model = (name: string, more: JsonRecord = {}): readonly [string, JsonRecord] => [
    name,
    { provider: "demo", context: 8_000, max_output_tokens: 1_000, price: PRICE, ...more },
  ];
  const models = {
    ...Object.fromEntries(BEHAVIOURS.map((name) => model(name))),
    ...Object.fromEntries([
      model("tcp-slow-200", { provider: "tcp", upstream: "slow-200" }),
      model("tcp-fault-hang", { provider: "tcp", upstream: "fault-hang" }),
      model("tcp-slow-500", { provider: "tcp", upstream: "slow-500" }),
      model("impatient-hang", { provider: "impatient", upstream: "fault-hang" }),
      model("impatient-tcp-hang", { provider: "impatient_tcp", upstream: "fault-hang" }),
      model("aliased", { upstream: "demo-large", tier: "planning" }),
    ]),
    ...options.models,
  };
  const base = "http://demo.upstream/v1";
  return {
    providers: {
      demo: { ...provider, base_url: base, service: "DEMO" },
      impatient: { ...provider, base_url: base, service: "DEMO", timeout_ms: 300 },
      tcp: { ...provider, base_url: `${upstreamUrl}/v1` },
      impatient_tcp: { ...provider, base_url: `${upstreamUrl}/v1`, timeout_ms: 300 },
      ...options.providers,
    },
    routes: options.routes ?? {},
    models: { ...models, unlisted: model("unlisted")[1] },
    tools: {
      "billing.refund": refundTool(),
      "billing.refund_500": refundTool("?fault=500"),
      "billing.refund_hang": refundTool("?fault=hang-after", { timeout_ms: 300 }),
      "billing.refund_reset": refundTool("?fault=reset-after"),
      "billing.refund_slow": refundTool("?fault=slow:800"),
      "billing.echo": echoTool,
      "crm.get_customer": lookupTool(),
      "crm.get_customer_hang": lookupTool("?fault=hang-before", { timeout_ms: 300 }),
      "crm.get_customer_500": lookupTool("?fault=500"),
      "crm.note": noteTool,
      "crm.forbidden": lookupTool(),
      "audit.export": lookupTool("", { scopes: ["audit:export"] }),
      ...options.tools,
    },
    actors: {
      [ACTOR]: {
        scopes: ["crm:read", "crm:write", "billing:write"],
        allowed_tools: [
          "billing.*",
          "crm.get_customer",
          "crm.get_customer_hang",
          "crm.get_customer_500",
          "crm.note",
          "audit.export",
        ],
        models: Object.keys(models),
        max_amount_usd: 50,
        budgets: {
          session: options.session ?? { usd: 2, tool_usd: 500, tool_calls: 300 },
          ...(options.task === undefined ? {} : { task: options.task }),
        },
        ...options.actor,
      },
      intern: { scopes: ["crm:read"], allowed_tools: ["crm.get_customer"], models: ["demo-small"] },
    },
    egress: { allow: [new URL(upstreamUrl).host, ...(options.hosts ?? [])] },
    ...options.sections,
  };
}
