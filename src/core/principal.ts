// Decides who a caller is allowed to be: roles to permissions, keys to actors, scopes by intersection.
import { accept, refuse, type Outcome } from "./errors.ts";

/** The roles a key can carry. */
export const ROLES = ["agent", "operator", "approver", "auditor", "admin"] as const;

/** One role of a key. */
export type Role = (typeof ROLES)[number];

/** What a route needs of its caller. */
export type Permission =
  | "call"
  | "calls.read"
  | "calls.undo"
  | "calls.resolve"
  | "sessions.read"
  | "config.read"
  | "config.write"
  | "traces.read"
  | "traces.write"
  | "traces.reveal"
  | "traces.erase"
  | "traces.redrive"
  | "audit.read"
  | "reports.read"
  | "keys.write"
  | "approvals.read"
  | "approvals.decide"
  | "approvals.withdraw"
  | "sessions.write"
  | "switches.read"
  | "switches.write"
  | "releases.read"
  | "releases.write"
  | "evals.read"
  | "evals.write"
  | "evals.label"
  | "mcp.read"
  | "mcp.write"
  | "tenants.write";

/** The authenticated caller: one key of one tenant. */
export interface Principal {
  readonly tenant: string;
  readonly keyId: string;
  readonly roles: readonly Role[];
  readonly scopes: readonly string[];
  /** Actors the key may act as; `*` stands for every actor of the tenant. */
  readonly actors: readonly string[];
  /** The deployment's root key: creates tenants and keys, acts on any tenant it names. */
  readonly isRoot: boolean;
}

const GRANTS: Readonly<Record<Role, readonly Permission[]>> = {
  agent: ["call", "calls.read", "calls.undo", "sessions.read", "approvals.withdraw", "traces.write"],
  operator: [
    "calls.read",
    "calls.undo",
    "calls.resolve",
    "sessions.read",
    "sessions.write",
    "config.read",
    "traces.read",
    "traces.write",
    "traces.redrive",
    "audit.read",
    "reports.read",
    "approvals.read",
    "approvals.decide",
    "approvals.withdraw",
    "switches.read",
    "switches.write",
    "releases.read",
    "releases.write",
    "evals.read",
    "evals.write",
    "evals.label",
    "mcp.read",
    "mcp.write",
  ],
  approver: [
    "calls.read",
    "sessions.read",
    "traces.read",
    "reports.read",
    "approvals.read",
    "approvals.decide",
    "switches.read",
    "releases.read",
    "evals.read",
    "evals.label",
    "mcp.read",
  ],
  auditor: [
    "calls.read",
    "sessions.read",
    "config.read",
    "traces.read",
    "traces.reveal",
    "audit.read",
    "reports.read",
    "approvals.read",
    "switches.read",
    "releases.read",
    "evals.read",
    "evals.label",
    "mcp.read",
  ],
  admin: [
    "calls.read",
    "sessions.read",
    "sessions.write",
    "config.read",
    "config.write",
    "traces.read",
    "traces.erase",
    "traces.redrive",
    "audit.read",
    "reports.read",
    "keys.write",
    "approvals.read",
    "switches.read",
    "switches.write",
    "releases.read",
    "releases.write",
    "evals.read",
    "evals.write",
    "mcp.read",
    "mcp.write",
  ],
};

/** Whether the principal's roles grant a permission; the root key has those of admin and may create tenants. */
export function hasPermission(principal: Principal, permission: Permission): boolean {
  if (principal.isRoot) return permission === "tenants.write" || GRANTS.admin.includes(permission);
  return principal.roles.some((role) => GRANTS[role].includes(permission));
}

/** The roles that would grant a permission, for an error that says what is missing. */
export function rolesGranting(permission: Permission): readonly Role[] {
  return ROLES.filter((role) => GRANTS[role].includes(permission));
}

/** Whether the key may act as this actor. */
export function mayActAs(principal: Principal, actor: string): boolean {
  return principal.actors.includes("*") || principal.actors.includes(actor);
}

/**
 * The actor a call runs as: the one named, if the key may be it; else the key's only actor.
 * Refuses `actor_forbidden` for an actor the key does not list, `invalid_request` when none is named and the
 * key could be several.
 */
export function resolveActor(principal: Principal, named: string | undefined): Outcome<string> {
  if (named !== undefined && named !== "") {
    return mayActAs(principal, named)
      ? accept(named)
      : refuse("actor_forbidden", `this key may not act as "${named}"; it lists ${listOf(principal.actors)}`);
  }
  const only = principal.actors[0];
  if (principal.actors.length === 1 && only !== undefined && only !== "*") return accept(only);
  return refuse("invalid_request", "no actor named: send `Interlock-Actor` (or `actor` in the envelope)", {
    mistakes: [{ path: "actor", message: `expected one of ${listOf(principal.actors)}` }],
  });
}

/** The scopes a call really has: those of the key that the actor has too (`*` on either side stands for all). */
export function effectiveScopes(
  principal: Pick<Principal, "scopes">,
  actorScopes: readonly string[],
): readonly string[] {
  if (principal.scopes.includes("*")) return actorScopes;
  if (actorScopes.includes("*")) return principal.scopes;
  return principal.scopes.filter((scope) => actorScopes.includes(scope));
}

function listOf(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.map((name) => `"${name}"`).join(", ");
}
