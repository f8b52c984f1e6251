// Reads what a call is decided on: the tenant's active config, its kill switches, and what every answer tells about its call.
import type { CallContext } from "../core/call.ts";
import type { ActiveConfig } from "../core/config/published.ts";
import { accept, refuse, type Outcome } from "../core/errors.ts";
import type { Switch } from "../core/policy/switches.ts";
import type { Pointers } from "../core/release/sealed.ts";
import type { ListedBreaker } from "../core/state/breaker.ts";
import type { CallMeta } from "./call-meta.ts";
import type { ModelPorts } from "./ports.ts";

/** The facts of a call. The config refuses `not_configured` while the tenant has published nothing: nothing would be allowed. */
export interface Facts {
  readonly config: Outcome<ActiveConfig>;
  readonly switches: readonly Switch[];
  readonly breakers: readonly ListedBreaker[];
  readonly releases: Pointers;
  readonly meta: CallMeta;
}

/** Reads the facts of a call: config version and switches no older than the controls' bound. */
export async function readFacts(ports: ModelPorts, context: CallContext): Promise<Facts> {
  const { tenant } = context.principal;
  const { switches, breakers, releases } = await ports.controls.current(tenant);
  const config = await ports.configs.active(tenant);
  return {
    config:
      config === undefined ? refuse("not_configured", "publish a config first with `PUT /v1/config`") : accept(config),
    switches,
    breakers,
    releases,
    meta: {
      traceId: context.trace.shown,
      session: context.session,
      policyVersion: config?.policyVersion,
      remainingUsd: null,
    },
  };
}
