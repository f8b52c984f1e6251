// Decides what a tool call asks of the policy: everything the caller brought, as plain data that can be stored and decided on again.
import type { JsonObject } from "../json/canonical.ts";
import type { Role } from "../principal.ts";
import type { Constraints } from "./constraints.ts";

/** Who says who an end user is: the caller, or a token that an issuer of the tenant's has signed. */
export const USER_ORIGINS = ["declared", "token"] as const;
/** One of them. */
export type UserOrigin = (typeof USER_ORIGINS)[number];

/**
 * One tool call as the policy sees it, without config, clock or session. What an approval, a policy test and a replay
 * decide on is this same record. `null` is "not said".
 */
export interface ToolCallAsk {
  readonly actor: string;
  /** The key that asked: its id, roles and scopes at that time. */
  readonly principal: {
    readonly key_id: string;
    readonly roles: readonly Role[];
    readonly scopes: readonly string[];
  };
  readonly tool: string;
  readonly args: JsonObject;
  /** The envelope's constraints, already narrowed by the request's headers. */
  readonly constraints: Constraints;
  readonly session: string;
  readonly task: string | null;
  readonly intent: string | null;
  readonly confidence: number | null;
  readonly user: string | null;
  /** Says nothing where no user is named. */
  readonly user_origin: UserOrigin;
  /** The task in the user's words, as the caller says: free text of a stranger. */
  readonly user_prompt: string | null;
  readonly release: string | null;
  /** Whether the caller says that its user confirmed. */
  readonly confirmed: boolean;
}
