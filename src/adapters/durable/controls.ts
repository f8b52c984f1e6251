// Reaches a tenant's controls: active version and kill switches, kept in the isolate for less than the stated bound.
import { GatewayFault } from "../../core/errors.ts";
import type { Controls as TenantControls } from "../../core/state/tenant-ledger.ts";
import type { Controls, System } from "../../gateway/ports.ts";
import type { ObjectNamespace, RemoteTenantLedger } from "./rpc.ts";

/** Controls younger than this are used without a question. */
const FRESH_MS = 500;
/** Controls older than this are never used: with the time a call takes to begin, a switch bites within two seconds. */
const BOUND_MS = 1_000;
/** Tenants whose controls are kept per isolate; the least recently read leaves first. */
const MAX_CACHED = 1_024;

interface Cached {
  readonly controls: TenantControls;
  /** When the question was sent, so that the age is never understated. */
  readonly askedAt: number;
  /** Whether one call is asking again already: those beside it need not. */
  isAsking: boolean;
}

/** Controls behind a Durable Object namespace, for one isolate. `forget` drops what is known after a change made here. */
export class DurableControls implements Controls {
  readonly #namespace: ObjectNamespace<RemoteTenantLedger>;
  readonly #system: System;
  readonly #cache = new Map<string, Cached>();

  constructor(namespace: ObjectNamespace<RemoteTenantLedger>, system: System) {
    this.#namespace = namespace;
    this.#system = system;
  }

  async current(tenant: string): Promise<TenantControls> {
    const known = this.#cache.get(tenant);
    const age = known === undefined ? Infinity : this.#system.now() - known.askedAt;
    if (known !== undefined && (age < FRESH_MS || (age < BOUND_MS && known.isAsking))) return known.controls;
    if (known !== undefined) known.isAsking = true;
    return this.#ask(tenant);
  }

  /** Makes the next call ask again. */
  forget(tenant: string): void {
    this.#cache.delete(tenant);
  }

  async #ask(tenant: string): Promise<TenantControls> {
    const askedAt = this.#system.now();
    let controls: TenantControls;
    try {
      controls = await this.#namespace.getByName(tenant).controls();
    } catch (error) {
      throw new GatewayFault("control_plane_down", "the tenant's switches and config version cannot be read", error);
    }
    const known = this.#cache.get(tenant);
    // Answers may overtake each other; the one asked last stands.
    if (known === undefined || known.askedAt <= askedAt) {
      this.#cache.delete(tenant);
      this.#cache.set(tenant, { controls, askedAt, isAsking: false });
    }
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= MAX_CACHED) break;
      this.#cache.delete(oldest);
    }
    return controls;
  }
}
