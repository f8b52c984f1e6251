// Decides what an HTTP answer says about a tool's effect: done, surely not done, or unknown.
import type { Json } from "../json/canonical.ts";

/** Why a tool call surely did not happen. From `halted` on it came between decision and effect. */
export type ToolFailure =
  | "tool_failed"
  | "tool_timeout"
  | "egress_blocked"
  | "halted"
  | "writes_disabled"
  | "approval_required"
  | "policy_denied"
  /** Its MCP server no longer describes it as an operator accepted it. */
  | "definition_changed"
  /** Its MCP server asks for input first: the call is not complete, and goes on when it is sent again with that. */
  | "input_required";

/** What the upstream did, as far as anyone knows. */
export type ToolOutcome =
  | { readonly status: "succeeded"; readonly result: Json; readonly httpStatus: number | null }
  | {
      readonly status: "failed";
      readonly code: ToolFailure;
      readonly message: string;
      readonly httpStatus: number | null;
      readonly result: Json | null;
    }
  | { readonly status: "unknown"; readonly message: string };

/** What came of one attempt at an HTTP tool. */
export type HttpAnswer =
  | {
      readonly type: "answered";
      readonly status: number;
      readonly body: Json;
      /** How long `Retry-After` asks to wait, in milliseconds; absent where it said nothing. */
      readonly retryAfterMs?: number;
    }
  /** The status line came, the body broke off. */
  | { readonly type: "cut"; readonly status: number }
  | { readonly type: "timed_out" }
  | { readonly type: "lost" }
  /** What comes before the sending failed; it may go through another time. */
  | { readonly type: "unsent"; readonly reason: string }
  /** Nothing was sent. */
  | { readonly type: "blocked"; readonly reason: string };

/**
 * The outcome of an attempt. A read that did not answer has failed: it changes nothing. A write is failed only where
 * the upstream refused it (3xx, 4xx) or nothing was sent; a lost answer, a timeout or a 5xx leaves it unknown.
 */
export function classifyHttp(effect: "read" | "write" | "irreversible", answer: HttpAnswer): ToolOutcome {
  const isRead = effect === "read";
  switch (answer.type) {
    case "blocked":
    case "unsent":
      return failed("egress_blocked", answer.reason);
    case "timed_out":
      return isRead
        ? failed("tool_timeout", "the tool did not answer in time")
        : unknown("the tool did not answer in time: the effect may have happened");
    case "lost":
      return isRead
        ? failed("tool_failed", "the connection to the tool failed")
        : unknown("the connection to the tool was lost: the effect may have happened");
    case "cut":
      return isRead
        ? failed("tool_failed", "the tool's answer broke off")
        : unknown(`the tool answered ${answer.status} but its answer broke off`);
    case "answered":
      return answered(isRead, answer.status, answer.body);
    default:
      return answer satisfies never;
  }
}

function answered(isRead: boolean, status: number, body: Json): ToolOutcome {
  if (status < 300) return { status: "succeeded", result: body, httpStatus: status };
  if (status < 500 || isRead)
    return {
      status: "failed",
      code: "tool_failed",
      message: `the tool answered ${status}`,
      httpStatus: status,
      result: body,
    };
  return unknown(`the tool answered ${status}: the effect may have happened`);
}

function failed(code: "tool_failed" | "tool_timeout" | "egress_blocked", message: string): ToolOutcome {
  return { status: "failed", code, message, httpStatus: null, result: null };
}

function unknown(message: string): ToolOutcome {
  return { status: "unknown", message };
}
