// Decides which tenant an administrative request is about: the key's own, or the one the root key names.
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import type { HttpContext } from "../context.ts";

/** The request's tenant. A tenant's key has one; the root key names it in `Interlock-Tenant`, in `tenant`, or falls back to `ROOT_TENANT`. */
export async function tenantOf(c: HttpContext, inBody?: string): Promise<Outcome<string>> {
  const { principal, runtime } = c.var;
  const named = inBody ?? c.req.header("interlock-tenant") ?? c.req.query("tenant");
  if (!principal.isRoot) {
    return named === undefined || named === principal.tenant
      ? accept(principal.tenant)
      : refuse("role_missing", `this key belongs to tenant "${principal.tenant}"`);
  }
  const tenant = named ?? runtime.rootTenant;
  if (tenant === undefined)
    return refuse("invalid_request", "name the tenant in `Interlock-Tenant`: the root key belongs to none", {
      mistakes: [{ path: "Interlock-Tenant", message: "expected a tenant id" }],
    });
  return (await runtime.ports.tenants.exists(tenant)) ? accept(tenant) : refuse("not_found", `no tenant "${tenant}"`);
}
