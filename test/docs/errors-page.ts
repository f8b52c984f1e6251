// Writes docs/errors.md from the catalogue in src/core/errors.ts; a code without advice does not type-check.
import { ERRORS, type ErrorCode } from "../../src/core/errors.ts";

const ADVICE: Readonly<Record<ErrorCode, string>> = {
  run_not_over: "The run is still at work, or was cut short. Ask again once it is over.",
  audit_closed: "The audit is settled, you have said your word on it, or it takes a third person's.",
  untranslatable:
    "`detail` names each field. Leave it out, or ask for a model whose provider speaks the dialect you send: a request that keeps its dialect passes unchanged.",
  unsupported: "`detail` names what is not offered, and what is instead.",
  provider_unavailable: "Every candidate failed or is left alone for a while. Wait for `Retry-After`.",
  unauthenticated: "Send a key that exists and was not revoked.",
  issuer_unavailable:
    "`detail` says what the issuer did not answer. Wait `Retry-After`; keys that were read before serve for an hour. See [signing in](guides/mcp-sign-in.md).",
  scope_missing: "Give the scope to the key and to the actor: a call has only the scopes that both have.",
  role_missing: "Use a key whose roles grant it; `detail` names them.",
  actor_forbidden: "Use an actor that the key lists, or a key that lists the actor.",
  session_forbidden: "Use a session id of its own for each actor.",
  policy_denied:
    "Read `decision.reasons`: each names its rule, what it saw and where. A retry may pass once the config allows it.",
  approval_required: "Seen where a call cannot wait for people. Make it a tool call: it waits as `pending_approval`.",
  approval_denied: "A person said no; the comment says why. Do not try the same again.",
  approval_expired: "Nobody decided in time. The call may be asked for again, with a new key.",
  approval_withdrawn: "The asking side took it back. Nothing was executed.",
  call_withdrawn: "Somebody took it back within its undo window. Ask again with a new key if it is wanted after all.",
  call_sent: "Too late: read the call, and undo it with `POST /v1/tool-calls/{id}/compensate` if its tool can.",
  outcome_known: "Read the call. An outcome that is known never changes.",
  not_compensable: "`detail` says why: a person has to undo it in the tool's own system.",
  saga_closed: "Begin another task: what is being undone takes no more calls.",
  approval_resolved: "Somebody was first. `GET /v1/approvals/{id}` says what was decided.",
  approval_repeated: "Another person has to approve: the approval asks for several.",
  approval_stale:
    "The policy, the tool's definition or the switches changed since it was asked. Read the approval again, and decide on what it shows now.",
  approver_is_requester: "Use a key other than the one that asked.",
  approver_not_addressed: "`detail` names the roles or groups that may decide.",
  approval_link_invalid:
    "The link was altered, is over, or belongs to somebody who is no approver any more. Use the API.",
  halted: "A person stopped these calls. `decision` says which switch and why. Wait for people, not for time.",
  writes_disabled: "Approve it once the switch is cleared.",
  session_paused:
    "The session stopped and asked. `pause` says why. A person resumes it with `POST /v1/sessions/{id}/resume`, or ends it.",
  session_ended: "A person ended the session. Start another one.",
  limit_exceeded: "`limit` says which, how much is used, and when it fits again.",
  rate_limited: "Wait `Retry-After` seconds.",
  concurrency_limited: "Wait `Retry-After` seconds. Nothing queues: send fewer calls of this tool at once.",
  tool_unavailable:
    "Wait `Retry-After` seconds: a [breaker](guides/reliability.md) is open. Nothing was sent. Other tools go on.",
  invalid_request: "Read `errors`: each names a field and what was expected there.",
  invalid_arguments: "Correct the arguments named in `errors`; `GET /v1/tools` shows the schema.",
  invalid_config: "Read `errors`: all mistakes of the document are listed at once, each with its path.",
  idempotency_key_invalid: "Send a quoted string or a token of 1 to 255 visible ASCII characters.",
  idempotency_key_required:
    "Send an `Idempotency-Key` of your own, the same one with each repeat. See [calls as transactions](guides/transactions.md).",
  definition_changed:
    "Nothing was sent. An operator reads what changed with `interlock mcp show <server>` and takes it over, or leaves the tool stopped.",
  input_required:
    "Nothing was done. Call the tool over MCP with a client that answers such questions; a call that people approved, or one over the API, has nobody to ask.",
  flags_not_accepted:
    '`errors` names each flag with its place and text. Read them; send `flags: "accepted"` if they are harmless, or accept the other tools by name.',
  unknown_tool: "Use a tool of the tenant's config; `GET /v1/tools` lists those the key may call.",
  previous_response_not_found:
    "Send the conversation as `input`. Responses are kept for 30 days, unless the call said `store: false`, and only its own tenant, actor and session go on from one.",
  unknown_model: "Use a model of the tenant's config; `GET /v1/models` lists those the key may use.",
  unknown_release: "`GET /v1/agents/{agent}/releases` lists them. See [releases](guides/releases.md).",
  release_forbidden: "Leave `Interlock-Release` out: the gateway chooses. Keys that may move releases may try any.",
  release_policy_mismatch:
    "Promote a release that was made for the active policy, or publish the policy it was made for. Nothing was sent.",
  evidence_missing:
    "`errors` names each suite, what was found instead of a verdict that counts, and the command that gets one. `break_glass` with a `reason` goes through without, and is recorded. See [releases](guides/releases.md).",
  release_not_moved: "`detail` says why: nothing was live before, or the release is live already.",
  not_found: "It does not exist, or is not the caller's to see. Traces appear a few seconds after their call.",
  method_not_allowed: "Use a method that `/openapi.json` lists for the path.",
  already_exists: "Choose another id, or use the one that exists.",
  body_too_large: "Send at most 1 MiB to the API and 16 MiB to a model.",
  precondition_failed: "Somebody published in between: read the config again, merge, and publish against that version.",
  precondition_required: "Read the config and send its `ETag` in `If-Match`.",
  idempotency_key_reused: "Use a new key for a new call; the same key always means the same body.",
  call_in_flight: "Wait `Retry-After` seconds and send the same call again: it gets the first answer.",
  budget_exceeded:
    "Read `budget`: scope, dimension, limit, used, held and needed. Use a new session or task, or raise the limit.",
  trace_store_down: "Wait: calls resume once waiting records are stored. See the runbook on missing records.",
  tool_failed:
    "The tool answered with an error, or a read could not reach it. `tool_call.error` has its status and body. The charge was given back.",
  tool_timeout: "A read took too long and changed nothing. Send it again with a new key.",
  outcome_unknown:
    "Do not repeat blindly: its tool's probe finds out, or a person says what happened with `POST /v1/tool-calls/{id}/resolve`.",
  upstream_failed: "The provider broke or could not be reached. Unless nothing was sent, the call was charged.",
  caller_left: "Seen in records only: nobody was there to read it. The call was charged at its hold.",
  upstream_timeout:
    "The provider was too slow. The call was charged at its hold, because the provider may have worked.",
  egress_blocked: "Add the host to `egress.allow`, or restore the stored secret that `detail` names.",
  control_plane_down: "Wait: a call that nobody could stop is not made. Nothing was sent.",
  not_configured: "Publish a config for the tenant.",
  internal: "A fault of the gateway. It logs the fault with an id, never with bodies or secrets.",
};

/** The page, as it must stand in docs/errors.md. */
export function errorsPage(): string {
  const rows = (Object.keys(ERRORS) as ErrorCode[]).map((code) => {
    const { status, retry, title } = ERRORS[code];
    return `| \`${code}\` | ${status} | ${retry ? "yes" : "no"} | ${title} | ${ADVICE[code]} |`;
  });
  return `# Errors

Generated from \`src/core/errors.ts\`. Do not edit: change \`test/docs/errors-page.ts\` and run \`UPDATE_DOCS=1 npx vitest run --project e2e test/docs\`.

Codes are part of the API and never change meaning. Titles and details are for people and may change.

On the API an error is a problem document (RFC 9457): \`type\`, \`title\`, \`status\`, \`detail\`, \`code\`, and where it helps \`errors\` (a list of \`path\` and \`message\`), \`decision\`, \`budget\` or \`tool_call\`. \`type\` is a path of the deployment, such as \`/errors/policy-denied\`, and answers with the catalogue's entry. On \`/v1/chat/completions\` and \`/v1/models\` an error has OpenAI's shape; \`error.interlock.code\` carries the code below.

**Retry** says whether the same call may succeed later without any change. It is sent as \`x-should-retry\`, which the official OpenAI clients obey.

| code | HTTP | retry | title | what to do |
| --- | --- | --- | --- | --- |
${rows.join("\n")}
`;
}
