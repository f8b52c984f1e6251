// Decides what one governed call is, before anything is known about whether it may happen.
import type { Constraints } from "./policy/constraints.ts";
import type { UserOrigin } from "./policy/ask.ts";
import type { CallFields, Dialect } from "./dialect/dialect.ts";
import type { JsonObject } from "./json/canonical.ts";
import type { ObjectText } from "./json/members.ts";
import type { Principal } from "./principal.ts";
import type { TraceContext } from "./trace/trace-context.ts";
import type { TraceId } from "./units/identifier.ts";

/** Who calls, in which trace, session and task. What the caller declared is a fact of that origin, no more. */
export interface CallContext {
  readonly principal: Principal;
  readonly actor: string;
  readonly trace: TraceId;
  /** The caller's own position in the trace, when it sent one. */
  readonly parent: TraceContext | undefined;
  readonly session: string;
  readonly task: string | null;
  readonly intent: string | null;
  readonly confidence: number | null;
  readonly endUser: string | null;
  /** Who says who the end user is; says nothing where none is named. */
  readonly endUserOrigin: UserOrigin;
  /** The task in the user's words, as the caller says: free text, never in a column or a name. */
  readonly userPrompt: string | null;
  readonly release: string | null;
  /** Whether the gateway chose the release; otherwise it is only what the caller says. */
  readonly isReleaseChosen?: boolean;
  /** Whether it is made to test a release and for no caller: recorded apart, and never cut into a dataset. */
  readonly isReplay?: boolean;
  /** Whether the caller says that its user confirmed what it is about to do. */
  readonly isConfirmed: boolean;
  /** Tools the caller narrowed itself to, by header. */
  readonly allowedTools: readonly string[] | undefined;
  /** Texts that must never be recorded: the caller's key. */
  readonly credentials: readonly string[];
  /** How it came over MCP; absent for a call that came otherwise. */
  readonly mcp?: McpRequest;
}

/** One request of an MCP client. */
export interface McpRequest {
  readonly method: string;
  readonly protocolVersion: string;
  /** The client's own id of the request, as text. */
  readonly requestId: string;
  /** The session that the server side keeps, for revisions that have one. */
  readonly sessionId: string | null;
  readonly clientName: string | null;
}

/** One model call, as its surface understood it. The body stays text: no byte changes that we do not own. */
export interface ModelCall {
  readonly context: CallContext;
  readonly dialect: Dialect;
  readonly fields: CallFields;
  readonly body: ObjectText;
  readonly bodyBytes: number;
  /** The caller's headers that a provider of the same dialect gets. */
  readonly headers: ReadonlyMap<string, string>;
  /** The query that it gets, without `?`; empty for none. */
  readonly query: string;
  /** Whether an answer that was given before will do; `false` with `Cache-Control: no-cache` or `no-store`. */
  readonly mayBeKept: boolean;
}

/** One tool call, as its surface understood it. */
export interface ToolCall {
  readonly context: CallContext;
  readonly toolName: string;
  readonly args: JsonObject;
  readonly constraints: Constraints;
  /** The caller's own idempotency key. */
  readonly idempotencyKey: string | undefined;
  /** How long the caller lets all attempts take together, or `null` for as long as the tool may. */
  readonly deadlineMs: number | null;
  /** Whether it is one of its task's calls that stand or fall together. */
  readonly isInSaga: boolean;
  /** The call that this one undoes, and the id that follows from it; `null` for any other call. */
  readonly compensates: { readonly callId: string; readonly id: string } | null;
  /** The canonical body as sent, for the record. */
  readonly envelope: JsonObject;
  /** The recorded call that this one goes on with, under the same id. Only state that the gateway has signed may say so. */
  readonly resumes?: string | undefined;
  /** Whose identical calls are one while people are asked about it; the session's where left out. */
  readonly askedBy?: string | undefined;
}

/** A call that asks for nothing beside its tool and arguments: no constraints, key, deadline, saga or compensation. */
export function plainToolCall(call: Pick<ToolCall, "context" | "toolName" | "args" | "envelope">): ToolCall {
  return { ...call, constraints: {}, idempotencyKey: undefined, deadlineMs: null, isInSaga: false, compensates: null };
}
