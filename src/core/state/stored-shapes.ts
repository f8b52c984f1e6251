// Decides how rows that an earlier version wrote are read: storage steps of tool calls and charges, from 0.1.0 on.
import type { JsonObject } from "../json/canonical.ts";
import { NOTHING_AFTER, WITHOUT_AFTERMATH } from "./tool-call-work.ts";
import type { Charge } from "./session-messages.ts";
import type { ToolCallRecord, ToolCallRequest } from "./tool-call-record.ts";

/** A tool call's request as 0.1.0 wrote it. */
interface FirstRequest extends Pick<
  ToolCallRequest,
  "id" | "tenant" | "traceId" | "traceHex" | "spanId" | "definitionDigest" | "effect" | "fingerprint"
> {
  readonly actor: string;
  readonly session: string;
  readonly task: string | null;
  readonly intent: string | null;
  readonly toolName: string;
  readonly args: JsonObject;
  readonly deadlineAt: number;
}

/** A tool call's record as 0.1.0 wrote it: without an approval, and owing at most a give-back. */
interface FirstRecord extends Pick<
  ToolCallRecord,
  "status" | "decision" | "seq" | "outcome" | "attempts" | "createdAt" | "finishedAt"
> {
  readonly request: FirstRequest;
  readonly owesGiveBack: boolean;
}

/** A stored tool call of any version, in today's shape. What 0.1.0 did not keep of its caller is empty. */
export function storedToolCall(stored: ToolCallRecord | FirstRecord): ToolCallRecord {
  if (!isFirst(stored)) return withAftermath(withFacts(stored));
  const { request, owesGiveBack, ...kept } = stored;
  const { actor, session, task, intent, toolName, args, deadlineAt, ...named } = request;
  return {
    ...kept,
    request: {
      ...named,
      ask: {
        actor,
        principal: { key_id: "", roles: [], scopes: [] },
        tool: toolName,
        args,
        constraints: {},
        session,
        task,
        intent,
        confidence: null,
        user: null,
        ...NOTHING_DECLARED,
        release: null,
        confirmed: false,
      },
      teaching: { isUntrusted: false, capture: {} },
      isKeyDerived: false,
      ...WITHOUT_AFTERMATH,
      abandonAfterMs: Math.max(0, deadlineAt - stored.createdAt),
    },
    ...NOTHING_AFTER,
    changedAt: stored.finishedAt ?? stored.createdAt,
    approval: null,
    owesConclusion: owesGiveBack,
    owesInbox: false,
    owesNotice: false,
    deadlineAt,
  };
}

/** What versions before 0.7.0 wrote tells nothing of a user's words, and whoever they named the caller declared. */
const NOTHING_DECLARED = { user_origin: "declared", user_prompt: null } as const;

function withFacts(stored: ToolCallRecord): ToolCallRecord {
  const { request } = stored;
  const { user_prompt } = request.ask as Partial<ToolCallRecord["request"]["ask"]>;
  if (user_prompt !== undefined) return stored;
  return { ...stored, request: { ...request, ask: { ...NOTHING_DECLARED, ...request.ask } } };
}

/** What 0.2.0 wrote, whatever its type says, lacks what came later. */
function withAftermath(stored: ToolCallRecord): ToolCallRecord {
  const { changedAt } = stored as Partial<ToolCallRecord>;
  if (changedAt !== undefined) return stored;
  return {
    ...NOTHING_AFTER,
    ...stored,
    changedAt: stored.finishedAt ?? stored.createdAt,
    request: { ...WITHOUT_AFTERMATH, ...stored.request },
  };
}

function isFirst(stored: ToolCallRecord | FirstRecord): stored is FirstRecord {
  return "toolName" in stored.request;
}

/** A charge as 0.1.0 wrote it; 0.2.0 knew no sagas. */
type FirstCharge = Omit<Charge, "fingerprint" | "amount" | "values" | "draws" | "isInSaga"> & Partial<Charge>;

/** A stored charge of any version, in today's shape. One of 0.1.0 is like no other call, and drew on no limit. */
export function storedCharge(stored: FirstCharge): Charge {
  return { fingerprint: "", amount: null, values: {}, draws: [], isInSaga: false, ...stored };
}
