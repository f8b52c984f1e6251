// Decides the shape of what a config says of model providers, models and routes.
import * as z from "zod/mini";
import { DIALECTS } from "../dialect/names.ts";
import { parseUsd } from "../units/money.ts";
import { name } from "./policy-document.ts";
import { BreakerDocument, milliseconds, RetryDocument } from "./reliability-document.ts";

const pricePerMillion = z.union([z.number(), z.string()]).check(
  z.refine((value) => {
    const micro = parseUsd(String(value));
    return micro !== undefined && micro <= 1_000_000_000;
  }, "expected dollars per million tokens, from 0 to 1000"),
);

/** Dollars per million tokens; what is left out costs what input, or output, costs. */
export const PriceDocument = z.strictObject({
  input_per_mtok_usd: pricePerMillion,
  output_per_mtok_usd: pricePerMillion,
  cache_read_per_mtok_usd: z.optional(pricePerMillion),
  /** Writing to a prompt cache that lasts five minutes, and one hour. */
  cache_write_per_mtok_usd: z.optional(pricePerMillion),
  cache_write_1h_per_mtok_usd: z.optional(pricePerMillion),
});

/** What kinds of provider there are. */
export const PROVIDER_KINDS = [
  "openai",
  "azure-openai",
  "anthropic",
  "gemini",
  "openai-compatible",
  "workers-ai",
] as const;

/** How long each stretch of an attempt may take. */
export const TimeoutsDocument = z.strictObject({
  /** Until the answer's headers. */
  connect_ms: z.optional(milliseconds),
  /** From sending until the first event with content, or the whole of an answer that is no stream. */
  first_byte_ms: z.optional(milliseconds),
  /** Between two chunks of a stream. */
  idle_ms: z.optional(milliseconds),
  /** From sending until the end. */
  total_ms: z.optional(milliseconds),
});

/** One provider. */
export const ProviderDocument = z.strictObject({
  kind: z.enum(PROVIDER_KINDS),
  base_url: z.optional(z.url("expected an absolute URL")),
  /** A service binding of the deployment, named without its `SERVICE_` prefix, instead of the network. */
  service: z.optional(name),
  secret: z.optional(name),
  timeout_ms: z.optional(milliseconds),
  timeouts: z.optional(TimeoutsDocument),
  breaker: z.optional(BreakerDocument),
  /** What an `openai-compatible` server speaks besides chat completions and embeddings, or instead of them. */
  dialects: z.optional(z.array(z.enum(DIALECTS)).check(z.minLength(1))),
  /** `azure-openai`: the `api-version`; without one, Azure's `/openai/v1` paths are used. */
  api_version: z.optional(z.string().check(z.regex(/^[A-Za-z0-9.-]{1,32}$/))),
  /** `gemini` on Vertex AI: `secret` then holds a service account's JSON key. */
  vertex: z.optional(
    z.strictObject({
      project: z.string().check(z.regex(/^[a-z][a-z0-9-]{4,62}$/, "expected a Google Cloud project id")),
      location: z.string().check(z.regex(/^[a-z0-9-]{1,32}$/, "expected a region such as `europe-west4`, or `global`")),
    }),
  ),
});

/** One model of a provider. */
export const ModelDocument = z.strictObject({
  provider: name,
  /** The provider's own name for the model; the config's name when left out. An Azure deployment's name. */
  upstream: z.optional(z.string().check(z.minLength(1), z.maxLength(256))),
  tier: z.optional(z.string().check(z.minLength(1))),
  /** Tokens of the context window: no prompt can cost more than this many input tokens. */
  context: z.optional(z.int().check(z.gte(1))),
  /** Output tokens asked for when the caller names no maximum, and the most any call may ask for. */
  max_output_tokens: z.optional(z.int().check(z.gte(1), z.lte(1_000_000))),
  price: z.optional(PriceDocument),
});

/** How answers of a route are kept and given again. */
export const CacheDocument = z.strictObject({
  /** Seconds an answer is given again: from 1 to a day. */
  ttl_s: z.int().check(z.gte(1), z.lte(86_400)),
});

/** One candidate of a route. */
export const CandidateDocument = z.strictObject({
  model: name,
  /** Of `balance: weighted`: its share against the others' weights. */
  weight: z.optional(z.int().check(z.gte(0), z.lte(1_000))),
  timeouts: z.optional(TimeoutsDocument),
});

/** A name under which several models answer: which one first, and which ones when it cannot. */
export const RouteDocument = z.strictObject({
  candidates: z.array(CandidateDocument).check(z.minLength(1), z.maxLength(8)),
  /** `ordered` (default): the first that can be used. `weighted`: the first by weight, then the others in order. */
  balance: z.optional(z.enum(["ordered", "weighted"])),
  tier: z.optional(z.string().check(z.minLength(1))),
  timeouts: z.optional(TimeoutsDocument),
  /** Attempts at one candidate before the next one is tried. */
  retry: z.optional(RetryDocument),
  /** A second candidate is asked too when the first has begun nothing after so long; whichever begins first answers. */
  hedge_ms: z.optional(milliseconds),
  cache: z.optional(CacheDocument),
  /** What becomes of the upstream call when its caller leaves: `abort` (default), or `drain` to learn what it used. */
  on_caller_left: z.optional(z.enum(["abort", "drain"])),
});
