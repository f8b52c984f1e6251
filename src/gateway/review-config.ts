// Sequences the review of a config change: what differs from the active version, in words and at the edges of its constants.
import { diffConfigs, type ConfigChange } from "../core/config/diff.ts";
import { ActiveConfig, unpublished, type PublishedConfig } from "../core/config/published.ts";
import { accept, invalidConfig, refuse, type Mistake, type Outcome } from "../core/errors.ts";
import { diffBoundaries, type BoundaryDiff } from "../core/policy/analysis/boundary-diff.ts";
import type { Principal } from "../core/principal.ts";
import type { Ports } from "./ports.ts";
import { checkCandidate, type Deployment } from "./publish-config.ts";

/** How one version differs from another. */
export interface ConfigReview {
  readonly diff: readonly ConfigChange[];
  readonly boundaries: BoundaryDiff;
}

/** A candidate that may be published, and what publishing it would change. */
export interface CheckedReview extends ConfigReview {
  readonly digest: string;
  readonly warnings: readonly Mistake[];
}

/** Checks a candidate and compares it with the active version; refuses `invalid_config` with every mistake at once. */
export async function reviewCandidate(
  ports: Pick<Ports, "secrets" | "configs" | "releases">,
  deployment: Deployment,
  principal: Principal,
  candidate: unknown,
): Promise<Outcome<CheckedReview>> {
  const active = await ports.configs.current(principal.tenant);
  const checked = await checkCandidate(ports, deployment, principal, { candidate, active });
  if (!checked.ok) return checked;
  const { digest, document, rules } = checked.value.candidate;
  const released = await ports.releases.review(principal.tenant, document);
  if (released.mistakes.length > 0) return invalidConfig(released.mistakes);
  const warnings = [...checked.value.warnings, ...released.warnings];
  return accept({ digest, warnings, ...review(active, unpublished(document, rules)) });
}

/** Compares two published versions; the active one and the one before it where none is named. */
export async function compareVersions(
  ports: Pick<Ports, "configs">,
  tenant: string,
  asked: { readonly from?: number; readonly to?: number },
): Promise<Outcome<ConfigReview & { readonly from: number; readonly to: number }>> {
  const after =
    asked.to === undefined ? await ports.configs.current(tenant) : await ports.configs.version(tenant, asked.to);
  if (after === undefined)
    return refuse("not_found", asked.to === undefined ? "nothing is published yet" : `no config version ${asked.to}`);
  const from = asked.from ?? after.version - 1;
  const before = from === 0 ? undefined : await ports.configs.version(tenant, from);
  if (before === undefined && from !== 0) return refuse("not_found", `no config version ${from}`);
  return accept({ from, to: after.version, ...review(before, new ActiveConfig(after)) });
}

function review(before: PublishedConfig | undefined, after: ActiveConfig): ConfigReview {
  const diff = diffConfigs(before?.document, after.published.document);
  const boundaries =
    before === undefined
      ? { changes: [], probes: 0, truncated: false }
      : diffBoundaries(new ActiveConfig(before), after);
  return { diff, boundaries };
}
