// Keeps calls away from providers whose breaker is open, and tells breakers what attempts came to.
import type { ProviderEntry } from "../../core/config/document.ts";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import { breakerSettings } from "../../core/policy/upstream.ts";
import type { Candidate } from "../../core/routing/plan.ts";
import type { BreakerSettings, ListedBreaker } from "../../core/state/breaker.ts";
import type { Defer, ModelPorts } from "../ports.ts";
import type { AttemptResult } from "./attempt.ts";

/** A probe ends in this time, or counts as abandoned. */
const PROBE_MS = 660_000;

interface Breaker {
  readonly key: string;
  readonly settings: BreakerSettings;
}

/** The providers of one call as its tenant's breakers see them. */
export class ProviderHealth {
  readonly #ports: ModelPorts;
  readonly #tenant: string;
  readonly #listed: readonly ListedBreaker[];
  readonly #defer: Defer;
  /** Who probes: one call asks for at most one probe per provider. */
  readonly #probes = new Map<string, string>();

  constructor(
    ports: ModelPorts,
    tenant: string,
    around: { readonly breakers: readonly ListedBreaker[]; readonly defer: Defer },
  ) {
    this.#ports = ports;
    this.#tenant = tenant;
    this.#listed = around.breakers;
    this.#defer = around.defer;
  }

  /** Whether a candidate may be asked now; a half-open breaker is asked for leave, which is one more hop, and only then. */
  async mayAsk({ model }: Candidate): Promise<Outcome<null>> {
    const breaker = breakerOf(model.providerName, model.provider);
    const listed = breaker === undefined ? undefined : this.#listed.find(({ key }) => key === breaker.key);
    if (breaker === undefined || listed === undefined || this.#probes.has(breaker.key)) return accept(null);
    const now = this.#ports.system.now();
    if (now < listed.until) return unavailable(model.providerName, listed.until - now);
    const probe = this.#ports.system.randomHex(8);
    const taken = await this.#ports.breakers.probe(this.#tenant, { ...breaker, id: probe, holdMs: PROBE_MS });
    if (taken.retryAfterMs !== null) return unavailable(model.providerName, taken.retryAfterMs);
    this.#probes.set(breaker.key, probe);
    return accept(null);
  }

  /** Tells the provider's breaker what an attempt came to; what is the caller's own fault or refusal is not told. */
  tell({ model }: Candidate, result: AttemptResult, durationMs: number): void {
    const breaker = breakerOf(model.providerName, model.provider);
    const isFault = faultOf(result);
    if (isFault === undefined) return this.abandon({ model });
    if (breaker === undefined) return;
    const { key, settings } = breaker;
    const sample = {
      key,
      settings,
      hasFailed: isFault,
      isSlow: settings.slowMs !== null && durationMs >= settings.slowMs,
      probe: this.#probes.get(key) ?? null,
    };
    this.#probes.delete(key);
    this.#defer(this.#ports.breakers.report(this.#tenant, [sample]));
  }

  /** Gives leave to probe back where nothing was found out. */
  abandon({ model: { providerName } }: Pick<Candidate, "model">): void {
    const key = `provider:${providerName}`;
    const id = this.#probes.get(key);
    if (id === undefined) return;
    this.#probes.delete(key);
    this.#defer(this.#ports.breakers.abandon(this.#tenant, { key, id }));
  }
}

/** Whether an attempt was the provider's failure; `undefined` where it says nothing about the provider. */
function faultOf(result: AttemptResult): boolean | undefined {
  if (result.type === "stream") return false;
  const verdict = result.type === "failed" ? result.failure.verdict : result.verdict;
  if (verdict === undefined) return false;
  if (result.type === "failed" && (result.failure.stop === "caller_left" || result.failure.stop === "halted"))
    return undefined;
  return verdict.isFault ? true : undefined;
}

function breakerOf(name: string, { breaker }: ProviderEntry): Breaker | undefined {
  return breaker === undefined ? undefined : { key: `provider:${name}`, settings: breakerSettings(breaker) };
}

function unavailable(name: string, retryAfterMs: number): Outcome<never> {
  const retryAfterS = Math.max(1, Math.ceil(retryAfterMs / 1000));
  return refuse(
    "provider_unavailable",
    `provider "${name}" keeps failing and is left alone; try again in ${retryAfterS} s`,
    {
      retryAfterS,
    },
  );
}
