// Decides what can go wrong, in one closed catalogue: code, HTTP status, whether a retry may help, and the title people read.

interface CatalogueEntry {
  readonly status: number;
  /** Whether the same call may succeed later: becomes `x-should-retry`. */
  readonly retry: boolean;
  readonly title: string;
}

/** Every refusal and fault the gateway can answer. Codes are API: they never change meaning. */
export const ERRORS = {
  unauthenticated: { status: 401, retry: false, title: "No valid API key" },
  issuer_unavailable: { status: 503, retry: true, title: "The keys of the token's issuer cannot be had" },
  scope_missing: { status: 403, retry: false, title: "The key or the actor lacks a required scope" },
  role_missing: { status: 403, retry: false, title: "The key's roles do not allow this" },
  actor_forbidden: { status: 403, retry: false, title: "The key may not act as this actor" },
  session_forbidden: { status: 403, retry: false, title: "The session belongs to another actor" },
  policy_denied: { status: 403, retry: false, title: "The policy does not allow this call" },
  approval_required: { status: 403, retry: false, title: "The call needs a person's approval" },
  approval_denied: { status: 403, retry: false, title: "A person denied the call" },
  approval_expired: { status: 403, retry: false, title: "Nobody approved the call in time" },
  approval_withdrawn: { status: 403, retry: false, title: "The call was withdrawn before anyone decided" },
  call_withdrawn: { status: 403, retry: false, title: "The call was withdrawn before it was sent" },
  call_sent: { status: 409, retry: false, title: "The call can no longer be withdrawn" },
  outcome_known: { status: 409, retry: false, title: "The call's outcome is known" },
  not_compensable: { status: 409, retry: false, title: "The call cannot be undone" },
  saga_closed: { status: 409, retry: false, title: "The task's saga is being undone, or was" },
  approval_resolved: { status: 409, retry: false, title: "The approval was decided already" },
  approval_repeated: { status: 409, retry: false, title: "This person has approved already" },
  approval_stale: { status: 409, retry: false, title: "What is to be approved changed: look again" },
  approver_is_requester: { status: 403, retry: false, title: "Whoever asks for a call cannot approve it" },
  approver_not_addressed: { status: 403, retry: false, title: "The approval asks for other roles" },
  approval_link_invalid: { status: 403, retry: false, title: "The approval link is not valid" },
  halted: { status: 403, retry: false, title: "A kill switch stops this call" },
  writes_disabled: { status: 409, retry: true, title: "A kill switch keeps writes from being executed" },
  session_paused: { status: 403, retry: false, title: "The session waits for a person" },
  session_ended: { status: 403, retry: false, title: "A person ended the session" },
  limit_exceeded: { status: 429, retry: false, title: "A limit across sessions is used up" },
  rate_limited: { status: 429, retry: true, title: "Too many calls in this time" },
  concurrency_limited: { status: 429, retry: true, title: "As many calls of the tool run as may run at once" },
  tool_unavailable: { status: 503, retry: true, title: "The tool keeps failing and is left alone for a while" },
  invalid_request: { status: 400, retry: false, title: "The request is not valid" },
  invalid_arguments: { status: 400, retry: false, title: "The tool's arguments do not match its schema" },
  invalid_config: { status: 422, retry: false, title: "The config document is not valid" },
  idempotency_key_invalid: { status: 400, retry: false, title: "The idempotency key is not valid" },
  idempotency_key_required: { status: 400, retry: false, title: "The tool takes calls with an idempotency key only" },
  untranslatable: {
    status: 400,
    retry: false,
    title: "The model's provider has no counterpart for part of this request",
  },
  unsupported: { status: 400, retry: false, title: "The gateway does not offer this" },
  definition_changed: {
    status: 409,
    retry: false,
    title: "The MCP server describes the tool otherwise than it was accepted",
  },
  input_required: { status: 409, retry: false, title: "The MCP server asks for input before it goes on" },
  flags_not_accepted: {
    status: 409,
    retry: false,
    title: "A tool definition reads like orders to the model, and nobody accepted that",
  },
  unknown_tool: { status: 404, retry: false, title: "No such tool" },
  unknown_model: { status: 404, retry: false, title: "No such model" },
  unknown_release: { status: 404, retry: false, title: "The agent has no such release" },
  release_forbidden: { status: 403, retry: false, title: "The key may not choose this release" },
  release_policy_mismatch: { status: 409, retry: false, title: "The release is pinned to another policy" },
  run_not_over: { status: 409, retry: true, title: "The run is not over" },
  audit_closed: { status: 409, retry: false, title: "The audit takes no such word" },
  evidence_missing: {
    status: 409,
    retry: false,
    title: "The release lacks the evidence that its agent's config asks for",
  },
  release_not_moved: { status: 409, retry: false, title: "The agent's releases do not allow this move" },
  previous_response_not_found: { status: 400, retry: false, title: "The response to go on from is not kept here" },
  not_found: { status: 404, retry: false, title: "Not found" },
  method_not_allowed: { status: 405, retry: false, title: "This path does not answer that method" },
  already_exists: { status: 409, retry: false, title: "It exists already" },
  body_too_large: { status: 413, retry: false, title: "The body is larger than the gateway reads" },
  precondition_failed: { status: 412, retry: false, title: "The document changed since it was read" },
  precondition_required: { status: 428, retry: false, title: "If-Match is required" },
  idempotency_key_reused: { status: 422, retry: false, title: "The idempotency key was used with another body" },
  call_in_flight: { status: 409, retry: true, title: "The call with this key is still running" },
  budget_exceeded: { status: 429, retry: false, title: "A budget is used up" },
  trace_store_down: { status: 503, retry: true, title: "Records cannot be kept, so no call is made" },
  tool_failed: { status: 502, retry: false, title: "The tool refused the call or was never reached" },
  tool_timeout: { status: 504, retry: false, title: "The tool did not answer in time" },
  outcome_unknown: { status: 504, retry: false, title: "The effect may have happened" },
  upstream_failed: { status: 502, retry: true, title: "The model provider could not be used" },
  caller_left: { status: 499, retry: false, title: "The caller closed the connection before an answer" },
  provider_unavailable: { status: 503, retry: true, title: "Every model provider that may answer keeps failing" },
  upstream_timeout: { status: 504, retry: true, title: "The model provider did not answer in time" },
  egress_blocked: { status: 502, retry: false, title: "The target is not on the egress allow-list" },
  control_plane_down: {
    status: 503,
    retry: true,
    title: "Switches and config version cannot be read, so no call is made",
  },
  not_configured: { status: 503, retry: false, title: "The tenant has no published config" },
  internal: { status: 500, retry: true, title: "The gateway failed" },
} as const satisfies Record<string, CatalogueEntry>;

/** A code of the catalogue. */
export type ErrorCode = keyof typeof ERRORS;

/** Whether a text is a code of the catalogue. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERRORS, text);
}

/** One mistake in a document or a body: where it is and what was expected there. */
export interface Mistake {
  /** Dotted path from the document's root; empty for the root itself. */
  readonly path: string;
  readonly message: string;
}

/** A refusal as a value: callers switch on `code`, surfaces render it. */
export interface Refusal {
  readonly ok: false;
  readonly code: ErrorCode;
  /** What exactly was refused, in one sentence that names the field and what was expected. */
  readonly detail: string;
  readonly mistakes?: readonly Mistake[];
  /** Seconds after which the same call may go through. */
  readonly retryAfterS?: number;
  /** Further members of the problem document, such as the decision or the budget. */
  readonly extensions?: Readonly<Record<string, unknown>>;
}

/** A refusal with its code and sentence. */
export function refuse(
  code: ErrorCode,
  detail: string,
  more: Partial<Omit<Refusal, "ok" | "code" | "detail">> = {},
): Refusal {
  return { ok: false, code, detail, ...more };
}

/** The refusal of a config document with all its mistakes. */
export function invalidConfig(mistakes: readonly Mistake[]): Refusal {
  const count = mistakes.length;
  return refuse("invalid_config", `${count} mistake${count === 1 ? "" : "s"} in the config document`, { mistakes });
}

/** A value, or the refusal that stands in its place. */
export type Outcome<T> = { readonly ok: true; readonly value: T } | Refusal;

/** Wraps a value as a successful outcome. */
export function accept<T>(value: T): Outcome<T> {
  return { ok: true, value };
}

/** A fault: something broke that the caller did not cause. Thrown once, rendered once by a surface. */
export class GatewayFault extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, detail: string, cause?: unknown) {
    super(detail, cause === undefined ? undefined : { cause });
    this.name = "GatewayFault";
    this.code = code;
  }
}
