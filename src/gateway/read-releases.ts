// Sequences the reading of an agent's releases: what its config has, which are in use, how they differ, what was changed.
import type { PublishedConfig } from "../core/config/published.ts";
import { accept, refuse, type Outcome } from "../core/errors.ts";
import { judgeEvidence, neededSuites, type JudgedEvidence } from "../core/release/evidence.ts";
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
  /** Per release, how it stands with the evidence that the config asks for; none where it asks for none. */
  readonly evidence: ReadonlyMap<string, JudgedEvidence>;
  /** Newest first. */
  readonly history: readonly ReleaseChange[];
}

/** Reads an agent's releases from their owner; refuses `not_found` for an agent that the active config has not. */
export async function readReleases(
  ports: Pick<Ports, "configs" | "releases" | "evidence" | "system">,
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
  const releases = ids.flatMap((id) => resolveEntry(config, agent, id) ?? []);
  return accept({
    agent,
    pointer,
    policyDigest: policyDigest(config.document),
    releases,
    differs: canary === null ? [] : differing(config, agent, [live, canary]),
    evidence: await evidenceOf(ports, config, releases),
    history,
  });
}

async function evidenceOf(
  { evidence, system }: Pick<Ports, "evidence" | "system">,
  { tenant, document }: PublishedConfig,
  releases: readonly ResolvedRelease[],
): Promise<ReadonlyMap<string, JudgedEvidence>> {
  const agent = releases[0]?.agent ?? "";
  const suites = neededSuites(document, agent);
  if (suites.length === 0) return new Map();
  const runs = await evidence.latest(tenant, { agent, digests: releases.map(({ digest }) => digest), suites });
  const now = system.now();
  return new Map(
    releases.map(({ id, digest }) => {
      const pinned = { release: id, digest };
      const own = runs.filter((run) => run.digest === digest);
      return [id, judgeEvidence(document, { agent, pinned }, own, now)];
    }),
  );
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
