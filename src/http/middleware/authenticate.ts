// Decides who calls: reads the API key from the request and finds its principal.
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import { hasPermission, rolesGranting, type Permission, type Principal } from "../../core/principal.ts";
import type { HttpContext } from "../context.ts";

/** An authenticated caller and the text of its key, which must never be recorded. */
export interface Authenticated {
  readonly principal: Principal;
  readonly credential: string;
}

/**
 * Finds the principal of `Authorization: Bearer …` or `x-api-key`, and where Google's clients send it: `x-goog-api-key`, on
 * Gemini's paths also `?key=`. Refuses `unauthenticated` without one.
 */
export async function authenticate(c: HttpContext): Promise<Outcome<Authenticated>> {
  const credential = credentialOf(c);
  if (credential === undefined)
    return refuse("unauthenticated", "send an API key in `Authorization: Bearer …` or `x-api-key`");
  const principal = await c.var.runtime.ports.keys.find(credential);
  if (principal === undefined) return refuse("unauthenticated", "this API key is not known, or was revoked");
  return accept({ principal, credential });
}

/** Whether the caller may do this; refuses `role_missing` with the roles that could. */
export function authorize(principal: Principal, permission: Permission): Outcome<Principal> {
  if (hasPermission(principal, permission)) return accept(principal);
  const roles = rolesGranting(permission);
  const who =
    roles.length === 0
      ? "the deployment's root key"
      : `a key with role ${roles.map((role) => `"${role}"`).join(" or ")}`;
  return refuse(
    "role_missing",
    `this needs ${who}; this key has ${principal.roles.map((role) => `"${role}"`).join(", ") || "no role"}`,
  );
}

/** Where Google's clients may put their key into the address. */
const GEMINI_PATHS = /^\/v1(?:beta)?\/models(?:\/|$)/;

function credentialOf(c: HttpContext): string | undefined {
  return bearerOf(c) ?? c.req.header("x-api-key") ?? googleKey(c);
}

/** What stands in `Authorization: Bearer …` (RFC 6750 s2.1). */
export function bearerOf(c: HttpContext): string | undefined {
  return /^bearer\s+(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
}

/** A key where Google's clients put it. In an address others may have seen it: it is read there, and goes nowhere from there. */
function googleKey(c: HttpContext): string | undefined {
  return c.req.header("x-goog-api-key") ?? (GEMINI_PATHS.test(c.req.path) ? c.req.query("key") : undefined);
}
