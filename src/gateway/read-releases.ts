// Sequences the reading of an agent's releases: what its config has, which are in use, how they differ, what was changed.
import type { PublishedConfig } from "../core/config/published.ts";
import { accept, refuse, type Outcome } from "../core/errors.ts";
import { compareReleases, type ReleaseDifference } from "../core/release/compare.ts";
import type { Pinned, ReleasePointer } from "../core/release/pointer.ts";
import { contentOf, policyDigest, resolveEntry, type ResolvedRelease } from "../core/release/release.ts";
import type { ReleaseChange } from "../core/state/tenant-releases.ts";
import type { Ports } from "./ports.ts";

/** An agent's releases as people see them. */
export interface AgentReleases {
  readonly agent: string;
  readonly pointer: ReleasePointer;
  readonly policyDigest: string;
  /** In the order of the config. */
  readonly releases: readonly ResolvedRelease[];
  /** Between live and canary; none without a canary. */
  readonly differs: readonly ReleaseDifference[];
  /** Newest first. */
  readonly history: readonly ReleaseChange[];
}

/** Reads an agent's releases from their owner; refuses `not_found` for an agent that the active config has not. */
export async function readReleases(
  ports: Pick<Ports, "configs" | "releases">,
  tenant: string,
  agent: string,
): Promise<Outcome<AgentReleases>> {
  const [config, { pointer, history }] = await Promise.all([
    ports.configs.current(tenant),
    ports.releases.read(tenant, agent),
  ]);
  if (config === undefined || pointer === null)
    return refuse("not_found", `no agent "${agent}" in the tenant's config`);
  const ids = Object.keys(config.document.agents[agent]?.releases ?? {});
  const { live, canary } = pointer;
  return accept({
    agent,
    pointer,
    policyDigest: policyDigest(config.document),
    releases: ids.flatMap((id) => resolveEntry(config, agent, id) ?? []),
    differs: canary === null ? [] : differing(config, agent, [live, canary]),
    history,
  });
}

function differing(
  config: PublishedConfig,
  agent: string,
  [live, canary]: readonly [Pinned, Pinned],
): readonly ReleaseDifference[] {
  const contents = [live, canary].map(({ release }) => {
    const entry = config.document.agents[agent]?.releases[release];
    return entry === undefined ? undefined : contentOf(config, entry);
  });
  const [left, right] = contents;
  return left === undefined || right === undefined ? [] : compareReleases(left, right);
}
