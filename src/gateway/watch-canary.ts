// Sequences the watch over canaries: what their sessions show, and the end of one that is surely worse.
import type { WatchEntry } from "../core/config/release-document.ts";
import { accept, refuse, type Outcome } from "../core/errors.ts";
import { compareArms, type CanaryLook } from "../core/eval/canary/compare-arms.ts";
import { moveRelease } from "./move-release.ts";
import type { Ports, Recorder } from "./ports.ts";
import type { WatchRow } from "./ports/canaries.ts";

/** A session that was quiet for this long counts, in milliseconds. */
const QUIET_MS = 15 * 60_000;
/** A canary that runs longer is compared on its last days, in milliseconds. */
const LONGEST_MS = 30 * 86_400_000;

/** An agent whose canary is watched. */
export interface WatchedAgent {
  readonly tenant: string;
  readonly agent: string;
  readonly terms: WatchEntry;
}

/**
 * Looks at an agent's canary, keeps what was seen, and ends the canary when it is surely worse and the terms say so: by
 * the same way as people do, only while the pointer is the one that was looked at. Nothing where no canary runs.
 */
export async function watchCanary(
  ports: Ports,
  { tenant, agent, terms }: WatchedAgent,
  recorder: Recorder,
): Promise<CanaryLook | null> {
  const { pointer, history } = await ports.releases.read(tenant, agent);
  if (pointer === null || pointer.canary === null) return null;
  const { live, canary } = pointer;
  const now = ports.system.now();
  const began = history
    .filter((change) => change.generation >= canary.since)
    .reduce((first, change) => Math.min(first, change.at), now);
  const [before, after] = await ports.canaries.figures(tenant, {
    releases: [live.release, canary.release],
    from: Math.max(began, now - LONGEST_MS),
    to: now - QUIET_MS,
    good: terms.good,
  });
  const look = compareArms(before, after, terms, canary.weight);
  const row: WatchRow = {
    tenant,
    agent,
    generation: canary.since,
    release: canary.release,
    live: live.release,
    status: look.state === "worse" ? "worse" : "watching",
    startedAt: began,
    lookedAt: now,
    evidence: look,
  };
  await ports.canaries.keep(row);
  if (look.state !== "worse" || !terms.rollback) return look;
  const moved = await moveRelease(
    ports,
    tenant,
    {
      agent,
      type: "rollback",
      release: null,
      weight: null,
      expected: pointer.generation,
      by: "gateway",
      reason: look.says.slice(0, 500),
      watch: {
        type: "watch",
        metrics: look.comparisons.filter((each) => each.is_worse).map(({ metric }) => metric),
        sessions: after.sessions,
      },
    },
    recorder,
  );
  if (moved.ok) {
    await ports.canaries.keep({ ...row, status: "ended" });
    await tell(ports, { tenant, agent, look });
  }
  return look;
}

async function tell(
  ports: Ports,
  { tenant, agent, look }: { readonly tenant: string; readonly agent: string; readonly look: CanaryLook },
): Promise<void> {
  const config = await ports.configs.active(tenant);
  const alerts = config?.published.document.trace.alerts;
  if (config === undefined || alerts === undefined) return;
  await ports.webhooks.deliver({
    tenant,
    url: alerts.webhook,
    secret: alerts.secret,
    id: `msg_${ports.system.randomHex(12)}`,
    body: { type: "canary.ended", timestamp: new Date(ports.system.now()).toISOString(), data: { agent, ...look } },
    allowedHosts: config.published.document.egress.allow,
  });
}

/** Looks after every canary of every tenant whose config says so; one that fails is reported and stops no other. */
export async function watchCanaries(ports: Ports, recorder: Recorder): Promise<void> {
  for (const tenant of await ports.tenants.ids()) {
    const config = await ports.configs.active(tenant);
    for (const [agent, { watch: terms }] of Object.entries(config?.published.document.agents ?? {})) {
      if (terms === undefined) continue;
      await watchCanary(ports, { tenant, agent, terms }, recorder).catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : "unknown";
        console.error(JSON.stringify({ event: "canary_watch_failed", tenant, agent, reason }));
      });
    }
  }
}

/** What is compared between two releases of the tenant's choosing. */
export interface CompareAsk {
  readonly tenant: string;
  readonly agent: string;
  readonly releases: readonly [string, string];
  readonly from: number;
  readonly to: number;
}

const DEFAULT_TERMS: WatchEntry = {
  metrics: ["errors", "denials", "good_outcomes", "cost", "latency"],
  alpha: 0.05,
  min_sessions: 100,
  good: ["resolved"],
  margin: 0,
  rollback: false,
};

/** Two releases of an agent compared on the sessions of a window, as a canary is. Refuses `not_found` for an agent or a release that the config has not. */
export async function compareReleases(
  ports: Ports,
  { tenant, agent, releases, from, to }: CompareAsk,
): Promise<Outcome<CanaryLook>> {
  const config = await ports.configs.current(tenant);
  const entry = config?.document.agents[agent];
  if (entry === undefined) return refuse("not_found", `no agent "${agent}" in the tenant's config`);
  const missing = releases.find((release) => !Object.hasOwn(entry.releases, release));
  if (missing !== undefined) return refuse("not_found", `agent "${agent}" has no release "${missing}"`);
  const terms = { ...(entry.watch ?? DEFAULT_TERMS), metrics: DEFAULT_TERMS.metrics };
  const [first, second] = await ports.canaries.figures(tenant, { releases, from, to, good: terms.good });
  return accept(compareArms(first, second, terms, 0));
}
