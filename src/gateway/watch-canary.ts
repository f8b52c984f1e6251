// Sequences the watch of canaries: looks at each, keeps what was seen, ends what is surely worse, and tells people once.
import { alphaOfWindow, compareArms } from "../core/eval/canary/compare-arms.ts";
import type { WatchEntry } from "../core/config/release-document.ts";
import { sha256Hex } from "../core/json/digest.ts";
import type { Canary, ReleasePointer } from "../core/release/pointer.ts";
import type { ReleaseChange } from "../core/state/tenant-releases.ts";
import { moveRelease } from "./move-release.ts";
import type { Ports, Recorder } from "./ports.ts";
import type { KeptLook, WatchRow } from "./ports/canaries.ts";

/** A session that was quiet for this long counts, in milliseconds. */
const QUIET_MS = 15 * 60_000;
/** A change of a weight is everywhere within this, in milliseconds. */
const EVERYWHERE_MS = 2_000;
/** A window that has lasted so long is followed by another one, in milliseconds: what is compared is not yet erased. */
const LONGEST_MS = 14 * 86_400_000;
/** Nobody is told any more of a canary that was last looked at this long ago, in milliseconds. */
const TOLD_WITHIN_MS = 3 * 86_400_000;

/** An agent whose canaries are watched. */
export interface WatchedAgent {
  readonly tenant: string;
  readonly agent: string;
  readonly terms: WatchEntry;
}

/**
 * Looks at an agent's canary, keeps what was seen, and ends the canary when it is surely worse and the terms say so: by
 * the same way as people do, only while the pointer is the one that was looked at, and never what is live. People are told
 * once that it is worse, and once that its sessions are not split as they were drawn; who does not answer is told again in
 * the next run, under the same id. Answers what is kept of the newest canary; `null` where none was ever looked at.
 */
export async function watchCanary(ports: Ports, watched: WatchedAgent, recorder: Recorder): Promise<WatchRow | null> {
  const { tenant, agent } = watched;
  const [{ pointer, history }, [last]] = await Promise.all([
    ports.releases.read(tenant, agent),
    ports.canaries.watches(tenant, agent, 1),
  ]);
  const runs = lookingAt(pointer, history, last);
  if (last !== undefined && runs?.before === undefined) await closeWatch(ports, watched, { row: last, history });
  if (runs === null) return last ?? null;
  const row = await look(ports, watched, runs);
  await ports.canaries.keep(row);
  const mayEnd = row.status === "worse" && watched.terms.rollback;
  const isEnded = mayEnd && (await end(ports, watched, { row, pointer: runs.pointer }, recorder));
  const over: WatchRow = isEnded ? { ...row, status: "ended" } : row;
  if (isEnded) await ports.canaries.keep(over);
  return tell(ports, watched, over);
}

/** A canary that runs, since when, and what was kept of it. */
interface Looking {
  readonly pointer: ReleasePointer;
  readonly canary: Canary;
  readonly history: readonly ReleaseChange[];
  readonly began: number;
  readonly before: WatchRow | undefined;
}

function lookingAt(
  pointer: ReleasePointer | null,
  history: readonly ReleaseChange[],
  last: WatchRow | undefined,
): Looking | null {
  if (pointer === null || pointer.canary === null) return null;
  const { canary } = pointer;
  const named = last !== undefined && isNamed(last, canary) ? last : undefined;
  const began = beganAt(history, canary) ?? named?.startedAt ?? history.at(-1)?.at;
  if (began === undefined) return null;
  return { pointer, canary, history, began, before: named?.startedAt === began ? named : undefined };
}

function isNamed({ generation, release }: WatchRow, canary: Canary): boolean {
  return generation === canary.since && release === canary.release;
}

/** By the change that set it: the newest stands first, and very old ones are no longer shown. */
function beganAt(history: readonly ReleaseChange[], { since }: Canary): number | undefined {
  return history.find(({ generation }) => generation === since)?.at;
}

async function look(
  ports: Pick<Ports, "canaries" | "system">,
  { tenant, agent, terms }: WatchedAgent,
  { pointer: { live }, canary, history, began, before }: Looking,
): Promise<WatchRow> {
  const now = ports.system.now();
  const { window, from, ...told } = windowOf(before, began);
  const { arms, readTo, isFull, ...read } = await ports.canaries.figures(tenant, {
    releases: [live.release, canary.release],
    from,
    to: now,
    quietAt: now - QUIET_MS,
    // The newest change is the one that gave the canary its weight: every other one would have ended it.
    drawnFrom: (history[0]?.at ?? began) + EVERYWHERE_MS,
    good: terms.metrics.includes("good_outcomes") ? terms.good : [],
  });
  const alpha = alphaOfWindow(terms.alpha, window);
  const compared = compareArms(...arms, { ...terms, alpha, weight: canary.weight });
  const next = isFull ? readTo : now - from > LONGEST_MS ? now : null;
  return {
    tenant,
    agent,
    generation: canary.since,
    release: canary.release,
    live: live.release,
    status: compared.state === "worse" ? "worse" : "watching",
    startedAt: began,
    lookedAt: now,
    evidence: { ...compared, ...read, ...told, window, from, next_from: next },
  };
}

/** The window that is looked at now, and what people were told before. */
function windowOf(
  before: WatchRow | undefined,
  began: number,
): Pick<KeptLook, "window" | "from" | "told_worse" | "told_split"> {
  if (before === undefined) return { window: 1, from: began, told_worse: null, told_split: null };
  const { window, from, next_from, told_worse, told_split } = before.evidence;
  const told = { told_worse, told_split };
  return next_from === null ? { window, from, ...told } : { window: window + 1, from: next_from, ...told };
}

/** Ends a canary that was found worse; whether it did. Somebody who moved the releases meanwhile was first. */
async function end(
  ports: Ports,
  { tenant, agent }: WatchedAgent,
  { row, pointer }: { readonly row: WatchRow; readonly pointer: ReleasePointer },
  recorder: Recorder,
): Promise<boolean> {
  const { canary, says } = row.evidence;
  const metrics = row.evidence.metrics.filter((each) => each.state === "worse").map(({ id }) => id);
  const moved = await moveRelease(
    ports,
    tenant,
    {
      agent,
      // Of weight 0: whatever happens in between, it ends a canary and goes back to nothing.
      type: "canary",
      release: null,
      weight: 0,
      expected: pointer.generation,
      by: "gateway",
      reason: says.slice(0, 500),
      watch: { type: "watch", metrics, sessions: canary.sessions },
    },
    recorder,
  );
  return moved.ok && moved.value.change !== null;
}

/**
 * Notes that a canary is over, and tells what the run that ended it had not told yet. What people ended or promoted is
 * told of to nobody.
 */
async function closeWatch(
  ports: Ports,
  watched: WatchedAgent,
  { row, history }: { readonly row: WatchRow; readonly history: readonly ReleaseChange[] },
): Promise<void> {
  const over: WatchRow = { ...row, status: "ended" };
  if (row.status !== "ended") await ports.canaries.keep(over);
  const isOurs = history.some(({ grounds, at }) => grounds?.type === "watch" && at >= row.startedAt);
  if (isOurs && row.evidence.state === "worse" && ports.system.now() - row.lookedAt < TOLD_WITHIN_MS)
    await tell(ports, watched, over);
}

type Notice = "worse" | "split";

/** Tells people of what they were not told yet; answers the row as it is kept then. */
async function tell(ports: Ports, watched: WatchedAgent, row: WatchRow): Promise<WatchRow> {
  const { state, sample_ratio: split, told_worse, told_split } = row.evidence;
  const isWorse = state === "worse" && told_worse === null && (await deliver(ports, watched, { row, notice: "worse" }));
  const isSplit =
    split?.is_alarm === true && told_split === null && (await deliver(ports, watched, { row, notice: "split" }));
  if (!isWorse && !isSplit) return row;
  const now = ports.system.now();
  const evidence: KeptLook = {
    ...row.evidence,
    told_worse: isWorse ? now : told_worse,
    told_split: isSplit ? now : told_split,
  };
  const told: WatchRow = { ...row, evidence };
  await ports.canaries.keep(told);
  return told;
}

/** Delivers one notice; whether it was taken. Where the config names nobody, nobody is told. */
async function deliver(
  ports: Ports,
  { tenant, agent }: WatchedAgent,
  { row, notice }: { readonly row: WatchRow; readonly notice: Notice },
): Promise<boolean> {
  const config = await ports.configs.active(tenant);
  const alerts = config?.published.document.trace.alerts;
  if (config === undefined || alerts === undefined) return false;
  const { generation, release, live, status, startedAt, evidence } = row;
  const type = notice === "split" ? "canary.split" : status === "ended" ? "canary.ended" : "canary.worse";
  const name = sha256Hex(`canary\n${tenant}\n${agent}\n${generation}\n${startedAt}\n${notice}`);
  return ports.webhooks.deliver({
    tenant,
    url: alerts.webhook,
    secret: alerts.secret,
    id: `msg_${name.slice(0, 24)}`,
    body: {
      type,
      timestamp: new Date(ports.system.now()).toISOString(),
      data: { agent, release, live_release: live, generation, ...evidence, report: `/v1/agents/${agent}/canary` },
    },
    allowedHosts: config.published.document.egress.allow,
  });
}

/** Looks after every canary of every tenant whose config says so; one that fails is reported and stops no other. */
export async function watchCanaries(ports: Ports, recorder: Recorder): Promise<void> {
  for (const tenant of await ports.tenants.ids()) {
    await reported({ tenant }, async () => {
      const config = await ports.configs.active(tenant);
      for (const [agent, { watch: terms }] of Object.entries(config?.published.document.agents ?? {}))
        if (terms !== undefined)
          await reported({ tenant, agent }, () => watchCanary(ports, { tenant, agent, terms }, recorder));
    });
  }
}

async function reported(of: Readonly<Record<string, string>>, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const reason = error instanceof Error ? error.name : "unknown";
    console.error(JSON.stringify({ event: "canary_watch_failed", ...of, reason }));
  }
}
