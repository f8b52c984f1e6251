// Says what the fields of the config mean that bound a tool in time and number, for docs/config-reference.md.

/** Descriptions by path. */
export const TOOL_FIELDS: Readonly<Record<string, string>> = {
  "tools.*.timeout_ms": "How long one attempt may take, headers and body included. 30 s when left out.",
  "tools.*.deadline_ms":
    "How long all attempts and the waits between them may take together. A caller can shorten it with `deadline_ms` in the envelope. `timeout_ms` when left out; with `retry` the larger of that and 60 s.",
  "tools.*.retry":
    "When a failed attempt is made again; see [Reliability](guides/reliability.md). Once and no more when left out. A write without `idempotency` is repeated only where it was surely not done.",
  "tools.*.retry.max_attempts": "Attempts in all, the first one included: 1 to 10.",
  "tools.*.retry.backoff_ms":
    "The longest wait before the second attempt; twice as long before each further one. The wait itself is drawn from 0 up to that. 200 when left out.",
  "tools.*.retry.max_backoff_ms":
    "The longest wait of all. A tool whose `Retry-After` asks for a longer one is not tried again. 10000 when left out.",
  "tools.*.retry.on":
    "What is tried again: `timeout`; `connection` (lost, or the answer broke off); `rate_limited` (429); `unavailable` (503); `server_error` (other 5xx). All when left out.",
  "tools.*.breaker":
    "Leaves the tool alone while it keeps failing. `{}` takes every default; no breaker when left out. Counted across the tenant for the tool, and for its host together with every other tool there that has a breaker.",
  "tools.*.breaker.window_ms": "The stretch of time over which rates are taken. 60000 when left out.",
  "tools.*.breaker.min_calls": "Calls within the window below which no rate counts. 10 when left out.",
  "tools.*.breaker.error_rate": "The part of the calls that must fail for it to open. 0.5 when left out.",
  "tools.*.breaker.consecutive_failures": "So many failures in a row open it at once. 5 when left out.",
  "tools.*.breaker.slow_call_ms": "An attempt that takes this long is slow. None is when left out.",
  "tools.*.breaker.slow_call_rate": "The part of the calls that must be slow for it to open. 0.8 when left out.",
  "tools.*.breaker.cooldown_ms": "How long it stays open, twice as long each time in a row. 30000 when left out.",
  "tools.*.breaker.max_cooldown_ms": "The longest it stays open. 600000 when left out.",
  "tools.*.breaker.probes":
    "After that, calls that are let through at most at once, and must all go well for it to close. 1 when left out.",
  "tools.*.degraded":
    "What a write comes to while a breaker is open: `draft` keeps it for a person to execute later, `refuse` answers `tool_unavailable`. `draft` when left out. A read is always refused.",
  "tools.*.concurrency":
    "Calls of the tool that may run at once, of all sessions together. A further one is `concurrency_limited`; nothing queues.",
};
