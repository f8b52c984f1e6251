// Says what the fields of the config mean that name model providers, models and routes, for docs/config-reference.md.

const timeouts = (at: string, meaning: string): Readonly<Record<string, string>> => ({
  [at]: meaning,
  [`${at}.connect_ms`]: "Until the answer's headers came. Bounded by `first_byte_ms` alone when left out.",
  [`${at}.first_byte_ms`]:
    "From sending until a stream's first event with content, or the whole of an answer that is no stream. `timeout_ms` when left out.",
  [`${at}.idle_ms`]: "Between two chunks of a stream. 120000 when left out.",
  [`${at}.total_ms`]: "From sending until the end. `first_byte_ms` and 600 s when left out.",
});

/** Descriptions by path. */
export const MODEL_FIELDS: Readonly<Record<string, string>> = {
  providers: "Model providers, by name. See [Providers](guides/providers.md).",
  "providers.*.kind":
    "Whose API it is: `openai`, `azure-openai`, `anthropic`, `gemini` (Google's API, or Vertex AI with `vertex`), `openai-compatible` for any server with OpenAI's chat completions, `workers-ai` for the deployment's `AI` binding.",
  "providers.*.base_url":
    "Where the API is, up to where its paths begin. Required for `azure-openai` and `openai-compatible`, not taken by `workers-ai`; the vendor's own address when left out. `https`, and its host must be in `egress.allow`.",
  "providers.*.service":
    "A service binding of the deployment, without its `SERVICE_` prefix, used instead of the network.",
  "providers.*.secret":
    "Name of the stored secret that the provider gets, in the header it asks for. Required for each vendor's own API. At Vertex AI a service account's JSON key. Not taken by `workers-ai`.",
  "providers.*.timeout_ms":
    "How long the provider may take to answer whole, or to begin a stream. 120 s when left out. A stream then runs for at most 600 s.",
  ...timeouts("providers.*.timeouts", "How long each stretch of an attempt may take, where nothing nearer says."),
  "providers.*.breaker":
    "Leaves the provider alone while it keeps failing. `{}` takes every default; no breaker when left out. Counted across the tenant.",
  "providers.*.breaker.window_ms": "The stretch of time over which rates are taken. 60000 when left out.",
  "providers.*.breaker.min_calls": "Attempts within the window below which no rate counts. 10 when left out.",
  "providers.*.breaker.error_rate": "The part of the attempts that must fail for it to open. 0.5 when left out.",
  "providers.*.breaker.consecutive_failures": "So many failures in a row open it at once. 5 when left out.",
  "providers.*.breaker.slow_call_ms": "An attempt that takes this long is slow. None is when left out.",
  "providers.*.breaker.slow_call_rate": "The part of the attempts that must be slow for it to open. 0.8 when left out.",
  "providers.*.breaker.cooldown_ms": "How long it stays open, twice as long each time in a row. 30000 when left out.",
  "providers.*.breaker.max_cooldown_ms": "The longest it stays open. 600000 when left out.",
  "providers.*.breaker.probes":
    "After that, calls that are let through at most at once, and must all go well for it to close. 1 when left out.",
  "providers.*.dialects":
    "`openai-compatible` only: what the server speaks, the one that others are translated to first. `chat` and `embeddings` when left out.",
  "providers.*.api_version":
    "`azure-openai` only: the `api-version` of the paths that name a deployment. Azure's `/openai/v1` paths, which need none, when left out.",
  "providers.*.vertex": "`gemini` only: asks Vertex AI instead of Google's API.",
  "providers.*.vertex.project": "The Google Cloud project's id.",
  "providers.*.vertex.location": "A region such as `europe-west4`, or `global`.",
  models: "Models that agents may ask for, by the name they use.",
  "models.*.provider": "A name under `providers`.",
  "models.*.upstream":
    "The provider's own name for the model; at Azure the deployment's. The config's name when left out.",
  "models.*.tier":
    "A word of yours, answered in `Interlock-Tier` and recorded. A routed call tells its tier of `routing` instead.",
  "models.*.context":
    "Tokens of the context window. Caps what a call's prompt is held at; too small a number holds too little.",
  "models.*.max_output_tokens":
    "Output tokens when the caller names none, and the most a call may ask for. 4096 when neither side says.",
  "models.*.price":
    "Replaces the built-in price table. Required for a model that the table does not know. Fixed when the version is published. All zeros: the model is free.",
  "models.*.price.input_per_mtok_usd": "Dollars per million input tokens.",
  "models.*.price.output_per_mtok_usd": "Dollars per million output tokens.",
  "models.*.price.cache_read_per_mtok_usd":
    "Dollars per million input tokens that the provider read from its cache. The input price when left out.",
  "models.*.price.cache_write_per_mtok_usd":
    "Dollars per million input tokens written to a cache. The input price when left out.",
  "models.*.price.cache_write_1h_per_mtok_usd":
    "The same for a cache that lasts an hour. `cache_write_per_mtok_usd` when left out.",
  routes: "Names under which several models answer: which one first, and which ones when it cannot.",
  "routes.*.candidates": "The models, in the order in which they are tried.",
  "routes.*.candidates[].model": "A name under `models`, at most once.",
  "routes.*.candidates[].weight": "`balance: weighted`: its share against the others' weights. 1 when left out.",
  ...timeouts("routes.*.candidates[].timeouts", "How long an attempt at this candidate may take."),
  "routes.*.balance":
    "`ordered` (when left out) begins with the first. `weighted` begins with one by its weight, the same one within a session, and goes on in order.",
  "routes.*.tier": "A word of yours, answered in `Interlock-Tier`. The first candidate's tier when left out.",
  ...timeouts("routes.*.timeouts", "How long an attempt at any candidate may take."),
  "routes.*.retry": "When a candidate is asked again before the next one is. Once and no more when left out.",
  "routes.*.retry.max_attempts": "Attempts at one candidate in all, the first one included: 1 to 10.",
  "routes.*.retry.backoff_ms":
    "The longest wait before the second attempt; twice as long before each further one. The wait itself is drawn from 0 up to that. 200 when left out.",
  "routes.*.retry.max_backoff_ms":
    "The longest wait of all. A provider whose `Retry-After` asks for a longer one is not tried again. 10000 when left out.",
  "routes.*.retry.on":
    "What is tried again: `timeout`; `connection` (lost, or the answer broke off); `rate_limited` (429); `unavailable` (503); `server_error` (other 5xx). All when left out.",
  "routes.*.hedge_ms":
    "The second candidate is asked too when the first has begun nothing after so long; whichever begins first answers. Both may be billed.",
  "routes.*.cache":
    "Gives an exact repeat of a key's call its answer again, at no cost. Nothing is kept when left out.",
  "routes.*.cache.ttl_s": "Seconds for which an answer is given again.",
  "routes.*.on_caller_left":
    "What becomes of the provider's call when its caller leaves: `abort` (when left out) ends it, and its hold is charged; `drain` reads on to learn what it used.",
};
