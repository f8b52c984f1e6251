// Declares what the scripted model looks at in a request, whatever dialect it came in.
import type { JsonRecord } from "../json-source.ts";

/** One message of the conversation. A message that carries tool results comes as one message per result. */
export interface Message {
  readonly role: string;
  readonly text: string;
  /** On a tool's result: the call it answers. */
  readonly answersCall?: string | undefined;
  /** On the model's own message: the calls it made. */
  readonly calls: readonly { readonly id: string; readonly tool: string }[];
}

/** A tool the model may call, and the JSON Schema of its arguments. */
export interface OfferedTool {
  readonly name: string;
  readonly schema: JsonRecord;
}

/** A well-formed request. Token counts are ours: one token is four bytes of JSON or text. */
export interface ModelRequest {
  readonly model: string;
  readonly messages: readonly Message[];
  /** Tools the model may call, none when the caller forbids calls. */
  readonly tools: readonly OfferedTool[];
  /** Names of which one must be called; empty when the model is free. */
  readonly forced: readonly string[];
  /** The schema that the answer's text must match. */
  readonly schema: JsonRecord | undefined;
  readonly thinks: boolean;
  /** Whether the thoughts are put out, or only counted. */
  readonly showsThoughts: boolean;
  readonly isStream: boolean;
  /** How many answers, 1 to 128. */
  readonly choices: number;
  readonly maxTokens: number | undefined;
  readonly promptTokens: number;
  /** Top-level keys as they were sent, for `demo_echo`. */
  readonly keys: readonly string[];
  /** The request's own members, for answers that repeat them. */
  readonly body: JsonRecord;
}

/** A request that was not understood, in the vendor's words, and the parameter at fault. */
export interface Malformed {
  readonly malformed: string;
  readonly param: string | null;
  readonly code?: string;
}

/** Whether a reader gave up. */
export function isMalformed(read: object): read is Malformed {
  return "malformed" in read;
}

const encoder = new TextEncoder();

/** Bytes of the text in UTF-8. */
export function byteLength(text: string): number {
  return encoder.encode(text).length;
}

/** Tokens of the parts of a prompt, as the JSON they came in; absent parts cost nothing. */
export function countTokens(...parts: readonly unknown[]): number {
  const source = parts.map((part) => (part === undefined || part === null ? "" : JSON.stringify(part))).join("");
  return Math.ceil(byteLength(source) / 4);
}

/** Letters and digits that no other answer has. */
export function newToken(): string {
  return crypto.randomUUID().replaceAll("-", "").slice(0, 24);
}

/** The tools among which a forced call is made: the one that is named, or all of them. */
export function forcedAmong(tools: readonly OfferedTool[], named: string | undefined): readonly string[] {
  const names = tools.map(({ name }) => name);
  return named === undefined ? names : names.filter((name) => name === named);
}

/** A tool call without its result, or a result without its call. */
export interface Unpaired {
  readonly kind: "orphan" | "unanswered";
  readonly id: string;
}

/** The first call whose result does not follow at once, or result that follows no call of its own. O(n). */
export function findUnpaired(messages: readonly Message[]): Unpaired | undefined {
  let open: readonly string[] = [];
  let asked: readonly string[] = [];
  for (const { answersCall, calls } of messages) {
    if (answersCall !== undefined) {
      if (!asked.includes(answersCall)) return { kind: "orphan", id: answersCall };
      open = open.filter((id) => id !== answersCall);
      continue;
    }
    if (open[0] !== undefined) return { kind: "unanswered", id: open[0] };
    asked = calls.map(({ id }) => id);
    open = asked;
  }
  return open[0] === undefined ? undefined : { kind: "unanswered", id: open[0] };
}
