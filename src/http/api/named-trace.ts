// Decides which trace of which tenant a request's path names.
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import { readTraceId, type TraceId } from "../../core/units/identifier.ts";
import type { HttpContext } from "../context.ts";
import { pathParameter } from "./route.ts";
import { tenantOf } from "./tenant.ts";

/** A trace as it was asked for. */
export interface NamedTrace {
  readonly tenant: string;
  readonly trace: TraceId;
  /** The id as it stands in the path. */
  readonly asked: string;
}

/** The trace that the path's `id` names. Refuses as `tenantOf` does, and `invalid_request` for what is no trace id. */
export async function namedTrace(c: HttpContext): Promise<Outcome<NamedTrace>> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return tenant;
  const asked = pathParameter(c, "id");
  const trace = readTraceId(tenant.value, asked);
  return trace === undefined
    ? refuse("invalid_request", "trace id: expected `tr_` and 32 hex digits")
    : accept({ tenant: tenant.value, trace, asked });
}
