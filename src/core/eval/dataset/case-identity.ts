// Decides by what content a case is known, and how large one may be.
import { sha256Hex } from "../../json/digest.ts";
import type { EvalCase } from "../case.ts";

/** The largest case, in UTF-8 bytes of its JSON text. */
export const MAX_CASE_BYTES = 1_048_576;

/** Whether a case is small enough to be kept. */
export function fitsCase(item: EvalCase): boolean {
  return bytesOf(JSON.stringify(item)) <= MAX_CASE_BYTES;
}

/** Bytes of a text as UTF-8. */
export function bytesOf(text: string): number {
  return new TextEncoder().encode(text).byteLength;
}

/**
 * `case_` and 16 hex digits of what was said: requests, answers and tool results. Tenant, session, trace, times and
 * labels take no part, so that the same content has the same id wherever, and however often, it is cut.
 */
export function caseId({ calls, tools }: Pick<EvalCase, "calls" | "tools">): string {
  const said = calls.map(({ dialect, request, reply }) => ({ dialect, request, reply }));
  return `case_${sha256Hex(JSON.stringify({ said, tools })).slice(0, 16)}`;
}
