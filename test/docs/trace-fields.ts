// Says what each config field of the trace plane means, for docs/config-reference.md.

/** Descriptions by path. */
export const TRACE_FIELDS: Readonly<Record<string, string>> = {
  trace: "What of a call is kept, for how long, and who is told of changes in it.",
  "trace.sampling": "Whose payloads are kept. The record itself always is.",
  "trace.sampling.payloads":
    "The share of traces whose payloads are kept, decided by the trace id, so that a trace is kept whole. 1 when left out. Errors, denials, approvals, unknown outcomes and writes are always kept.",
  "trace.sampling.rules":
    "Shares of their own for some calls: the first rule that matches a call counts. What a rule leaves out matches every call.",
  "trace.sampling.rules[].actor": "Actors: names, `prefix.*` or `*`.",
  "trace.sampling.rules[].tool": "Tools: names, `prefix.*` or `*`. Matches tool calls alone.",
  "trace.sampling.rules[].model": "Models: names, `prefix.*` or `*`. Matches model calls alone.",
  "trace.sampling.rules[].kind": "Kinds of records, such as `chat` and `execute_tool`.",
  "trace.sampling.rules[].payloads": "The share of traces whose matching calls keep their payloads.",
  "trace.masking": "What is masked in records. Credentials always are. [Masking](guides/masking.md).",
  "trace.masking.detectors":
    "`false` by kind of personal data that is left as it is: `email_address`, `phone_number`, `payment_card`, `iban`, `us_ssn`, `ip_address`, `national_id`. All are looked for when left out.",
  "trace.masking.always":
    "Paths whose every value is masked, such as `arguments.customer.name` or `**.address`. `*` is one step, `**` any number of them.",
  "trace.masking.never":
    "Paths at which no personal data is looked for, such as `arguments.order_number`. `always` goes before.",
  "trace.masking.patterns":
    "Patterns of your own in RE2's syntax, by the kind that their tokens show; at most 20. What one matches within a line, at most 512 characters, is masked.",
  "trace.retention": "How long stored things live. The audit chain is not deleted: it holds no payloads and no names.",
  "trace.retention.days": "Days that records live: index, segments and bodies. 190 when left out.",
  "trace.raw": "Keeps unmasked payloads too, encrypted. None is kept when left out.",
  "trace.raw.days": "Days that unmasked payloads live. At most 30.",
  "trace.drift": "From when on a change between two weeks is drift. See [the guide](guides/drift.md).",
  "trace.drift.psi": "Population stability index of tokens, cost, latency or tool mix. 0.25 when left out.",
  "trace.drift.ks": "Kolmogorov–Smirnov distance of tokens, cost or latency. 0.2 when left out.",
  "trace.drift.rate":
    "Change of the share of refused, failed or masked calls, such as 0.05 for five points, which is the default.",
  "trace.drift.min_calls": "Calls that each week must have to be compared. 100 when left out, at least 20.",
  "trace.drift.baseline": "A release that every other release is compared with in the same week, besides with itself.",
  "trace.alerts": "Who is told of drift.",
  "trace.alerts.webhook": "Told by a message signed per Standard Webhooks. Its host must be in `egress.allow`.",
  "trace.alerts.secret": "Name of the stored secret that signs.",
  "trace.exports":
    "Where records go as OpenTelemetry, by name; at most eight. See [the guide](guides/export-traces.md).",
  "trace.exports.*.url":
    "The whole address, such as `https://collector.example.com/v1/traces`. `https`, and its host must be in `egress.allow`.",
  "trace.exports.*.encoding": "`protobuf` when left out, or `json`.",
  "trace.exports.*.headers":
    "Headers by name: a text, or `{ secret, prefix }`, a stored secret with what stands before it.",
  "trace.exports.*.resource": "Further resource attributes: backends choose project or service by them.",
  "trace.exports.*.content": "`true` sends messages, arguments and results along, masked as they are stored.",
  "trace.exports.*.only": "Which records are sent.",
  "trace.exports.*.only.kinds":
    "Only these kinds. Without it `chat`, `execute_tool`, `approval`, `ledger`, `session`, `switch` and `outcome`.",
  "trace.exports.*.only.actors": "Only records of these actors.",
};
