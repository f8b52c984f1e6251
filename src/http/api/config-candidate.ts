// Reads what routes that take a candidate config are given: the document, whose it is, and the version its author saw.
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import type { Principal } from "../../core/principal.ts";
import type { HttpContext } from "../context.ts";
import { readBodyJson } from "../middleware/body.ts";
import { tenantOf } from "./tenant.ts";

/** A body as a candidate document, unchecked, and the caller as the tenant's. */
export async function readCandidate(
  c: HttpContext,
): Promise<Outcome<{ readonly principal: Principal; readonly candidate: unknown }>> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return tenant;
  const body = await readBodyJson(c);
  return body.ok ? accept({ principal: { ...c.var.principal, tenant: tenant.value }, candidate: body.value }) : body;
}

/** The version in `If-Match`; needed unless nothing is published yet. */
export async function expectedVersion(c: HttpContext, tenant: string): Promise<Outcome<number>> {
  const header = c.req.header("if-match");
  const match = header === undefined ? null : /^(?:W\/)?"?(\d{1,9})"?$/.exec(header.trim());
  if (match !== null) return accept(Number(match[1]));
  const current = (await c.var.runtime.ports.configs.current(tenant))?.version ?? 0;
  if (header?.trim() === "*") return accept(current);
  if (header !== undefined)
    return refuse("invalid_request", "If-Match: expected the `ETag` of a config version", {
      mistakes: [{ path: "If-Match", message: 'expected a version such as "3"' }],
    });
  return current === 0
    ? accept(0)
    : refuse(
        "precondition_required",
        `version ${current} is active: send its \`ETag\` in If-Match, so that nobody's change is overwritten unseen`,
      );
}
