// Says what the policy fields of the config mean, for docs/config-reference.md.

const rate = (at: string, whose: string): Readonly<Record<string, string>> => ({
  [at]: `How often ${whose} (GCRA): a steady rate and a burst. A call that comes too soon is \`rate_limited\`, with \`Retry-After\`.`,
  [`${at}.requests`]: "Calls per `per`.",
  [`${at}.per`]: "The stretch of time: `1s`, `1m`, `1h`.",
  [`${at}.burst`]: "Calls that may come at once. `requests` when left out.",
  [`${at}.by`]: "`actor` counts each actor for itself, which is the default; `tenant` counts all together.",
});

/** Descriptions by path. */
export const POLICY_FIELDS: Readonly<Record<string, string>> = {
  ...rate("tools.*.rate_limit", "the tool may be called"),
  ...rate("actors.*.rate_limit", "the actor may call any tool"),
  "tools.*.output_trust":
    "`untrusted`: its results may hold words of strangers. Once one has come back, the tool's name stands in `session.taint`. `trusted` when left out.",
  "tools.*.capture":
    "What rules may know from its results, as `session.facts`: for each fact the dotted path of the result it is read from. A part may come from the call: `orders[result.id].status: status` is read as `session.facts.orders[args.order_id].status`. Texts of at most 256 characters, numbers and booleans; 16 KiB in all, the oldest leave first.",
  "actors.*.requires_human_approval_over_usd":
    "A call that moves more needs a person. Does not apply to the flows of tier `autonomous`.",
  "actors.*.pii_write_allowed":
    "`false`: a write is denied when it sets an argument that the tool declares under `pii.writes`, or when personal data is found in one of its texts.",
  "actors.*.tier":
    "What the actor may do without a person. `draft_only`: every write becomes a draft that a person can execute. `execute_with_limits` (the default): what the rules and limits allow. `execute_with_approvals`: every write needs a person unless a rule allows it. `autonomous`: only on the flows listed; any other call as `execute_with_approvals`. Reads run in every tier.",
  "actors.*.flows":
    "Flows, named by the call's intent. A list names the flows that `autonomous` covers; a table gives each flow a tier of its own.",
  "actors.*.flows.*.tier": "The tier within the flow.",
  "actors.*.flows.*.tools": "Tools the flow is about; for others the actor's own tier holds. All when left out.",
  "actors.*.stop_and_ask":
    "When a session stops and asks: all its calls then answer `session_paused` until a person resumes or ends it.",
  "actors.*.stop_and_ask.min_confidence":
    "A call that declares less confidence stops the session. One that declares none does not.",
  "actors.*.stop_and_ask.repeated_calls":
    "So many identical tool calls in one session: those that ran, those that asked people, and repeats and denials of a call without an `Idempotency-Key`. A retry under its own key is no repeat.",
  "actors.*.stop_and_ask.consecutive_failures": "So many tool calls in a row that failed or whose outcome is unknown.",
  "actors.*.stop_and_ask.budget_used":
    "The part of any session budget that may be used before a person is asked, such as 0.8.",
  policy: "Rules, limits and tests. Rules narrow what the actors' lists allow; none can widen it.",
  "policy.time_zone": "IANA zone of `local` in rules and of calendar windows. UTC when left out.",
  "policy.explain_to_agents":
    "`effect` keeps amounts, values and messages of refusals from agents, who could otherwise search for the limit. `full` when left out.",
  "policy.rules": "Every rule that matches counts; the strictest wins; their order never matters.",
  "policy.rules[].id": "Named in decisions, records and approvals. Unique.",
  "policy.rules[].tools": "Tool names, `prefix.*` or `*`. Every tool when left out.",
  "policy.rules[].phase":
    "`call` (the default): decided at the call. `list`: decided when [tools are listed](guides/rules.md#when-tools-are-listed) and again at the call, with what is known without one; what it denies is hidden and refused.",
  "policy.rules[].when":
    "A [CEL](guides/rules.md) expression over the call. Checked against the schema of every tool it applies to. The rule always matches when left out.",
  "policy.rules[].effect":
    "`deny` beats `require_approval` beats `allow`. A rule that cannot be evaluated counts at its effect, and as a denial where that is `allow`.",
  "policy.rules[].message": "Told to whoever reads the decision.",
  "policy.rules[].approval": "Who has to approve, for `require_approval`. `approvals.defaults` where left out.",
  "policy.rules[].approval.roles":
    "Key roles, or groups: a key is in the group `finance` when it has the scope `approve:finance`. Any one of them.",
  "policy.rules[].approval.count": "Distinct people needed. 1 when left out.",
  "policy.rules[].approval.expires_in": "How long the question stands. 24 h when left out.",
  "policy.rules[].stop_and_ask": "A match also pauses the session.",
  "policy.limits":
    "Hard caps across all sessions. What has surely failed is given back; what is unknown stays counted.",
  "policy.limits[].id": "Named in refusals. Unique.",
  "policy.limits[].tools": "Tools whose calls count. Every tool when left out.",
  "policy.limits[].sum": "The argument whose values are added up. Either this or `count`.",
  "policy.limits[].count": "Counts calls.",
  "policy.limits[].per":
    "Whom it counts for: `actor`, `tenant`, `tool`, an argument such as `args.customer_id`, or a list of these. `tenant` when left out.",
  "policy.limits[].window":
    "`15m`, `24h`, `7d`: the last so much time. `hour`, `day`, `week`, `month`: the current one in the policy's time zone.",
  "policy.limits[].max": "The most within the window: a number of calls, or an amount with at most six decimals.",
  "policy.tests": "Calls and what must be decided on them. Run at every publication; one that fails refuses it.",
  "policy.tests[].name": "Named when it fails.",
  "policy.tests[].call": "The call.",
  "policy.tests[].call.actor": "Who acts.",
  "policy.tests[].call.tool": "What is called.",
  "policy.tests[].call.args":
    "Its arguments; none when left out. They must match the tool's schema: what does not is refused before any decision.",
  "policy.tests[].call.intent": "As the envelope's.",
  "policy.tests[].call.confidence": "As the envelope's.",
  "policy.tests[].call.task": "As `task_id`.",
  "policy.tests[].call.user": "As `Interlock-User`.",
  "policy.tests[].call.user_origin": "Who says who the user is. `declared` when left out.",
  "policy.tests[].call.user_prompt": "As `Interlock-User-Prompt`, decoded.",
  "policy.tests[].call.release": "As `Interlock-Release`.",
  "policy.tests[].call.confirmed": "As `Interlock-Confirmed`.",
  "policy.tests[].call.constraints": "As the envelope's.",
  "policy.tests[].call.constraints.max_amount_usd": "As the envelope's.",
  "policy.tests[].call.constraints.requires_human_approval_over_usd": "As the envelope's.",
  "policy.tests[].call.constraints.pii_write_allowed": "As the envelope's.",
  "policy.tests[].call.constraints.allowed_tools": "As the envelope's.",
  "policy.tests[].call.scopes": "Scopes of the key. All of the actor's when left out.",
  "policy.tests[].call.roles": "Roles of the key. `agent` when left out.",
  "policy.tests[].session": "What the session has seen before. Nothing when left out.",
  "policy.tests[].session.history": "Earlier calls.",
  "policy.tests[].session.history[].tool": "What was called.",
  "policy.tests[].session.history[].ago": "How long before the tested call.",
  "policy.tests[].session.history[].status": "`succeeded` when left out.",
  "policy.tests[].session.history[].args": "Its arguments.",
  "policy.tests[].session.taint": "Labels of `session.taint`.",
  "policy.tests[].session.facts": "Members of `session.facts`.",
  "policy.tests[].session.counters": "Members of `session.counters`; 0 where left out.",
  "policy.tests[].session.counters.calls": "Model calls.",
  "policy.tests[].session.counters.tool_calls": "Tool calls.",
  "policy.tests[].session.counters.failures": "Tool calls that failed.",
  "policy.tests[].session.counters.consecutive_failures": "The last of them in a row.",
  "policy.tests[].session.spent_usd": "Dollars of the session budget that are used.",
  "policy.tests[].now": "The instant of the call. 2026-01-05T12:00:00Z, a Monday, when left out.",
  "policy.tests[].expect": "What must be decided.",
  "policy.tests[].expect.effect": "The decision's effect.",
  "policy.tests[].expect.reasons": "Rule ids that must be among the reasons.",
  "policy.tests[].expect.stop_and_ask": "Whether the call must pause its session.",
  approvals: "Who approves when a rule does not say, who is told, and whether a signed link is enough to decide.",
  "approvals.defaults": "Terms of approvals that no rule words otherwise.",
  "approvals.defaults.roles": "`approver` and `operator` when left out.",
  "approvals.defaults.count": "Distinct people needed. 1 when left out.",
  "approvals.defaults.expires_in": "24 h when left out.",
  "approvals.webhook":
    "Told of every approval that is asked for. Signed per Standard Webhooks. Its host must be in `egress.allow`.",
  "approvals.secret": "Name of the stored secret that signs: base64, or `whsec_` and base64.",
  "approvals.approvers": "People who are told, each with a link of their own.",
  "approvals.approvers.*.roles": "Roles and groups the person stands for. Told of approvals that ask for one of them.",
  "approvals.approvers.*.webhook": "Where the person is told.",
  "approvals.approvers.*.secret": "Name of the secret that signs it. The section's own when left out.",
  "approvals.links_without_account":
    "`true` lets the addressed approver decide on the linked page without a key. Otherwise the page asks for one.",
  "approvals.drafts_expire_in": "How long a draft can be executed. 7 days when left out.",
};
