// Reads what a call is decided on: the tenant's active config, and what every answer tells about its call.
import type { CallContext } from "../core/call.ts";
import type { ActiveConfig } from "../core/config/published.ts";
import { accept, refuse, type Outcome } from "../core/errors.ts";
import type { CallMeta } from "./admitted-call.ts";
import type { Ports } from "./ports.ts";

/** The facts of a call. Refuses `not_configured` while the tenant has published nothing: nothing would be allowed. */
export interface Facts {
  readonly config: Outcome<ActiveConfig>;
  readonly meta: CallMeta;
}

/** Reads the facts of a call from isolate memory, or from the edge copy when they are older than two seconds. */
export async function readFacts(ports: Ports, context: CallContext): Promise<Facts> {
  const config = await ports.configs.active(context.principal.tenant);
  return {
    config:
      config === undefined ? refuse("not_configured", "publish a config first with `PUT /v1/config`") : accept(config),
    meta: {
      traceId: context.trace.shown,
      session: context.session,
      policyVersion: config?.policyVersion,
      remainingUsd: null,
    },
  };
}
