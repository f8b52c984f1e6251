// Sequences the comparison of two releases of an agent on the sessions of a window that somebody chose.
import { accept, refuse, type Outcome } from "../core/errors.ts";
import { compareArms, WATCH_METRICS, type CanaryLook } from "../core/eval/canary/compare-arms.ts";
import type { Ports } from "./ports.ts";

/** What is compared. Times are epoch milliseconds. */
export interface CompareAsk {
  readonly tenant: string;
  readonly agent: string;
  /** What is compared with, then what is compared. */
  readonly releases: readonly [string, string];
  readonly from: number;
  /** Excluded. */
  readonly to: number;
}

/** A comparison, and what it was made of. */
export interface ComparedReleases extends CanaryLook {
  /** Sessions that had calls of both, which are left out. */
  readonly mixed: number;
  readonly calls: number;
  /** Whether the window has more calls than were read: the first ones are compared. */
  readonly is_cut: boolean;
}

/** By what releases are compared where the config does not say how canaries are. */
const DEFAULT_TERMS = { alpha: 0.05, min_sessions: 100, good: ["resolved"], margin: 0 } as const;

/**
 * Compares two releases of an agent on every metric, by the terms of its `watch` where it has them. The tests are those of
 * a canary; they keep their promise only for a window and releases that were chosen before anybody looked. Refuses
 * `not_found` for an agent or a release that the active config has not.
 */
export async function compareReleases(
  ports: Pick<Ports, "configs" | "canaries">,
  { tenant, agent, releases, from, to }: CompareAsk,
): Promise<Outcome<ComparedReleases>> {
  const agents = (await ports.configs.current(tenant))?.document.agents ?? {};
  const entry = Object.hasOwn(agents, agent) ? agents[agent] : undefined;
  if (entry === undefined) return refuse("not_found", `no agent "${agent}" in the tenant's config`);
  const missing = releases.find((release) => !Object.hasOwn(entry.releases, release));
  if (missing !== undefined) return refuse("not_found", `agent "${agent}" has no release "${missing}"`);
  const { alpha, min_sessions, good, margin } = entry.watch ?? DEFAULT_TERMS;
  const question = { releases, from, to, quietAt: to, drawnFrom: from, good };
  const { arms, mixed, calls, isFull } = await ports.canaries.figures(tenant, question);
  const terms = { metrics: WATCH_METRICS, alpha, min_sessions, margin, weight: null };
  return accept({ ...compareArms(...arms, terms), mixed, calls, is_cut: isFull });
}
