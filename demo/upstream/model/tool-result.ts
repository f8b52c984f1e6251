// Decides whether a tool's answer means done, refused or waiting for approval.
import { isRecord, parseRecord, type JsonRecord } from "../json-source.ts";

/** What a tool message says happened. */
export interface ToolResult {
  readonly kind: "done" | "refused" | "pending";
  /** The id of what was made, when the result names one. */
  readonly id: string | undefined;
  /** Why it was refused, in the tool's words, at most 200 characters. */
  readonly reason: string | undefined;
}

const REFUSED_STATUS = new Set([
  "denied",
  "failed",
  "error",
  "unknown",
  "approval_denied",
  "approval_expired",
  "drafted",
]);
const PENDING_STATUS = new Set(["pending", "pending_approval", "approval_required"]);

/** Reads a tool message. Text that is no JSON object is refused when it speaks of an error or a denial. */
export function readToolResult(text: string): ToolResult {
  const body = parseRecord(text);
  if (body === undefined) {
    const isRefused = /\b(error|denied|deny|refused|forbidden|failed|not allowed|blocked)\b/i.test(text);
    return isRefused ? refused(text) : { kind: "done", id: undefined, reason: undefined };
  }
  const inner = isRecord(body["result"]) ? body["result"] : body;
  if (isPending(body) || isPending(inner)) return { kind: "pending", id: undefined, reason: undefined };
  if (isRefusal(body) || isRefusal(inner)) return refused(reasonOf(body) ?? reasonOf(inner));
  return {
    kind: "done",
    id: typeof inner["id"] === "string" ? inner["id"] : undefined,
    reason: undefined,
  };
}

function refused(reason: string | undefined): ToolResult {
  return { kind: "refused", id: undefined, reason: reason?.slice(0, 200) };
}

function isPending(body: JsonRecord): boolean {
  return [body["status"], body["code"]].some((word) => typeof word === "string" && PENDING_STATUS.has(word));
}

function isRefusal(body: JsonRecord): boolean {
  const { error, isError, denied, status, decision } = body;
  if ((error !== undefined && error !== null && error !== false) || isError === true) return true;
  if (denied !== undefined && denied !== false) return true;
  if (isRecord(decision) && decision["effect"] === "deny") return true;
  return typeof status === "number" ? status >= 400 : typeof status === "string" && REFUSED_STATUS.has(status);
}

function reasonOf(body: JsonRecord): string | undefined {
  const { error } = body;
  const places = [
    isRecord(error) ? error["message"] : error,
    body["detail"],
    body["message"],
    body["title"],
    body["reason"],
  ];
  return places.find((place) => typeof place === "string");
}
