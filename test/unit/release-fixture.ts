// Builds config documents with agents and their releases for unit tests.
import { checkConfig } from "../../src/core/config/check.ts";
import { ActiveConfig, type PublishedConfig } from "../../src/core/config/published.ts";

const price = { input_per_mtok_usd: 1, output_per_mtok_usd: 2 };
const tool = {
  kind: "http",
  method: "POST",
  url: "https://tool.test/refunds",
  effect: "write",
  input_schema: { type: "object", properties: { amount_usd: { type: "number" } } },
};

/** A document with one agent of three releases, as its author writes it. */
export function releaseDocument(): Record<string, unknown> {
  return {
    providers: {
      up: { kind: "openai-compatible", base_url: "https://model.test/v1", secret: "up" },
      other: { kind: "openai-compatible", base_url: "https://other.test/v1" },
    },
    models: {
      small: { provider: "up", upstream: "small-1", price },
      large: { provider: "up", price },
      spare: { provider: "other", price },
    },
    routes: { both: { candidates: [{ model: "small" }, { model: "spare" }] } },
    tools: { "billing.refund": { ...tool }, "crm.note": structuredClone(tool) },
    actors: { clerk: { allowed_tools: ["*"], models: ["*"] } },
    prompts: {
      support: {
        versions: {
          "1": { system: "You are {{agent}}." },
          "2": { system: "You help {{customer}} on {{date}}.", variables: { customer: { required: true } } },
        },
      },
    },
    agents: {
      support_agent: {
        releases: {
          r1: { prompt: "support@1", model: "small", tools: ["billing.refund"] },
          r2: { prompt: "support@2", route: "both", tools: ["billing.*"] },
          r3: { model: "large" },
        },
        live: "r1",
      },
    },
    egress: { allow: ["model.test", "other.test", "tool.test"] },
  };
}

/** What checking a document comes to. */
export function checked(document: unknown): ReturnType<typeof checkConfig> {
  return checkConfig(document, {
    priceBook: () => undefined,
    secrets: ["up", "else"],
    services: [],
    allowPrivateEgress: true,
  });
}

/** A document as it is published; throws its mistakes. */
export function published(document: unknown): PublishedConfig {
  const found = checked(document);
  if (!found.ok) throw new Error(JSON.stringify(found.mistakes));
  const { document: read, prices, rules } = found;
  return {
    tenant: "t",
    version: 1,
    digest: "d".repeat(64),
    published_at: 0,
    published_by: "key_1",
    document: read,
    prices,
    rules,
  };
}

/** The same, with its lookups. */
export function active(document: unknown): ActiveConfig {
  return new ActiveConfig(published(document));
}

/** A document with the member at a dotted path replaced, or removed by `undefined`. Steps are separated by `/`. */
export function withMember(document: Record<string, unknown>, path: string, value: unknown): Record<string, unknown> {
  const copy = structuredClone(document);
  const steps = path.split("/");
  const last = steps.pop() ?? "";
  let at: Record<string, unknown> = copy;
  for (const step of steps) at = at[step] as Record<string, unknown>;
  if (value === undefined) delete at[last];
  else at[last] = value;
  return copy;
}
