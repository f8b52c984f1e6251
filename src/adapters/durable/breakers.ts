// Reaches a tenant's breakers: what failed is told at once, what went well rides along or is told in batches.
import type { KeyedReport } from "../../core/state/breaker.ts";
import type { System } from "../../gateway/ports.ts";
import type { Breakers, BreakerSample, ProbeAsk } from "../../gateway/ports/breakers.ts";
import type { DurableControls } from "./controls.ts";
import type { ObjectNamespace, RemoteTenantLedger } from "./rpc.ts";

/** Successes of one breaker that are kept before they are told. */
const BATCH = 20;
/** Breakers with untold successes per isolate; the oldest are dropped, and what they would have told with them. */
const MAX_PENDING = 1_024;
/** No answer waits longer than this for a breaker to have heard of it. */
const PATIENCE_MS = 1_000;

/** Breakers behind a Durable Object namespace, for one isolate. */
export class DurableBreakers implements Breakers {
  readonly #namespace: ObjectNamespace<RemoteTenantLedger>;
  readonly #controls: DurableControls;
  readonly #system: System;
  readonly #pending = new Map<string, { readonly successes: number; readonly slow: number }>();

  constructor(namespace: ObjectNamespace<RemoteTenantLedger>, controls: DurableControls, system: System) {
    this.#namespace = namespace;
    this.#controls = controls;
    this.#system = system;
  }

  async report(tenant: string, samples: readonly BreakerSample[]): Promise<void> {
    const due = samples.map((sample) => this.#count(tenant, sample));
    const isUrgent = samples.some((each) => each.hasFailed || each.probe !== null);
    if (!isUrgent && due.every(({ successes }) => successes < BATCH)) return;
    for (const { key } of due) this.#pending.delete(`${tenant}/${key}`);
    try {
      const telling = this.#namespace.getByName(tenant).report(due);
      const hasChanged = await Promise.race([telling, this.#system.wait(PATIENCE_MS).then(() => false)]);
      // Whoever learns that a breaker opened asks for the controls anew instead of going on for their bound.
      if (hasChanged) this.#controls.forget(tenant);
    } catch {
      // A report that does not arrive is one the breaker never hears of: calls go on as before.
    }
  }

  async probe(
    tenant: string,
    { key, settings, id, holdMs }: ProbeAsk,
  ): Promise<{ readonly retryAfterMs: number | null }> {
    const ask = { callId: id, slots: [], probes: [{ key, settings }], holdMs };
    try {
      const reply = await this.#namespace.getByName(tenant).grant("", [], [], ask);
      return { retryAfterMs: reply.type === "tool_unavailable" ? reply.retryAfterMs : null };
    } catch {
      return { retryAfterMs: PATIENCE_MS };
    }
  }

  async abandon(tenant: string, { key, id }: Pick<ProbeAsk, "key" | "id">): Promise<void> {
    try {
      await this.#namespace.getByName(tenant).release({ callId: id, slots: [], probes: [key] });
    } catch {
      // It ends by itself.
    }
  }

  /** What is to be told of a breaker so far, this sample included. */
  #count(tenant: string, { key, settings, hasFailed, isSlow, probe }: BreakerSample): KeyedReport {
    const id = `${tenant}/${key}`;
    const known = this.#pending.get(id) ?? { successes: 0, slow: 0 };
    const next = { successes: known.successes + (hasFailed ? 0 : 1), slow: known.slow + (isSlow ? 1 : 0) };
    this.#pending.delete(id);
    this.#pending.set(id, next);
    for (const oldest of this.#pending.keys()) {
      if (this.#pending.size <= MAX_PENDING) break;
      this.#pending.delete(oldest);
    }
    // A probe answers for itself alone.
    if (probe !== null)
      return { key, settings, successes: hasFailed ? 0 : 1, slow: isSlow ? 1 : 0, failures: hasFailed ? 1 : 0, probe };
    return { key, settings, ...next, failures: hasFailed ? 1 : 0, probe };
  }
}
