// Sequences a config's life: check, publish against the version that was read, list.
import { checkConfig, type PriceBook, type Surroundings } from "../core/config/check.ts";
import type { PublishedConfig } from "../core/config/published.ts";
import { accept, refuse, type Outcome } from "../core/errors.ts";
import { digestOf } from "../core/json/digest.ts";
import type { Principal } from "../core/principal.ts";
import type { Ports } from "./ports.ts";

/** What the deployment offers to configs: prices, service bindings, and whether private hosts may be targets. */
export interface Deployment {
  readonly priceBook: PriceBook;
  readonly services: readonly string[];
  readonly allowPrivateEgress: boolean;
}

/** A candidate that passed every check, ready to be stored. */
export type CheckedConfig = Omit<PublishedConfig, "version" | "published_at">;

/** Checks a candidate without publishing; refuses `invalid_config` with every mistake at once. */
export async function checkCandidate(
  ports: Ports,
  deployment: Deployment,
  principal: Principal,
  candidate: unknown,
): Promise<Outcome<CheckedConfig>> {
  const { tenant } = principal;
  const around: Surroundings = { ...deployment, secrets: await ports.secrets.names(tenant) };
  const checked = checkConfig(candidate, around);
  if (!checked.ok) {
    const count = checked.mistakes.length;
    return refuse("invalid_config", `${count} mistake${count === 1 ? "" : "s"} in the config document`, {
      mistakes: checked.mistakes,
    });
  }
  return accept({
    tenant,
    digest: digestOf({ document: checked.document, prices: checked.prices }),
    published_by: principal.keyId,
    document: checked.document,
    prices: checked.prices,
  });
}

/**
 * Publishes a candidate as the next version, if the version its author read is still the active one.
 * `expected` is that version (0 when nothing was published); refuses `precondition_failed` when it is not.
 */
export async function publishCandidate(
  ports: Ports,
  deployment: Deployment,
  principal: Principal,
  publication: { readonly candidate: unknown; readonly expected: number },
): Promise<Outcome<PublishedConfig>> {
  const checked = await checkCandidate(ports, deployment, principal, publication.candidate);
  return checked.ok ? ports.configs.publish(checked.value, publication.expected) : checked;
}
