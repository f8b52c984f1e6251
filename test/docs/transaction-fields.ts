// Says what each config field of calls as transactions means, for docs/config-reference.md.

/** Descriptions by path. */
export const TRANSACTION_FIELDS: Readonly<Record<string, string>> = {
  "tools.*.idempotency":
    "How the tool's calls are named, so that each has one effect. See [calls as transactions](guides/transactions.md).",
  "tools.*.idempotency.header":
    "A header in which the upstream takes a key: a digest of ours that is the same for every attempt at a call.",
  "tools.*.idempotency.required": "`true` refuses calls without an `Idempotency-Key` of the caller's own.",
  "tools.*.hold_s":
    "The undo window: seconds for which an allowed call is held, and can be withdrawn, before it is decided once more and sent. At most 43200.",
  "tools.*.settle":
    "Who settles an unknown outcome: `probe`; `repeat`, the same request under the same key to an upstream that honours it; `person` alone. `probe` where one is declared, else `person`.",
  "tools.*.probe":
    "A read that tells whether a call of unknown outcome had its effect. Run by the gateway, and not charged.",
  "tools.*.probe.tool": "A tool of this config with effect `read`.",
  "tools.*.probe.args":
    "Its arguments by name. `args.…`, `call.id` and `call.idempotency_key` are read from the call; anything else is itself.",
  "tools.*.probe.succeeded_when": "CEL over `result`, `status` (HTTP), `args` and `call`: it happened.",
  "tools.*.probe.failed_when":
    "CEL likewise: it is not there. Believed when two probes in a row say so. Left out, a probe never concludes that a call failed.",
  "tools.*.probe.result":
    "The part of the probe's result that becomes the call's, such as `result.data.0`. All of it when left out.",
  "tools.*.compensation": "How a call is undone. The actor must list the tool: undoing is a call of its own.",
  "tools.*.compensation.tool": "A tool of this config.",
  "tools.*.compensation.args":
    "Its arguments by name. `result.…`, `args.…`, `call.id` and `call.idempotency_key` are read from the call that is undone; anything else is itself.",
  idempotency: "Terms of the tenant's idempotency keys.",
  "idempotency.retention":
    "How long a finished call answers repeats of its key: `1h` to `30d`, 24 h when left out. A call with a compensation does so for 30 days at least, one whose outcome is unknown until it is settled.",
};
